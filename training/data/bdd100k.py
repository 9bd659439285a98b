# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
BDD100K: the 10k semantic labels and the 100k drivable ones, each as released now and before 2020.

The two releases name folders and files differently, and the drivable ones order their classes
differently: which one it is shows in the folders, not in the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from seg_perception.core.classes import BDD100K_DRIVABLE_3, CITYSCAPES_19, ClassTable
from training.config import SourceConfig
from training.data.decode import IdLabels
from training.data.files import LabelledFiles, find_folder, list_files, pair_files

TRAIN_IDS = {row.id: row.id for row in CITYSCAPES_19.classes}


@dataclass(frozen=True)
class Release:
    """Folders of a release, and the class of each value of its labels."""

    images: str
    labels: str
    suffix: str  # of a label file, after the name of the frame
    ids: Mapping[int, int]

    @property
    def layout(self) -> str:
        return f'{self.images}/<split>/*.jpg and {self.labels}/<split>/*{self.suffix}'


SEMANTIC = (
    Release('images/10k', 'labels/sem_seg/masks', '.png', TRAIN_IDS),
    Release('seg/images', 'seg/labels', '_train_id.png', TRAIN_IDS),
)
DRIVABLE = (
    Release('images/100k', 'labels/drivable/masks', '.png', {0: 0, 1: 1, 2: 2}),
    # Background comes first here: 0 background, 1 direct, 2 alternative.
    Release('images/100k', 'drivable_maps/labels', '_drivable_id.png', {0: 2, 1: 0, 2: 1}),
)


def _open(
    releases: tuple[Release, ...], classes: ClassTable, source: SourceConfig
) -> LabelledFiles:
    root = Path(source.root)
    present = [release for release in releases if (root / release.labels).is_dir()]
    release = (present or releases)[0]
    layout = release.layout if present else ', or '.join(row.layout for row in releases)
    images = list_files(find_folder(root, f'{release.images}/{source.split}', layout), '.jpg')
    folder = find_folder(root, f'{release.labels}/{source.split}', layout)
    labels = list_files(folder, release.suffix)
    pairs = pair_files(f'BDD100K {root}, {release.labels} {source.split}', images, labels, layout)
    return LabelledFiles(classes, pairs, IdLabels(release.ids))


open_semantic = partial(_open, SEMANTIC, CITYSCAPES_19)
"""The 10k images with the classes of Cityscapes: splits train and val."""
open_drivable = partial(_open, DRIVABLE, BDD100K_DRIVABLE_3)
"""The 100k images with their drivable area: splits train and val."""
