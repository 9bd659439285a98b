# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Evidence of how a camera looks, gathered over time into one estimate with an honest uncertainty.

Neighbouring samples share their errors: the vehicle nods, drifts in its lane, brakes. So samples
are averaged in blocks, and the spread of whole blocks tells the uncertainty (batch means, as in
openpilot's calibration), with a prior for it while there are few.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, radians

import numpy as np

BLOCK_SAMPLES = 8  # about 2.5 s of driving
_MOST_BLOCKS = 40
_LEAST_KNOWN = 3  # samples of a block that must know the roll
_LEAST_COUNTS = np.array([1e-9, 1e-9, 1.5])  # blocks that an estimate rests on
# Column and row of the vanishing point, and roll; angles of about what usual cars do.
_NODDING = np.radians([0.3, 0.3, 0.8])  # of a sample, beyond its own noise
_BLOCK_STD = np.radians([0.35, 0.3, 0.7])  # prior of the spread of blocks
_PRIOR_BLOCKS = 3.0  # that the prior is worth
_SYSTEMATIC = np.radians([0.18, 0.05, 0.8])  # never averaged away; roll: the road's crown
_CLIP = 1.5  # standard deviations, from which on samples count for less (Huber)
_RECENT = 3  # blocks that make a change believable
_CHANGE = radians(1.0)  # smaller ones are averaged in


@dataclass(frozen=True, eq=False)
class Estimate:
    """Tangents of the direction of travel right and down of the optical axis, and roll in rad."""

    mean: np.ndarray  # (3,) NaN where unknown
    std: np.ndarray  # (3,) inf where unknown
    blocks: float  # how many blocks of samples it rests on

    @property
    def direction(self) -> np.ndarray:
        """Unit vector (3,) of the optical frame."""
        ray = np.array([self.mean[0], self.mean[1], 1.0])
        return np.asarray(ray / np.linalg.norm(ray))


NOTHING = Estimate(np.full(3, np.nan), np.full(3, inf), 0.0)


class Evidence:
    """Samples in blocks; notices that the camera was turned."""

    def __init__(self, blocks: list[np.ndarray] | None = None) -> None:
        """:param blocks: (3,) means to start from, oldest first."""
        self.blocks = list(blocks or ())
        self._samples: list[np.ndarray] = []  # (2, 3) value and variance
        self._doubted: list[np.ndarray] = []  # blocks from before a cut

    def add(self, value: np.ndarray, variance: np.ndarray) -> bool:
        """
        Add a sample (3,) and its variance (3,), inf where unknown.

        :returns: whether it completes a block that shows that the camera looks elsewhere now; all
            earlier blocks are then forgotten.
        """
        self._samples.append(np.stack([value, variance + _NODDING**2]))
        if len(self._samples) < BLOCK_SAMPLES:
            return False
        self.blocks = [*self.blocks, self._current()][-_MOST_BLOCKS:]
        self._samples = []
        return self._settle_doubt() or self._turned()

    def doubt(self) -> None:
        """Set aside what is known until new samples agree, as after a cut in a video."""
        self._doubted, self.blocks, self._samples = self._doubted or self.blocks, [], []

    @property
    def is_doubted(self) -> bool:
        """Whether what was known waits for new samples to agree."""
        return bool(self._doubted)

    @property
    def is_empty(self) -> bool:
        """Whether there is no evidence but what is in doubt."""
        return not (self.blocks or self._samples)

    def estimate(self) -> Estimate:
        """The estimate from everything that is not in doubt."""
        blocks, weights = list(self.blocks), [1.0] * len(self.blocks)
        if self._samples:
            blocks.append(self._current())
            weights.append(len(self._samples) / BLOCK_SAMPLES)
        return _combined(np.array(blocks), np.array(weights)) if blocks else NOTHING

    def _current(self) -> np.ndarray:
        values, variances = np.stack(self._samples, axis=1)
        weights = 1.0 / variances
        weights[:, (weights > 0).sum(axis=0) < min(_LEAST_KNOWN, len(weights))] = 0.0
        return _robust_mean(values, weights, np.sqrt(np.median(variances, axis=0)))

    def _turned(self) -> bool:
        """Whether the last blocks agree with each other and not with those before."""
        recent, before = np.array(self.blocks[-_RECENT:]), np.array(self.blocks[:-_RECENT])
        if len(before) < _RECENT or not _differ(recent, before):
            return False
        self.blocks = list(recent[1:])  # the first of them may have seen both
        return True

    def _settle_doubt(self) -> bool:
        if not self._doubted or len(self.blocks) < 2:
            return False
        differ = _differ(np.array(self.blocks), np.array(self._doubted))
        if not differ:
            self.blocks = [*self._doubted, *self.blocks][-_MOST_BLOCKS:]
        self._doubted = []
        return differ


def _differ(some: np.ndarray, others: np.ndarray) -> bool:
    """Whether the directions of blocks (N, 3) lie apart from all of the others' middle."""
    off = (some - np.median(others, axis=0))[:, :2]
    one_side = (np.abs(np.sign(off).sum(axis=0)) == len(off)) & (np.abs(off) > _CHANGE).all(axis=0)
    return bool(one_side.any())


def _combined(blocks: np.ndarray, weights: np.ndarray) -> Estimate:
    known = ~np.isnan(blocks)
    shares = weights[:, None] * known
    mean = _robust_mean(np.where(known, blocks, 0.0), shares, _BLOCK_STD)
    off = np.where(known, blocks - mean, 0.0)
    off = np.clip(off, -3 * _BLOCK_STD, 3 * _BLOCK_STD)
    count = shares.sum(axis=0)
    freedom = _PRIOR_BLOCKS + np.maximum(count - 1.0, 0.0)
    spread = (_PRIOR_BLOCKS * _BLOCK_STD**2 + (shares * off**2).sum(axis=0)) / freedom
    std = np.sqrt(spread / np.maximum(count, 1e-12) + _SYSTEMATIC**2)
    return Estimate(mean, np.where(count >= _LEAST_COUNTS, std, inf), float(weights.sum()))


def _robust_mean(values: np.ndarray, weights: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Huber's mean of each column of values (N, K); NaN where nothing has weight."""
    values = np.where(weights > 0, values, 0.0)
    mean = np.array([_weighted_median(v, w) for v, w in zip(values.T, weights.T, strict=True)])
    for _ in range(5):
        off = np.abs(values - mean) / (_CLIP * scale)
        trusted = weights / np.maximum(off, 1.0)
        total = trusted.sum(axis=0)
        sums = np.where(trusted > 0, trusted * values, 0.0).sum(axis=0)
        mean = np.where(total > 0, sums / np.maximum(total, 1e-300), np.nan)
    return mean


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    kept = weights > 0
    if not kept.any():
        return float('nan')
    order = np.argsort(values[kept])
    sums = np.cumsum(weights[kept][order])
    return float(values[kept][order][np.searchsorted(sums, sums[-1] / 2)])
