# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Two evaluations frame by frame: the frames they share, and how sure a change of score is.

Neighbouring frames show nearly the same image, so blocks of a drive are drawn anew and not
frames: the moving-block idea of Kuensch (1989) with blocks that do not overlap (Carlstein 1986).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np

from seg_perception.core.errors import SourceError
from seg_perception.evaluation.run_data import RunData

BLOCK_S = 5.0
_MOST_BLOCKS, _ENOUGH_BLOCKS, _FEWEST_BLOCKS = 1000, 20, 5
_DRAWS = 2000
_SEED = 0
_NAMED = 3
MEANS = ('pixel_accuracy', 'drivable_iou', 'boundary_f')
"""Columns whose score is the mean over frames; IoU comes from pixels where they are counted."""
_KINDS = ('tp', 'fp', 'fn')


@dataclass(frozen=True)
class Change:
    """A score in both runs and the 95 % interval of its change; NaN bounds with too few blocks."""

    name: str
    before: float
    after: float
    low: float
    high: float

    @property
    def change(self) -> float:
        return self.after - self.before


@dataclass(frozen=True)
class Pairs:
    """Rows of the same frames in two runs, and which input each is of."""

    rows: np.ndarray  # (n,) int64 into the frames of the run
    baseline_rows: np.ndarray  # (n,) int64 into those of the baseline
    input: np.ndarray  # (n,) int64
    time_s: np.ndarray  # (n,) float64 since the start of the input, ascending in it

    @property
    def partner(self) -> dict[int, int]:
        """The row of the baseline for each row of the run."""
        return dict(zip(self.rows.tolist(), self.baseline_rows.tolist(), strict=True))


@dataclass(frozen=True)
class Changes:
    """All scores that can be compared, and what their intervals rest on."""

    scores: tuple[Change, ...] = ()
    frames: int = 0  # with truth in both
    blocks: int = 0
    block_s: float = nan
    pixels_counted: bool = False  # IoU of all pixels together, not the mean of the frames' IoU


def pair_frames(run: RunData, baseline: RunData) -> Pairs:
    """
    The frames with the same input, topic and stamp.

    :raises SourceError: when there are none.
    """
    known = {(one.source, one.topic): one.rows for one in baseline.inputs}
    stamps, baseline_stamps = run.numbers('stamp_ns'), baseline.numbers('stamp_ns')
    parts = []
    for index, one in enumerate(run.inputs):
        mine, theirs = one.rows, known.get((one.source, one.topic), np.zeros(0, np.int64))
        shared, at, other_at = np.intersect1d(
            stamps[mine], baseline_stamps[theirs], return_indices=True
        )
        if len(shared):
            time_s = (shared - shared[0]) / 1e9
            parts.append((mine[at], theirs[other_at], np.full(len(shared), index), time_s))
    if not parts:
        raise SourceError(
            f'frames shared with the baseline {str(baseline.folder)!r}',
            f'0: {_contents(run)} here, {_contents(baseline)} there',
            'at least one of the same input, topic and stamp',
            'Evaluate both models on the same inputs.',
        )
    return Pairs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def changes(run: RunData, baseline: RunData, pairs: Pairs) -> Changes:
    """Mean IoU, IoU of each class, then the other scores; none without truth in both."""
    names = [name for name in run.names('iou_') if baseline.has(f'iou_{name}')]
    known = ~np.isnan(
        run.numbers('miou')[pairs.rows] + baseline.numbers('miou')[pairs.baseline_rows]
    )
    if not names or not known.any():
        return Changes()
    block, block_s = _blocks(pairs.input[known], pairs.time_s[known])
    view = _View(run, baseline, pairs.rows[known], pairs.baseline_rows[known], block)
    draws = _draws(view.blocks)
    counted = view.counts_pixels(names)
    columns = [f'iou_{name}' for name in names]
    after, before = view.pixel_sums(names) if counted else view.mean_sums(columns)
    scores = [_change('miou', after, before, draws)]
    for index, name in enumerate(names):
        cut = [(top[:, [index]], bottom[:, [index]]) for top, bottom in (after, before)]
        scores.append(_change(f'iou.{name}', cut[0], cut[1], draws))
    scores += [_change(name, *view.mean_sums([name]), draws) for name in MEANS]
    told = tuple(one for one in scores if not np.isnan(one.change))
    return Changes(told, int(known.sum()), view.blocks, block_s, counted)


Sums = tuple[np.ndarray, np.ndarray]  # numerator and denominator of scores, each (blocks, C)


