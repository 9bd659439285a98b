# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Rendered streets as labelled frames."""

from __future__ import annotations

import numpy as np

from seg_perception.core.classes import CAMVID_11, ClassTable, Role
from seg_perception.synthetic.hood import random_hood
from seg_perception.synthetic.street import Street
from training.config import SourceConfig
from training.data.folder import source_table
from training.data.sample import Sample
from training.errors import DatasetError, check_known

FRAMES_PER_STREET = 40  # the frame is drawn from the first seconds of its street
SIZE = (360, 480)  # as CamVid, unless data.size says otherwise
# Far from the seeds that demo and tests use, and from each other, so that a score on other frames
# is not a score on training frames.
FIRST_SEEDS = {'train': 1_000, 'val': 1_000_000}


class Streets:
    """
    One frame of each of many streets, in every weather; drawn anew whenever it is read.

    Half of them have a hood in view where the table has a class of the own vehicle.
    """

    def __init__(
        self, count: int, size: tuple[int, int], classes: ClassTable, first_seed: int
    ) -> None:
        self.classes, self._size, self._first_seed = classes, size, first_seed
        self._has_ego = any(row.role is Role.EGO for row in classes.classes)
        self.names = [f'street_{first_seed + index}' for index in range(count)]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        seed = self._first_seed + range(len(self))[index]
        hood = random_hood(np.random.default_rng(seed)) if self._has_ego and seed % 2 else None
        street = Street(
            seed=seed, size=self._size, table=self.classes, weather='random', hood=hood
        )
        frame = street.frame(seed % FRAMES_PER_STREET)
        return Sample(self.names[index], frame.rgb, frame.labels)

    def labels(self, index: int) -> np.ndarray:
        return self[index].labels

    def encoded(self, index: int) -> None:
        """Nothing: no file stores it."""

    def damage(self, index: int) -> str:
        """Nothing can be."""
        return ''


def open_synthetic(source: SourceConfig, size: tuple[int, int] = (0, 0)) -> Streets:
    """
    As many streets as ``frames``, of CamVid's classes or those of ``classes``.

    :param size: height and width to draw at; 0 is that of CamVid.
    """
    if source.frames < 1:
        raise DatasetError('frames of kind synthetic', source.frames, 'how many, 1 or more')
    check_known('split of kind synthetic', source.split, FIRST_SEEDS, DatasetError)
    classes = source_table(source) if source.classes else CAMVID_11
    drawn = size if all(size) else SIZE
    return Streets(source.frames, drawn, classes, FIRST_SEEDS[source.split])
