# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Thinning keeps the extremes, and what a click needs."""

from math import nan
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_perception.evaluation.run_data import read_run
from seg_perception.report.timeline import all_series, points_each, thin
from tiny_run import START_NS, write_run

SCORES = st.lists(st.floats(0, 100) | st.just(nan), min_size=1, max_size=300)


def test_short_drives_are_shown_whole() -> None:
    assert thin(np.array([3.0, 1.0, 2.0]), 3).tolist() == [0, 1, 2]


def test_lowest_and_highest_of_each_half() -> None:
    score = np.array([50, 40, 60, 50, 70, 90, 10, 80], float)
    assert thin(score, 4).tolist() == [1, 2, 5, 6]


def test_an_unknown_score_counts_as_the_lowest() -> None:
    score = np.array([50, 1, nan, 50, 60, 60, 60, 61], float)
    assert thin(score, 4).tolist() == [0, 2, 4, 7]


@settings(deadline=None)
@given(SCORES, st.integers(2, 60))
def test_the_worst_frame_is_never_lost(scores: list[float], count: int) -> None:
    score = np.array(scores)
    kept = thin(score, count)
    assert len(kept) <= max(count, 1)
    assert (np.diff(kept) > 0).all()
    if np.isnan(score).any():
        assert np.isnan(score[kept]).any()
    else:
        assert score[kept].min() == score.min()
        assert score[kept].max() == score.max()


def test_points_are_shared_among_inputs() -> None:
    assert [points_each(count) for count in (1, 25, 100, 1000, 5000)] == [1600, 1600, 400, 40, 30]


def test_series_of_a_long_drive_keeps_pinned_rows(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, 5000, with_thumbs=False))
    (one,) = all_series(run, np.array([1234]))
    assert one['frames'] == 5000
    assert len(one['row']) <= 1601
    assert {7, 1234} <= set(one['row'])
    at = one['row'].index(7)
    assert (one['time_s'][at], one['score'][at], one['level'][at]) == (0.7, 20.0, 4)
    assert one['start_ns'] == str(START_NS)
    assert one['factors']['vulnerable_road_users'][at] == 0.8


def test_what_is_unknown_is_null(tmp_path: Path) -> None:
    (one,) = all_series(read_run(write_run(tmp_path, 3, free_m=nan)), np.zeros(0, int))
    assert one['free_distance_m'] == [None, None, None]
    assert one['total_ms'] == [12.0, 22.0, 32.0]
