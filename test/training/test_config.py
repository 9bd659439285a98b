# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from training.config import load_config, parse_config
from training.errors import ConfigError

CONFIGS = sorted(Path(__file__).parents[2].glob('config/training/*.yaml'))


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
    config = load_config(path, ['optim.batch=4', 'transform.crop=[96, 128]', 'model.planes=16'])
    assert (config.optim.batch, config.transform.crop, config.model.planes) == (4, (96, 128), 16)


def test_unknown_key_names_the_near_ones():
    with pytest.raises(ConfigError, match=r"'optim.bach'.*Did you mean optim.batch"):
        parse_config({'name': 'a', 'out': 'b', 'optim': {'bach': 4}})
    with pytest.raises(ConfigError, match=r"'modle'.*Did you mean model"):
        parse_config({'name': 'a', 'out': 'b', 'modle': {}})


def test_missing_key_is_named():
    with pytest.raises(ConfigError, match='config key out: got nothing'):
        parse_config({'name': 'a'})


@pytest.mark.parametrize(
    ('group', 'key', 'value', 'words'),
    [
        ('optim', 'batch', 'eight', "optim.batch: got 'eight', expected a value of type int"),
        ('optim', 'batch', True, 'optim.batch: got True'),
        ('optim', 'learning_rate', '1e-3', "learning_rate: got '1e-3'.*float"),
        ('transform', 'crop', [64], r'transform.crop: got \[64\], expected 2 values'),
    ],
)
def test_wrong_type_names_key_value_and_type(group, key, value, words):
    with pytest.raises(ConfigError, match=words):
        parse_config({'name': 'a', 'out': 'b', group: {key: value}})


@pytest.mark.parametrize(
    ('group', 'key', 'value', 'words'),
    [
        ('optim', 'batch', 0, 'optim.batch: got 0, expected 1 to 4096'),
        ('data', 'synthetic_share', 1.0, 'synthetic_share: got 1.0, expected 0 to 0.95'),
        ('transform', 'crop', [64, 8], r'transform.crop: got \(64, 8\), expected 32 to 4096'),
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
    with pytest.raises(ConfigError, match=r"'optim.batch', expected key=value"):
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
