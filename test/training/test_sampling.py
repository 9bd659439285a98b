# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from collections import Counter

import numpy as np
import pytest

from training.errors import DatasetError
from training.sampling import NO_FOCUS, EpochOrder, samples_per_set


@pytest.mark.parametrize(
    ('sizes', 'shares', 'takes'),
    [
        ([6], [0.0], [6]),
        ([6, 2], [0.0, 0.25], [6, 2]),  # 6 are 75 % of 8
        ([6, 100], [0.0, 0.25], [6, 2]),
        ([90, 5, 7], [0.0, 0.07, 0.03], [90, 7, 3]),
        ([4, 5], [0.0, 0.0], [4, 5]),
        ([4, 6], [0.5, 0.5], [5, 5]),  # shares of all: as long as both together
        ([8], [1.0], [8]),
        ([10, 3, 3, 3], [0.0, 0.1, 0.1, 0.1], [10, 1, 2, 1]),  # 4.29 drawn ones: 4 in all
    ],
)
def test_samples_of_an_epoch(sizes, shares, takes):
    assert samples_per_set(sizes, shares) == takes


def test_frames_of_share_0_come_once_among_the_drawn_ones():
    order = EpochOrder([6, 100], [0.0, 0.4], seed=0)
    rows = order.rows(0)
    assert len(order) == len(rows) == 10
    frames, focus = rows.T
    assert sorted(frames[frames < 6]) == [0, 1, 2, 3, 4, 5]
    assert len(set(frames[frames >= 6])) == 4 and frames.max() < 106
    assert (focus == NO_FOCUS).all()


def test_drawn_frames_repeat_evenly():
    # 9 of a set of 4: each twice, and one of them once more.
    frames = EpochOrder([9, 4], [0.0, 0.5], seed=3).rows(2)[:, 0]
    assert sorted(Counter(frames[frames >= 9].tolist()).values()) == [2, 2, 2, 3]


def test_an_epoch_repeats_and_others_differ():
    order, again = (EpochOrder([50], [0.0], seed=7) for _ in range(2))
    assert np.array_equal(order.rows(3), again.rows(3))
    assert not np.array_equal(order.rows(3), order.rows(4))
    assert not np.array_equal(order.rows(3), EpochOrder([50], [0.0], seed=8).rows(3))


def test_class_uniform_draws_each_class_as_often_from_the_frames_that_have_it():
    counts = np.zeros((40, 4), np.int64)
    counts[:, 0] = 1000
    counts[[3, 9], 1] = 5
    counts[17, 3] = 1  # and nothing of class 2
    rows = EpochOrder([40], [0.0], 0, counts).rows(0)
    frames = {label: rows[rows[:, 1] == label, 0].tolist() for label in range(4)}
    assert sorted(len(chosen) for chosen in frames.values()) == [0, 13, 13, 14]
    assert frames[2] == [] and set(frames[3]) == {17}
    assert set(frames[1]) == {3, 9} and abs(frames[1].count(3) - frames[1].count(9)) <= 1
    assert len(set(frames[0])) == len(frames[0])


def test_class_uniform_keeps_the_share_of_a_set():
    counts = np.ones((20, 3), np.int64)
    frames = EpochOrder([12, 8], [0.0, 0.25], 0, counts).rows(1)[:, 0]
    assert (len(frames), int((frames >= 12).sum())) == (16, 4)


def test_class_uniform_of_void_alone_is_refused():
    with pytest.raises(
        DatasetError, match=r'the ignore label only, expected a pixel of a class.*sampling=shuffle'
    ):
        EpochOrder([4], [0.0], 0, np.zeros((4, 3), np.int64))
