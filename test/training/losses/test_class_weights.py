# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from seg_perception.core.classes import CITYSCAPES_19
from training.config import LossConfig
from training.data.tables import keep_classes
from training.errors import ConfigError
from training.losses.class_weights import ClassWeights
from training.stats import ClassStatistics


def test_weights_are_boosted(two_classes, counted):
    config = LossConfig(class_weights='enet', weight_offset=1.1, boost={'car': 3.0})
    class_weights = ClassWeights.of(config, counted(two_classes, [1, 3]))
    # 1 / ln(1.1 + 1/4) and 3 / ln(1.1 + 3/4)
    assert class_weights.weights.tolist() == pytest.approx([3.3321721, 4.8765768], abs=1e-4)
    assert class_weights.boost.tolist() == [1, 3]


def test_a_boost_needs_no_class_weights(two_classes):
    config = LossConfig(boost={'road': 2.0, 'car': 0.0})
    class_weights = ClassWeights.of(config, ClassStatistics.unknown(two_classes))
    assert class_weights.table()[:3].tolist() == [2, 0, 0]
    assert class_weights.table(is_weighted=False)[:3].tolist() == [1, 1, 0]


def test_six_classes_of_seed_000_with_their_boosts(counted):
    # Table 1 of the document, of its 19 classes those that its third version keeps.
    pixels = {'pole': 635225, 'vegetation': 8817392, 'person': 187644, 'car': 5684376}
    pixels |= {'motorcycle': 7140, 'bicycle': 10650}
    classes = keep_classes(CITYSCAPES_19, list(pixels))
    boost = {'bicycle': 3.0, 'motorcycle': 3.0, 'pole': 2.0}
    config = LossConfig(class_weights='inverse_frequency', boost=boost)
    class_weights = ClassWeights.of(config, counted(classes, list(pixels.values())))
    # 1 / pixels by their mean 4.0188e-5 is 0.0392, 0.0028, 0.1326, 0.0044, 3.4850, 2.3364; what is
    # below 0.1 becomes that, then boosted 2, 1, 1, 1, 3, 3.
    expected = [0.2, 0.1, 0.1326, 0.1, 10.455, 7.0092]
    assert class_weights.weights.tolist() == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ('boost', 'message'),
    [
        ({'raod': 2.0}, r"loss.boost: got 'raod', expected road, car.*mean road\?"),
        ({'car': -2.0}, r'loss.boost.car: got -2.0, expected 0 or more'),
    ],
)
def test_wrong_boosts(two_classes, boost, message):
    with pytest.raises(ConfigError, match=message):
        ClassWeights.of(LossConfig(boost=boost), ClassStatistics.unknown(two_classes))
