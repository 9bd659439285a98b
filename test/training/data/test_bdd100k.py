# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from data_trees import write_ids, write_rgb
from seg_perception.core.classes import BDD100K_DRIVABLE_3, CITYSCAPES_19
from training.config import SourceConfig
from training.data import open_source
from training.errors import DatasetError

SEMANTIC = {
    'new': ('images/10k', 'labels/sem_seg/masks', '.png'),
    'legacy': ('seg/images', 'seg/labels', '_train_id.png'),
}
DRIVABLE = {
    'new': ('images/100k', 'labels/drivable/masks', '.png'),
    'legacy': ('images/100k', 'drivable_maps/labels', '_drivable_id.png'),
}
VALUES = [[0, 1, 2, 2]]


def tree(root, release, values=VALUES, split='train'):
    images, labels, suffix = release
    for name in ('b1d0a191-2ed2269e', '0a0a0b1a-7c39d841'):
        write_rgb(root / images / split / f'{name}.jpg', size=(1, 4))
        write_ids(root / labels / split / f'{name}{suffix}', values, (1, 4))
    return SourceConfig('bdd100k', str(root), split=split)


@pytest.mark.parametrize('release', SEMANTIC)
def test_semantic(tmp_path, release):
    frames = open_source(tree(tmp_path, SEMANTIC[release], [[0, 18, 255, 13]]))
    assert frames.classes == CITYSCAPES_19
    assert frames.names == ['0a0a0b1a-7c39d841', 'b1d0a191-2ed2269e']
    assert frames[0].labels.tolist() == [[0, 18, 255, 13]]


@pytest.mark.parametrize(
    ('release', 'expected'), [('new', [[0, 1, 2, 2]]), ('legacy', [[2, 0, 1, 1]])]
)
def test_drivable_classes_have_the_new_order(tmp_path, release, expected):
    tree(tmp_path, DRIVABLE[release], split='val')
    frames = open_source(SourceConfig('bdd100k_drivable', str(tmp_path), split='val'))
    assert frames.classes == BDD100K_DRIVABLE_3
    assert frames.labels(1).tolist() == frames[0].labels.tolist() == expected


def test_values_of_another_set(tmp_path):
    tree(tmp_path, DRIVABLE['new'], 3)
    with pytest.raises(DatasetError, match=r'got value 3 among 4 pixels .* expected 0\.\.2, 255'):
        open_source(SourceConfig('bdd100k_drivable', str(tmp_path)))[0]


def test_neither_release(tmp_path):
    source = tree(tmp_path, DRIVABLE['new'])
    with pytest.raises(
        DatasetError,
        match=r'folder .*/images/10k: got no such folder, 100k next to it, expected images/10k/'
        r'<split>/\*.jpg and labels/sem_seg/masks/<split>/\*.png, or seg/images/<split>',
    ):
        open_source(source)


def test_test_split_has_no_labels(tmp_path):
    source = tree(tmp_path, SEMANTIC['legacy'])
    (tmp_path / 'seg/images/test').mkdir()
    with pytest.raises(DatasetError, match=r'seg/labels/test: got no such folder, train'):
        open_source(SourceConfig(source.kind, source.root, split='test'))


def test_missing_label_names_the_frame(tmp_path):
    source = tree(tmp_path, SEMANTIC['legacy'])
    (tmp_path / 'seg/labels/train/0a0a0b1a-7c39d841_train_id.png').unlink()
    with pytest.raises(
        DatasetError, match=r'seg/labels train: images without labels: got 1 of 2: 0a0a0b1a'
    ):
        open_source(source)
