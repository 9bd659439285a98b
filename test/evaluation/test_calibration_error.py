# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from math import isnan

import numpy as np
import pytest

from seg_perception.evaluation.calibration_error import ConfidenceCalibration


def measured() -> ConfidenceCalibration:
    calibration = ConfidenceCalibration(bins=2)
    truth = np.array([[1, 1, 1, 1, 255]], np.uint8)
    labels = np.array([[1, 0, 1, 1, 0]], np.uint8)
    confidence = np.array([[51, 51, 204, 255, 255]], np.uint8)  # 0.2 0.2 0.8 1.0, void
    calibration.add(truth, labels, confidence)
    return calibration


def test_error_by_hand() -> None:
    # Lower bin: stated 0.2, right 1/2, 2 pixels. Upper: stated 0.9, right 1, 2 pixels.
    assert measured().error() == pytest.approx((2 * 0.3 + 2 * 0.1) / 4)


def test_reliability_by_hand() -> None:
    lower, upper = measured().reliability()
    assert lower == {'confidence': pytest.approx(0.2), 'accuracy': 0.5, 'count': 2}
    assert upper == {'confidence': pytest.approx(0.9), 'accuracy': 1.0, 'count': 2}


def test_bins_without_pixels_are_left_out() -> None:
    calibration = ConfidenceCalibration(bins=3)
    ones = np.ones((1, 4), np.uint8)
    calibration.add(ones, ones, np.full((1, 4), 255, np.uint8))
    assert calibration.reliability() == [{'confidence': 1, 'accuracy': 1, 'count': 4}]
    assert calibration.error() == 0


def test_unlabeled_prediction_is_wrong() -> None:
    calibration = ConfidenceCalibration()
    calibration.add(np.uint8([[3]]), np.uint8([[255]]), np.uint8([[255]]))
    assert calibration.error() == 1


def test_nothing_counted_is_nan() -> None:
    assert isnan(ConfidenceCalibration().error())
