# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from seg_perception.core.classes import CAMVID_11
from training.config import DeployConfig
from training.data.camvid import Sample
from training.evaluate import at_working_size, score


def test_scores_of_a_constant_prediction():
    labels = np.array([[3, 3, 3, 8], [255, 255, 255, 255]], np.uint8)
    sample = Sample('a', np.zeros((2, 4, 3), np.uint8), labels)
    road = np.full((2, 4), 3, np.uint8)
    scores = score(lambda rgb: (road, np.full((2, 4), 255, np.uint8)), [sample, sample], 11)
    assert scores.frames == 2
    assert scores.matrix.mean_iou() == pytest.approx((3 / 4 + 0) / 2)
    assert scores.calibration.value() == pytest.approx(1 / 4)
    text = scores.text(CAMVID_11)
    assert 'road           0.7500' in text and 'mean IoU       0.3750' in text


def test_frames_are_segmented_at_the_working_size_and_compared_at_their_own():
    seen = []

    def left_half_is_car(rgb):
        seen.append(rgb.shape)
        labels = np.full(rgb.shape[:2], 3, np.uint8)
        labels[:, : rgb.shape[1] // 2] = 8
        return labels, np.full(rgb.shape[:2], 200, np.uint8)

    deploy = DeployConfig(input_size=(32, 32), upscale=2.0)
    predict = at_working_size(left_half_is_car, deploy.size_for)
    labels, confidence = predict(np.zeros((16, 16, 3), np.uint8))
    assert seen == [(32, 32, 3)]
    assert labels.tolist() == [[8] * 8 + [3] * 8] * 16
    assert confidence.shape == (16, 16) and (confidence == 200).all()
