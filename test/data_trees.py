# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Small files in the layouts of the public data sets, written with Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SHARED = Path(__file__).parents[2] / 'shared/data'
"""Real samples, where they are at hand."""

SIZE = (4, 6)  # height, width


def write_rgb(path: Path, value: int = 90, size: tuple[int, int] = SIZE) -> Path:
    """An image of one colour: (value, 100, 200)."""
    rgb = np.full((*size, 3), (value, 100, 200), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path, **({'quality': 95} if path.suffix == '.jpg' else {}))
    return path


def write_ids(path: Path, ids: object = 0, size: tuple[int, int] = SIZE) -> Path:
    """A grey PNG of ids: one for all pixels, or an array."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.broadcast_to(np.asarray(ids, np.uint8), size)
    Image.fromarray(np.ascontiguousarray(values)).save(path)
    return path


def write_palette(path: Path, ids: object, size: tuple[int, int] = SIZE) -> Path:
    """A PNG of palette indices whose colours are another matter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.broadcast_to(np.asarray(ids, np.uint8), size)
    image = Image.fromarray(np.ascontiguousarray(values)).convert('L')
    image.putpalette([(7 * value + 3) % 256 for value in range(768)])
    image.save(path)
    return path


def write_colours(path: Path, rows: list[list[tuple[int, int, int]]]) -> Path:
    """An RGB PNG of given colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(rows, np.uint8)).save(path)
    return path


def cityscapes(
    root: Path, names: dict[str, object], truth: str = 'gtFine', split: str = 'train'
) -> Path:
    """Frames of a split with their labelIds; a name starts with its city."""
    for name, ids in names.items():
        city = name.split('_')[0]
        write_rgb(root / f'leftImg8bit/{split}/{city}/{name}_leftImg8bit.png')
        folder = root / f'{truth}/{split}/{city}'
        write_ids(folder / f'{name}_{truth}_labelIds.png', ids)
        write_ids(folder / f'{name}_{truth}_instanceIds.png', 3)
        write_colours(folder / f'{name}_{truth}_color.png', [[(1, 2, 3)]])
    return root


def folder(root: Path, names: dict[str, object], split: str = 'train') -> Path:
    """Images and masks of a split; no folders of a split where it is empty."""
    for name, ids in names.items():
        write_rgb(root / 'images' / split / f'{name}.png')
        write_ids(root / 'masks' / split / f'{name}.png', ids)
    return root


def cut(path: Path, bytes_left: int) -> Path:
    """The file, as of a download that broke off."""
    path.write_bytes(path.read_bytes()[:bytes_left])
    return path
