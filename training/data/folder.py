# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Plain folders of images and masks, with a class table."""

from __future__ import annotations

from pathlib import Path

from seg_perception.core.classes import ClassTable
from training.config import SourceConfig
from training.data.decode import IdLabels
from training.data.files import LabelledFiles, find_folder, list_files, pair_files
from training.data.tables import open_table
from training.errors import DatasetError

IMAGES = ('.jpg', '.jpeg', '.png', '.JPG', '.JPEG', '.PNG')
WHOLE = ('train', 'all')  # splits that a folder without splits stands for


def open_folder(source: SourceConfig) -> LabelledFiles:
    """``images`` and ``masks`` with a folder a split, or without: then all of it is one split."""
    root, split = Path(source.root), source.split
    layout = f'images/{split}/*.jpg and masks/{split}/*.png, or both without {split}/'
    classes = source_table(source)
    part = split if _has_splits(find_folder(root, 'images', layout)) else ''
    if not part and split not in WHOLE:
        raise DatasetError(
            f'split of folder {root}',
            repr(split),
            f'images/{split} and masks/{split}',
            'Without such folders there is one split, train; take parts by only and exclude.',
        )
    images = list_files(find_folder(root, f'images/{part}', layout), *IMAGES)
    masks = list_files(find_folder(root, f'masks/{part}', layout), '.png')
    pairs = pair_files(f'folder {root}, {split}', images, masks, layout)
    return LabelledFiles(classes, pairs, IdLabels({row.id: row.id for row in classes.classes}))


def source_table(source: SourceConfig) -> ClassTable:
    """
    The class table that a source names.

    :raises DatasetError: when there is none of that name, or its file cannot be.
    """
    if not source.classes:
        fix = 'Set classes to the name of a shipped table or to a YAML file.'
        raise DatasetError(f'classes of {source.kind} {source.root}', 'nothing', 'a table', fix)
    return open_table(source.classes, 'classes ', DatasetError)


def _has_splits(images: Path) -> bool:
    return any(path.is_dir() and path.name[0] != '.' for path in images.iterdir())
