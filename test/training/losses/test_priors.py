# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from training.config import LossConfig
from training.errors import ConfigError
from training.losses.priors import ClassPriors


def test_weights_are_boosted(two_classes):
    config = LossConfig(class_weights='enet', weight_offset=1.1, boost={'car': 3.0})
    priors = ClassPriors.of(config, two_classes, np.array([1, 3]))
    # 1 / ln(1.1 + 1/4) and 3 / ln(1.1 + 3/4)
    assert priors.weights.tolist() == pytest.approx([3.3321721, 4.8765768], abs=1e-4)
    assert priors.boost.tolist() == [1, 3]


def test_a_boost_needs_no_class_weights(two_classes):
    config = LossConfig(boost={'road': 2.0, 'car': 0.0})
    priors = ClassPriors.of(config, two_classes, np.zeros(2, np.int64))
    assert priors.table()[:3].tolist() == [2, 0, 0]
    assert priors.table(is_weighted=False)[:3].tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ('boost', 'message'),
    [
        ({'raod': 2.0}, r"loss.boost: class: got 'raod', expected road, car.*mean road\?"),
        ({'car': -2.0}, r'loss.boost.car: got -2.0, expected 0 or more'),
    ],
)
def test_wrong_boosts(two_classes, boost, message):
    with pytest.raises(ConfigError, match=message):
        ClassPriors.of(LossConfig(boost=boost), two_classes, np.ones(2, np.int64))
