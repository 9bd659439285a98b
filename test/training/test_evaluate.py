# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from seg_perception.core.classes import CAMVID_11
from training.data.camvid import Sample
from training.evaluate import score


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
