# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Between image messages and arrays, without a copy where the layout allows one.

Our own for the usual encodings; where cv_bridge is installed it takes what we do not know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from seg_perception.core.errors import ImageError

Order = Literal['rgb', 'bgr']


@dataclass(frozen=True)
class Pixels:
    """An image (H, W, 3) uint8, read-only where it is a view of the message, and its order."""

    array: np.ndarray
    order: Order


@dataclass(frozen=True)
class _Encoding:
    """How the rows (H, W * pixel_bytes) uint8 of an encoding become pixels."""

    pixel_bytes: int
    order: Order
    cv_code: int | None = None  # for cv2.cvtColor; None where the rows are the pixels
    sample_bytes: int = 1
    even_width: bool = False
    min_side: int = 1  # OpenCV leaves the border of a mosaic black where it is smaller


# ROS names the first two pixels of the first two rows, OpenCV the second and third pixel of the
# second row: RGGB there is BG here. OpenCV's colour names come out right with these.
_ENCODINGS = {
    'rgb8': _Encoding(3, 'rgb'),
    'bgr8': _Encoding(3, 'bgr'),
    '8UC3': _Encoding(3, 'bgr'),  # OpenCV's habit, as cv_bridge has it
    'rgba8': _Encoding(4, 'rgb', cv2.COLOR_RGBA2RGB),
    'bgra8': _Encoding(4, 'bgr', cv2.COLOR_BGRA2BGR),
    '8UC4': _Encoding(4, 'bgr', cv2.COLOR_BGRA2BGR),
    'mono8': _Encoding(1, 'bgr', cv2.COLOR_GRAY2BGR),
    '8UC1': _Encoding(1, 'bgr', cv2.COLOR_GRAY2BGR),
    'mono16': _Encoding(2, 'bgr', cv2.COLOR_GRAY2BGR, sample_bytes=2),
    'bayer_rggb8': _Encoding(1, 'bgr', cv2.COLOR_BayerBG2BGR, min_side=3),
    'bayer_bggr8': _Encoding(1, 'bgr', cv2.COLOR_BayerRG2BGR, min_side=3),
    'bayer_gbrg8': _Encoding(1, 'bgr', cv2.COLOR_BayerGR2BGR, min_side=3),
    'bayer_grbg8': _Encoding(1, 'bgr', cv2.COLOR_BayerGB2BGR, min_side=3),
    'yuv422': _Encoding(2, 'bgr', cv2.COLOR_YUV2BGR_UYVY, even_width=True),
    'uyvy': _Encoding(2, 'bgr', cv2.COLOR_YUV2BGR_UYVY, even_width=True),
    'yuv422_yuy2': _Encoding(2, 'bgr', cv2.COLOR_YUV2BGR_YUY2, even_width=True),
    'yuyv': _Encoding(2, 'bgr', cv2.COLOR_YUV2BGR_YUY2, even_width=True),
}

# What a whole file ends with: OpenCV fills up what is cut off and says nothing.
_FILE_ENDS = {b'\xff\xd8\xff': b'\xff\xd9', b'\x89PNG\r\n\x1a\n': b'IEND\xaeB`\x82'}
_TRAILING_BYTES = 64  # some cameras pad the file

# Half the bytes a second of 90 at 720p, and the class colours stay apart.
JPEG_QUALITY = 80


def to_pixels(msg: Image | CompressedImage) -> Pixels:
    """
    The pixels of an image message.

    :raises ImageError: when encoding, size, step, byte order or data cannot be; its ``thing``
        names the kind of fault and is the same for every frame with it.
    """
    return _decode(msg) if isinstance(msg, CompressedImage) else _unpack(msg)


def copy_header(header: Header) -> Header:
    """A header of its own: sub-messages are assigned by reference."""
    stamp = Time(sec=header.stamp.sec, nanosec=header.stamp.nanosec)
    return Header(stamp=stamp, frame_id=header.frame_id)


def mask_to_msg(mask: np.ndarray, header: Header) -> Image:
    """A mask (H, W) uint8 as mono8, with a copy of the header."""
    return _to_image(mask, header, 'mono8')


def colour_to_msg(pixels: np.ndarray, header: Header, encoding: str) -> Image:
    """
    Pixels (H, W, 3) uint8 as an image message, with a copy of the header.

    :param encoding: rgb8 or bgr8, which has to be the order of the pixels.
    """
    return _to_image(pixels, header, encoding)


def to_compressed_msg(
    rgb: np.ndarray, header: Header, format: str = 'jpeg', quality: int = JPEG_QUALITY
) -> CompressedImage:
    """
    An image (H, W, 3) uint8 RGB as image_transport would compress it.

    :param format: jpeg or png.
    :param quality: of the JPEG, 1 to 100.
    """
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if format == 'jpeg' else []
    _, data = cv2.imencode(f'.{format}', bgr, options)
    msg = CompressedImage(header=copy_header(header), format=f'bgr8; {format} compressed bgr8')
    msg.data.frombytes(data)
    return msg


def _to_image(pixels: np.ndarray, header: Header, encoding: str) -> Image:
    pixels = np.ascontiguousarray(pixels)
    msg = Image(header=copy_header(header), encoding=encoding, step=pixels[0].nbytes)
    msg.height, msg.width = pixels.shape[:2]
    msg.data.frombytes(pixels)
    return msg


