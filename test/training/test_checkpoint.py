# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import pytest
import torch
from torch import nn

from seg_perception.core.classes import CAMVID_11, ClassTable
from seg_perception.core.errors import ClassTableError
from training.checkpoint import check_same_run, load_checkpoint, load_weights, save_checkpoint
from training.config import parse_config
from training.errors import CheckpointError

STATE = {
    'config': {'name': 'a', 'out': 'b', 'model': {'options': {'planes': 8}}},
    'classes': CAMVID_11.to_dict(),
    'epoch': 3, 'step': 7, 'step_in_epoch': 1, 'meter': {}, 'seconds': 1.5,
    'best': 0.25, 'stale': 0, 'net': {'w': torch.arange(3.0)}, 'average': {}, 'heads': {},
    'optimizer': {}, 'scaler': {},
}  # fmt: skip


def test_round_trip_leaves_one_file(tmp_path):
    save_checkpoint(tmp_path / 'run/last.pt', STATE)
    state = load_checkpoint(tmp_path / 'run/last.pt')
    assert state['net']['w'].tolist() == [0.0, 1.0, 2.0]
    assert ClassTable.from_dict(state['classes']) == CAMVID_11
    assert [path.name for path in (tmp_path / 'run').iterdir()] == ['last.pt']


def test_a_write_that_dies_leaves_the_old_file(tmp_path):
    path = tmp_path / 'last.pt'
    save_checkpoint(path, STATE)
    with pytest.raises(AttributeError):
        save_checkpoint(path, {**STATE, 'net': lambda: None})  # cannot be pickled
    assert load_checkpoint(path)['step'] == 7


def test_missing_truncated_and_foreign_files(tmp_path):
    with pytest.raises(CheckpointError, match=r'none.pt: got no file, expected best.pt'):
        load_checkpoint(tmp_path / 'none.pt')
    path = tmp_path / 'last.pt'
    save_checkpoint(path, STATE)
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(CheckpointError, match=r'expected a whole file'):
        load_checkpoint(path)
    torch.save({'epoch': 3}, path)
    with pytest.raises(CheckpointError, match=r'got no config, classes, step'):
        load_checkpoint(path)


def config(**changes):
    return parse_config({**STATE['config'], **changes})


@pytest.mark.parametrize(
    'changes',
    [
        {},
        {'out': 'c', 'threads': 4, 'device': 'cpu'},
        {'optim': {'learning_rate': 1.0, 'epochs': 7}, 'transform': {'flip': 0.0}},
    ],
)
def test_same_run(changes):
    check_same_run(STATE, config(**changes), CAMVID_11)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        (
            {'model': {'options': {'planes': 4}}},
            r'got model.options.planes=8, expected model.options.planes=4.*Use another out',
        ),
        ({'model': {}}, 'got model.options.planes=8, expected model.options.planes=None'),
        ({'seed': 1}, 'got seed=0, expected seed=1'),
        ({'optim': {'name': 'sgd'}}, "got optim.name='adamw', expected optim.name='sgd'"),
    ],
)
def test_another_run_is_refused(changes, words):
    with pytest.raises(CheckpointError, match=words):
        check_same_run(STATE, config(**changes), CAMVID_11)


def test_another_class_table_is_refused():
    rows = CAMVID_11.classes
    fewer = dataclasses.replace(CAMVID_11, name='fewer', classes=rows[:2])
    words = r'class table of the checkpoint: got .*bicyclist\), expected fewer \(sky, building\)'
    with pytest.raises(ClassTableError, match=words):
        check_same_run(STATE, config(), fewer)


def test_weights_that_do_not_fit_are_named():
    words = r'for Linear: got .*Missing key.*"bias".*size mismatch for weight.*heads of the loss'
    with pytest.raises(CheckpointError, match=words):
        load_weights(nn.Linear(2, 2), {'weight': torch.zeros(3, 2)})
