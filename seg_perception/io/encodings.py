# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The pixels of image messages, of a graph or of a bag, without a copy where the layout allows one.

Messages are anything with the fields of sensor_msgs/Image or CompressedImage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import cv2
import numpy as np

from seg_perception.core.errors import ImageError
from seg_perception.io.image_bytes import MAX_MEGAPIXELS, check_megapixels, read_image, to_8_bits

Order = Literal['rgb', 'bgr']


@dataclass(frozen=True)
class Pixels:
    """An image (H, W, 3) uint8, read-only where it is a view of the message, and its order."""

    array: np.ndarray
    order: Order


@dataclass(frozen=True)
class _Encoding:
    """
    How the bytes of an encoding become pixels.

    Packed rows are (H, W * pixel_bytes). Planes have a row of brightness, W bytes, for each row of
    pixels, and behind all of them ``chroma_rows`` rows of colour for each.
    """

    pixel_bytes: int
    order: Order
    cv_code: int | None = None  # for cv2.cvtColor; None where the rows are the pixels
    sample_bytes: int = 1
    chroma_rows: float = 0.0
    even: tuple[bool, bool] = (False, False)  # whether height and width have to be
    min_side: int = 1  # OpenCV leaves the border of a mosaic black where it is smaller


# ROS names the first two pixels of the first two rows, OpenCV the second and third pixel of the
# second row: RGGB there is BG here. OpenCV's colour names come out right with these.
_BAYER = {
    'rggb': cv2.COLOR_BayerBG2BGR,
    'bggr': cv2.COLOR_BayerRG2BGR,
    'gbrg': cv2.COLOR_BayerGR2BGR,
    'grbg': cv2.COLOR_BayerGB2BGR,
}
_WIDE, _BOTH = (False, True), (True, True)


def _packed_yuv(cv_code: int) -> _Encoding:
    return _Encoding(2, 'bgr', cv_code, even=_WIDE)


def _planar_yuv(cv_code: int) -> _Encoding:
    return _Encoding(1, 'bgr', cv_code, chroma_rows=0.5, even=_BOTH)


_ENCODINGS = {
    'rgb8': _Encoding(3, 'rgb'),
    'bgr8': _Encoding(3, 'bgr'),
    '8UC3': _Encoding(3, 'bgr'),  # OpenCV's habit, as cv_bridge has it
    'rgba8': _Encoding(4, 'rgb', cv2.COLOR_RGBA2RGB),
    'bgra8': _Encoding(4, 'bgr', cv2.COLOR_BGRA2BGR),
    '8UC4': _Encoding(4, 'bgr', cv2.COLOR_BGRA2BGR),
    'mono8': _Encoding(1, 'bgr', cv2.COLOR_GRAY2BGR),
    '8UC1': _Encoding(1, 'bgr', cv2.COLOR_GRAY2BGR),
    'rgb16': _Encoding(6, 'rgb', sample_bytes=2),
    'bgr16': _Encoding(6, 'bgr', sample_bytes=2),
    '16UC3': _Encoding(6, 'bgr', sample_bytes=2),
    'rgba16': _Encoding(8, 'rgb', cv2.COLOR_RGBA2RGB, sample_bytes=2),
    'bgra16': _Encoding(8, 'bgr', cv2.COLOR_BGRA2BGR, sample_bytes=2),
    '16UC4': _Encoding(8, 'bgr', cv2.COLOR_BGRA2BGR, sample_bytes=2),
    'mono16': _Encoding(2, 'bgr', cv2.COLOR_GRAY2BGR, sample_bytes=2),
    **{
        f'bayer_{name}{8 * size}': _Encoding(size, 'bgr', code, sample_bytes=size, min_side=3)
        for size in (1, 2)
        for name, code in _BAYER.items()
    },
    **dict.fromkeys(('yuv422', 'uyvy'), _packed_yuv(cv2.COLOR_YUV2BGR_UYVY)),
    **dict.fromkeys(('yuv422_yuy2', 'yuyv', 'yuy2'), _packed_yuv(cv2.COLOR_YUV2BGR_YUY2)),
    'yvyu': _packed_yuv(cv2.COLOR_YUV2BGR_YVYU),
    'nv12': _planar_yuv(cv2.COLOR_YUV2BGR_NV12),
    'nv21': _planar_yuv(cv2.COLOR_YUV2BGR_NV21),
    **dict.fromkeys(('i420', 'iyuv', 'yuv420', 'yuv420p'), _planar_yuv(cv2.COLOR_YUV2BGR_I420)),
    'yv12': _planar_yuv(cv2.COLOR_YUV2BGR_YV12),
    # Colour at full size, which is thinned to that of UYVY.
    'nv24': _Encoding(1, 'bgr', cv2.COLOR_YUV2BGR_UYVY, chroma_rows=2.0, even=_WIDE),
}
_LOWER = {name.lower(): name for name in _ENCODINGS}
_VIDEO_STARTS = (b'\0\0\0\x01', b'\0\0\x01')  # of H.264 and H.265, Annex B
# What OpenCV calls types of one channel without saying what they measure: in ROS, depth (REP 118).
_DEPTH = ('16uc1', '16sc1', '32fc1', '64fc1')


