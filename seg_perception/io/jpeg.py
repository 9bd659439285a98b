# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
What libjpeg does not say of a JPEG: where it ends, and whether its pixels are damaged.

libjpeg fills up what is missing and only prints a warning, and OpenCV passes none on. Half of the
labels may change with a hole of a few kilobytes. The walk follows ITU T.81, annex B.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

MAGIC = b'\xff\xd8'
MAX_SCANS = 100  # of a progressive file; ten are usual, each takes as long as a whole image
_SCAN, _END, _TABLES = 0xDA, 0xD9, 0xC4
_FRAMES = {*range(0xC0, 0xD0)} - {_TABLES, 0xC8, 0xCC}  # SOF: tables and arithmetic coding are not
_SIDE_DATA = {*range(0xE0, 0xF0), 0xFE}  # APP, COM: previews, EXIF, text
_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a length: TEM and restarts
# No code of the standard tables begins with so many zeros; other tables may have such codes.
_ZEROS = bytes(64)
_STANDARD_CODES = bytes((0, 1, 5, 1, 1, 1, 1, 1, 1))  # of brightness, DC: how many of each length


@dataclass(frozen=True)
class Jpeg:
    """
    The parts of a JPEG that its pixels depend on.

    :param size: (height, width) in pixels; (0, 0) where it has no frame header.
    :param parts: as they lie in the file, without previews and texts.
    :param scans: the coded pixels among them.
    :param is_whole: it goes on to its end.
    """

    size: tuple[int, int]
    parts: tuple[bytes, ...]
    scans: tuple[bytes, ...]
    is_whole: bool


def parse_jpeg(data: np.ndarray) -> Jpeg:
    """Walk the segments of a file (N,) uint8: previews in them and films behind have ends too."""
    size, parts, scans, is_whole = (0, 0), [MAGIC], list[bytes](), False
    for marker, start, end in _segments(data):
        is_whole = marker == _END
        if marker in _SIDE_DATA:
            continue
        part = data[start:end].tobytes()
        parts.append(part)
        if marker in _FRAMES and size == (0, 0) and len(part) >= 9:
            size = int.from_bytes(part[5:7], 'big'), int.from_bytes(part[7:9], 'big')
        if marker == _SCAN:
            scans.append(part)
    return Jpeg(size, tuple(parts), tuple(scans), is_whole and len(scans) <= MAX_SCANS)


def is_damaged(jpeg: Jpeg) -> bool:
    """
    Whether the coded pixels of a whole JPEG contradict themselves.

    FFmpeg's decoder takes half the time of libjpeg's and stops at what cannot be.
    """
    if _has_zeroed(jpeg):
        return True
    av, options = _av(), {'err_detect': 'crccheck+bitstream+buffer+explode'}
    decoder = av.CodecContext.create('mjpeg', 'r')
    decoder.thread_count, decoder.options = 1, options
    try:
        return not decoder.decode(av.Packet(b''.join(jpeg.parts)))
    except av.error.InvalidDataError:
        return True
    except av.error.FFmpegError:  # a kind of JPEG that it does not know
        return False


def _segments(data: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment up to the end marker or to what is none."""
    at = 2
    while at + 4 <= len(data) or (at + 2 <= len(data) and data[at + 1] == _END):
        if data[at] != 0xFF:
            return
        marker, start = int(data[at + 1]), at
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == _END or marker in _BARE:
            at += 2
        else:
            at += 2 + (int(data[at + 2]) << 8) + int(data[at + 3])
            if marker == _SCAN:
                at = _scan_end(data, at)
        yield marker, start, at
        if marker == _END:
            return


def _scan_end(data: np.ndarray, start: int) -> int:
    """Where the first marker behind coded pixels is, but for restarts; the length if none is."""
    scan = data[start:]
    places = np.flatnonzero(scan[:-1] == 0xFF)
    following = scan[places + 1]
    is_data = (following == 0) | (following == 0xFF) | ((following & 0xF8) == 0xD0)
    markers = places[~is_data]
    return start + int(markers[0]) if len(markers) else len(data)


def _has_zeroed(jpeg: Jpeg) -> bool:
    """Whether a piece of the pixels, but not their end, was overwritten with zeros."""
    tables = b''.join(part for part in jpeg.parts if part[1] == _TABLES)
    is_standard = not tables or _STANDARD_CODES in tables
    return is_standard and any(_ZEROS in scan.rstrip(b'\0') for scan in jpeg.scans)


@cache
def _av() -> Any:
    """PyAV, once there is a JPEG: it takes a moment to load."""
    import av

    av.logging.set_level(None)  # a decoder that logs would wait for the GIL
    return av
