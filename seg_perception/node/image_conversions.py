# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Between image messages and arrays, without a copy where the layout allows one.

The encodings are in io/encodings.py.
"""

from __future__ import annotations

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from seg_perception.core.masks import run_lengths
from seg_perception.io.encodings import Pixels, decode, unpack
from seg_perception.io.image_bytes import MAX_MEGAPIXELS

# Half the bytes a second of 90 at 720p, and the class colours stay apart.
JPEG_QUALITY = 80
_MAX_JPEG_SIDE = 65500  # of libjpeg


def to_pixels(msg: Image | CompressedImage, max_megapixels: float = MAX_MEGAPIXELS) -> Pixels:
    """
    The pixels of an image message of at most so many.

    :raises ImageError: when encoding, size, step, byte order or data cannot be; its ``thing``
        names the kind of fault and is the same for every frame with it.
    """
    read = decode if isinstance(msg, CompressedImage) else unpack
    return read(msg, max_megapixels)


def copy_header(header: Header) -> Header:
    """A header of its own: sub-messages are assigned by reference."""
    stamp = Time(sec=header.stamp.sec, nanosec=header.stamp.nanosec)
    return Header(stamp=stamp, frame_id=header.frame_id)


def autoware_mask_to_msg(mask: np.ndarray, header: Header) -> Image:
    """
    A mask (H, W) uint8 as Autoware's segmentation fusion reads it, with a copy of the header.

    Run-length encoded: ``data`` is shorter than ``height`` and ``step`` say.
    """
    msg = Image(header=copy_header(header), encoding='mono8', step=mask.shape[1])
    msg.height, msg.width = mask.shape
    msg.data.frombytes(run_lengths(mask).view(np.uint8))
    return msg


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

    :param format: jpeg or png; what is longer than a JPEG can be becomes a PNG.
    :param quality: of the JPEG, 1 to 100.
    """
    format = 'png' if max(rgb.shape) > _MAX_JPEG_SIDE else format
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
