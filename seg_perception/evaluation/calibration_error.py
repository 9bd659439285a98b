# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How far the stated confidence is from the share of pixels that are correct."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from seg_perception.core.classes import UNLABELED
from seg_perception.evaluation.metrics import count_pairs

BINS = 15  # as in Guo et al. 2017, "On Calibration of Modern Neural Networks", 1706.04599


class Bin(TypedDict):
    """One bin of the confidence; mean confidence and accuracy are 0..1."""

    confidence: float
    accuracy: float
    count: int  # pixels


class ConfidenceCalibration:
    """
    Expected calibration error over equal bins of the confidence (Guo et al. 2017).

    The confidence is uint8, 0..255 for 0..1. ``pixels`` is (256, 2) int64: the pixels at each
    confidence, and those of them that are correct.
    """

    def __init__(self, bins: int = BINS) -> None:
        self.bins = bins
        self.pixels = np.zeros((256, 2), np.int64)

    def add(self, truth: np.ndarray, labels: np.ndarray, confidence: np.ndarray) -> None:
        """Count one frame of uint8 arrays; pixels whose ground truth is 255 are ignored."""
        known = truth != UNLABELED
        outcome = np.add(known, known & (truth == labels), dtype=np.uint8)  # 2 correct, 1 wrong
        table = count_pairs(outcome, confidence)
        self.pixels += np.stack([table[1] + table[2], table[2]], axis=1)

    def reliability(self) -> list[Bin]:
        """The bins that have pixels, the lowest confidence first."""
        levels = np.arange(256)
        bin_of = np.minimum(levels * self.bins // 255, self.bins - 1)
        rows: list[Bin] = []
        for index in range(self.bins):
            at = bin_of == index
            count, right = (int(pixels) for pixels in self.pixels[at].sum(axis=0))
            if count:
                stated = float(self.pixels[at, 0] @ levels[at] / (255 * count))
                rows.append(Bin(confidence=stated, accuracy=right / count, count=count))
        return rows

    def error(self) -> float:
        """Mean distance of confidence and accuracy over the bins by pixels, 0..1; NaN for none."""
        rows = self.reliability()
        gap = sum(row['count'] * abs(row['confidence'] - row['accuracy']) for row in rows)
        total = sum(row['count'] for row in rows)
        return float(gap / total) if total else float('nan')
