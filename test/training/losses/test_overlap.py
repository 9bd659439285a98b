# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import segmentation_models_pytorch as smp
import torch

from training.config import TermConfig
from training.errors import ConfigError
from training.losses.inputs import Target, loss_inputs
from training.losses.total import build_term

# At the labelled pixels, road has shares 1/2, 3/4, 3/4, the first two of them on road: overlap
# 1.25, predicted 2, pixels 2. Car: overlap 0.25, predicted 1, pixels 1.


def test_dice_by_hand(term, inputs):
    # 1 - (2.5 / 4 + 0.5 / 2) / 2
    assert float(term('dice')(inputs)) == pytest.approx(0.5625, abs=1e-6)


def test_smooth_dice_by_hand(term, inputs):
    # 1 - (3.5 / 5 + 1.5 / 3) / 2
    assert float(term('dice', smooth=1.0)(inputs)) == pytest.approx(0.4, abs=1e-6)


def test_jaccard_by_hand(term, inputs):
    # 1 - (1.25 / 2.75 + 0.25 / 1.75) / 2
    assert float(term('jaccard')(inputs)) == pytest.approx(0.7012987, abs=1e-6)


def test_smooth_jaccard_by_hand(term, inputs):
    # 1 - (2.25 / 3.75 + 1.25 / 2.75) / 2
    assert float(term('jaccard', smooth=1.0)(inputs)) == pytest.approx(0.4727273, abs=1e-6)


def test_iou_by_hand(term, inputs):
    # 1 - 1.25 / 2.75 and, without smoothing, 1 - 0.25 / 1.75
    loss = term('iou', foreground=['car'])
    assert float(loss(inputs)) == pytest.approx(0.5454545, abs=1e-6)
    loss = term('iou', foreground=['car'], smooth=0.0)
    assert float(loss(inputs)) == pytest.approx(0.8571429, abs=1e-6)


def test_iou_takes_its_classes_together(four_class_weights):
    # Shares of a, b, c, d: 0.4 0.3 0.2 0.1; a and b are the foreground, 0.7 everywhere.
    shares = torch.tensor([0.4, 0.3, 0.2, 0.1])
    logits = shares.log()[None, :, None, None].expand(1, 4, 1, 3)
    labels = torch.tensor([[[0, 1, 2]]], dtype=torch.uint8)
    config = TermConfig('iou', options={'foreground': ['a', 'b'], 'smooth': 0.0})
    loss = build_term(config, four_class_weights)(loss_inputs(logits, Target(labels)))
    # Overlap 1.4, predicted 2.1, pixels 2
    assert float(loss) == pytest.approx(1 - 1.4 / 2.7, abs=1e-6)


def test_classes_that_do_not_occur_do_not_count(four_class_weights):
    # Class a alone, at a share of 0.4 on one pixel: Dice 0.8 / 1.4, Jaccard 0.4 / 1.
    logits = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()[None, :, None, None]
    inputs = loss_inputs(logits, Target(torch.zeros((1, 1, 1), dtype=torch.uint8)), True)
    dice, jaccard = (
        build_term(TermConfig(name), four_class_weights) for name in ('dice', 'jaccard')
    )
    assert float(dice(inputs)) == pytest.approx(1 - 0.8 / 1.4, abs=1e-6)
    assert float(jaccard(inputs)) == pytest.approx(0.6, abs=1e-6)


@pytest.mark.parametrize(
    ('name', 'theirs'), [('dice', smp.losses.DiceLoss), ('jaccard', smp.losses.JaccardLoss)]
)
def test_equals_that_of_segmentation_models(four_class_weights, random_case, name, theirs):
    logits, labels = random_case
    ours = build_term(TermConfig(name), four_class_weights)(
        loss_inputs(logits, Target(labels), True)
    )
    expected = theirs('multiclass', ignore_index=255)(logits, labels.long())
    assert float(ours) == pytest.approx(float(expected), abs=1e-6)


def test_iou_needs_its_classes(term):
    with pytest.raises(ConfigError, match=r'foreground of loss term iou: got no names.*road, car'):
        term('iou')
    with pytest.raises(ConfigError, match=r"iou: got 'cat', expected road, car.*mean car\?"):
        term('iou', foreground=['cat'])
