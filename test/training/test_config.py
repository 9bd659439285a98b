# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import yaml

from training.config import load_config, parse_config
from training.errors import ConfigError

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(ROOT.glob('config/training/*.yaml'))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.name)
def test_every_shipped_config_loads(path):
    assert load_config(path).name == path.stem


def test_shipped_configs_are_found():
    assert 'default.yaml' in [path.name for path in CONFIGS]


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.name)
def test_every_shipped_config_opens_with_command_hardware_time_and_score(path):
    head = [line for line in path.read_text().splitlines() if line.startswith('#')]
    for word in ('python -m training fit', 'Hardware:', 'Time:', 'Expected:'):
        assert any(word in line for line in head), word


def test_words_change_values_of_the_file(tmp_path):
    path = tmp_path / 'a.yaml'
    path.write_text('name: a\nout: runs/a\noptim: {batch: 8}\n')
    words = ['optim.batch=4', 'transform.crop=[96, 128]', 'model.options.planes=16']
    config = load_config(path, [*words, 'optim.learning_rate=3e-4'])
    assert (config.optim.batch, config.transform.crop) == (4, (96, 128))
    assert config.optim.learning_rate == 0.0003
    assert config.model.options == {'planes': 16}


def test_unknown_key_names_the_near_ones():
    with pytest.raises(ConfigError, match=r"'optim.bach'.*Did you mean optim.batch"):
        parse_config({'name': 'a', 'out': 'b', 'optim': {'bach': 4}})
    with pytest.raises(ConfigError, match=r"'modle'.*Did you mean model"):
        parse_config({'name': 'a', 'out': 'b', 'modle': {}})


def test_missing_key_is_named():
    with pytest.raises(ConfigError, match="config key 'out': got nothing"):
        parse_config({'name': 'a'})


@pytest.mark.parametrize(
    ('group', 'key', 'value', 'words'),
    [
        ('optim', 'batch', 'eight', "optim.batch': got 'eight', expected a whole number"),
        ('optim', 'batch', True, "optim.batch': got true"),
        ('optim', 'learning_rate', 'fast', "learning_rate': got 'fast', expected a number"),
        ('transform', 'crop', [64], r"transform.crop': got \[64\], expected 2 values"),
    ],
)
def test_wrong_type_names_key_value_and_type(group, key, value, words):
    with pytest.raises(ConfigError, match=words):
        parse_config({'name': 'a', 'out': 'b', group: {key: value}})


@pytest.mark.parametrize(
    ('group', 'key', 'value', 'words'),
    [
        ('optim', 'batch', 0, "optim.batch': got 0, expected .*1 to 65536"),
        ('transform', 'scale', [1.5, 0.5], r'scale: got \(1.5, 0.5\), expected the smaller'),
        ('optim', 'milestones', [0.5, 1.5], r"milestones': got \[0.5, 1.5\], expected .*0 to 1"),
        ('transform', 'crop', [64, 8], r"transform.crop': got \[64, 8\], expected .*32 to 4096"),
    ],
)
def test_value_out_of_range(group, key, value, words):
    with pytest.raises(ConfigError, match=words):
        parse_config({'name': 'a', 'out': 'b', group: {key: value}})


def test_group_that_is_no_group():
    with pytest.raises(ConfigError, match="'optim': got 3, expected a group of keys"):
        parse_config({'name': 'a', 'out': 'b', 'optim': 3})


def test_word_without_equals_sign(tmp_path):
    path = tmp_path / 'a.yaml'
    path.write_text('name: a\nout: b\n')
    with pytest.raises(ConfigError, match=r"'optim.batch', expected name=value"):
        load_config(path, ['optim.batch'])


def test_missing_file_and_damaged_file(tmp_path):
    with pytest.raises(ConfigError, match=r'none.yaml, expected a YAML file'):
        load_config(tmp_path / 'none.yaml')
    path = tmp_path / 'a.yaml'
    path.write_text('name: [a\n')
    with pytest.raises(ConfigError, match='expected YAML'):
        load_config(path)
    path.write_text('- name\n')
    with pytest.raises(ConfigError, match='got a list, expected a group of keys'):
        load_config(path, ['optim.batch=2'])


def test_config_survives_plain_types():
    config = parse_config({'name': 'a', 'out': 'b', 'transform': {'crop': [96, 128]}})
    assert parse_config(config.to_dict()) == config


