# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Image files in memory, of messages and of folders alike.

What a file is, its bytes say, and no name; where it ends, too: behind that may be anything.
"""

from __future__ import annotations

import struct

import cv2
import numpy as np

_JPEG, _PNG = b'\xff\xd8', b'\x89PNG\r\n\x1a\n'
_SCAN, _END = 0xDA, 0xD9
_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a length: TEM and restarts
_BITS = (10, 12, 14, 16)  # of sensors whose samples are stored in 16


def read_image(data: np.ndarray, upright: bool = False) -> np.ndarray | None:
    """
    The pixels of an image file, (H, W, 3) uint8 BGR, or (H, W) if grey; None if it is not whole.

    :param data: (N,) uint8.
    :param upright: turned as its EXIF entry says.
    """
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
    flags |= 0 if upright else cv2.IMREAD_IGNORE_ORIENTATION
    if not len(data) or not is_whole(data):
        return None
    try:
        pixels = cv2.imdecode(data, flags)
    except cv2.error:  # dimensions beyond OpenCV's limit
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


def is_whole(data: np.ndarray) -> bool:
    """
    Whether a JPEG or PNG (N,) uint8 goes on to its end; any other file counts as whole.

    OpenCV fills up what a cut JPEG lacks and says nothing.
    """
    head = data[:8].tobytes()
    if head.startswith(_JPEG):
        return _jpeg_ends(data)
    return head != _PNG or _png_ends(data)


def _jpeg_ends(data: np.ndarray) -> bool:
    """Walk the segments (ITU T.81, annex B): previews in them and films behind have ends too."""
    at = 2
    while at + 4 <= len(data) or (at + 2 <= len(data) and data[at + 1] == _END):
        if data[at] != 0xFF:
            return False
        marker = int(data[at + 1])
        if marker == _END:
            return True
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _BARE:
            at += 2
        else:
            at += 2 + (int(data[at + 2]) << 8) + int(data[at + 3])
            if marker == _SCAN:
                at = _scan_end(data, at)
    return False


def _scan_end(data: np.ndarray, start: int) -> int:
    """Where the first marker behind coded pixels is, but for restarts; the length if none is."""
    scan = data[start:]
    places = np.flatnonzero(scan[:-1] == 0xFF)
    following = scan[places + 1]
    is_data = (following == 0) | (following == 0xFF) | ((following & 0xF8) == 0xD0)
    markers = places[~is_data]
    return start + int(markers[0]) if len(markers) else len(data)


def _png_ends(data: np.ndarray) -> bool:
    at = len(_PNG)
    while at + 12 <= len(data):
        length, kind = struct.unpack('>I4s', data[at : at + 8].tobytes())
        at += 12 + length
        if kind == b'IEND':
            return bool(at <= len(data))
    return False
