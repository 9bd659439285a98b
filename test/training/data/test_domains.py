# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from seg_perception.core.classes import CAMVID_11, COMMA10K_6, STREET
from seg_perception.core.errors import ClassTableError
from seg_perception.io.atomic import write_image
from training.config import DataConfig, SourceConfig
from training.data.domains import open_domains
from training.errors import ConfigError


@pytest.fixture
def source(tmp_path):
    """Makes a folder of one frame of 8x8 with a label."""

    def make(classes, label, domain, **keys):
        root = tmp_path / f'{classes}_{label}'
        write_image(root / 'images' / 'a.png', np.zeros((8, 8, 3), np.uint8))
        write_image(root / 'masks' / 'a.png', np.full((8, 8), label, np.uint8))
        return SourceConfig('folder', str(root), classes=classes, domain=domain, **keys)

    return make


def test_sources_of_one_domain_are_joined_in_order(source):
    val = (
        source('camvid_11', 3, 'city'),
        source('comma10k_6', 4, 'us'),
        source('camvid_11', 0, 'city'),
    )
    city, us = open_domains(DataConfig(val=val))
    assert (city.name, len(city.frames), us.name, len(us.frames)) == ('city', 2, 'us', 1)
    assert city.frames.classes == CAMVID_11 and us.frames.classes == COMMA10K_6


def test_models_of_any_classes_are_mapped(source):
    (us,) = open_domains(DataConfig(val=(source('comma10k_6', 4, 'us'),)))
    for model, name, expected in (
        (CAMVID_11, 'car', 'movable'),
        (STREET, 'ego vehicle', 'own car'),
        (STREET, 'road hazard', 'road'),
    ):
        label = us.lut(model)[model.names.index(name)]
        assert COMMA10K_6.names[label] == expected


def test_kept_classes_of_a_domain(source):
    keep = ('road', 'car+truck')
    val = (source('cityscapes_19', 14, 'city', keep=keep), source('cityscapes_19', 2, 'city'))
    (city,) = open_domains(DataConfig(val=val))
    assert city.frames.classes.names == ['road', 'car']
    assert [int(city.frames.labels(i)[0, 0]) for i in range(2)] == [1, 255]
    assert city.lut(STREET)[STREET.names.index('large vehicle')] == 1
    assert city.lut(STREET)[STREET.names.index('building')] == 255


def test_a_domain_has_one_class_table(source):
    val = (source('camvid_11', 3, 'city'), source('cityscapes_19', 0, 'city'))
    with pytest.raises(ClassTableError, match='class table of domain city: got cityscapes_19'):
        open_domains(DataConfig(val=val))


def test_all_sources_of_val_have_a_domain_or_none(source):
    with pytest.raises(ConfigError, match=r'domain of data.val.*one for each source'):
        DataConfig(val=(source('camvid_11', 3, 'city'), source('camvid_11', 0, '')))


def test_without_domains_there_are_none(source):
    assert open_domains(DataConfig(val=(source('camvid_11', 3, ''),))) == []