@dataclass(frozen=True)
class _View:
    """Frames with truth of both runs, and the block of a drive that each belongs to."""

    run: RunData
    baseline: RunData
    rows: np.ndarray
    baseline_rows: np.ndarray
    block: np.ndarray

    @property
    def blocks(self) -> int:
        return int(self.block.max()) + 1

    def counts_pixels(self, names: list[str]) -> bool:
        columns = [f'{kind}_{name}' for kind in _KINDS for name in names]
        return all(one.has(name) for one in (self.run, self.baseline) for name in columns)

    def pixel_sums(self, names: list[str]) -> tuple[Sums, Sums]:
        """Intersection and union of each class in pixels, of the run and of the baseline."""
        return (
            self._pixel_sums(self.run, self.rows, names),
            self._pixel_sums(self.baseline, self.baseline_rows, names),
        )

    def mean_sums(self, columns: list[str]) -> tuple[Sums, Sums]:
        """The sum of the frames' scores and their number, where both runs have one."""
        after = np.stack([self.run.numbers(name)[self.rows] for name in columns], 1)
        before = np.stack([self.baseline.numbers(name)[self.baseline_rows] for name in columns], 1)
        known = ~np.isnan(after + before)
        count = self._by_block(known)
        return (
            (self._by_block(np.where(known, after, 0)), count),
            (self._by_block(np.where(known, before, 0)), count),
        )

    def _pixel_sums(self, run: RunData, rows: np.ndarray, names: list[str]) -> Sums:
        hit, extra, lost = (
            self._by_block(np.stack([run.numbers(f'{kind}_{name}')[rows] for name in names], 1))
            for kind in _KINDS
        )
        return hit, hit + extra + lost

    def _by_block(self, values: np.ndarray) -> np.ndarray:
        """Sums of (frames, C) over the frames of each block, (blocks, C)."""
        columns = np.asarray(values, np.float64).T
        return np.stack([np.bincount(self.block, column, self.blocks) for column in columns], 1)


def _change(name: str, after: Sums, before: Sums, draws: np.ndarray) -> Change:
    """The change of the mean over classes, and its spread over the draws of blocks."""
    whole = np.ones((1, len(after[0])))
    now, then = (float(_mean(_score(whole, sums))[0]) for sums in (after, before))
    spread = _mean(_score(draws, after)) - _mean(_score(draws, before))
    spread = spread[~np.isnan(spread)]
    low, high = np.percentile(spread, [2.5, 97.5]) if len(spread) else (nan, nan)
    return Change(name, then, now, float(low), float(high))


def _score(weights: np.ndarray, sums: Sums) -> np.ndarray:
    """Score of each draw and class, (draws, C); NaN where the class is not in the draw."""
    top, bottom = weights @ sums[0], weights @ sums[1]
    score: np.ndarray = np.full(top.shape, nan)
    np.divide(top, bottom, out=score, where=bottom > 0)
    return score


def _mean(scores: np.ndarray) -> np.ndarray:
    """Over the classes that are numbers, (draws,)."""
    known = ~np.isnan(scores)
    mean: np.ndarray = np.full(len(scores), nan)
    np.divide(np.nansum(scores, axis=1), known.sum(axis=1), out=mean, where=known.any(axis=1))
    return mean


def _draws(blocks: int) -> np.ndarray:
    """How often each draw holds each block, (draws, blocks); no draws of too few blocks."""
    if blocks < _FEWEST_BLOCKS:
        return np.zeros((0, blocks))
    generator = np.random.default_rng(_SEED)
    counts = generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=_DRAWS)
    return counts.astype(np.float64)


def _blocks(input_of: np.ndarray, time_s: np.ndarray) -> tuple[np.ndarray, float]:
    """Block of each frame; of the length at the top unless that gives too few or too many."""
    total_s = sum(float(np.ptp(time_s[input_of == one])) for one in np.unique(input_of))
    block_s = max(min(BLOCK_S, total_s / _ENOUGH_BLOCKS), total_s / _MOST_BLOCKS) or 1.0
    keys = np.stack([input_of, time_s // block_s], 1)
    block = np.unique(keys, axis=0, return_inverse=True)[1]
    return block.reshape(-1), block_s


def _contents(run: RunData) -> str:
    titles = [one.title for one in run.inputs]
    more = f' and {len(titles) - _NAMED} more' if len(titles) > _NAMED else ''
    return f'{run.frames} frames of {", ".join(titles[:_NAMED]) or "nothing"}{more}'
