# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from training.config import TermConfig
from training.losses.inputs import Target, loss_inputs
from training.losses.total import build_term


def test_four_pixels_by_hand(term, inputs):
    # (ln 2 + ln 4/3 + ln 4) / 3
    assert float(term('cross_entropy')(inputs)) == pytest.approx(0.7890412, abs=1e-6)


def test_weights_by_hand(term, inputs):
    # (ln 2 + ln 4/3 + 3 ln 4) / (1 + 1 + 3)
    loss = term('cross_entropy', weights=(1, 3))
    assert float(loss(inputs)) == pytest.approx(1.0279425, abs=1e-6)


def test_weights_can_be_left_out(term, inputs):
    loss = term('cross_entropy', weights=(1, 3), weighted=False)
    assert float(loss(inputs)) == pytest.approx(0.7890412, abs=1e-6)


def test_equals_that_of_torch(four_class_weights, random_case):
    logits, labels = random_case
    loss = build_term(TermConfig('cross_entropy'), four_class_weights)
    expected = F.cross_entropy(
        logits, labels.long(), torch.tensor([1, 2, 0.5, 3]), ignore_index=255
    )
    assert float(loss(loss_inputs(logits, Target(labels)))) == pytest.approx(
        float(expected), abs=1e-6
    )


def test_edge_is_the_cross_entropy_of_boundary_pixels(term):
    # Shares of the true class 0.99, 1/2, 3/4, 1/4; the last two are boundary.
    logits = torch.tensor([[[[5.0, 0.0, 1.0986123, 1.0986123]], [[0.0, 0.0, 0.0, 0.0]]]])
    labels = torch.tensor([[[0, 0, 0, 1]]], dtype=torch.uint8)
    inputs = loss_inputs(logits, Target(labels))
    # (ln 4/3 + ln 4) / 2, then with weights (2 ln 4/3 + ln 4) / 3
    assert float(term('edge')(inputs)) == pytest.approx(0.8369882, abs=1e-6)
    assert float(term('edge', weights=(2, 1))(inputs)) == pytest.approx(0.6538862, abs=1e-6)
    # With a radius of 2 also the second: (ln 2 + ln 4/3 + ln 4) / 3
    assert float(term('edge', radius_px=2)(inputs)) == pytest.approx(0.7890412, abs=1e-6)


def test_edge_without_boundary_is_zero(term):
    logits = torch.zeros((1, 2, 2, 2), requires_grad=True)
    labels = torch.tensor([[[0, 0], [0, 255]]], dtype=torch.uint8)
    loss = term('edge')(loss_inputs(logits, Target(labels)))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not logits.grad.any()


def test_easy_pixels_are_left_out(term, inputs):
    # Shares 1/2, 3/4, 1/4: the second is above 0.7. (ln 2 + ln 4) / 2
    loss = term('ohem', threshold=0.7, min_kept=0.01)
    assert float(loss(inputs)) == pytest.approx(1.0397208, abs=1e-6)


def test_the_hardest_are_kept_when_none_is_hard(term, inputs):
    # Two of the four scored pixels, void included: 1/4 and 1/2.
    loss = term('ohem', threshold=0.1, min_kept=0.5)
    assert float(loss(inputs)) == pytest.approx(1.0397208, abs=1e-6)
    # One: ln 4
    loss = term('ohem', threshold=0.1, min_kept=0.25)
    assert float(loss(inputs)) == pytest.approx(1.3862944, abs=1e-6)


def test_void_is_never_kept(term, inputs):
    # All four pixels asked for, three are there: (ln 2 + ln 4/3 + ln 4) / 3
    loss = term('ohem', threshold=0.1, min_kept=1)
    assert float(loss(inputs)) == pytest.approx(0.7890412, abs=1e-6)


def test_hard_pixels_are_weighted_by_hand(term, inputs):
    # (ln 2 + 3 ln 4) / 4
    loss = term('ohem', weights=(1, 3), threshold=0.7, min_kept=0.01)
    assert float(loss(inputs)) == pytest.approx(1.2130076, abs=1e-6)


@pytest.mark.parametrize('threshold', [0.8, 0.1])
def test_equals_sorting(term, threshold):
    rng = np.random.default_rng(2)
    road = rng.uniform(0.05, 0.95, (1, 7, 8))
    logits = torch.from_numpy(np.log(np.stack([road, 1 - road], axis=1))).float()
    labels = np.zeros((1, 7, 8), np.uint8)
    loss = term('ohem', threshold=threshold, min_kept=0.25)(
        loss_inputs(logits, Target(torch.from_numpy(labels)))
    )
    hardest = np.sort(road.ravel())
    count = max(int((hardest <= threshold).sum()), 14)
    assert float(loss) == pytest.approx(-np.log(hardest[:count]).mean(), abs=1e-5)
