# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from math import isnan, nan

import numpy as np
import pytest

from training.evaluate.calibration_error import CalibrationError


def measured() -> CalibrationError:
    error = CalibrationError(bins=2)
    truth = np.array([[1, 1, 1, 1, 255]], np.uint8)
    labels = np.array([[1, 0, 1, 1, 0]], np.uint8)
    confidence = np.array([[51, 51, 204, 255, 255]], np.uint8)  # 0.2 0.2 0.8 1.0, void
    error.add(truth, labels, confidence)
    return error


def test_error_by_hand():
    # Lower bin: stated 0.2, right 1/2, 2 pixels. Upper: stated 0.9, right 1, 2 pixels.
    assert measured().value() == pytest.approx((2 * 0.3 + 2 * 0.1) / 4)


def test_reliability_by_hand():
    bins = measured().reliability()
    np.testing.assert_allclose(bins.stated, [0.2, 0.9])
    np.testing.assert_allclose(bins.right, [0.5, 1.0])
    assert bins.pixels.tolist() == [2, 2]


def test_bins_without_pixels_are_nan_and_do_not_count():
    error = CalibrationError(bins=3)
    ones = np.ones((1, 4), np.uint8)
    error.add(ones, ones, np.full((1, 4), 255, np.uint8))
    np.testing.assert_array_equal(error.reliability().right, [nan, nan, 1])
    assert error.value() == 0


def test_unlabeled_prediction_is_wrong():
    error = CalibrationError()
    error.add(np.uint8([[3]]), np.uint8([[255]]), np.uint8([[255]]))
    assert error.value() == 1


def test_nothing_counted_is_nan():
    assert isnan(CalibrationError().value())