def _unpack(msg: Image) -> Pixels:
    _check_size(msg)
    encoding = _ENCODINGS.get(msg.encoding)
    if encoding is None:
        return _by_cv_bridge(msg)
    _check_layout(msg, encoding)
    rows = _rows(msg, encoding)
    if encoding.cv_code is None:
        return Pixels(rows, encoding.order)
    if encoding.sample_bytes == 2:
        samples = np.ascontiguousarray(rows).view('<u2')[..., 0]
        rows = cv2.convertScaleAbs(samples, alpha=255 / 65535)
    return Pixels(cv2.cvtColor(rows, encoding.cv_code), encoding.order)


def _rows(msg: Image, encoding: _Encoding) -> np.ndarray:
    """View of the data without the padding, (H, W) or (H, W, pixel_bytes) uint8, read-only."""
    size = encoding.pixel_bytes
    data = np.frombuffer(msg.data, np.uint8)
    rows = np.lib.stride_tricks.as_strided(
        data, (msg.height, msg.width, size), (msg.step, size, 1), writeable=False
    )
    return rows[..., 0] if size == 1 else rows


def _check_size(msg: Image) -> None:
    if msg.height == 0 or msg.width == 0:
        raise ImageError(
            'image size',
            f'{msg.width} x {msg.height}',
            'at least 1 x 1',
            'Check the driver of the camera.',
        )
    if len(msg.data) != msg.step * msg.height:
        raise ImageError(
            'image data length',
            f'{len(msg.data)} bytes',
            f'step * height = {msg.step} * {msg.height} = {msg.step * msg.height}',
            'Send whole images and set step to the bytes of a row.',
        )


def _check_layout(msg: Image, encoding: _Encoding) -> None:
    row_bytes = msg.width * encoding.pixel_bytes
    if msg.step < row_bytes:
        raise ImageError(
            'image step',
            f'{msg.step} bytes a row',
            f'at least {row_bytes} for {msg.width} pixels of {msg.encoding}',
            'Set step to the bytes of a row.',
        )
    if msg.is_bigendian and encoding.sample_bytes > 1:
        raise ImageError(
            'image byte order',
            f'big-endian {msg.encoding}',
            'little-endian',
            'Swap the bytes at the source, or send mono8.',
        )
    if min(msg.height, msg.width) < encoding.min_side:
        raise ImageError(
            'image size',
            f'{msg.width} x {msg.height}',
            f'at least {encoding.min_side} x {encoding.min_side} of {msg.encoding}',
            'Check the driver of the camera.',
        )
    if encoding.even_width and msg.width % 2:
        raise ImageError(
            'image width',
            msg.width,
            f'an even number, as {msg.encoding} shares colour between two pixels',
            'Crop one column.',
        )


@lru_cache(maxsize=1)
def _cv_bridge() -> Callable[[Image], np.ndarray] | None:
    """cv_bridge's conversion to bgr8; None where it is not installed or does not load."""
    try:
        from cv_bridge import CvBridge
    except (ImportError, AttributeError):  # AttributeError: it was built for NumPy 1
        return None
    bridge: Any = CvBridge()
    return lambda msg: bridge.imgmsg_to_cv2(msg, 'bgr8')


def _by_cv_bridge(msg: Image) -> Pixels:
    convert = _cv_bridge()
    if convert is None:
        raise _unknown_encoding(msg)
    try:
        bgr = convert(msg)
    except Exception as error:  # CvBridgeError, KeyError or cv2.error, by version
        raise _unknown_encoding(msg) from error
    if bgr.dtype != np.uint8 or bgr.shape != (msg.height, msg.width, 3):
        raise _unknown_encoding(msg)
    return Pixels(bgr, 'bgr')


def _unknown_encoding(msg: Image) -> ImageError:
    return ImageError(
        'image encoding',
        repr(msg.encoding),
        ', '.join(_ENCODINGS),
        'Send one of these; for some others install cv_bridge.',
    )


def _decode(msg: CompressedImage) -> Pixels:
    if not any(name in msg.format.lower() for name in ('jpeg', 'jpg', 'png')):
        raise ImageError(
            'compressed image format',
            repr(msg.format),
            "jpeg or png, as in 'jpeg' or 'rgb8; jpeg compressed bgr8'",
            'Choose jpeg or png at the publisher.',
        )
    data = np.frombuffer(msg.data, np.uint8)
    bgr = _imdecode(data) if _is_whole(data) else None
    if bgr is None:
        raise ImageError(
            'compressed image data',
            f'{len(data)} bytes that do not decode',
            f'a whole {msg.format} file',
            'Check the link to the camera: bytes are lost or damaged.',
        )
    # image_transport's way to say that red and blue were swapped when it was written.
    swapped = 'compressed rgb' in msg.format
    return Pixels(bgr, 'rgb' if swapped else 'bgr')


def _imdecode(data: np.ndarray) -> np.ndarray | None:
    # A mask has to fit the pixels as they are stored, so no turning by EXIF.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        return cv2.imdecode(data, flags)
    except cv2.error:  # dimensions beyond OpenCV's limit
        return None


def _is_whole(data: np.ndarray) -> bool:
    head, tail = data[:8].tobytes(), data[-_TRAILING_BYTES:].tobytes()
    return any(head.startswith(start) and end in tail for start, end in _FILE_ENDS.items())