def test_lists_of_groups():
    train = [{'kind': 'camvid', 'exclude': ['0001TP']}, {'kind': 'synthetic', 'share': 0.1}]
    config = parse_config({'name': 'a', 'out': 'b', 'data': {'train': train}})
    assert [source.kind for source in config.data.train] == ['camvid', 'synthetic']
    assert config.data.train[0].exclude == ('0001TP',) and config.data.train[1].share == 0.1
    assert parse_config(config.to_dict()) == config
    with pytest.raises(ConfigError, match=r'data.train.rot.*Did you mean data.train.root'):
        parse_config({'name': 'a', 'out': 'b', 'data': {'train': [{'kind': 'a', 'rot': 'b'}]}})


def test_groups_with_free_keys():
    config = parse_config({'name': 'a', 'out': 'b', 'loss': {'boost': {'car': 3}}})
    assert config.loss.boost == {'car': 3.0}
    with pytest.raises(ConfigError, match=r"loss.boost.car': got 'much', expected a number"):
        parse_config({'name': 'a', 'out': 'b', 'loss': {'boost': {'car': 'much'}}})
    with pytest.raises(ConfigError, match=r'model.options.*got 3, expected a group of keys'):
        parse_config({'name': 'a', 'out': 'b', 'model': {'options': 3}})


@pytest.mark.parametrize(
    ('group', 'key', 'value', 'words'),
    [
        ('optim', 'name', 'adm', r"optim.name': got 'adm', expected .*sgd, adam, adamw.*adam"),
        ('optim', 'schedule', 'poli', r"schedule': got 'poli'.*Did you mean poly"),
        (
            'data',
            'sampling',
            'random',
            r"sampling': got 'random', expected .*shuffle, class_uniform",
        ),
    ],
)
def test_word_that_is_no_choice_names_the_near_ones(group, key, value, words):
    with pytest.raises(ConfigError, match=words):
        parse_config({'name': 'a', 'out': 'b', group: {key: value}})


def test_data_by_name_and_then_changed(monkeypatch):
    monkeypatch.chdir(ROOT)
    config = parse_config(
        {'name': 'a', 'out': 'b', 'data': 'cityscapes'}, ['data=camvid', 'data.workers=2']
    )
    assert config.data.train[0].kind == 'camvid' and config.data.workers == 2
    with pytest.raises(ConfigError, match=r"data: got 'camvit'.*Did you mean camvid"):
        parse_config({'name': 'a', 'out': 'b', 'data': 'camvit'})


def with_shares(*shares, part='train'):
    sources = [{'kind': 'camvid', 'share': share} for share in shares]
    return parse_config({'name': 'a', 'out': 'b', 'data': {part: sources}})


@pytest.mark.parametrize(
    ('shares', 'message'),
    [
        ((0.0, 1.0), r'shares of data.train: got \[0.0, 1.0\], expected from 0, together below 1'),
        ((0.0, -0.1), r'got \[0.0, -0.1\], expected from 0'),
        ((0.5, -0.1), r'got \[0.5, -0.1\], expected from 0'),
        ((0.5, 0.4), r'got \[0.5, 0.4\], expected together 1, where no share is 0'),
        ((0.7, 0.7), r'together 1, where no share is 0. Share 0 takes each frame'),
    ],
)
def test_shares_that_cannot_be(shares, message):
    with pytest.raises(ConfigError, match=message):
        with_shares(*shares)


@pytest.mark.parametrize('shares', [(0.0,), (1.0,), (0.5, 0.5), (0.0, 0.3, 0.6), (0, 0), ()])
def test_shares_that_can_be(shares):
    assert [row.share for row in with_shares(*shares).data.train] == list(shares)


def test_what_is_scored_has_no_shares():
    with pytest.raises(ConfigError, match=r'shares of data.val: got \[0.0, 0.5\], expected none'):
        with_shares(0.0, 0.5, part='val')


def write(path, **keys):
    path.write_text(yaml.safe_dump(keys))
    return path


