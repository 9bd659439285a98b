# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from seg_perception.core.classes import CAMVID_11, CITYSCAPES_19, STREET
from training.config import SourceConfig
from training.data import open_source
from training.errors import DatasetError

SIZE = (64, 96)


def test_frames_repeat_and_differ_from_each_other():
    frames = open_source(SourceConfig('synthetic', frames=2), SIZE)
    assert len(frames) == 2 and frames.names == ['street_1000', 'street_1001']
    first, second = frames[0], frames[1]
    assert first.rgb.shape == (64, 96, 3)
    assert np.array_equal(first.rgb, frames[0].rgb)
    assert np.array_equal(first.labels, frames.labels(0))
    assert not np.array_equal(first.labels, second.labels)
    assert frames.encoded(0) is None and frames.damage(0) == ''
    with pytest.raises(IndexError):
        frames[2]


def test_labels_have_a_road_and_the_classes_asked_for():
    camvid = open_source(SourceConfig('synthetic', frames=1), SIZE)
    cityscapes = open_source(SourceConfig('synthetic', frames=1, classes='cityscapes_19'), SIZE)
    assert camvid.classes == CAMVID_11 and cityscapes.classes == CITYSCAPES_19
    road = camvid.labels(0) == 3
    assert road.mean() > 0.1
    assert np.array_equal(road, cityscapes.labels(0) == 0)


def test_val_has_other_streets_and_camvid_size():
    frames = open_source(SourceConfig('synthetic', frames=1, split='val'))
    assert frames.names == ['street_1000000'] and frames.labels(0).shape == (360, 480)


def test_what_cannot_be():
    with pytest.raises(DatasetError, match=r'frames of kind synthetic: got 0'):
        open_source(SourceConfig('synthetic'))
    with pytest.raises(DatasetError, match=r"split of kind synthetic: got 'test'"):
        open_source(SourceConfig('synthetic', frames=1, split='test'))


def test_half_of_the_streets_show_the_own_vehicle_where_there_is_a_class_of_it():
    ego = STREET.names.index('ego vehicle')
    source = SourceConfig('synthetic', frames=6, classes='street')
    frames = open_source(source, (90, 120))
    seen = [bool((frames.labels(index) == ego).any()) for index in range(6)]
    assert seen.count(True) == 3
    assert STREET.names.index('lane marking') in np.unique(frames.labels(0))
