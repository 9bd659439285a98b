# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from seg_perception.core.errors import ImageError
from seg_perception.node.image_conversions import (
    colour_to_msg,
    mask_to_msg,
    to_compressed_msg,
    to_pixels,
)

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def message(
    data: bytes, size: tuple[int, int], encoding: str, step: int, is_bigendian: int = 0
) -> Image:
    msg = Image(height=size[0], width=size[1], encoding=encoding, step=step)
    msg.is_bigendian = is_bigendian
    msg.data.frombytes(data)
    return msg


def rgb_of(msg: Image | CompressedImage) -> np.ndarray:
    pixels = to_pixels(msg)
    assert pixels.array.dtype == np.uint8
    return pixels.array if pixels.order == 'rgb' else pixels.array[..., ::-1]


# Two pixels each: pure red, then (10, 20, 30).
TWO_PIXELS = [
    ('rgb8', bytes([255, 0, 0, 10, 20, 30]), [(255, 0, 0), (10, 20, 30)]),
    ('bgr8', bytes([0, 0, 255, 30, 20, 10]), [(255, 0, 0), (10, 20, 30)]),
    ('8UC3', bytes([0, 0, 255, 30, 20, 10]), [(255, 0, 0), (10, 20, 30)]),
    ('rgba8', bytes([255, 0, 0, 9, 10, 20, 30, 9]), [(255, 0, 0), (10, 20, 30)]),
    ('bgra8', bytes([0, 0, 255, 9, 30, 20, 10, 9]), [(255, 0, 0), (10, 20, 30)]),
    ('8UC4', bytes([0, 0, 255, 9, 30, 20, 10, 9]), [(255, 0, 0), (10, 20, 30)]),
    ('mono8', bytes([7, 200]), [(7, 7, 7), (200, 200, 200)]),
    ('8UC1', bytes([7, 200]), [(7, 7, 7), (200, 200, 200)]),
    ('mono16', struct.pack('<2H', 257 * 7, 65535), [(7, 7, 7), (255, 255, 255)]),
]


@pytest.mark.parametrize(('encoding', 'row', 'expected'), TWO_PIXELS)
@pytest.mark.parametrize('padding', [0, 1, 5])
def test_rows_become_the_pixels_they_are(encoding, row, expected, padding):
    data = (row + b'\xee' * padding) * 3
    msg = message(data, (3, 2), encoding, len(row) + padding)
    np.testing.assert_array_equal(rgb_of(msg), [expected] * 3)


@pytest.mark.parametrize('padding', [0, 7])
@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8'])
def test_colour_is_a_view_that_cannot_be_written(encoding, padding):
    msg = message(bytes(range(6)) + bytes(padding), (1, 2), encoding, 6 + padding)
    array = to_pixels(msg).array
    msg.data[0] = 99
    assert array[0, 0, 0] == 99
    assert not array.flags.writeable


# The colour filter over the upper left 2 x 2 pixels, by the names of ROS.
FILTERS = {
    'bayer_rggb8': 'RGGB',
    'bayer_bggr8': 'BGGR',
    'bayer_gbrg8': 'GBRG',
    'bayer_grbg8': 'GRBG',
}


@pytest.mark.parametrize('encoding', FILTERS)
@pytest.mark.parametrize(('letter', 'colour'), [('R', RED), ('G', GREEN), ('B', BLUE)])
def test_bayer_of_one_colour_is_that_colour(encoding, letter, colour):
    """What a sensor sees of a flat scene: light only under the filters of its colour."""
    cell = [255 * (name == letter) for name in FILTERS[encoding]]
    mosaic = np.tile(np.array(cell, np.uint8).reshape(2, 2), (4, 5))
    padded = np.pad(mosaic, ((0, 0), (0, 3)))
    msg = message(padded.tobytes(), (8, 10), encoding, 13)
    np.testing.assert_array_equal(rgb_of(msg), np.full((8, 10, 3), colour, np.uint8))


# BT.601 studio swing: the Y, U, V of the primaries.
YUV = {RED: (81, 90, 240), GREEN: (145, 54, 34), BLUE: (41, 240, 110), (128,) * 3: (126, 128, 128)}


@pytest.mark.parametrize(('colour', 'yuv'), YUV.items())
@pytest.mark.parametrize(
    ('encoding', 'places'),
    [('yuv422', 'UYVY'), ('uyvy', 'UYVY'), ('yuv422_yuy2', 'YUYV'), ('yuyv', 'YUYV')],
)
def test_yuv_primaries(encoding, places, colour, yuv):
    pair = bytes(yuv['YUV'.index(place)] for place in places)
    row = pair * 3 + b'\xee' * 5
    rgb = rgb_of(message(row * 2, (2, 6), encoding, len(row)))
    np.testing.assert_allclose(rgb, np.full((2, 6, 3), colour), atol=2)


