# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from training.losses.inputs import Target, loss_inputs


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


def test_weights_by_hand(term, inputs):
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