def test_a_file_over_another(tmp_path):
    base = write(
        tmp_path / 'base.yaml',
        name='base',
        out='runs/base',
        optim={'batch': 4, 'epochs': 7},
        model={'name': 'unet', 'options': {'width': 8, 'depth': 3}},
        loss={'terms': [{'name': 'dice'}]},
    )
    middle = write(
        tmp_path / 'middle.yaml', base=str(base), model={'options': {'depth': 2}}, seed=5
    )
    top = write(
        tmp_path / 'top.yaml',
        base=str(middle),
        name='top',
        out='runs/top',
        optim={'epochs': 9},
        loss={'terms': [{'name': 'focal'}]},
    )
    config = load_config(top, ['optim.batch=2'])
    assert (config.name, config.out, config.seed) == ('top', 'runs/top', 5)
    assert (config.optim.batch, config.optim.epochs) == (2, 9)
    assert config.model.options == {'width': 8, 'depth': 2}
    assert [term.name for term in config.loss.terms] == ['focal']
    with pytest.raises(ConfigError, match=r"config key 'name': got nothing, expected a value"):
        load_config(middle)


def test_a_base_that_cannot_be(tmp_path):
    one, two = tmp_path / 'one.yaml', tmp_path / 'two.yaml'
    write(one, base=str(two))
    write(two, base=str(one))
    with pytest.raises(ConfigError, match=r'base: got .*one.yaml -> .*two.yaml -> .*one.yaml, ex'):
        load_config(one)
    with pytest.raises(
        ConfigError, match=r'two.yaml -> none.yaml, expected a YAML file. Give its path'
    ):
        load_config(write(two, base='none.yaml'))
    write(one, base=3)
    with pytest.raises(ConfigError, match=r'one.yaml -> 3, expected a YAML file'):
        load_config(one)


@pytest.fixture
def with_data(tmp_path):
    return write(
        tmp_path / 'a.yaml',
        name='a',
        out='runs/a',
        data='cityscapes',
        optim={'batch': 16},
        loss={'boost': {'bicycle': 3.0}},
        with_data={'camvid': {'optim.batch': 4, 'loss.boost': {'bicyclist': 2.0}}},
    )


def test_what_changes_with_the_data(with_data):
    own = load_config(with_data)
    assert (own.name, own.out, own.optim.batch) == ('a', 'runs/a', 16)
    camvid = load_config(with_data, ['data=camvid'])
    assert camvid.data.train[0].kind == 'camvid' and camvid.loss.boost == {'bicyclist': 2.0}
    assert (camvid.name, camvid.out, camvid.optim.batch) == ('a_camvid', 'runs/a_camvid', 4)
    words = ['optim.batch=8', 'data.workers=3', 'out=runs/b', 'data=camvid']
    other = load_config(with_data, words)
    assert (other.out, other.optim.batch, other.data.workers) == ('runs/b', 8, 3)
    assert load_config(with_data, ['data=vistas']).optim.batch == 16


def test_data_of_a_base(tmp_path, with_data):
    top = {'base': str(with_data), 'name': 'b', 'out': 'runs/b'}
    named = load_config(write(tmp_path / 'b.yaml', **top, data='camvid'))
    assert named.optim.batch == 4 and named.out == 'runs/b'
    more = load_config(write(tmp_path / 'b.yaml', **top, data={'workers': 2}))
    assert more.data.train[0].kind == 'cityscapes' and more.data.workers == 2
    assert more.optim.batch == 16
    changed = write(tmp_path / 'b.yaml', **top, with_data={'camvid': {'optim.epochs': 3}})
    config = load_config(changed, ['data=camvid'])
    assert (config.optim.batch, config.optim.epochs) == (4, 3)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'canvid': {}}, r"'with_data.canvid', expected .*camvid.*Did you mean camvid"),
        ({'camvid': 3}, 'with_data.camvid: got 3, expected a group of keys'),
        ('camvid', "'with_data': got 'camvid', expected a group of keys"),
    ],
)
def test_changes_with_the_data_that_cannot_be(changes, words):
    with pytest.raises(ConfigError, match=words):
        parse_config({'name': 'a', 'out': 'b', 'with_data': changes})


def test_a_key_that_changes_with_the_data_and_is_none(with_data):
    data = yaml.safe_load(with_data.read_text())
    data['with_data']['camvid'] = {'optim.bach': 3}
    with pytest.raises(ConfigError, match=r"'optim.bach'.*Did you mean optim.batch"):
        parse_config(data, ['data=camvid'])
