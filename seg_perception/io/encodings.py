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


def unpack(msg: RawImage) -> Pixels:
    """
    The pixels of a raw image.

    :raises ImageError: when encoding, size, step, byte order or data cannot be.
    """
    check_size(msg)
    encoding = _ENCODINGS.get(msg.encoding)
    if encoding is None:
        raise unknown_encoding(msg)
    _check_layout(msg, encoding)
    rows = _rows(msg, encoding)
    if encoding.cv_code is None:
        return Pixels(rows, encoding.order)
    if encoding.sample_bytes == 2:
        samples = np.ascontiguousarray(rows).view('<u2')[..., 0]
        rows = cv2.convertScaleAbs(samples, alpha=255 / 65535)
    return Pixels(cv2.cvtColor(rows, encoding.cv_code), encoding.order)


def _rows(msg: RawImage, encoding: _Encoding) -> np.ndarray:
    """View of the data without the padding, (H, W) or (H, W, pixel_bytes) uint8, read-only."""
    size = encoding.pixel_bytes
    data = np.frombuffer(msg.data, np.uint8)
    rows = np.lib.stride_tricks.as_strided(
        data, (msg.height, msg.width, size), (msg.step, size, 1), writeable=False
    )
    return rows[..., 0] if size == 1 else rows


def check_size(msg: RawImage) -> None:
    """
    Refuse an image without pixels, or of other bytes than its step and height say.

    :raises ImageError: when it is one.
    """
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


def _check_layout(msg: RawImage, encoding: _Encoding) -> None:
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


def knows(encoding: str) -> bool:
    """Whether ``unpack`` takes images of this encoding."""
    return encoding in _ENCODINGS


def unknown_encoding(msg: RawImage) -> ImageError:
    """What is said of an encoding that nobody here knows."""
    return ImageError(
        'image encoding',
        repr(msg.encoding),
        ', '.join(_ENCODINGS),
        'Send one of these; for some others install cv_bridge.',
    )


def decode(msg: CompressedImage) -> Pixels:
    """
    The pixels of a compressed image, JPEG or PNG.

    :raises ImageError: when the format is another, or the file is not whole.
    """
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
