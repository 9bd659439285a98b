# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How far a stated confidence is from the share of pixels that are right."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seg_perception.core.classes import UNLABELED
from training.data.camvid import Sample
from training.transforms import normalise


class CalibrationError:
    """
    Expected calibration error over equal bins of the confidence (Guo et al. 2017, 1706.04599).

    The confidence is uint8, 0..255 for 0..1.
    """

    def __init__(self, bins: int = 15) -> None:
        self.bins = bins
        self.pixels = np.zeros(256, np.int64)  # of each confidence
        self.right = np.zeros(256, np.int64)

    def add(self, truth: np.ndarray, labels: np.ndarray, confidence: np.ndarray) -> None:
        """Count one frame of uint8 arrays; pixels whose truth is 255 are ignored."""
        known = truth != UNLABELED
        self.pixels += np.bincount(confidence[known], minlength=256)
        self.right += np.bincount(confidence[known & (truth == labels)], minlength=256)

    def value(self) -> float:
        """Mean distance of confidence and accuracy over the bins, weighted by pixels; 0..1."""
        levels = np.arange(256)
        bin_of = np.minimum(levels * self.bins // 255, self.bins - 1)
        stated = np.bincount(bin_of, self.pixels * levels / 255, self.bins)
        right = np.bincount(bin_of, self.right, self.bins)
        return float(np.abs(stated - right).sum() / self.pixels.sum())


@torch.no_grad()
def fit_temperature(net: nn.Module, samples: Iterable[Sample]) -> float:
    """
    Temperature of least negative log likelihood on the samples.

    Scored at the middle of each cell of the logits: the pixels of a cell say much the same.
    """
    logits, truth = (torch.cat(parts) for parts in zip(*_cells(net, samples), strict=True))
    grid = np.geomspace(0.3, 4.0, 200)
    losses = [float(F.cross_entropy(logits / value, truth)) for value in grid]
    return round(float(grid[int(np.argmin(losses))]), 3)


def _cells(net: nn.Module, samples: Iterable[Sample]) -> Iterable[tuple[Tensor, Tensor]]:
    """Logits (M, C) and truth (M,) at the cells of each sample that have a class."""
    for sample in samples:
        logits = net(normalise(torch.from_numpy(sample.rgb)[None]))[0].flatten(1).T
        truth = torch.from_numpy(sample.labels[4::8, 4::8].astype(np.int64)).flatten()
        known = truth != UNLABELED
        yield logits[known], truth[known]
