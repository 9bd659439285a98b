# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import shutil

import numpy as np
import pytest
from PIL import Image

from data_trees import SHARED, cityscapes, write_ids, write_rgb
from seg_perception.core.classes import CITYSCAPES_19
from training.config import SourceConfig
from training.data import open_source
from training.data.cityscapes import LABEL_IDS
from training.errors import DatasetError

NAMES = ('bonn_000001_000019', 'aachen_000002_000019', 'aachen_000000_000019')
REAL = SHARED / 'cityscapes'


@pytest.fixture
def root(tmp_path):
    ids = [[7, 8, 33, 0], [0, 1, 26, 17]]
    return cityscapes(tmp_path, dict.fromkeys(NAMES, np.resize(ids, (4, 6))))


def test_fine(root):
    frames = open_source(SourceConfig('cityscapes', str(root)))
    assert frames.classes == CITYSCAPES_19
    assert frames.names == [NAMES[2], NAMES[1], NAMES[0]]
    assert frames[0].labels[0].tolist() == [0, 1, 18, 255, 255, 255]
    assert np.array_equal(frames.labels(2), frames[2].labels)


def test_a_few_frames_in_one_folder(root, tmp_path):
    flat = tmp_path / 'flat'
    flat.mkdir()
    for path in root.rglob('*.png'):
        shutil.copy(path, flat / path.name)
    frames = open_source(SourceConfig('cityscapes', str(flat)))
    assert frames.names == sorted(NAMES) and frames[0].labels[0, 0] == 0


def test_coarse_extra(tmp_path):
    cityscapes(tmp_path, {NAMES[0]: 23}, 'gtCoarse')
    for part in ('leftImg8bit', 'gtCoarse'):
        (tmp_path / part / 'train').rename(tmp_path / part / 'train_extra')
    frames = open_source(SourceConfig('cityscapes_coarse', str(tmp_path), split='train_extra'))
    assert frames.names == [NAMES[0]] and (frames.labels(0) == 10).all()


def test_train_ids_are_taken_where_all_frames_have_them(root):
    source = SourceConfig('cityscapes', str(root))
    for number, name in enumerate(NAMES):
        city = name.split('_')[0]
        write_ids(root / f'gtFine/train/{city}/{name}_gtFine_labelTrainIds.png', 13)
        values = {13} if number == 2 else {0, 1, 5, 13, 18, 255}
        assert set(open_source(source).labels(0).flat) == values


def test_the_table_is_that_of_the_scripts():
    labels = pytest.importorskip('cityscapesscripts.helpers.labels').labels
    assert {row.id: row.trainId % 256 for row in labels if row.id >= 0} == LABEL_IDS


@pytest.mark.skipif(not REAL.is_dir(), reason='no real samples of Cityscapes')
def test_real_samples(tmp_path):
    labels = pytest.importorskip('cityscapesscripts.helpers.labels').labels
    train_ids = np.array([row.trainId for row in labels if row.id >= 0])
    for path in REAL.glob('*.png'):
        part = 'leftImg8bit' if 'leftImg8bit' in path.name else 'gtFine'
        place = tmp_path / part / 'train' / path.name.split('_')[0] / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path)
    frames = open_source(SourceConfig('cityscapes', str(tmp_path)))
    assert frames.names == ['aachen_000000_000019', 'frankfurt_000000_000576']
    ids = np.asarray(Image.open(REAL / 'aachen_000000_000019_gtFine_labelIds.png'))
    sample = frames[0]
    assert sample.rgb.shape == (1024, 2048, 3)
    assert np.array_equal(sample.labels, train_ids[ids])
    assert [frames.damage(index) for index in (0, 1)] == ['', '']


def test_missing_labels_name_frames(root):
    (root / f'gtFine/train/bonn/{NAMES[0]}_gtFine_labelIds.png').unlink()
    with pytest.raises(
        DatasetError,
        match=r'Cityscapes .*, gtFine train: images without labels: got 1 of 3: bonn_000001_000019'
        r', expected leftImg8bit/train/<city>/\*_leftImg8bit.png and gtFine/train/<city>',
    ):
        open_source(SourceConfig('cityscapes', str(root)))


def test_extra_labels_name_frames(root):
    (root / f'leftImg8bit/train/bonn/{NAMES[0]}_leftImg8bit.png').unlink()
    with pytest.raises(DatasetError, match=r'labels without images: got 1 of 3: bonn_000001'):
        open_source(SourceConfig('cityscapes', str(root)))


def test_missing_folders(root):
    with pytest.raises(
        DatasetError, match=r'leftImg8bit/val: got no such folder, train next to it'
    ):
        open_source(SourceConfig('cityscapes', str(root), split='val'))
    with pytest.raises(DatasetError, match=r'gtCoarse: got no such folder, gtFine, left'):
        open_source(SourceConfig('cityscapes_coarse', str(root)))
    shutil.rmtree(root)
    with pytest.raises(DatasetError, match=r'got no folder, expected leftImg8bit'):
        open_source(SourceConfig('cityscapes', str(root)))


def test_no_frames(tmp_path):
    for part in ('leftImg8bit', 'gtFine'):
        (tmp_path / part / 'train/bonn').mkdir(parents=True)
    with pytest.raises(DatasetError, match=r'gtFine train: got no frames, expected leftImg8bit'):
        open_source(SourceConfig('cityscapes', str(tmp_path)))


def test_a_value_that_is_no_id(root):
    name = f'gtFine/train/bonn/{NAMES[0]}_gtFine_labelIds.png'
    write_ids(root / name, 34)
    with pytest.raises(DatasetError, match=rf'{name}: got value 34 .* expected 0\.\.33, 255'):
        open_source(SourceConfig('cityscapes', str(root))).labels(2)


def test_labels_of_another_size(root):
    write_rgb(root / f'leftImg8bit/train/bonn/{NAMES[0]}_leftImg8bit.png', size=(8, 6))
    with pytest.raises(DatasetError, match=r'labelIds.png: got 6x4 pixels, expected 6x8 of its'):
        open_source(SourceConfig('cityscapes', str(root)))[2]