def test_jpeg_and_png_give_what_was_compressed():
    rgb = np.zeros((16, 32, 3), np.uint8)
    rgb[:, :16], rgb[:, 16:] = (200, 30, 60), (10, 90, 220)
    png = to_compressed_msg(rgb, Header(frame_id='cam'), 'png')
    assert png.format == 'bgr8; png compressed bgr8'
    assert png.header.frame_id == 'cam'
    np.testing.assert_array_equal(rgb_of(png), rgb)
    jpeg = to_compressed_msg(rgb, Header(), 'jpeg', quality=95)
    assert jpeg.format == 'bgr8; jpeg compressed bgr8'
    inside = [*range(14), *range(18, 32)]  # colours bleed over the edge in 4:2:0
    np.testing.assert_allclose(rgb_of(jpeg)[:, inside].astype(int), rgb[:, inside], atol=3)


def compressed(data: bytes, format: str) -> CompressedImage:
    msg = CompressedImage(format=format)
    msg.data.frombytes(data)
    return msg


def red_file(suffix: str) -> bytes:
    """A file that any viewer shows red."""
    bgr = np.full((16, 16, 3), (0, 0, 255), np.uint8)
    return cv2.imencode(suffix, bgr)[1].tobytes()


@pytest.mark.parametrize(
    'format', ['jpeg', 'JPEG', 'jpg', 'rgb8; jpeg compressed bgr8', 'bgr8; jpeg compressed bgr8']
)
def test_jpeg_formats(format):
    assert np.allclose(rgb_of(compressed(red_file('.jpg'), format)), RED, atol=3)


def test_image_transport_says_when_red_and_blue_were_swapped():
    """Its subscriber takes the decoded bytes of 'compressed rgb8' as red, green, blue."""
    msg = compressed(red_file('.png'), 'rgb8; png compressed rgb8')
    assert np.allclose(rgb_of(msg), BLUE)


def test_grey_files():
    grey = np.full((4, 6), 77, np.uint8)
    data = cv2.imencode('.png', grey)[1].tobytes()
    msg = compressed(data, 'mono8; png compressed ')
    np.testing.assert_array_equal(rgb_of(msg), np.full((4, 6, 3), 77))


def test_bytes_after_the_end_of_a_jpeg_are_fine():
    assert rgb_of(compressed(red_file('.jpg') + bytes(30), 'jpeg')).shape == (16, 16, 3)


