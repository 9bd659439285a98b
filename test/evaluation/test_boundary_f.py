# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from math import isnan

import cv2
import numpy as np
import pytest

from seg_perception.core.errors import ClassTableError, ImageError, ParameterError
from seg_perception.evaluation.boundary_f import BoundaryScore


def halves(edge: int, width: int = 12) -> np.ndarray:
    """(4, width): class 0 left of a column, class 1 from it on."""
    labels = np.zeros((4, width), np.uint8)
    labels[:, edge:] = 1
    return labels


def scored(truth: np.ndarray, prediction: np.ndarray, **options: object) -> BoundaryScore:
    score = BoundaryScore(options.pop('classes', 2), **options)
    score.add(truth, prediction)
    return score


def test_perfect_prediction_scores_one():
    score = scored(halves(6), halves(6))
    np.testing.assert_array_equal(score.f_score(), np.ones((3, 2)))
    assert score.mean().tolist() == [1, 1, 1]


def test_edge_that_is_off_by_two_columns():
    # The boundary columns of class 0 are 5 and 7, those of class 1 are 6 and 8: two apart.
    score = scored(halves(6), halves(8), radii_px=(0, 1, 2, 3))
    assert score.f_score().tolist() == [[0, 0], [0, 0], [1, 1], [1, 1]]


def test_half_of_an_edge_by_hand():
    # Truth is cut at column 6 everywhere, the prediction in the lower two rows of four. Its
    # corners are boundary too, as seen by hand:
    #   row 0  0 0 0 0 0 0 0 0 0 0 0 0      no boundary
    #   row 1  0 0 0 0 0 0 0 0 0 0 0 0      class 0: columns 6 to 11, above the 1s
    #   row 2  0 0 0 0 0 0 1 1 1 1 1 1      class 0: column 5; class 1: columns 6 to 11
    #   row 3  0 0 0 0 0 0 1 1 1 1 1 1      class 0: column 5; class 1: column 6
    prediction = halves(6)
    prediction[:2] = 0
    score = scored(halves(6), prediction, radii_px=(0, 1))
    # Class 0: 8 predicted, 2 of them on the true column 5; 4 true, 2 met.
    # Within 1 px: (1, 6) is beside (1, 5), so 3 of 8 and, by way of (1, 6) and (2, 5), 3 of 4.
    # Class 1: 7 predicted, 2 on the true column 6; 4 true, 2 met; within 1 px 3 of 7 and 3 of 4.
    expected = [
        [2 * (2 / 8) * (2 / 4) / (2 / 8 + 2 / 4), 2 * (2 / 7) * (2 / 4) / (2 / 7 + 2 / 4)],
        [2 * (3 / 8) * (3 / 4) / (3 / 8 + 3 / 4), 2 * (3 / 7) * (3 / 4) / (3 / 7 + 3 / 4)],
    ]
    np.testing.assert_allclose(score.f_score(), expected)


def test_distance_is_euclidean_and_inclusive():
    # One pixel each, four columns and three rows apart: 5 px.
    truth, prediction = np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8)
    truth[8, 8] = prediction[11, 12] = 1
    score = scored(truth, prediction, radii_px=(4, 5))
    assert score.f_score()[:, 1].tolist() == [0, 1]


def test_edges_to_void_and_to_the_image_are_no_boundary():
    truth = halves(6)
    truth[:, 6] = 255
    score = scored(truth, halves(6))
    assert np.isnan(score.f_score()).all() and np.isnan(score.mean()).all()


def test_prediction_inside_of_void_does_not_count():
    truth, prediction = halves(6, width=20), halves(6, width=20)
    truth[:, 12:] = 255
    prediction[1:3, 14:18] = 0
    assert scored(truth, prediction).f_score().tolist() == [[1, 1]] * 3


