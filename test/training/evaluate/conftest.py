# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Frames in memory, painted with the palette so that a tiny model can read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from seg_perception.core.classes import CAMVID_11, ClassTable
from training.data.sample import Sample


class MemoryFrames:
    """A frame set of given samples."""

    def __init__(self, samples: Sequence[Sample], classes: ClassTable = CAMVID_11) -> None:
        self.samples, self.classes = samples, classes
        self.names = [sample.name for sample in samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]

    def labels(self, index: int) -> np.ndarray:
        return self.samples[index].labels


def painted(name: str, labels: np.ndarray, classes: ClassTable = CAMVID_11) -> Sample:
    """A frame whose colours are those of its classes; void is white, which no class is."""
    palette = classes.palette.copy()
    palette[255] = 255
    return Sample(name, palette[labels], labels)


@pytest.fixture
def frame_set() -> Callable[..., MemoryFrames]:
    """Makes a frame set of masks, named a, b, c ... or as told."""

    def make(
        *masks: np.ndarray, classes: ClassTable = CAMVID_11, names: Sequence[str] = ()
    ) -> MemoryFrames:
        pairs = zip(names or 'abcdefghijklmnop', masks, strict=False)
        return MemoryFrames([painted(name, mask, classes) for name, mask in pairs], classes)

    return make


@pytest.fixture
def streets(frame_set: Callable[..., MemoryFrames]) -> MemoryFrames:
    """Five frames of sky 0, road 3, a car 8 and a column of void; the car grows."""
    masks = []
    for car in (4, 8, 12, 16, 20):
        labels = np.zeros((48, 64), np.uint8)
        labels[24:] = 3
        labels[20:32, 8 : 8 + car] = 8
        labels[:, -2:] = 255
        masks.append(labels)
    return frame_set(*masks)
