# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Which frame stands at which position of an epoch: a function of seed and epoch alone.

Frames of several sets have one number each: those of the first set come first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.errors import DatasetError

NO_FOCUS = -1
"""Instead of a class: the view is placed as the transform says."""


def samples_per_set(sizes: Sequence[int], shares: Sequence[float]) -> list[int]:
    """
    How many samples of each set an epoch holds.

    A set of share 0 gives each frame once; the others give their share of the epoch. Where all
    have a share, the epoch is as long as all sets together.

    :param shares: as the configuration has checked them.
    """
    once = sum(size for size, share in zip(sizes, shares, strict=True) if share == 0)
    total = sum(shares)
    drawn = round(once * total / (1 - total)) if once else sum(sizes)
    # Rounded as running sums, so that the parts add up to the whole.
    ends = np.round(np.cumsum(shares) / (total or 1) * drawn).astype(int)
    parts = np.diff(ends, prepend=0)
    return [
        int(part) if share else size
        for size, share, part in zip(sizes, shares, parts, strict=True)
    ]


class EpochOrder:
    """
    The frames of an epoch in their order.

    :param counts: pixels (frames, classes) of each class in each frame of all sets. With it,
        sampling is class-uniform: a class is drawn, then one of the frames that have it (Zhu et
        al., "Improving Semantic Segmentation via Video Propagation and Label Relaxation", 2019).
    """

    def __init__(
        self,
        sizes: Sequence[int],
        shares: Sequence[float],
        seed: int,
        counts: np.ndarray | None = None,
    ) -> None:
        self._seed = seed
        self._pools = _pools(sizes, shares)
        self._holders = [_holders(frames, counts) for frames, _ in self._pools]

    def __len__(self) -> int:
        return sum(take for _, take in self._pools)

    def rows(self, epoch: int) -> np.ndarray:
        """(samples, 2) int64: a frame, and the class that its view is centred on or NO_FOCUS."""
        rng = np.random.default_rng([self._seed, epoch])
        parts = [
            _by_class(holders, take, rng) if holders else _by_frame(frames, take, rng)
            for (frames, take), holders in zip(self._pools, self._holders, strict=True)
        ]
        return rng.permutation(np.concatenate(parts))


def _pools(sizes: Sequence[int], shares: Sequence[float]) -> list[tuple[np.ndarray, int]]:
    """Frames that are drawn from together, and how many: all of share 0, and each other set."""
    takes = samples_per_set(sizes, shares)
    starts = np.cumsum([0, *sizes])
    sets = [np.arange(start, start + size) for start, size in zip(starts, sizes, strict=False)]
    rows = list(zip(sets, takes, shares, strict=True))
    pools = [(frames, take) for frames, take, share in rows if share]
    once = [frames for frames, _, share in rows if not share]
    if once:
        frames = np.concatenate(once)
        pools.insert(0, (frames, len(frames)))
    return pools


def _holders(frames: np.ndarray, counts: np.ndarray | None) -> dict[int, np.ndarray] | None:
    """Which of the frames have a pixel of each class, for classes that occur."""
    if counts is None:
        return None
    present = counts[frames] > 0
    holders = {label: frames[present[:, label]] for label in np.flatnonzero(present.any(axis=0))}
    if not holders:
        fix = 'Check the labels, or set data.sampling=shuffle.'
        raise DatasetError(
            'labels of data.train', 'the ignore label only', 'a pixel of a class', fix
        )
    return holders


def _by_frame(frames: np.ndarray, take: int, rng: np.random.Generator) -> np.ndarray:
    chosen = frames[_spread(len(frames), take, rng)]
    return np.stack([chosen, np.full(take, NO_FOCUS)], axis=1)


def _by_class(holders: dict[int, np.ndarray], take: int, rng: np.random.Generator) -> np.ndarray:
    labels = np.array(list(holders))[_spread(len(holders), take, rng)]
    rows = np.empty((take, 2), np.int64)
    rows[:, 1] = labels
    for label, frames in holders.items():
        places = np.flatnonzero(labels == label)
        rows[places, 0] = frames[_spread(len(frames), len(places), rng)]
    return rows


def _spread(size: int, take: int, rng: np.random.Generator) -> np.ndarray:
    """``take`` numbers below ``size``, each as often as the others or once more."""
    whole = np.tile(np.arange(size), take // size)
    return np.concatenate([whole, rng.permutation(size)[: take % size]])
