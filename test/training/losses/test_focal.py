# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from torchvision.ops import sigmoid_focal_loss

from seg_perception.core.classes import CITYSCAPES_19
from training.errors import ConfigError
from training.losses.class_weights import ClassWeights
from training.losses.focal import ObjectWeightedFocal
from training.losses.inputs import Target, loss_inputs

# Of all labelled pixels of the fine training set, per mille of a per cent, in the table's order.
CITYSCAPES_SHARES = (
    (36870, 6080, 22820, 656, 878, 1227, 208, 552, 15930, 1158, 4019, 1219, 135, 6995, 268, 235)
    + (233, 99, 414)
)  # fmt: skip


# ((1/2)^g ln 2 + (1/4)^g ln 4/3 + (3/4)^g ln 4) / 3
@pytest.mark.parametrize(
    ('gamma', 'expected'), [(0.0, 0.7890412), (2.0, 0.3236858), (3.0, 0.2253271)]
)
def test_four_pixels_by_hand(term, inputs, gamma, expected):
    assert float(term('focal', gamma=gamma)(inputs)) == pytest.approx(expected, abs=1e-6)


def test_weights_by_hand(term, inputs):
    # (1/4 ln 2 + 1/16 ln 4/3 + 3 * 9/16 ln 4) / 5
    loss = term('focal', weights=(1, 3), gamma=2.0)
    assert float(loss(inputs)) == pytest.approx(0.5061277, abs=1e-6)


def test_equals_the_binary_one_of_torchvision(term):
    generator = torch.Generator().manual_seed(1)
    values = 3 * torch.randn((2, 5, 6), generator=generator)
    labels = torch.randint(0, 2, (2, 5, 6), generator=generator)
    # The sigmoid of a logit is the softmax of it and 0.
    logits = torch.stack([torch.zeros_like(values), values], dim=1)
    ours = term('focal', gamma=2.0)(loss_inputs(logits, Target(labels.to(torch.uint8))))
    theirs = sigmoid_focal_loss(values, labels.float(), alpha=-1, gamma=2.0, reduction='mean')
    assert float(ours) == pytest.approx(float(theirs), abs=1e-6)


@pytest.mark.parametrize('gamma', [0.0, 0.5, 1.0, 2.0])
def test_certainty_has_a_finite_gradient(term, gamma):
    logits = torch.tensor([[[[0.0, 500.0]], [[500.0, 0.0]]]], requires_grad=True)
    labels = torch.tensor([[[0, 0]]], dtype=torch.uint8)
    term('focal', gamma=gamma)(loss_inputs(logits, Target(labels))).backward()
    assert logits.grad.isfinite().all()
    assert logits.grad[0, 0, 0, 0] == pytest.approx(-0.5)
    assert logits.grad[0, 0, 0, 1] == pytest.approx(0, abs=1e-6)


def test_owfl_by_hand(term, inputs):
    # Shares 1/1001 and 1000/1001: weights 1 / ln 1.020999 and 1 / ln 2.019001, by the greatest
    # alpha 1 and 0.0295780; orders of magnitude 0 and 3. Two pixels of road, one of car:
    # (ln 2 + ln 4/3 + 0.0295780 (3/4)^3 ln 4) / 3
    loss = term('owfl', counts=(1, 1000))
    assert loss.alpha[:2].tolist() == pytest.approx([1, 0.0295780], abs=1e-6)
    assert loss.gamma[:2].tolist() == [0, 3]
    assert float(loss(inputs)) == pytest.approx(0.3327092, abs=1e-6)


def test_owfl_finds_the_groups_of_the_paper(counted):
    ones = np.ones(19, np.float32)
    class_weights = ClassWeights(counted(CITYSCAPES_19, CITYSCAPES_SHARES), ones, ones)
    loss = ObjectWeightedFocal(class_weights)
    groups: dict[int, set[str]] = {0: set(), 1: set(), 2: set()}
    for name, gamma in zip(CITYSCAPES_19.names, loss.gamma.tolist()[:19], strict=True):
        groups[int(gamma)].add(name)
    # Table 4 of the paper.
    assert groups[2] == {'road', 'building', 'vegetation'}
    assert groups[1] == {'sidewalk', 'pole', 'terrain', 'sky', 'person', 'car'}
    assert len(groups[0]) == 10


def test_owfl_is_boosted(two_classes, counted):
    boost = np.array([1, 2], np.float32)
    class_weights = ClassWeights(counted(two_classes, [5, 5]), boost, boost)
    assert ObjectWeightedFocal(class_weights).alpha[:3].tolist() == [1, 2, 0]


def test_owfl_without_counts(term):
    with pytest.raises(ConfigError, match=r'labelled pixels for loss term owfl: got 0'):
        term('owfl', counts=(0, 0))