class RawImage(Protocol):
    """The fields of sensor_msgs/Image that say what its bytes are."""

    height: int
    width: int
    encoding: str
    is_bigendian: Any
    step: int
    data: Any


class CompressedImage(Protocol):
    """The fields of sensor_msgs/CompressedImage."""

    format: str
    data: Any


def depth_of(msg: RawImage | CompressedImage) -> str:
    """The encoding of an image that holds depth instead of a picture; empty where it does not."""
    said = str(msg.format if hasattr(msg, 'format') else msg.encoding)
    first = said.partition(';')[0].strip()
    is_depth = first.lower() in _DEPTH or 'compresseddepth' in said.lower()
    return f'depth ({said.strip()})' if is_depth else ''


def _refuse_depth(msg: RawImage | CompressedImage) -> None:
    if seen := depth_of(msg):
        raise ImageError(
            'image encoding',
            seen,
            'the picture of a camera',
            'Use the topic of the colour or infrared images.',
        )


def unpack(msg: RawImage, max_megapixels: float = MAX_MEGAPIXELS) -> Pixels:
    """
    The pixels of a raw image.

    :raises ImageError: when encoding, size, step, byte order or data cannot be.
    """
    _refuse_depth(msg)
    check_megapixels((msg.height, msg.width), max_megapixels)
    encoding = _ENCODINGS.get(_LOWER.get(msg.encoding.strip().lower(), ''))
    if encoding is None:
        raise ImageError(
            'image encoding', repr(msg.encoding), ', '.join(_ENCODINGS), 'Send one of these.'
        )
    _check_size(msg, encoding)
    rows = _planes(msg, encoding) if encoding.chroma_rows else _rows(msg, encoding)
    if encoding.cv_code is None:
        return Pixels(rows, encoding.order)
    return Pixels(cv2.cvtColor(rows, encoding.cv_code), encoding.order)


def _rows(msg: RawImage, encoding: _Encoding) -> np.ndarray:
    """Packed pixels (H, W) or (H, W, C) uint8: a read-only view where samples have 8 bits."""
    row_bytes = msg.width * encoding.pixel_bytes
    if msg.step < row_bytes:
        raise ImageError(
            'image step',
            f'{msg.step} bytes a row',
            f'at least {row_bytes} for {msg.width} pixels of {msg.encoding}',
            'Set step to the bytes of a row.',
        )
    _check_length(msg, (msg.step * msg.height,), f'step * height = {msg.step} * {msg.height}')
    data = np.frombuffer(msg.data, np.uint8).reshape(msg.height, msg.step)
    rows = data[:, :row_bytes].reshape(msg.height, msg.width, -1)
    rows.setflags(write=False)
    if encoding.sample_bytes == 2:
        rows = np.ascontiguousarray(rows).view('<u2')
    return to_8_bits(rows[..., 0] if rows.shape[2] == 1 else rows)


