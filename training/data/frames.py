# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Frames seen differently: some of them, of other classes, of another size, from memory."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, Protocol

import cv2
import numpy as np

from seg_perception.core.classes import ClassTable
from seg_perception.core.masks import resize_nearest
from training.data.sample import FrameSet, Sample
from training.errors import ConfigError

MEMORY_SHARE = 0.8  # of the machine's memory, at most for cached frames


class Frames(FrameSet, Protocol):
    """Labelled frames with access to their stored files."""

    def encoded(self, index: int) -> tuple[str, bytes] | None:
        """Suffix and content of the image as it is stored, if it is stored as it is read."""

    def damage(self, index: int) -> str:
        """Damage found in the stored bytes, without decoding them; empty when none."""


class View:
    """
    The frames of another set: the base of what selects from one, or changes something in it.

    :param names: of the frames here; None: those of the set.
    :param classes: None: those of the set.
    """

    def __init__(
        self, frames: Frames, names: Sequence[str] | None = None, classes: ClassTable | None = None
    ) -> None:
        self._frames = frames
        self.names = frames.names if names is None else names
        self._classes = classes

    @property
    def classes(self) -> ClassTable:
        return self._classes or self._frames.classes

    def _find(self, index: int) -> tuple[Frames, int]:
        """The set that a frame is from, and its index there."""
        return self._frames, index

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        frames, inside = self._find(index)
        return frames[inside]

    def labels(self, index: int) -> np.ndarray:
        frames, inside = self._find(index)
        return frames.labels(inside)

    def encoded(self, index: int) -> tuple[str, bytes] | None:
        frames, inside = self._find(index)
        return frames.encoded(inside)

    def damage(self, index: int) -> str:
        frames, inside = self._find(index)
        return frames.damage(inside)


class Subset(View):
    """Some frames, by their index."""

    def __init__(self, frames: Frames, chosen: Sequence[int]) -> None:
        super().__init__(frames, [frames.names[index] for index in chosen])
        self._chosen = list(chosen)

    def _find(self, index: int) -> tuple[Frames, int]:
        return self._frames, self._chosen[index]


class Mapped(View):
    """Frames with the classes of another table."""

    def __init__(self, frames: Frames, classes: ClassTable, lut: np.ndarray) -> None:
        """:param lut: class id, or 255, of each value of the labels, (256,) uint8."""
        super().__init__(frames, classes=classes)
        self._lut = lut

    def __getitem__(self, index: int) -> Sample:
        sample = self._frames[index]
        return Sample(sample.name, sample.rgb, cv2.LUT(sample.labels, self._lut))

    def labels(self, index: int) -> np.ndarray:
        return cv2.LUT(self._frames.labels(index), self._lut)


class Resized(View):
    """Frames of one size (H, W), stretched where theirs has another shape."""

    def __init__(self, frames: Frames, size: tuple[int, int]) -> None:
        super().__init__(frames)
        self._size = size

    def __getitem__(self, index: int) -> Sample:
        return resized(self._frames[index], self._size)

    def labels(self, index: int) -> np.ndarray:
        return resize_nearest(self._frames.labels(index), self._size)

    def encoded(self, index: int) -> None:
        """Nothing: the stored image has another size."""


def resized(sample: Sample, size: tuple[int, int]) -> Sample:
    """The sample at another size (H, W): the image smoothly, the labels by the nearest pixel."""
    shrinks = size[0] <= sample.rgb.shape[0] and size[1] <= sample.rgb.shape[1]
    # Area averages all pixels that shrink into one; linear would skip some and alias.
    smooth = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    rgb = cv2.resize(sample.rgb, size[::-1], interpolation=smooth)
    return Sample(sample.name, rgb, resize_nearest(sample.labels, size))


class Cached(View):
    """
    Frames that stay in memory once they have been read: four bytes a pixel.

    Each process keeps its own, filled as it reads; what a process has read before it forks, its
    workers share. Pickling leaves the frames behind.
    """

    def __init__(self, frames: Frames, processes: int = 1) -> None:
        """:param processes: how many will keep the frames, for the check of the memory."""
        super().__init__(frames)
        self._processes = processes
        self._samples: dict[int, Sample] = {}

    def __getitem__(self, index: int) -> Sample:
        sample = self._samples.get(index)
        if sample is None:
            sample = self._frames[index]
            if not self._samples:
                self._check_memory(sample)
            self._samples[index] = sample
        return sample

    def labels(self, index: int) -> np.ndarray:
        sample = self._samples.get(index)
        return self._frames.labels(index) if sample is None else sample.labels

    def _check_memory(self, sample: Sample) -> None:
        frame_bytes = sample.rgb.nbytes + sample.labels.nbytes
        # torchrun says how many processes train on this machine, each with its own readers.
        processes = self._processes * int(os.environ.get('LOCAL_WORLD_SIZE', '1'))
        needed = frame_bytes * len(self) * processes
        most = MEMORY_SHARE * os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
        if needed > most:
            copies = f' in each of {processes} processes' if processes > 1 else ''
            raise ConfigError(
                'data.cache=true',
                f'{needed / 1e9:.1f} GB for {len(self):,} frames{copies}',
                f'at most {most / 1e9:.1f} GB, {MEMORY_SHARE:.0%} of the memory',
                'Set data.cache=false, a smaller data.size or fewer data.workers.',
            )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, '_samples': {}}


class Joined(View):
    """The frames of several sets of the same classes, one set after the other."""

    def __init__(self, sets: Sequence[Frames]) -> None:
        names = [name for frames in sets for name in frames.names]
        if len(set(names)) < len(names):  # names are unique: say which set
            names = [f'{n}/{name}' for n, frames in enumerate(sets) for name in frames.names]
        super().__init__(sets[0], names)
        self._sets, self._ends = sets, list(accumulate(len(frames) for frames in sets))

    def __getitem__(self, index: int) -> Sample:
        return replace(super().__getitem__(index), name=self.names[index])

    def _find(self, index: int) -> tuple[Frames, int]:
        index = range(len(self))[index]  # negative or too large, as of a list
        which = bisect_right(self._ends, index)
        return self._sets[which], index - (self._ends[which - 1] if which else 0)
