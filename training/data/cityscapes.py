# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Cityscapes, fine and coarse: ids of its own, or train ids where its tool has made them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from seg_perception.core.classes import CITYSCAPES_19, UNLABELED
from training.config import SourceConfig
from training.data.decode import IdLabels
from training.data.files import LabelledFiles, find_folder, list_files, pair_files

# cityscapesscripts/helpers/labels.py. The licence plate, -1, is 255 in eight bits.
SCORED_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""``labelIds`` value of each of the nineteen classes, in the order of their train ids."""
LABEL_IDS = dict.fromkeys(range(34), UNLABELED) | {
    value: train_id for train_id, value in enumerate(SCORED_IDS)
}
TRAIN_IDS = {row.id: row.id for row in CITYSCAPES_19.classes}


def _open(truth: str, source: SourceConfig) -> LabelledFiles:
    root, split = Path(source.root), source.split
    layout = (
        f'leftImg8bit/{split}/<city>/*_leftImg8bit.png'
        f' and {truth}/{split}/<city>/*_{truth}_labelIds.png'
    )
    flat = any(root.glob('*_leftImg8bit.png'))  # a few frames in one folder
    folders = [
        root if flat else find_folder(root, f'{part}/{split}', layout)
        for part in ('leftImg8bit', truth)
    ]
    images = list_files(folders[0], '_leftImg8bit.png', nested=not flat)
    labels = list_files(folders[1], f'_{truth}_labelTrainIds.png', nested=not flat)
    ids = TRAIN_IDS
    if images.keys() - labels.keys():  # their tool did not run, or not for all
        labels = list_files(folders[1], f'_{truth}_labelIds.png', nested=not flat)
        ids = LABEL_IDS
    pairs = pair_files(f'Cityscapes {root}, {truth} {split}', images, labels, layout)
    return LabelledFiles(CITYSCAPES_19, pairs, IdLabels(ids))


open_fine = partial(_open, 'gtFine')
"""Splits train, val and test; the labels of test are empty dummies."""
open_coarse = partial(_open, 'gtCoarse')
"""Splits train, val and train_extra."""
