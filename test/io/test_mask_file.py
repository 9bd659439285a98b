# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Masks as other programs write them, here by Pillow, come back as their ids."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import cv2
import numpy as np
import pytest

from seg_perception.core.classes import CAMVID_11
from seg_perception.core.errors import ImageError
from seg_perception.io.mask_file import decode_mask

Image = pytest.importorskip('PIL.Image')
IDS = np.array([[0, 1, 2, 3], [10, 9, 255, 4], [5, 6, 7, 8]], np.uint8)


def png(pixels: Any, **how: Any) -> bytes:
    out = BytesIO()
    (Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels).save(out, 'PNG', **how)
    return out.getvalue()


def with_palette(ids: np.ndarray, bits: int = 8, **how: Any) -> bytes:
    image = Image.fromarray(ids).convert('P')
    image.putdata(ids.ravel().tolist())
    image.putpalette(np.random.default_rng(1).integers(0, 256, 3 << bits).tolist())
    return png(image, bits=bits, **how)


@pytest.mark.parametrize('kind', ['grey', 'deep', 'palette', 'see-through', 'alpha', 'interlaced'])
def test_ids_of_every_kind_of_png(kind: str) -> None:
    data = {
        'grey': lambda: png(IDS),
        'deep': lambda: png(IDS.astype(np.uint16)),
        'palette': lambda: with_palette(IDS),
        'see-through': lambda: with_palette(IDS, transparency=3),
        'alpha': lambda: png(Image.merge('LA', [Image.fromarray(IDS), Image.new('L', (4, 3), 7)])),
        'interlaced': lambda: with_palette(IDS) + b'behind the end',
    }[kind]()
    np.testing.assert_array_equal(decode_mask(data, 'mask'), IDS)


@pytest.mark.parametrize('bits', [1, 2, 4])
def test_ids_of_few_bits(bits: int) -> None:
    ids = (np.arange(35).reshape(5, 7) % (1 << bits)).astype(np.uint8)
    np.testing.assert_array_equal(decode_mask(with_palette(ids, bits), 'mask'), ids)
    if bits == 1:
        np.testing.assert_array_equal(decode_mask(png(ids.astype(bool)), 'mask'), ids)


def test_65535_is_no_class() -> None:
    deep = IDS.astype(np.uint16)
    deep[IDS == 255] = 65535
    np.testing.assert_array_equal(decode_mask(png(deep), 'mask'), IDS)


def test_colours_of_the_table_and_ids_three_times() -> None:
    rgb = CAMVID_11.palette[IDS]  # black where there is no class
    np.testing.assert_array_equal(decode_mask(png(rgb), 'mask', CAMVID_11), IDS)
    opaque = np.dstack([rgb, np.full(IDS.shape, 255, np.uint8)])
    np.testing.assert_array_equal(decode_mask(png(opaque), 'mask', CAMVID_11), IDS)
    three = np.repeat(IDS[..., np.newaxis], 3, axis=2)
    np.testing.assert_array_equal(decode_mask(png(three), 'mask', CAMVID_11), IDS)


@pytest.mark.parametrize(
    ('data', 'said'),
    [
        (b'', '0 bytes that are no whole PNG'),
        (cv2.imencode('.jpg', IDS)[1].tobytes(), 'no whole PNG'),
        (png(IDS)[:-20], 'no whole PNG'),
        (png(np.full((2, 2), 300, np.uint16)), 'value 300, expected class ids'),
        (png(np.full((2, 2, 3), (9, 8, 7), np.uint8)), r'colour \(9, 8, 7\) in 4 pixels'),
    ],
)
def test_what_is_no_mask(data: bytes, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        decode_mask(data, 'mask', CAMVID_11)
    with pytest.raises(ImageError, match='colour type 2, expected 8 bits of grey'):
        decode_mask(png(np.zeros((2, 2, 3), np.uint8)), 'mask')


def test_a_png_with_broken_pixels_is_damaged() -> None:
    data = bytearray(with_palette(IDS))
    data[data.index(b'IDAT') + 8] ^= 0xFF
    with pytest.raises(ImageError, match='damaged'):
        decode_mask(bytes(data), 'mask')
