# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from torch import nn

from training.calibration import CalibrationError, fit_temperature
from training.data.camvid import Sample


def test_error_by_hand():
    error = CalibrationError(bins=2)
    truth = np.array([[1, 1, 1, 1, 255]], np.uint8)
    labels = np.array([[1, 0, 1, 1, 0]], np.uint8)
    confidence = np.array([[51, 51, 204, 255, 255]], np.uint8)  # 0.2 0.2 0.8 1.0, void
    error.add(truth, labels, confidence)
    # Lower bin: stated 0.2, right 1/2, 2 pixels. Upper: stated 0.9, right 1, 2 pixels.
    assert error.value() == pytest.approx((2 * 0.3 + 2 * 0.1) / 4)


class Overconfident(nn.Module):
    """Two classes; says class 0 with logits of 2 where it should with those of 1."""

    def forward(self, image):
        n, _, height, width = image.shape
        logits = torch.zeros(n, 2, height // 8, width // 8)
        logits[:, 0] = 2.0
        return logits


def test_temperature_of_an_overconfident_network():
    # sigmoid(1) = 0.731 of the pixels are right, so the temperature is 2.
    labels = np.ones((800, 800), np.uint8)
    flat = np.zeros(100 * 100, np.uint8)
    flat[7311:] = 1
    labels[4::8, 4::8] = flat.reshape(100, 100)
    sample = Sample('a', np.zeros((800, 800, 3), np.uint8), labels)
    assert fit_temperature(Overconfident(), [sample]) == pytest.approx(2.0, rel=0.02)
