# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Labelled frames of one class table, which every data set provides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from seg_perception.core.classes import ClassTable


@dataclass(frozen=True)
class Sample:
    """One labelled frame: rgb (H, W, 3) uint8, labels (H, W) uint8 where 255 is ignored."""

    name: str
    rgb: np.ndarray
    labels: np.ndarray


class FrameSet(Protocol):
    """
    Labelled frames that can be read in any order, from several processes at once.

    ``names`` are unique; ``frames[i]`` reads frame i whole, ``labels(i)`` its labels alone.
    """

    @property
    def classes(self) -> ClassTable: ...
    @property
    def names(self) -> Sequence[str]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Sample: ...
    def labels(self, index: int) -> np.ndarray: ...
