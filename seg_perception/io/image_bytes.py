# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Image files in memory, of messages and of folders alike.

What a file is, its bytes say, and no name; where it ends, too: behind that may be anything. Its
size is read from its header before it is decoded: a few bytes can claim gigabytes.
"""

from __future__ import annotations

import re
import struct

import cv2
import numpy as np

from seg_perception.core.errors import ImageError
from seg_perception.io.jpeg import MAGIC as JPEG
from seg_perception.io.jpeg import is_damaged, parse_jpeg

MAX_MEGAPIXELS = 64.0
_PNG, _WEBP, _BMP = b'\x89PNG\r\n\x1a\n', b'RIFF', b'BM'
_TIFF = {b'II*\0': '<', b'MM\0*': '>'}
_PNM = re.compile(rb'P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s')
_BITS = (10, 12, 14, 16)  # of sensors whose samples are stored in 16

Size = tuple[int, int]


def read_image(
    data: np.ndarray, upright: bool = False, max_megapixels: float = MAX_MEGAPIXELS
) -> np.ndarray | None:
    """
    The pixels of an image file, (H, W, 3) uint8 BGR, or (H, W) if grey.

    :param data: (N,) uint8 of a JPEG, PNG, WebP, TIFF, BMP or PNM.
    :param upright: turned as its EXIF entry says.
    :return: None if it is none of these, or not whole.
    :raises ImageError: when it says that it is larger.
    """
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
    flags |= 0 if upright else cv2.IMREAD_IGNORE_ORIENTATION
    size = image_size(data)
    if size is None:
        return None
    check_megapixels(size, max_megapixels)
    if not is_whole(data):
        return None
    try:
        pixels = cv2.imdecode(data, flags)
    except cv2.error:
        return None
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        return None
    return to_8_bits(pixels)


def to_8_bits(samples: np.ndarray) -> np.ndarray:
    """
    Samples of 16 bits, of any shape, as uint8; those of 8 bits as they are.

    Sensors of 10, 12 and 14 bits leave the upper bits empty: the largest sample tells them.
    """
    if samples.dtype == np.uint8:
        return samples
    largest = int(samples.max(initial=0))
    bits = next(bits for bits in _BITS if largest < 1 << bits)
    return np.asarray(cv2.convertScaleAbs(samples, alpha=255 / ((1 << bits) - 1)))


def check_megapixels(size: Size, max_megapixels: float) -> None:
    """Raise ImageError for an image of (height, width) with more pixels than that."""
    if size[0] * size[1] > max_megapixels * 1e6:
        raise ImageError(
            'image size',
            f'{size[1]} x {size[0]}, {size[0] * size[1] / 1e6:.0f} megapixels',
            f'at most {max_megapixels:g} megapixels',
            'Send smaller images, or let the node take them: `max_image_megapixels`.',
        )


def image_size(data: np.ndarray) -> Size | None:
    """The (height, width) that an image file (N,) uint8 claims; None if it is of no known kind."""
    head = data[:64].tobytes()
    if head.startswith(JPEG):
        return parse_jpeg(data).size
    if head.startswith(_PNG) and len(head) >= 24:
        width, height = struct.unpack_from('>II', head, 16)
        return height, width
    if head.startswith(_WEBP) and head[8:12] == b'WEBP' and len(head) >= 30:
        return _webp_size(head)
    if head.startswith(_BMP) and len(head) >= 26:
        width, height = struct.unpack_from('<ii', head, 18)
        return abs(height), abs(width)
    if order := _TIFF.get(head[:4]):
        return _tiff_size(data, order)
    if found := _PNM.match(data[:4096].tobytes()):
        return int(found[2]), int(found[1])
    return None


def is_whole(data: np.ndarray) -> bool:
    """
    Whether a JPEG or PNG (N,) uint8 goes on to its end, undamaged; any other file counts as whole.

    OpenCV fills up what a JPEG lacks and says nothing. PNGs have checksums.
    """
    head = data[:8].tobytes()
    if head.startswith(JPEG):
        jpeg = parse_jpeg(data)
        return jpeg.is_whole and not is_damaged(jpeg)
    return head != _PNG or _png_ends(data)


def _webp_size(head: bytes) -> Size | None:
    """Of the three kinds of first chunk (RFC 9649)."""
    kind = head[12:16]
    if kind == b'VP8X':
        width, height = (int.from_bytes(head[at : at + 3], 'little') + 1 for at in (24, 27))
    elif kind == b'VP8L':
        bits = int.from_bytes(head[21:25], 'little')
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b'VP8 ':
        width, height = (side & 0x3FFF for side in struct.unpack_from('<HH', head, 26))
    else:
        return None
    return height, width


def _tiff_size(data: np.ndarray, order: str) -> Size | None:
    """From the tags ImageWidth (256) and ImageLength (257) of the first directory."""
    at = int(struct.unpack(f'{order}I', data[4:8].tobytes())[0]) if len(data) >= 8 else len(data)
    entries = data[at : at + 2 + 12 * 4096].tobytes()
    if len(entries) < 2:
        return None
    sides = {}
    for i in range(int(struct.unpack_from(f'{order}H', entries)[0])):
        entry = entries[2 + 12 * i : 14 + 12 * i]
        if len(entry) < 12:
            break
        tag, kind = struct.unpack_from(f'{order}HH', entry)
        if tag in (256, 257):
            sides[tag] = struct.unpack_from(f'{order}{"H" if kind == 3 else "I"}', entry, 8)[0]
    return (sides[257], sides[256]) if len(sides) == 2 else None


def _png_ends(data: np.ndarray) -> bool:
    at = len(_PNG)
    while at + 12 <= len(data):
        length, kind = struct.unpack('>I4s', data[at : at + 8].tobytes())
        at += 12 + length
        if kind == b'IEND':
            return bool(at <= len(data))
    return False
