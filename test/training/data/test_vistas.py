# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from data_trees import write_palette, write_rgb
from seg_perception.core.classes import VISTAS_66, VISTAS_124
from training.config import SourceConfig
from training.data import open_source
from training.errors import DatasetError

VERSIONS = [('vistas', 'v1.2', VISTAS_66), ('vistas_v2', 'v2.0', VISTAS_124)]


def tree(root, version, ids=0, part='training'):
    write_rgb(root / part / 'images/aAbB_-1.jpg', size=(1, 4))
    write_palette(root / part / version / 'labels/aAbB_-1.png', ids, (1, 4))
    return root


def write_config(root, version, names):
    labels = [{'name': 'a--b', 'readable': name, 'color': [0, 0, 0]} for name in names]
    (root / f'config_{version}.json').write_text(json.dumps({'labels': labels}))


@pytest.mark.parametrize(('kind', 'version', 'classes'), VERSIONS)
def test_indices_are_classes_and_the_last_is_void(tmp_path, kind, version, classes):
    tree(tmp_path, version, [[0, 13, len(classes) - 2, len(classes) - 1]])
    write_config(tmp_path, version, classes.names)
    frames = open_source(SourceConfig(kind, str(tmp_path)))
    assert frames.classes == classes and frames.names == ['aAbB_-1']
    assert frames[0].labels.tolist() == [[0, 13, len(classes) - 2, 255]]


def test_validation(tmp_path):
    tree(tmp_path, 'v1.2', part='validation')
    assert len(open_source(SourceConfig('vistas', str(tmp_path), split='val'))) == 1
    assert len(open_source(SourceConfig('vistas', str(tmp_path), split='validation'))) == 1


@pytest.mark.parametrize(('kind', 'version', 'classes'), VERSIONS)
def test_a_value_beyond_the_classes(tmp_path, kind, version, classes):
    tree(tmp_path, version, len(classes))
    with pytest.raises(DatasetError, match=rf'value {len(classes)} .* 0\.\.{len(classes) - 1}, 2'):
        open_source(SourceConfig(kind, str(tmp_path)))[0]


def test_classes_that_the_set_itself_orders_otherwise(tmp_path):
    tree(tmp_path, 'v1.2')
    names = [*VISTAS_66.names]
    names[13], names[14] = names[14], names[13]
    write_config(tmp_path, 'v1.2', names)
    with pytest.raises(
        DatasetError,
        match=r"class 13 of .*config_v1.2.json: got 'Service Lane', expected 'Road' of vistas_66",
    ):
        open_source(SourceConfig('vistas', str(tmp_path)))
    write_config(tmp_path, 'v1.2', VISTAS_66.names[:65])
    with pytest.raises(DatasetError, match=r"class 65 of .*: got 'nothing', expected 'Unlabeled'"):
        open_source(SourceConfig('vistas', str(tmp_path)))
    write_config(tmp_path, 'v1.2', [*VISTAS_66.names, 'Moon'])
    with pytest.raises(DatasetError, match=r"class 66 of .*: got 'Moon', expected 'nothing'"):
        open_source(SourceConfig('vistas', str(tmp_path)))


def test_a_broken_class_file(tmp_path):
    tree(tmp_path, 'v2.0')
    (tmp_path / 'config_v2.0.json').write_text('{}')
    with pytest.raises(DatasetError, match=r"config_v2.0.json: got KeyError\('labels'\)"):
        open_source(SourceConfig('vistas_v2', str(tmp_path)))


def test_labels_of_the_other_version_only(tmp_path):
    with pytest.raises(DatasetError, match=r'training/v2.0: got no such folder, images, v1.2'):
        open_source(SourceConfig('vistas_v2', str(tree(tmp_path, 'v1.2'))))
