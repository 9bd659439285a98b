# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The frames that a timeline shows: all of a short drive, extremes of each span of a long one."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from seg_perception.evaluation.run_data import Input, RunData

POINTS_OF_INPUT = 1600  # about one a pixel of a wide screen
POINTS_OF_REPORT = 40_000  # about 3 MB of JSON
_FEWEST = 30  # so that a thousand inputs keep a shape
_DIGITS = {  # columns of a point, and the decimals that a reader can use
    'index': 0,
    'level': 0,
    'score': 1,
    'free_distance_m': 1,
    'corridor_share': 3,
    'confidence': 3,
    'miou': 3,
}


def points_each(inputs: int) -> int:
    """How many points each of so many inputs gets."""
    return max(_FEWEST, min(POINTS_OF_INPUT, POINTS_OF_REPORT // max(1, inputs)))


def thin(score: np.ndarray, count: int) -> np.ndarray:
    """
    Indices of at most ``count`` values, ascending: the lowest and the highest of each span.

    An unknown score (NaN) counts as the lowest, so no alarm is thinned away.
    """
    if len(score) <= count:
        return np.arange(len(score))
    ranked = np.nan_to_num(score, nan=-1.0)
    starts = np.linspace(0, len(score), count // 2 + 1).astype(int)
    chosen = [
        start + extreme(ranked[start:stop])
        for start, stop in pairwise(starts)
        for extreme in (np.argmin, np.argmax)
    ]
    return np.unique(chosen)


def all_series(run: RunData, pinned: np.ndarray) -> list[dict[str, Any]]:
    """
    The columns of the timeline of each input, as JSON types.

    :param pinned: rows that stay in whatever the thinning, as those with an image.
    """
    columns = {name: run.numbers(name) for name in ('stamp_ns', *_DIGITS)}
    columns |= {f'factor_{name}': run.numbers(f'factor_{name}') for name in run.names('factor_')}
    columns |= {'reason': run.coded('reason')[0], 'total_ms': run.total_ms}
    count = points_each(len(run.inputs))
    is_pinned = np.zeros(run.frames, bool)
    is_pinned[pinned] = True
    return [_series(columns, one, is_pinned, count) for one in run.inputs]


def _series(
    columns: dict[str, np.ndarray], one: Input, is_pinned: np.ndarray, count: int
) -> dict[str, Any]:
    shown = np.union1d(
        thin(columns['score'][one.rows], count), np.flatnonzero(is_pinned[one.rows])
    )
    rows = one.rows[shown]  # in the order of their stamps
    stamps, start = columns['stamp_ns'][rows], columns['stamp_ns'][one.rows[0]]
    cut = {name: values[rows] for name, values in columns.items()}
    return {
        'title': one.title,
        'frames': len(one.rows),
        'row': rows.tolist(),
        'start_ns': str(start),  # too long for a number of JavaScript
        'time_s': rounded((stamps - start) / 1e9, 3),
        'reason': cut['reason'].tolist(),
        'total_ms': rounded(cut['total_ms'], 1),
        **{name: rounded(cut[name], digits) for name, digits in _DIGITS.items()},
        'factors': {name: rounded(cut[f'factor_{name}'], 2) for name in _factors(cut)},
    }


def _factors(columns: dict[str, np.ndarray]) -> list[str]:
    return [name.removeprefix('factor_') for name in columns if name.startswith('factor_')]


def rounded(values: np.ndarray, digits: int) -> list[float | None]:
    """Numbers for JSON: short, and null where there is none."""
    return [None if np.isnan(value) else round(value, digits or None) for value in values.tolist()]
