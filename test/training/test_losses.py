# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
import torch

from training.losses import SegmentationLoss, class_weights, dice_loss

# Two classes, 2x2 pixels; the logit of class 1 is 0 and that of class 0 is:
LOGITS = torch.tensor([[[[0.0, math.log(3)], [math.log(3), 5.0]], [[0.0, 0.0], [0.0, 0.0]]]])
LABELS = torch.tensor([[[0, 0], [1, 255]]], dtype=torch.uint8)
# Shares of the right class: 1/2, 3/4, 1/4; the fourth pixel is void.
NEGATIVE_LOGS = (0.693147, 0.287682, 1.386294)


def test_four_pixels_by_hand():
    loss = SegmentationLoss(None, aux_weight=0.4)
    assert float(loss([LOGITS], LABELS)) == pytest.approx(sum(NEGATIVE_LOGS) / 3, abs=1e-5)


def test_weights_by_hand():
    loss = SegmentationLoss(torch.tensor([1.0, 3.0]), aux_weight=0.4)
    expected = (0.693147 + 0.287682 + 3 * 1.386294) / (1 + 1 + 3)
    assert float(loss([LOGITS], LABELS)) == pytest.approx(expected, abs=1e-5)


def test_auxiliary_logits_count_by_their_weight():
    loss = SegmentationLoss(None, aux_weight=0.4)
    outputs = [LOGITS, torch.zeros_like(LOGITS)]
    expected = sum(NEGATIVE_LOGS) / 3 + 0.4 * math.log(2)
    assert float(loss(outputs, LABELS)) == pytest.approx(expected, abs=1e-5)


def test_stride_visits_every_pixel_in_turn():
    loss = SegmentationLoss(None, aux_weight=0.4, stride=2)
    labels = torch.full((1, 2, 2), 255, dtype=torch.uint8)
    labels[0, 1, 0] = 1
    logits = torch.zeros((1, 2, 1, 1))
    finite = [math.isfinite(float(loss([logits], labels, step))) for step in range(4)]
    assert finite == [False, False, True, False]  # the mean over no pixel is NaN


def test_class_weights_of_shares_a_quarter_and_three_quarters():
    labels = [np.array([[0, 1, 1, 1]], np.uint8), np.full((5, 5), 255, np.uint8)]
    weights = class_weights(labels, 3, offset=1.1)
    assert weights.tolist() == pytest.approx([3.332172, 1.625525, 10.492059], abs=1e-4)


def test_dice_by_hand():
    # Class 0 of shares 1/2, 3/4, 1/4 on pixels of class 0, 0, 1; class 2 never occurs.
    shares = torch.tensor(
        [[[[0.5, 0.75], [0.25, 1.0]], [[0.5, 0.25], [0.75, 0.0]], [[0.0] * 2] * 2]]
    )
    expected = 1 - (2 * 1.25 / (1.5 + 2) + 2 * 0.75 / (1.5 + 1)) / 2
    assert float(dice_loss(shares, LABELS.long())) == pytest.approx(expected, abs=1e-6)


def test_dice_adds_to_the_main_loss_only():
    outputs = [LOGITS, torch.zeros_like(LOGITS)]
    plain = SegmentationLoss(None, aux_weight=0.4)(outputs, LABELS)
    both = SegmentationLoss(None, aux_weight=0.4, dice_weight=2.0)(outputs, LABELS)
    first = 2 * (0.5 + 0.75) / (0.5 + 0.75 + 0.75 + 2)
    second = 2 * 0.25 / (0.5 + 0.25 + 0.25 + 1)
    assert float(both - plain) == pytest.approx(2 * (1 - (first + second) / 2), abs=1e-5)
