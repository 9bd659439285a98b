# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How far a stated confidence is from the share of pixels that are right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seg_perception.core.classes import UNLABELED
from seg_perception.evaluation.metrics import count_pairs


@dataclass(frozen=True)
class Reliability:
    """Bins of the confidence, the lowest first; NaN in a bin without pixels."""

    stated: np.ndarray  # (B,) mean confidence, 0..1
    right: np.ndarray  # (B,) share of the pixels that are right
    pixels: np.ndarray  # (B,) int64


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
        outcome = np.add(known, known & (truth == labels), dtype=np.uint8)  # 2 right, 1 wrong
        table = count_pairs(outcome, confidence)
        self.pixels += table[1] + table[2]
        self.right += table[2]

    def reliability(self) -> Reliability:
        """What is stated and what is right in each bin."""
        levels = np.arange(256)
        bin_of = np.minimum(levels * self.bins // 255, self.bins - 1)
        pixels, stated, right = (
            np.bincount(bin_of, weights, self.bins)
            for weights in (self.pixels, self.pixels * levels / 255, self.right)
        )
        share = np.where(pixels > 0, 1 / np.maximum(pixels, 1), np.nan)
        return Reliability(stated * share, right * share, pixels.astype(np.int64))

    def value(self) -> float:
        """Mean distance of confidence and accuracy over the bins, weighted by pixels; 0..1."""
        bins = self.reliability()
        total = bins.pixels.sum()
        distance = np.nansum(np.abs(bins.stated - bins.right) * bins.pixels)
        return float(distance / total) if total else float('nan')
