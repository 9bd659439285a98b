# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Image and label files as arrays, with a message for everything that can be wrong with one.

A label file is a PNG of ids, of palette indices (the palette is for the eye), or of colours.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np

from seg_perception.core.classes import UNLABELED
from seg_perception.core.errors import ImageError
from seg_perception.io.mask_file import decode_mask
from training.errors import DamagedFileError, DatasetError

PNG = b'\x89PNG\r\n\x1a\n'
JPEG, JPEG_END = b'\xff\xd8', b'\xff\xd9'
SKIP = 'Replace the file, or leave it out with data.skip_damaged=true.'


class IdLabels:
    """Reads a mask whose values are ids of the data set's own; 255 is the ignore label."""

    def __init__(self, ids: Mapping[int, int]) -> None:
        """:param ids: class id, or 255, of each value that may occur."""
        self._lut = np.full(256, UNLABELED, np.uint8)
        self._outside = np.ones(256, np.uint8)
        self._lut[list(ids)] = list(ids.values())
        self._outside[[*ids, UNLABELED]] = 0

    def __call__(self, path: Path) -> np.ndarray:
        """
        Class ids (H, W) uint8 of a label file.

        :raises DatasetError: when it cannot be read or holds another value.
        """
        ids = decode_ids(read_file(path), f'label {path}')
        outside = cv2.LUT(ids, self._outside)
        if cv2.countNonZero(outside):
            self._refuse(path, ids[outside > 0])
        return cv2.LUT(ids, self._lut)

    def _refuse(self, path: Path, values: np.ndarray) -> None:
        seen = f'value {values.min()} among {values.size:,} pixels outside the table'
        known = _ranges(np.flatnonzero(self._outside == 0))
        raise DatasetError(f'label {path}', seen, known, 'Are these the labels of another set?')


class ColourLabels:
    """Reads a mask whose classes are exact RGB colours."""

    def __init__(self, ids: Mapping[tuple[int, int, int], int]) -> None:
        """:param ids: class id, or 255, of each colour that may occur."""
        packed = np.array([(r << 16) + (g << 8) + b for r, g, b in ids], np.int32)
        order = np.argsort(packed)
        self._colours = packed[order]
        self._ids = np.array(list(ids.values()), np.uint8)[order]

    def __call__(self, path: Path) -> np.ndarray:
        """
        Class ids (H, W) uint8 of a label file.

        :raises DatasetError: when it cannot be read or holds another colour.
        """
        rgb = decode_rgb(read_file(path), f'label {path}')
        packed = rgb.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
        places = np.searchsorted(self._colours, packed).clip(max=len(self._colours) - 1)
        outside = self._colours[places] != packed
        if outside.any():
            first = tuple(int(value) for value in rgb[outside][0])
            seen = f'colour {first} among {outside.sum():,} pixels outside the table'
            raise DatasetError(f'label {path}', seen, f'one of {len(self._ids)} colours')
        return np.asarray(self._ids[places])


def read_file(path: Path) -> bytes:
    """
    The content of a file.

    :raises DatasetError: when it cannot be had.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f'file {path}', error.strerror, 'a file that can be read') from error


def decode_rgb(data: bytes, thing: str) -> np.ndarray:
    """
    Pixels (H, W, 3) uint8 RGB of a PNG or JPEG.

    :raises DamagedFileError: when there are none in it.
    """
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if bgr is None:
        raise DamagedFileError(thing, damage(data) or 'no image', 'a whole PNG or JPEG', SKIP)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr)


def decode_ids(data: bytes, thing: str) -> np.ndarray:
    """
    Values (H, W) uint8 of a PNG of one channel; of one with a palette, the indices.

    :raises DatasetError: when it is damaged or of another kind.
    """
    if not data.startswith(PNG):
        raise DatasetError(thing, damage(data) or 'a JPEG', 'a PNG of class ids')
    if reason := damage(data):
        raise DamagedFileError(thing, reason, 'a whole PNG', SKIP)
    try:
        return decode_mask(data, thing)
    except ImageError as error:
        raise DatasetError(thing, error.seen, error.expected, error.fix) from error


def check_sizes(rgb: np.ndarray, labels: np.ndarray, thing: str) -> None:
    """
    Image and labels must cover each other.

    :raises DatasetError: when their sizes differ.
    """
    if rgb.shape[:2] != labels.shape:
        (height, width), (high, wide) = labels.shape, rgb.shape[:2]
        raise DatasetError(thing, f'{width}x{height} pixels', f'{wide}x{high} of its image')


def damage(data: bytes) -> str:
    """
    What is wrong with a PNG or JPEG file, without decoding it; empty when nothing is seen.

    Every byte of a PNG is under a checksum. A JPEG has none: only its end is looked for.
    """
    if data.startswith(PNG):
        return _png_damage(data)
    if data.startswith(JPEG):
        # Cameras append padding or data of their own.
        return '' if JPEG_END in data[-4096:] else f'a JPEG that ends early, {len(data):,} bytes'
    return f'neither PNG nor JPEG, {len(data):,} bytes'


def _png_damage(data: bytes) -> str:
    """Walk the chunks: length, kind, content, checksum; PNG specification 5.3."""
    view, start = memoryview(data), len(PNG)
    while start + 12 <= len(data):
        end = start + 8 + int.from_bytes(view[start : start + 4], 'big')
        kind = bytes(view[start + 4 : start + 8])
        if end + 4 > len(data):
            break
        if zlib.crc32(view[start + 4 : end]) != int.from_bytes(view[end : end + 4], 'big'):
            return f'a wrong checksum in chunk {kind.decode("latin-1")} of a PNG'
        if kind == b'IEND':
            return ''
        start = end + 4
    return f'a PNG that ends early, {len(data):,} bytes'


def _ranges(values: Iterable[int]) -> str:
    """Numbers in order as text: 0..11, 255."""
    runs: list[list[int]] = []
    for value in map(int, values):
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ', '.join(f'{low}..{high}' if high > low else str(low) for low, high in runs)
