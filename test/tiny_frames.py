# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A data set in memory; a module of its own, since worker processes import it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seg_perception.core.classes import CAMVID_11, ClassTable
from training.data.sample import Sample
from training.errors import DatasetError


@dataclass(frozen=True)
class TinyFrames:
    """Samples as they are given; reading the one named 'broken' or 'odd' fails."""

    samples: Sequence[Sample]
    classes: ClassTable = CAMVID_11

    @property
    def names(self) -> list[str]:
        return [sample.name for sample in self.samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        sample = self.samples[index]
        if sample.name == 'broken':
            raise DatasetError('file broken.png', 'unreadable data', 'a PNG image')
        if sample.name == 'odd':
            raise UnportableError(text='no two arguments alike')
        return sample

    def labels(self, index: int) -> np.ndarray:
        return self[index].labels


class UnportableError(Exception):
    """One that pickle cannot bring to another process."""

    def __init__(self, *, text: str) -> None:
        super().__init__(text)


def flat(label: int, size: tuple[int, int] = (32, 32), name: str = '') -> Sample:
    """A frame of one class; its colour is twice its id."""
    rgb = np.full((*size, 3), 2 * label, np.uint8)
    return Sample(name or f'flat{label}', rgb, np.full(size, label, np.uint8))


def noisy(seed: int, size: tuple[int, int] = (48, 64)) -> Sample:
    """A frame of random pixels: no two views of it are alike."""
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (*size, 3), np.uint8)
    return Sample(f'noisy{seed}', rgb, rng.integers(0, 11, size, np.uint8))
