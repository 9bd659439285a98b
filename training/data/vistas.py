# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Mapillary Vistas v1.2 and v2.0: PNGs with a palette for the eye, whose index is the class."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from seg_perception.core.classes import UNLABELED, VISTAS_66, VISTAS_124, ClassTable
from training.config import SourceConfig
from training.data.decode import IdLabels, read_file
from training.data.files import LabelledFiles, find_folder, list_files, pair_files
from training.errors import DatasetError

FOLDERS = {'train': 'training', 'val': 'validation'}


def _open(version: str, classes: ClassTable, source: SourceConfig) -> LabelledFiles:
    root, split = Path(source.root), FOLDERS.get(source.split, source.split)
    layout = f'{split}/images/*.jpg and {split}/{version}/labels/*.png'
    images = list_files(find_folder(root, f'{split}/images', layout), '.jpg')
    labels = list_files(find_folder(root, f'{split}/{version}/labels', layout), '.png')
    _check_classes(root / f'config_{version}.json', classes)
    pairs = pair_files(f'Mapillary Vistas {root}, {version} {split}', images, labels, layout)
    # The last class is Unlabeled: a class in the files, ignored in training and scores.
    ids = {row.id: row.id for row in classes.classes[:-1]} | {len(classes) - 1: UNLABELED}
    return LabelledFiles(classes, pairs, IdLabels(ids))


open_v1 = partial(_open, 'v1.2', VISTAS_66)
"""The 66 classes of v1.2: splits train and val."""
open_v2 = partial(_open, 'v2.0', VISTAS_124)
"""The 124 classes of v2.0: splits train and val."""


def _check_classes(path: Path, classes: ClassTable) -> None:
    """The data set says what its indices mean: that must be our table."""
    if not path.is_file():
        return
    try:
        names = [str(row['readable']) for row in json.loads(read_file(path))['labels']]
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f'file {path}', repr(error), 'labels with a readable name') from error
    if names != classes.names:
        pairs = zip(names + ['nothing'], classes.names + ['nothing'], strict=False)
        number, (seen, ours) = next(
            (number, pair) for number, pair in enumerate(pairs) if pair[0] != pair[1]
        )
        raise DatasetError(f'class {number} of {path}', repr(seen), f'{ours!r} of {classes.name}')