def _planes(msg: RawImage, encoding: _Encoding) -> np.ndarray:
    """The planes of a YUV image without padding, as cv2.cvtColor takes them."""
    height, width = msg.height, msg.width
    count = round(height * (1 + encoding.chroma_rows))
    # Step is that of the brightness, or what all planes have of a row; either may be padded.
    strides = {msg.step, msg.step * height // count, width}
    lengths = tuple(stride * count for stride in sorted(strides) if stride >= width)
    layout = f'{count} rows of {width} or more for {msg.encoding} of {width} x {height}'
    _check_length(msg, lengths, layout)
    data = np.frombuffer(msg.data, np.uint8)
    luma, chroma = np.split(data.reshape(count, -1), [height])
    if encoding.chroma_rows == 2.0:
        colours = chroma.reshape(height, -1, 2)[:, :width]
        pairs = np.stack([colours[:, ::2, 0], colours[:, ::2, 1]], -1).reshape(height, width)
        return np.stack([pairs, luma[:, :width]], -1)
    if encoding.cv_code in (cv2.COLOR_YUV2BGR_I420, cv2.COLOR_YUV2BGR_YV12):
        chroma = chroma.reshape(height, -1)[:, : width // 2].reshape(-1, width)
    return np.ascontiguousarray(np.vstack([luma[:, :width], chroma[:, :width]]))


def _check_size(msg: RawImage, encoding: _Encoding) -> None:
    """Refuse an image of a size, or of a byte order, that its encoding cannot have."""
    if msg.height == 0 or msg.width == 0:
        raise ImageError(
            'image size',
            f'{msg.width} x {msg.height}',
            'at least 1 x 1',
            'Check the driver of the camera.',
        )
    if min(msg.height, msg.width) < encoding.min_side:
        raise ImageError(
            'image size',
            f'{msg.width} x {msg.height}',
            f'at least {encoding.min_side} x {encoding.min_side} of {msg.encoding}',
            'Check the driver of the camera.',
        )
    sides = zip(('height', 'width'), (msg.height, msg.width), encoding.even, strict=True)
    for name, side, is_even in sides:
        if is_even and side % 2:
            expected = f'an even number, as pixels of {msg.encoding} share their colour'
            fix = 'Crop one row.' if name == 'height' else 'Crop one column.'
            raise ImageError(f'image {name}', side, expected, fix)
    if msg.is_bigendian and encoding.sample_bytes > 1:
        raise ImageError(
            'image byte order',
            f'big-endian {msg.encoding}',
            'little-endian',
            'Swap the bytes at the source, or send mono8.',
        )


def _check_length(msg: RawImage, lengths: tuple[int, ...], layout: str) -> None:
    if len(msg.data) not in lengths:
        expected = f'{layout} = {" or ".join(map(str, lengths))}'
        raise ImageError(
            'image data length',
            f'{len(msg.data)} bytes',
            expected,
            'Send whole images and set step to the bytes of a row.',
        )


def decode(msg: CompressedImage, max_megapixels: float = MAX_MEGAPIXELS) -> Pixels:
    """
    The pixels of a compressed image: JPEG, PNG, WebP, TIFF, BMP or PNM.

    The text of ``format`` counts for the order of colours alone: drivers fill it as they like.

    :raises ImageError: when the bytes are no whole image file, or it holds depth.
    """
    _refuse_depth(msg)
    data = np.frombuffer(msg.data, np.uint8)
    pixels = read_image(data, max_megapixels=max_megapixels)
    if pixels is None:
        raise _no_image(msg.format, data)
    if pixels.ndim == 2:
        return Pixels(cv2.cvtColor(pixels, _grey_code(msg.format)), 'bgr')
    # image_transport's way to say that red and blue were swapped when it was written.
    return Pixels(pixels, 'rgb' if 'compressed rgb' in msg.format else 'bgr')


def _grey_code(text: str) -> int:
    """How a grey file becomes BGR: it holds a mosaic where the encoding before it was one."""
    encoding = _ENCODINGS.get(text.partition(';')[0].strip())
    code = encoding.cv_code if encoding else None
    return code if code is not None and code in _BAYER.values() else cv2.COLOR_GRAY2BGR


def _no_image(text: str, data: np.ndarray) -> ImageError:
    if data[:4].tobytes().startswith(_VIDEO_STARTS):
        return ImageError(
            'compressed image data',
            f'a part of a video stream (format {text!r})',
            'a whole image file in each message, such as JPEG',
            'Send JPEG, or decode the stream: ros2 run image_transport republish.',
        )
    return ImageError(
        'compressed image data',
        f'{len(data)} bytes that do not decode',
        f'a whole {text.strip() or "image"} file',
        'Check the link to the camera: bytes are lost or damaged.',
    )
