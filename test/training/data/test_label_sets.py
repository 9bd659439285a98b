# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import yaml

from seg_perception.core.classes import BRAZIL_3, CAMVID_11, STREET
from seg_perception.core.errors import ClassTableError
from seg_perception.io.atomic import write_image
from training.config import DataConfig, SourceConfig
from training.data import open_frames
from training.data.label_sets import LabelSets
from training.errors import ConfigError


def names_of(label: int, sets: LabelSets) -> set[str]:
    ids = (label,) if label < len(STREET) else sets[label - len(STREET)]
    return {STREET.names[i] for i in ids}


@pytest.fixture
def two_sources(tmp_path):
    """CamVid's road and the own lane of a highway, each a frame of 8x8."""
    sources = []
    for name, label in (('camvid_11', 3), ('brazil_3', 0)):
        root = tmp_path / name
        write_image(root / 'images' / 'a.png', np.zeros((8, 8, 3), np.uint8))
        write_image(root / 'masks' / 'a.png', np.full((8, 8), label, np.uint8))
        sources.append(SourceConfig('folder', str(root), classes=name))
    return tuple(sources)


def opened(sources, **keys):
    return open_frames(DataConfig(train=sources, val=sources[:1], classes='street', **keys))


def test_each_source_has_sets_of_its_own(two_sources):
    data = opened(two_sources, partial_labels=True)
    camvid, brazil = (int(frames.labels(0)[0, 0]) for frames, _ in data.train)
    assert names_of(camvid, data.sets) == {'road', 'lane marking', 'road hazard'}
    assert names_of(brazil, data.sets) == {'road', 'lane marking'}


def test_without_partial_labels_each_is_one_class(two_sources):
    data = opened(two_sources)
    assert not data.sets
    assert {int(frames.labels(0)[0, 0]) for frames, _ in data.train} == {
        STREET.names.index('road')
    }


def test_what_is_scored_has_one_class_a_label(two_sources):
    assert opened(two_sources, partial_labels=True).val.labels(0).max() < len(STREET)


def test_kept_classes_do_not_go_with_sets(two_sources):
    with pytest.raises(ConfigError, match=r'expected whole class tables.*by classes'):
        opened(two_sources, partial_labels=True, keep=('road',))


def test_a_table_without_any_possible_class_is_refused(two_sources, tmp_path):
    table = {'classes': [{'name': 'road+lava', 'rgb': [0, 0, 0], 'role': 'other'}]}
    (tmp_path / 'own.yaml').write_text(yaml.safe_dump(table))
    own = SourceConfig('folder', two_sources[0].root, classes=str(tmp_path / 'own.yaml'))
    with pytest.raises(ClassTableError, match=r'road.lava.*expected a map from own to street'):
        opened((own,), partial_labels=True)


def test_labels_beyond_a_mask_are_refused(monkeypatch):
    monkeypatch.setattr('training.data.label_sets.UNLABELED', len(STREET))
    with pytest.raises(ConfigError, match='16 classes and 3 sets of them'):
        LabelSets.of([CAMVID_11], STREET)


def test_allowed_classes_of_each_label():
    sets = LabelSets.of([BRAZIL_3], STREET)
    allowed = sets.allowed(len(STREET))
    assert np.flatnonzero(allowed[2]).tolist() == [2]
    assert np.flatnonzero(allowed[len(STREET)]).tolist() == list(sets[0])
    assert not allowed[255].any()
