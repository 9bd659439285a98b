# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from data_trees import SHARED, cityscapes, cut, folder, write_ids
from seg_perception.core.errors import ClassTableError
from training.config import DATA_GROUPS, DataConfig, SourceConfig, parse_config
from training.data import KINDS, open_frames, open_source, open_val
from training.data.frames import Cached
from training.errors import ConfigError, DatasetError

ROOT = Path(__file__).parents[3]


def camvid(root: Path, names: dict[str, object], split: str = 'train') -> SourceConfig:
    folder(root, names, split)
    return SourceConfig('folder', str(root), split, classes='camvid_11')


@pytest.fixture
def plain(tmp_path):
    return camvid(tmp_path / 'plain', {'0001_a': 3, '0001_b': 8, '0006_a': 5, '0016_a': 0})


@pytest.fixture
def city(tmp_path):
    cityscapes(tmp_path / 'city', {'bonn_000001_000019': 26, 'ulm_000002_000019': 21})
    return SourceConfig('cityscapes', str(tmp_path / 'city'))


def change(source, **options):
    return dataclasses.replace(source, **options)


def names(source, **options):
    return open_source(change(source, **options)).names


def test_choosing_frames(plain):
    assert names(plain) == ['0001_a', '0001_b', '0006_a', '0016_a']
    assert names(plain, only=('0006', '0016')) == ['0006_a', '0016_a']
    assert names(plain, exclude=('0001',)) == ['0006_a', '0016_a']
    assert names(plain, only=('0001',), exclude=('0001_a',)) == ['0001_b']
    assert names(plain, limit=1, exclude=('0001',)) == ['0006_a']
    assert names(plain, limit=99) == names(plain)


def test_classes_that_are_not_to_be_learned_from(plain):
    frames = open_source(change(plain, void=('car', 'sky')))
    assert [int(frames[index].labels[0, 0]) for index in range(4)] == [3, 255, 5, 255]
    assert [int(frames.labels(index)[0, 0]) for index in range(4)] == [3, 255, 5, 255]
    assert frames.classes.names[8] == 'car'  # the table stays as it is
    assert (frames[1].rgb == open_source(plain)[1].rgb).all()
    with pytest.raises(ConfigError, match=r"void of folder .*got 'tre', .*mean tree"):
        open_source(change(plain, void=('tre',)))


def test_parts_of_a_random_order(tmp_path):
    source = camvid(tmp_path, dict.fromkeys('abcde', 3))
    order = torch.randperm(5, generator=torch.Generator().manual_seed(2147483647))
    assert order.tolist() == [1, 3, 0, 2, 4]
    seeded = change(source, part_seed=2147483647)
    assert names(seeded, part=(0.0, 0.4)) == ['b', 'd']
    assert names(seeded, part=(0.4, 1.0)) == ['a', 'c', 'e']
    assert names(seeded, part=(0.4, 1.0), limit=2) == ['a', 'c']
    with pytest.raises(ConfigError, match=r'part of folder .*: got \[0.8, 0.2\], expected two sh'):
        names(source, part=(0.8, 0.2))
    with pytest.raises(ConfigError, match=r'got \[0.0, 0.05\] of 5, expected some frames left'):
        names(source, part=(0.0, 0.05))


def test_starts_that_fit_no_name(plain):
    with pytest.raises(
        ConfigError,
        match=r"only of folder .*/plain train: got '0005', with which no name starts, "
        r'expected starts of 0001_a, 0001_b, 0006_a, 0016_a',
    ):
        names(plain, only=('0001', '0005'))
    with pytest.raises(ConfigError, match=r"exclude of folder .*got '1'"):
        names(plain, exclude=('1',))
    with pytest.raises(
        ConfigError, match=r"frames of folder .*got only \[\], exclude \['0'\], expected some"
    ):
        names(plain, exclude=('0',))


def test_a_limit_below_nothing(plain):
    with pytest.raises(ConfigError, match=r'limit of folder .*: got -1, expected how many'):
        names(plain, limit=-1)


def test_unknown_kind():
    with pytest.raises(
        ConfigError, match=r"kind of a data set: got 'cityscape', expected camvid, .*mean citysc"
    ):
        open_source(SourceConfig('cityscape'))