def test_turning_by_exif_is_ignored():
    """A mask has to fit the pixels as they are stored."""
    data = cv2.imencode('.jpg', np.zeros((8, 24, 3), np.uint8))[1].tobytes()
    tiff = b'II*\0\x08\0\0\0' + struct.pack('<HHHIHHI', 1, 0x112, 3, 1, 6, 0, 0)
    exif = b'\xff\xe1' + struct.pack('>H', len(tiff) + 8) + b'Exif\0\0' + tiff
    turned = data[:2] + exif + data[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape == (24, 8, 3)
    assert rgb_of(compressed(turned, 'jpeg')).shape == (8, 24, 3)


BAD_IMAGES = {
    'unknown encoding': (message(bytes(12), (2, 2), 'rgb9', 6), 'image encoding', 'rgb8, bgr8'),
    'shorter': (message(bytes(11), (2, 2), 'rgb8', 6), 'image data length', '2 = 12'),
    'longer': (message(bytes(13), (2, 2), 'rgb8', 6), 'image data length', '2 = 12'),
    'empty': (message(b'', (2, 2), 'rgb8', 6), 'image data length', '2 = 12'),
    'no height': (message(b'', (0, 2), 'rgb8', 6), 'image size', 'at least 1 x 1'),
    'no width': (message(bytes(12), (2, 0), 'rgb8', 6), 'image size', 'at least 1 x 1'),
    'short step': (message(bytes(10), (2, 2), 'rgb8', 5), 'image step', 'at least 6'),
    'big-endian': (
        message(bytes(8), (2, 2), 'mono16', 4, is_bigendian=1),
        'image byte order',
        'little-endian',
    ),
    'odd yuv': (message(bytes(12), (2, 3), 'yuv422', 6), 'image width', 'even'),
    'tiny bayer': (message(bytes(4), (2, 2), 'bayer_rggb8', 2), 'image size', '3 x 3'),
    'no jpeg': (compressed(b'not a file', 'jpeg'), 'compressed image data', 'whole jpeg'),
    'no bytes': (compressed(b'', 'jpeg'), 'compressed image data', 'whole jpeg'),
    'cut jpeg': (
        compressed(red_file('.jpg')[:-30], 'jpeg'),
        'compressed image data',
        'whole jpeg',
    ),
    'cut png': (compressed(red_file('.png')[:-9], 'png'), 'compressed image data', 'whole png'),
    'depth': (
        compressed(red_file('.png'), '16UC1; compressedDepth'),
        'image encoding',
        'picture of a camera',
    ),
}


@pytest.mark.parametrize('name', BAD_IMAGES)
def test_bad_images_are_refused(name):
    msg, thing, expected = BAD_IMAGES[name]
    with pytest.raises(ImageError, match=expected) as caught:
        to_pixels(msg)
    assert caught.value.thing == thing
    assert caught.value.fix


def test_png_with_damaged_pixels_is_refused():
    data = bytearray(red_file('.png'))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(ImageError, match='whole png'):
        to_pixels(compressed(bytes(data), 'png'))


def test_png_that_claims_to_be_huge_is_refused():
    data = red_file('.png')
    header = b'IHDR' + struct.pack('>II', 2**30, 2**30) + data[24:29]
    huge = data[:12] + header + struct.pack('>I', zlib.crc32(header)) + data[33:]
    with pytest.raises(ImageError, match='at most 64 megapixels'):
        to_pixels(compressed(huge, 'png'))


def test_a_raw_image_that_is_too_large_is_refused():
    with pytest.raises(ImageError, match=r'4 x 3, 0 megapixels.* at most 1e-05'):
        to_pixels(message(bytes(36), (3, 4), 'rgb8', 12), max_megapixels=1e-5)


def test_8_bit_images_have_no_byte_order():
    msg = message(bytes([1, 2, 3]), (1, 1), 'rgb8', 3, is_bigendian=1)
    np.testing.assert_array_equal(rgb_of(msg), [[(1, 2, 3)]])


def test_mask_message():
    mask = np.array([[0, 1, 2], [255, 4, 5]], np.uint8)
    header = Header(frame_id='cam')
    header.stamp.sec = 5
    msg = mask_to_msg(mask[:, ::-1], header)
    assert (msg.height, msg.width, msg.step, msg.encoding) == (2, 3, 3, 'mono8')
    assert bytes(msg.data) == bytes([2, 1, 0, 5, 4, 255])
    assert msg.header == header


def test_colour_message():
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    msg = colour_to_msg(pixels, Header(), 'bgr8')
    assert (msg.height, msg.width, msg.step, msg.encoding) == (2, 2, 6, 'bgr8')
    assert bytes(msg.data) == bytes(range(12))


def test_header_is_a_copy():
    header = Header(frame_id='cam')
    msg = mask_to_msg(np.zeros((1, 1), np.uint8), header)
    header.stamp.sec = 9
    assert msg.header.stamp.sec == 0


PARITY = [
    ('rgb8', 3),
    ('bgr8', 3),
    ('rgba8', 4),
    ('bgra8', 4),
    ('mono8', 1),
    ('bayer_rggb8', 1),
    ('bayer_bggr8', 1),
    ('bayer_gbrg8', 1),
    ('bayer_grbg8', 1),
    ('yuv422', 2),
    ('yuv422_yuy2', 2),
]


@pytest.mark.parametrize(('encoding', 'pixel_bytes'), PARITY)
def test_same_as_cv_bridge(encoding, pixel_bytes):
    cv_bridge = pytest.importorskip('cv_bridge', reason='cv_bridge is not installed')
    rng = np.random.default_rng(3)
    data = rng.integers(0, 256, (12, 16 * pixel_bytes), np.uint8).tobytes()
    msg = message(data, (12, 16), encoding, 16 * pixel_bytes)
    theirs = cv_bridge.CvBridge().imgmsg_to_cv2(msg, 'bgr8')
    np.testing.assert_array_equal(rgb_of(msg)[..., ::-1], theirs)


@pytest.mark.parametrize(
    ('encoding', 'channels'), [('rgb16', 3), ('bgr16', 3), ('rgba16', 4), ('mono16', 1)]
)
def test_16_bits_are_those_of_cv_bridge_to_a_rounding(encoding, channels):
    cv_bridge = pytest.importorskip('cv_bridge', reason='cv_bridge is not installed')
    data = np.random.default_rng(3).integers(0, 1 << 16, (12, 16 * channels), np.uint16)
    msg = message(data.tobytes(), (12, 16), encoding, 32 * channels)
    theirs = cv_bridge.CvBridge().imgmsg_to_cv2(msg, 'bgr8')
    assert np.abs(rgb_of(msg)[..., ::-1].astype(int) - theirs).max() <= 1


WIDE = [
    ('rgb16', 'rgb'),
    ('bgr16', 'bgr'),
    ('16UC3', 'bgr'),
    ('rgba16', 'rgb_'),
    ('bgra16', 'bgr_'),
]


@pytest.mark.parametrize(('encoding', 'places'), WIDE)
@pytest.mark.parametrize('padding', [0, 1, 7])
def test_16_bits_with_rows_of_any_length(encoding, places, padding):
    colour = {'r': 65535, 'g': 257 * 7, 'b': 257 * 200, '_': 9}
    row = struct.pack(f'<{len(places)}H', *map(colour.get, places)) * 2 + b'\xee' * padding
    rgb = rgb_of(message(row * 3, (3, 2), encoding, len(row)))
    np.testing.assert_array_equal(rgb, np.full((3, 2, 3), (255, 7, 200)))


@pytest.mark.parametrize('encoding', FILTERS)
def test_bayer_of_16_bits_is_that_of_8(encoding):
    mosaic = np.random.default_rng(5).integers(0, 256, (8, 10), np.uint8)
    wide = message((mosaic.astype('<u2') * 257).tobytes(), (8, 10), f'{encoding[:-1]}16', 20)
    narrow = message(mosaic.tobytes(), (8, 10), encoding, 10)
    np.testing.assert_array_equal(rgb_of(wide), rgb_of(narrow))


@pytest.mark.parametrize('bits', [10, 12, 14, 16])
@pytest.mark.parametrize('kind', ['mono16', 'png', 'tiff'])
def test_sensors_of_fewer_bits_than_their_samples(bits, kind):
    grey = np.linspace(0, (1 << bits) - 1, 64).astype('<u2').reshape(8, 8)
    if kind == 'mono16':
        msg = message(grey.tobytes(), (8, 8), 'mono16', 16)
    else:
        msg = compressed(cv2.imencode(f'.{kind}', grey)[1].tobytes(), f'mono16; {kind} compressed')
    expected = np.linspace(0, 255, 64).reshape(8, 8)
    assert np.abs(rgb_of(msg)[..., 0] - expected).max() <= 1


def planar(colour: tuple[int, int, int], order: str, stride: int) -> bytes:
    """Planes of 4 x 6 pixels of one colour, its rows padded to the stride."""
    y, u, v = (bytes([YUV[colour]['YUV'.index(place)]]) for place in 'YUV')
    pad = b'\xee' * (stride - 6)
    chroma = {
        'nv12': (u + v) * 3 + pad, 'nv21': (v + u) * 3 + pad,
        'i420': None, 'yv12': None, 'nv24': (u + v) * 6 + 2 * pad,
    }[order]  # fmt: skip
    if chroma is None:
        half = b'\xee' * (stride // 2 - 3)
        planes = [u * 3 + half, v * 3 + half][:: 1 if order == 'i420' else -1]
        return (y * 6 + pad) * 4 + planes[0] * 2 + planes[1] * 2
    return (y * 6 + pad) * 4 + chroma * (4 if order == 'nv24' else 2)


@pytest.mark.parametrize('colour', YUV)
@pytest.mark.parametrize('order', ['nv12', 'nv21', 'i420', 'yv12', 'nv24'])
@pytest.mark.parametrize('stride', [6, 10])
def test_planes(order, colour, stride):
    """Step is that of the brightness, by some drivers that of all planes together."""
    data = planar(colour, order, stride)
    for step in (stride, len(data) // 4):
        rgb = rgb_of(message(data, (4, 6), order.upper() if step == stride else order, step))
        np.testing.assert_allclose(rgb, np.full((4, 6, 3), colour), atol=2)


def test_planes_of_another_length_are_told_by_their_layout():
    msg = message(bytes(24), (4, 6), 'nv12', 6)
    with pytest.raises(
        ImageError, match=r'24 bytes, expected 6 rows of 6 or more for nv12 .*= 36'
    ):
        to_pixels(msg)


@pytest.mark.parametrize('encoding', ['16UC1', '32FC1'])
def test_depth_is_called_depth(encoding):
    png = cv2.imencode('.png', np.full((4, 4), 2000, np.uint16))[1].tobytes()
    for msg in (
        message(bytes(64), (4, 4), encoding, 16),
        compressed(png, f'{encoding}; png compressed '),
        compressed(bytes(12) + png, f'{encoding}; compressedDepth png'),
    ):
        with pytest.raises(ImageError, match=rf'depth \({encoding}'):
            to_pixels(msg)


def grey_street() -> np.ndarray:
    rng = np.random.default_rng(7)
    return cv2.GaussianBlur(rng.integers(0, 256, (40, 60, 3), np.uint8), (7, 7), 2)


def without_tables(jpeg: bytes) -> bytes:
    """A JPEG without its Huffman tables, as MJPEG cameras send it."""
    out, at = jpeg[:2], 2
    while jpeg[at + 1] != 0xDA:
        length = 2 + int.from_bytes(jpeg[at + 2 : at + 4], 'big')
        out += b'' if jpeg[at + 1] == 0xC4 else jpeg[at : at + length]
        at += length
    return out + jpeg[at:]


JPEGS = {
    'baseline': [],
    'progressive': [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
    'restarts': [cv2.IMWRITE_JPEG_RST_INTERVAL, 2],
}


@pytest.mark.parametrize('kind', JPEGS)
def test_a_jpeg_ends_where_it_ends(kind):
    """Behind it may be zeros, other pictures, a film; before its end, a preview with an end."""
    bgr = grey_street()
    jpeg = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 90, *JPEGS[kind]])[1].tobytes()
    preview = cv2.imencode('.jpg', bgr[:8, :8])[1].tobytes()
    app1 = b'\xff\xe1' + struct.pack('>H', len(preview) + 2) + preview
    jpeg = jpeg[:2] + app1 + jpeg[2:]
    expected = rgb_of(compressed(jpeg, 'jpeg'))
    for tail in (bytes(5000), jpeg, b'\xff\xd8ftypmp42' * 99, b'\xff' * 300):
        np.testing.assert_array_equal(rgb_of(compressed(jpeg + tail, '')), expected)
    for share in (0.2, 0.5, 0.9, 0.999):
        cut = jpeg[: int(len(jpeg) * share)]
        for tail in (b'', bytes(5000), b'\xff' * 300):
            with pytest.raises(ImageError, match='whole'):
                to_pixels(compressed(cut + tail, 'jpeg'))


def test_a_jpeg_without_tables_is_read_with_the_usual_ones():
    jpeg = cv2.imencode('.jpg', grey_street())[1].tobytes()
    expected = rgb_of(compressed(jpeg, 'jpeg'))
    np.testing.assert_array_equal(rgb_of(compressed(without_tables(jpeg), 'jpeg')), expected)


@pytest.mark.parametrize('format', ['', 'rgb8', 'bgr8', 'mjpeg', 'png', 'anything at all'])
@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.webp', '.tiff', '.bmp'])
def test_the_bytes_say_what_it_is(format, suffix):
    assert np.allclose(rgb_of(compressed(red_file(suffix) + bytes(99), format)), RED, atol=4)


@pytest.mark.parametrize('suffix', ['.png', '.webp', '.tiff'])
def test_other_files_that_are_cut_are_refused(suffix):
    data = cv2.imencode(suffix, grey_street())[1].tobytes()
    for share in (0.1, 0.5, 0.9):
        with pytest.raises(ImageError, match='whole'):
            to_pixels(compressed(data[: int(len(data) * share)], ''))


def test_a_mosaic_that_was_compressed():
    mosaic = np.tile(np.array([[255, 0], [0, 0]], np.uint8), (8, 8))
    png = cv2.imencode('.png', mosaic)[1].tobytes()
    assert np.all(rgb_of(compressed(png, 'bayer_rggb8; png compressed ')) == RED)
    assert np.all(rgb_of(compressed(png, 'bayer_bggr8; png compressed ')) == BLUE)
    np.testing.assert_array_equal(
        rgb_of(compressed(png, 'mono8; png compressed '))[..., 0], mosaic
    )


def test_a_video_stream_is_called_one():
    for start in (b'\0\0\0\x01\x67', b'\0\0\x01\x40'):
        with pytest.raises(ImageError, match=r"video stream .*'h264'.*republish"):
            to_pixels(compressed(start + bytes(99), 'h264'))


@pytest.mark.parametrize('size', [(1, 65501), (65501, 1)])
def test_what_is_longer_than_a_jpeg_can_be_becomes_a_png(size: tuple[int, int]) -> None:
    msg = to_compressed_msg(np.full((*size, 3), RED, np.uint8), Header())
    assert msg.format == 'bgr8; png compressed bgr8'
    assert np.all(rgb_of(msg) == RED)
