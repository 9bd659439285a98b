# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from seg_perception.core.classes import CITYSCAPES_19, Role
from training.data.tables import keep_classes, keep_lut
from training.errors import ConfigError


def test_keep():
    kept = keep_classes(CITYSCAPES_19, ('person', 'road'))
    assert kept.name == 'cityscapes_19_kept_2' and kept.names == ['person', 'road']
    assert [(row.id, row.rgb, row.role) for row in kept.classes] == [
        (0, (220, 20, 60), Role.VULNERABLE),
        (1, (128, 64, 128), Role.DRIVABLE),
    ]
    lut = keep_lut(CITYSCAPES_19, ('person', 'road'))
    assert (lut[11], lut[0]) == (0, 1) and np.count_nonzero(lut == 255) == 254


def test_keep_names_near_classes():
    with pytest.raises(
        ConfigError, match=r"data.keep: got 'rode', expected road, .*mean road or rider\?"
    ):
        keep_classes(CITYSCAPES_19, ('rode',))
    with pytest.raises(ConfigError, match=r"data.keep: got \['car', 'car'\], expected each class"):
        keep_classes(CITYSCAPES_19, ('car', 'car'))


def test_classes_that_become_one():
    keep = ('road+sidewalk', 'car+truck+bus')
    kept = keep_classes(CITYSCAPES_19, keep)
    assert kept.name == 'cityscapes_19_joined_2' and kept.names == ['road', 'car']
    assert kept.classes[1].rgb == (0, 0, 142)
    lut = keep_lut(CITYSCAPES_19, keep)
    assert lut[[0, 1, 13, 14, 15]].tolist() == [0, 0, 1, 1, 1]
    assert (lut != 255).sum() == 5
    with pytest.raises(ConfigError, match=r"data.keep: got 'lorry', expected road"):
        keep_classes(CITYSCAPES_19, ('car+lorry',))
    with pytest.raises(ConfigError, match=r"got \['car\+bus', 'bus'\], expected each class once"):
        keep_classes(CITYSCAPES_19, ('car+bus', 'bus'))