def test_everything_is_brought_to_the_first_table(plain, city):
    data = open_frames(
        DataConfig(train=(plain, change(city, share=0.25)), val=(change(plain, only=('0006',)),))
    )
    assert [(len(frames), share) for frames, share in data.train] == [(4, 0.0), (2, 0.25)]
    assert data.classes.name == 'camvid_11'
    assert {frames.classes.name for frames, _ in data.train} == {'camvid_11'}
    assert (data.train[1][0][0].labels == 8).all() and (data.train[1][0].labels(1) == 5).all()
    assert data.val.names == ['0006_a'] and (data.val[0].labels == 5).all()


def test_everything_is_brought_to_the_table_asked_for(plain, city):
    data = open_frames(DataConfig(train=(plain,), val=(city,), classes='cityscapes_19'))
    assert data.classes.name == data.val.classes.name == 'cityscapes_19'
    assert [int(data.train[0][0].labels(index)[0, 0]) for index in range(4)] == [0, 13, 8, 10]


def test_a_table_of_ones_own(tmp_path, plain):
    rows = '\n'.join(
        f'- {{name: {name}, rgb: [0, 0, {i}], role: other}}'
        for i, name in enumerate(open_source(plain).classes.names[::-1])
    )
    (tmp_path / 'own.yaml').write_text(f'classes:\n{rows}\n')
    data = open_frames(DataConfig(val=(plain,), classes=str(tmp_path / 'own.yaml')))
    assert [int(data.val.labels(index)[0, 0]) for index in range(4)] == [7, 2, 5, 10]
    with pytest.raises(ConfigError, match=r"data.classes='none': class table: got 'none'"):
        open_frames(DataConfig(val=(plain,), classes='none'))


def test_tables_that_do_not_meet(plain):
    with pytest.raises(ClassTableError, match=r'no class of that name in bdd100k_drivable_3'):
        open_frames(DataConfig(val=(plain,), classes='bdd100k_drivable_3'))


def test_what_is_scored_opens_without_what_is_trained_on(plain, city):
    gone = change(plain, only=('of another machine',))
    with pytest.raises(ConfigError, match='no name starts'):
        open_frames(DataConfig(train=(gone,), val=(plain,)))
    assert open_val(DataConfig(train=(gone,), val=(plain,))).classes.name == 'camvid_11'
    far = change(city, root='none')
    named = open_val(DataConfig(train=(far,), val=(plain,), classes='cityscapes_19'))
    assert named.classes.name == 'cityscapes_19'
    # The first set alone tells the classes: the others are not looked at.
    told = open_val(DataConfig(train=(city, gone), val=(plain,)))
    assert told.classes.name == 'cityscapes_19' and told.labels(0)[0, 0] == 0


def test_keep(plain, city):
    data = open_frames(DataConfig(train=(plain, city), val=(plain,), keep=('car', 'road')))
    assert data.classes.names == ['car', 'road'] == data.val.classes.names
    assert [int(data.val[index].labels[0, 0]) for index in range(4)] == [1, 0, 255, 255]
    assert [int(data.train[1][0].labels(index)[0, 0]) for index in (0, 1)] == [0, 255]


def test_size(plain):
    data = open_frames(DataConfig(train=(plain,), val=(plain,), size=(8, 10)))
    assert data.val[0].rgb.shape == (8, 10, 3) and data.train[0][0].labels(0).shape == (8, 10)
    with pytest.raises(ConfigError, match=r'data.size: got \(0, 10\), expected height and width'):
        open_frames(DataConfig(val=(plain,), size=(0, 10)))


def test_rendered_frames_are_drawn_at_that_size():
    streets = SourceConfig('synthetic', frames=1)
    data = open_frames(DataConfig(val=(streets,), size=(64, 96)))
    assert np.array_equal(data.val[0].rgb, open_source(streets, (64, 96))[0].rgb)


def test_cache(plain):
    data = open_frames(DataConfig(train=(plain,), val=(plain,), cache=True, workers=3))
    frames = data.train[0][0]
    assert isinstance(frames, Cached) and isinstance(data.val, Cached)
    assert frames[0] is frames[0]


def test_several_sets_to_score_on(plain, city):
    data = open_frames(DataConfig(train=(plain,), val=(plain, city)))
    assert data.val.names == [*names(plain), *names(city)]
    assert [int(data.val.labels(index)[0, 0]) for index in range(6)] == [3, 8, 5, 0, 8, 5]


def test_opened_data_travels_to_workers(plain, city):
    data = open_frames(
        DataConfig(train=(plain, city), val=(plain, city), size=(2, 3), cache=True, keep=('car',))
    )
    copy = pickle.loads(pickle.dumps(data))
    assert np.array_equal(copy.train[1][0][1].labels, data.train[1][0][1].labels)
    assert copy.val[0].name == '0001_a' and copy.classes == data.classes


