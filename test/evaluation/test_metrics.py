# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from math import isnan, nan

import numpy as np
import pytest

from seg_perception.core.errors import ClassTableError, ImageError, ParameterError
from seg_perception.evaluation.metrics import ConfusionMatrix, largest_confusions, shares_of_truth


def mask(*values: int) -> np.ndarray:
    return np.array([values], np.uint8)


@pytest.fixture
def matrix() -> ConfusionMatrix:
    """Four classes; class 3 is absent, one pixel ignored, one missed, one of class 2 invented."""
    matrix = ConfusionMatrix(4)
    matrix.add(mask(0, 0, 0, 1, 1, 255, 0, 1), mask(0, 0, 1, 1, 255, 1, 2, 1))
    return matrix


def test_counts_have_truth_in_rows(matrix):
    assert matrix.counts.tolist() == [[2, 1, 1, 0], [0, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert matrix.missed.tolist() == [0, 1, 0, 0]
    assert matrix.counts.dtype == np.int64


def test_iou_by_hand(matrix):
    # 0: 2 / (2 + 1 + 1); 1: 2 / (2 + 1 missed + 1 false); 2: predicted, never true; 3: absent
    np.testing.assert_array_equal(matrix.iou(), [0.5, 0.5, 0.0, nan])


def test_dice_by_hand(matrix):
    np.testing.assert_allclose(matrix.dice(), [4 / 6, 4 / 6, 0.0, nan])


def test_means_leave_out_absent_classes(matrix):
    assert matrix.mean_iou() == pytest.approx(1 / 3)
    assert matrix.mean_dice() == pytest.approx(4 / 9)


def test_pixel_accuracy_counts_a_miss_as_wrong(matrix):
    assert matrix.pixel_accuracy() == pytest.approx(4 / 7)


def test_class_without_true_pixels_is_skipped_where_asked(matrix):
    np.testing.assert_array_equal(matrix.iou('skip'), [0.5, 0.5, nan, nan])
    np.testing.assert_allclose(matrix.dice('skip'), [4 / 6, 4 / 6, nan, nan])
    assert matrix.mean_iou('skip') == pytest.approx(1 / 2)
    assert matrix.mean_dice('skip') == pytest.approx(4 / 6)


def test_unknown_rule_for_absent_classes(matrix):
    with pytest.raises(ParameterError, match="absent classes: got 'nan', expected zero or skip"):
        matrix.iou('nan')


def test_recall_and_precision_by_hand(matrix):
    np.testing.assert_allclose(matrix.recall(), [2 / 4, 2 / 3, nan, nan])
    np.testing.assert_allclose(matrix.precision(), [1, 2 / 3, 0, nan])
    assert matrix.mean_accuracy() == pytest.approx((2 / 4 + 2 / 3) / 2)


def test_frequency_weighted_iou_by_hand(matrix):
    # Four and three of the seven true pixels, both with IoU 0.5; the invented class has no weight.
    assert matrix.frequency_weighted_iou() == pytest.approx(0.5)
    uneven = ConfusionMatrix(2)
    uneven.add(mask(0, 0, 0, 1), mask(0, 0, 0, 0))
    assert uneven.frequency_weighted_iou() == pytest.approx(3 / 4 * 3 / 4)


def bdd100k_frame() -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction of the fixture of BDD100K's own tests: 93, 1, 4, 2 pixels a pair."""
    counts = (93, 1, 4, 2)
    truth, prediction = (np.repeat(ids, counts) for ids in ((0, 0, 1, 1), (0, 1, 0, 1)))
    return truth.astype(np.uint8).reshape(10, 10), prediction.astype(np.uint8).reshape(10, 10)


def test_figures_of_bdd100k():
    # tests/eval/seg_test.py, test_ious_miou. What it calls Acc is the precision.
    matrix = ConfusionMatrix(19)
    matrix.add(*bdd100k_frame())
    assert 100 * matrix.mean_iou('skip') == pytest.approx(61.73469387755102, abs=1e-9)
    assert 100 * np.nanmean(matrix.precision()) == pytest.approx(81.27147766323024, abs=1e-9)
    assert 100 * matrix.frequency_weighted_iou() == pytest.approx(90.91836734693878, abs=1e-9)
    assert 100 * matrix.pixel_accuracy() == pytest.approx(95.0, abs=1e-9)
    assert 100 * matrix.mean_accuracy() == pytest.approx(100 * (93 / 94 + 2 / 6) / 2)


def test_figures_of_bdd100k_with_a_blank_prediction():
    # test_blank_dir: a second frame of the same truth has no prediction.
    matrix = ConfusionMatrix(19)
    truth, prediction = bdd100k_frame()
    matrix.add(truth, prediction)
    matrix.add(truth, np.full_like(truth, 255))
    assert 100 * matrix.mean_iou('skip') == pytest.approx(31.911057692307693, abs=1e-9)
    assert 100 * np.nanmean(matrix.precision()) == pytest.approx(81.27147766323024, abs=1e-9)
    assert 100 * matrix.frequency_weighted_iou() == pytest.approx(46.45432692307692, abs=1e-9)
    assert 100 * matrix.pixel_accuracy() == pytest.approx(47.5, abs=1e-9)


def test_ignored_truth_changes_nothing(matrix):
    before = matrix.iou()
    matrix.add(mask(255, 255, 255, 255), mask(0, 1, 3, 255))
    np.testing.assert_array_equal(matrix.iou(), before)


def test_perfect_prediction_scores_one():
    matrix = ConfusionMatrix(2)
    matrix.add(mask(0, 1, 1), mask(0, 1, 1))
    assert matrix.iou().tolist() == [1.0, 1.0]
    assert matrix.pixel_accuracy() == 1.0


def test_nothing_counted_is_nan_without_warnings(recwarn):
    matrix = ConfusionMatrix(3)
    assert (
        isnan(matrix.pixel_accuracy()) and isnan(matrix.mean_iou()) and isnan(matrix.mean_dice())
    )
    assert isnan(matrix.mean_accuracy()) and isnan(matrix.frequency_weighted_iou())
    assert np.isnan(matrix.iou()).all()
    assert not recwarn.list


def test_split_and_whole_agree():
    rng = np.random.default_rng(7)
    truth = rng.choice(np.array([0, 1, 2, 255], np.uint8), (6, 20, 30))
    prediction = rng.choice(np.array([0, 1, 2, 255], np.uint8), (6, 20, 30))
    whole, left, right = ConfusionMatrix(3), ConfusionMatrix(3), ConfusionMatrix(3)
    whole.add(truth, prediction)
    left.add(truth[:2], prediction[:2])
    right.add(truth[2:], prediction[2:])
    left.merge(right)
    np.testing.assert_array_equal(left.counts, whole.counts)
    np.testing.assert_array_equal(left.missed, whole.missed)


def test_all_255_classes_fit():
    matrix = ConfusionMatrix(255)
    matrix.add(mask(254, 0, 255), mask(254, 255, 3))
    assert matrix.counts[254, 254] == 1 and matrix.missed[0] == 1 and matrix.counts.sum() == 1


def test_frames_beyond_float32_integers():
    # OpenCV counts in float32, where 2**24 + 1 is 2**24.
    truth = np.zeros((2**12, 2**12 + 1), np.uint8)
    matrix = ConfusionMatrix(2)
    matrix.add(truth, truth)
    assert matrix.counts[0, 0] == 16_781_312


def test_rows_that_are_not_contiguous():
    matrix = ConfusionMatrix(2)
    wide = np.array([[0, 1, 0, 1], [1, 1, 1, 1]], np.uint8)
    matrix.add(wide[:, ::2], wide[::-1, :2])
    assert matrix.counts.tolist() == [[0, 2], [1, 1]]


def test_counts_beyond_32_bits():
    matrix = ConfusionMatrix(2)
    matrix.counts[0, 0] = 2**31 - 1
    matrix.add(mask(0, 0), mask(0, 0))
    assert matrix.counts[0, 0] == 2_147_483_649


def test_arguments_stay_as_they_are():
    truth, prediction = mask(0, 1, 255), mask(1, 1, 0)
    truth.setflags(write=False)
    prediction.setflags(write=False)
    ConfusionMatrix(2).add(truth, prediction)
    assert truth.tolist() == [[0, 1, 255]]


@pytest.mark.parametrize('num_classes', [0, -1, 256])
def test_number_of_classes_is_checked(num_classes):
    with pytest.raises(ClassTableError, match=f'got {num_classes}, expected 1 to 255'):
        ConfusionMatrix(num_classes)


def test_value_outside_the_table_names_value_and_count():
    matrix = ConfusionMatrix(2)
    with pytest.raises(ImageError, match='value in truth: got 7 in 2 pixels, expected 0 to 1'):
        matrix.add(mask(7, 7, 0), mask(0, 0, 0))
    with pytest.raises(ImageError, match='value in prediction: got 2 in 1 pixels'):
        matrix.add(mask(1, 1, 0), mask(0, 2, 0))
    assert matrix.counts.sum() == 0


def test_wrong_type_and_shape():
    matrix = ConfusionMatrix(2)
    with pytest.raises(ImageError, match='type of truth: got int64, expected uint8'):
        matrix.add(np.zeros((2, 2), np.int64), np.zeros((2, 2), np.uint8))
    with pytest.raises(ImageError, match='type of prediction: got float32'):
        matrix.add(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.float32))
    with pytest.raises(ImageError, match=r'shape of prediction: got \(1, 2\), expected \(1, 3\)'):
        matrix.add(mask(0, 1, 1), mask(0, 1))


def test_classes_of_different_size_do_not_merge():
    with pytest.raises(ClassTableError, match='got 3 classes, expected 2 classes'):
        ConfusionMatrix(2).merge(ConfusionMatrix(3))


def test_shares_of_the_true_classes() -> None:
    assert shares_of_truth(np.array([[3, 1, 0], [0, 0, 0]])).tolist() == [[0.75, 0.25, 0], [0] * 3]


def test_confusions_of_the_most_pixels_come_first() -> None:
    counts = np.array([[90, 0, 10], [30, 70, 0], [0, 0, 200]])
    assert largest_confusions(counts, 12) == [(1, 0, 0.3, 0.075), (0, 2, 0.1, 0.025)]
    assert largest_confusions(counts, 1) == [(1, 0, 0.3, 0.075)]
    assert counts[0, 0] == 90  # the caller's
    with_unlabeled = np.array([[6, 2, 3], [0, 1, 0]])
    assert [pair[:2] for pair in largest_confusions(with_unlabeled, 12)] == [(0, 2), (0, 1)]
    assert largest_confusions(np.zeros((0, 0)), 12) == []