def test_class_in_only_one_of_both_scores_zero_and_class_in_none_is_left_out():
    prediction = halves(6)
    prediction[:, 10:] = 2
    score = scored(halves(6), prediction, classes=4, radii_px=(1,))
    np.testing.assert_allclose(score.f_score()[0, [0, 2]], [1, 0])
    assert isnan(score.f_score()[0, 3])
    # Class 1: 8 predicted, 4 of them met; 4 true, all met.
    assert score.f_score()[0, 1] == pytest.approx(2 * 0.5 / 1.5)
    assert score.mean()[0] == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_unlabeled_prediction_has_no_boundary_of_its_own():
    prediction = halves(6)
    prediction[:, 6:] = 255
    score = scored(halves(6), prediction, radii_px=(1,))
    assert score.f_score().tolist() == [[1, 0]]


def test_mean_over_frames_and_merge():
    score, other = BoundaryScore(2, (1,)), BoundaryScore(2, (1,))
    score.add(halves(6), halves(6))
    other.add(halves(6), halves(9))
    other.add(np.zeros((4, 12), np.uint8), np.zeros((4, 12), np.uint8))  # no boundary at all
    score.merge(other)
    assert score.frames.tolist() == [2, 2]
    assert score.f_score().tolist() == [[0.5, 0.5]]


def by_distance_transform(truth: np.ndarray, prediction: np.ndarray, label: int, radius: int):
    """F-score of one class in one frame, after the definition and with other means."""
    known = truth != 255
    edges = []
    for mask in (truth, prediction):
        here = np.zeros(mask.shape, np.uint8)
        for y, x in np.argwhere((mask == label) & known):
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= v < mask.shape[0] and 0 <= u < mask.shape[1] and known[v, u]:
                    here[y, x] |= mask[v, u] != label
        edges.append(here)
    if not edges[0].any() and not edges[1].any():
        return None
    if not edges[0].any() or not edges[1].any():
        return 0.0
    near = [cv2.distanceTransform(1 - edge, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for edge in edges]
    recall = (near[1][edges[0] > 0] <= radius + 1e-4).mean()
    precision = (near[0][edges[1] > 0] <= radius + 1e-4).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize('seed', range(4))
def test_agrees_with_a_distance_transform(seed):
    rng = np.random.default_rng(seed)
    small = rng.choice(np.array([0, 1, 2, 3, 255], np.uint8), (2, 7, 9), p=(0.4, 0.3, 0.2, 0, 0.1))
    truth, prediction = (cv2.resize(m, (54, 42), interpolation=cv2.INTER_NEAREST) for m in small)
    prediction = np.where(rng.random(truth.shape) < 0.7, truth, prediction)
    f_score = scored(truth, prediction, classes=4).f_score()
    for row, radius in enumerate((1, 3, 5)):
        for label in range(4):
            expected = by_distance_transform(truth, prediction, label, radius)
            if expected is None:
                assert isnan(f_score[row, label])
            else:
                assert f_score[row, label] == pytest.approx(expected, abs=1e-12)


def test_arguments_stay_as_they_are():
    truth, prediction = halves(6), halves(7)
    truth.setflags(write=False)
    prediction.setflags(write=False)
    scored(truth, prediction)


@pytest.mark.parametrize('radii', [(), (3, 1), (1, 1), (-1, 2)])
def test_radii_are_checked(radii):
    with pytest.raises(ParameterError, match='radii of the boundary score'):
        BoundaryScore(2, radii)


def test_wrong_input():
    with pytest.raises(ClassTableError, match='number of classes: got 0, expected 1 to 255'):
        BoundaryScore(0)
    with pytest.raises(ImageError, match='shape of prediction'):
        BoundaryScore(2).add(halves(6), halves(6, width=11))
    with pytest.raises(ImageError, match='value in mask: got 7, expected 0 to 1, or 255'):
        BoundaryScore(2).add(halves(6), halves(6) * np.uint8(7))
    with pytest.raises(ClassTableError, match=r'score: got \(2, \(1, 3, 5\)\), expected'):
        BoundaryScore(2, (1,)).merge(BoundaryScore(2))