def test_frames_that_are_trained_on_and_scored(plain, caplog):
    open_frames(DataConfig(train=(plain,), val=(change(plain, only=('0001',)),)))
    assert re.search(r'2 frames of data\.val .*: 0001_a, 0001_b$', caplog.text)
    caplog.clear()
    held_out = DataConfig(
        train=(change(plain, exclude=('0001',)),), val=(change(plain, only=('0001',)),)
    )
    open_frames(held_out)
    folder(Path(plain.root), {'0001_a': 1}, 'val')  # another frame of that name
    open_frames(DataConfig(train=(plain,), val=(change(plain, split='val'),)))
    assert caplog.text == ''


def damage_two(plain):
    root = Path(plain.root)
    cut(root / 'images/train/0001_b.png', 50)
    cut(root / 'masks/train/0016_a.png', 40)
    return root


def test_damaged_files_stop_a_run(plain):
    damage_two(plain)
    frames = open_frames(DataConfig(val=(plain,))).val
    with pytest.raises(
        DatasetError, match=r'0001_b.png: got a PNG that ends early, 50 .*skip_damaged=true'
    ):
        frames[1]
    with pytest.raises(DatasetError, match=r'label .*0016_a.png: got a PNG that ends early, 40'):
        frames.labels(3)


def test_damaged_files_are_left_out_if_asked(plain, caplog):
    root = damage_two(plain)
    data = DataConfig(train=(plain,), val=(change(plain, only=('0016', '0006')),))
    opened = open_frames(dataclasses.replace(data, skip_damaged=True))
    assert opened.train[0][0].names == ['0001_a', '0006_a'] and opened.val.names == ['0006_a']
    assert [frame.name for frame in opened.train[0][0]] == ['0001_a', '0006_a']
    assert '\n'.join(caplog.messages).splitlines() == [
        f'folder {root} train: left out 2 damaged of 4 frames',
        f'  {root}/images/train/0001_b.png: a PNG that ends early, 50 bytes',
        f'  {root}/masks/train/0016_a.png: a PNG that ends early, 40 bytes',
        f'folder {root} train: left out 1 damaged of 2 frames',
        f'  {root}/masks/train/0016_a.png: a PNG that ends early, 40 bytes',
        '1 frames of data.val are trained on too, which flatters their score: 0006_a',
    ]


def test_wrong_labels_are_never_left_out(plain):
    write_ids(Path(plain.root) / 'masks/train/0001_a.png', 77)
    frames = open_frames(DataConfig(val=(plain,), skip_damaged=True)).val
    with pytest.raises(DatasetError, match=r'0001_a.png: got value 77'):
        frames[0]


def test_nothing_but_damage(plain):
    damage_two(plain)
    source = change(plain, only=('0001_b',))
    with pytest.raises(DatasetError, match=r'got damaged: .*0001_b.png: a PNG .*expected some'):
        open_frames(DataConfig(val=(source,), skip_damaged=True))


def test_nothing_to_score_on(plain):
    with pytest.raises(ConfigError, match=r'config key data.val: got nothing, expected a list'):
        open_frames(DataConfig(train=(plain,)))


def presets():
    return sorted(path.stem for path in DATA_GROUPS.glob('*.yaml'))


@pytest.mark.parametrize('name', presets())
def test_presets_are_configurations(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    data = parse_config({'name': 'x', 'out': 'x', 'data': name}).data
    assert data.val and (data.train or data.val[0].domain)
    assert {source.kind for source in (*data.train, *data.val)} <= set(KINDS)
    assert sum(source.share for source in data.train) < 1


@pytest.mark.skipif(not (SHARED / 'camvid').is_dir(), reason='no real samples of CamVid')
def test_preset_of_camvid(monkeypatch, caplog):
    monkeypatch.chdir(ROOT)
    data = open_frames(parse_config({'name': 'x', 'out': 'x', 'data': 'camvid'}).data)
    assert len(data.train[0][0]) == 305 and len(data.val) == 62
    assert data.val.names[0] == '0001TP_006690' and caplog.text == ''
    final = open_frames(parse_config({'name': 'x', 'out': 'x', 'data': 'camvid_final'}).data)
    assert [len(frames) for frames, _ in final.train] == [367, 101]
    assert '101 frames of data.val' in caplog.text
