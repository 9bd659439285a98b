# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every number here was worked out by hand."""

import numpy as np
import pytest

from training.errors import DatasetError
from training.evaluate.separation import aupr, auroc, auroc_band, roc, separation, threshold_of


def scores(*values):
    return np.array(values, np.float64)


@pytest.mark.parametrize(
    ('known', 'unknown', 'expected'),
    [
        (scores(1, 2, 3), scores(4, 5), 1.0),
        (scores(4, 5), scores(1, 2, 3), 0.0),
        (scores(1, 3), scores(2, 4), 0.75),  # 3 of 4 pairs
        (scores(7, 7, 7), scores(7, 7), 0.5),  # all tie
        (scores(1, 2), scores(2, 2), 0.75),  # 2 pairs and 2 ties of 4
        (scores(0.1, 0.35), scores(0.4, 0.8, 0.2), 5 / 6),
    ],
)
def test_auroc_by_hand(known, unknown, expected):
    assert auroc(known, unknown) == pytest.approx(expected)


@pytest.mark.parametrize(
    ('known', 'unknown', 'expected'),
    [
        (scores(1, 2, 3), scores(4, 5), 1.0),
        # From the top: unknown 0.8 (1/1), known 0.4, unknown 0.35 (2/3), known 0.1. The example
        # of scikit-learn's average_precision_score, which says 0.83.
        (scores(0.1, 0.4), scores(0.35, 0.8), 0.5 * 1 + 0.5 * 2 / 3),
        (scores(7, 7, 7), scores(7), 0.25),  # one step, a quarter of it unknown
        (scores(4, 5), scores(1), 1 / 3),
    ],
)
def test_aupr_by_hand(known, unknown, expected):
    assert aupr(known, unknown) == pytest.approx(expected)


def test_threshold_lets_the_share_pass():
    assert threshold_of(np.arange(1.0, 101.0), 0.95) == 95.0
    assert threshold_of(np.arange(20.0), 0.95) == 18.0  # 19 of 20
    assert threshold_of(np.arange(19.0), 0.95) == 18.0  # 18 would be too few
    assert threshold_of(scores(3.0), 0.95) == 3.0


def test_unknown_that_passes_by_hand():
    """Of 20 known the threshold is the 19th, 18; two of four unknown are no higher."""
    one = separation(np.arange(20.0), scores(3, 18, 18.5, 30))
    assert one.fpr95 == 0.5
    # Above 3 lie 3 and a half of the known; 18: 18.5; the others: 19 and 20 of 20.
    assert one.auroc == pytest.approx((3.5 + 18.5 + 19 + 20) / 80)
    assert np.isnan(one.band).all()


def test_curve_by_hand():
    known, unknown = roc(scores(1, 3), scores(2, 4))
    assert known.tolist() == [0, 0, 0.5, 0.5, 1]
    assert unknown.tolist() == [0, 0.5, 0.5, 1, 1]


def test_area_under_the_curve_is_the_auroc():
    rng = np.random.default_rng(0)
    known, unknown = rng.integers(0, 9, 50).astype(float), rng.integers(3, 12, 40).astype(float)
    assert np.trapezoid(*roc(known, unknown)[::-1]) == pytest.approx(auroc(known, unknown))


def test_frames_of_one_street_are_one_piece_of_evidence():
    """Drawn frame by frame, fifty copies of two frames would pass for much."""
    known, unknown = np.repeat(scores(1, 3), 50), np.repeat(scores(2, 4), 50)
    blocks = np.repeat([0, 1], 50)
    # One draw in sixteen is 3 twice against 2 twice.
    assert auroc_band(known, blocks, unknown, blocks) == (0.0, 1.0)
    low, high = auroc_band(known, np.arange(100), unknown, np.arange(100))
    assert 0.6 < low < 0.75 < high < 0.9


@pytest.mark.parametrize(
    ('known', 'unknown', 'message'),
    [
        (scores(), scores(1), 'scores of the known: got none, expected one or more'),
        (scores(1), scores(), 'scores of the unknown: got none, expected one or more'),
        (scores(1, np.nan), scores(1), 'scores of the known: got 1 that are not finite'),
        (scores(1), scores(np.inf, np.nan), 'scores of the unknown: got 2 that are not finite'),
    ],
)
def test_what_cannot_be_compared(known, unknown, message):
    with pytest.raises(DatasetError, match=message):
        separation(known, unknown)
