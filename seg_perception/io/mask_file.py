# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Masks of class ids as PNGs: grey of 1 to 16 bits, palettes, or the colours of a class table.

OpenCV spreads grey of few bits over 0..255 and applies palettes, which are for the eye. Both are
read under a palette in which each index has itself as its grey value.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np

from seg_perception.core.classes import UNLABELED, ClassTable
from seg_perception.core.errors import ImageError
from seg_perception.io.image_bytes import MAX_MEGAPIXELS, check_megapixels, is_whole

_MAGIC = b'\x89PNG\r\n\x1a\n'
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6  # colour types
_RAMP = bytes(value for value in range(256) for _ in range(3))
_UNLABELED_16 = 65535  # what some write in 16 bits for no class


def decode_mask(data: bytes, thing: str, table: ClassTable | None = None) -> np.ndarray:
    """
    Class ids (H, W) uint8 of a PNG; of a palette, the indices.

    :param thing: what errors call it.
    :param table: whose colours a colour image holds; none is read without.
    :raises ImageError: when it is damaged, of another kind, or has values that are no class ids.
    """
    if not data.startswith(_MAGIC) or not is_whole(np.frombuffer(data, np.uint8)):
        raise ImageError(thing, f'{len(data)} bytes that are no whole PNG', 'a PNG of class ids')
    width, height = struct.unpack_from('>II', data, 16)
    check_megapixels((height, width), MAX_MEGAPIXELS)
    depth, colour = data[24:26]
    if colour == _PALETTE or (colour == _GREY and depth < 8):
        pixels = _read(_with_ramp(data, depth), thing)[..., 0]
    else:
        pixels = _read(data, thing)
    if colour in (_RGB, _RGBA):
        return _of_colours(pixels, f'{depth} bits of PNG colour type {colour}', thing, table)
    pixels = pixels[..., 0] if pixels.ndim == 3 else pixels
    return np.ascontiguousarray(narrow(pixels, thing))


def _read(data: bytes, thing: str) -> np.ndarray:
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise ImageError(thing, 'a damaged PNG', 'a whole one', 'Copy it again.')
    return pixels if pixels.ndim == 3 or data[25] != _PALETTE else pixels[..., np.newaxis]


def narrow(values: np.ndarray, thing: str) -> np.ndarray:
    """
    Class ids of 8 or 16 bits in 8.

    :raises ImageError: when a value is no class id.
    """
    if values.dtype == np.uint8:
        return values
    ids = np.where(values == _UNLABELED_16, UNLABELED, values)
    if (largest := int(ids.max(initial=0))) > UNLABELED:
        raise ImageError(thing, f'value {largest}', 'class ids, 0 to 255', 'Is it depth?')
    return ids.astype(np.uint8)


def _of_colours(bgr: np.ndarray, kind: str, thing: str, table: ClassTable | None) -> np.ndarray:
    if table is None or bgr.dtype != np.uint8:
        fix = 'Is this the image of the labels, for the eye?'
        raise ImageError(thing, kind, '8 bits of grey, or a palette', fix)
    codes = bgr.astype(np.int32) @ np.array([1, 1 << 8, 1 << 16], np.int32)
    ids = np.full(codes.shape, UNLABELED, np.uint8)
    unknown = codes != 0  # black is no class, unless it is one of the table
    for row in table.classes:
        red, green, blue = row.rgb
        here = codes == (red << 16) + (green << 8) + blue
        ids[here], unknown[here] = row.id, False
    if unknown.any() and np.ptp(bgr, axis=2).max() == 0:  # ids, three times
        return np.ascontiguousarray(bgr[..., 0])
    if unknown.any():
        first = tuple(int(value) for value in bgr[unknown][0][::-1])
        seen = f'colour {first} in {int(unknown.sum())} pixels'
        raise ImageError(thing, seen, f'the colours of {table.name}, or class ids')
    return ids


def _with_ramp(data: bytes, depth: int) -> bytes:
    """The PNG as one of a palette that has its own index as the grey of each entry."""
    ramp = _chunk(b'PLTE', _RAMP[: 3 << depth])
    parts = [_MAGIC]
    for kind, content in _chunks(data):
        if kind == b'IHDR':
            parts += [_chunk(kind, content[:9] + bytes([_PALETTE]) + content[10:]), ramp]
        elif kind in (b'IDAT', b'IEND'):
            parts.append(_chunk(kind, content))
    return b''.join(parts)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_MAGIC)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from('>I', data, at)
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        yield kind, content
        at += 12 + length


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack('>I', len(content))
        + kind
        + content
        + struct.pack('>I', zlib.crc32(kind + content))
    )
