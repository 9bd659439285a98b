# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from training.checkpoint import load_checkpoint, save_checkpoint
from training.errors import CheckpointError

STATE = {
    'config': {}, 'epoch': 3, 'step': 7, 'seconds': 1.5, 'best': 0.25,
    'net': {'w': torch.arange(3.0)}, 'average': {}, 'optimizer': {},
}  # fmt: skip


def test_round_trip_leaves_one_file(tmp_path):
    save_checkpoint(tmp_path / 'run/last.pt', STATE)
    state = load_checkpoint(tmp_path / 'run/last.pt')
    assert state['net']['w'].tolist() == [0.0, 1.0, 2.0]
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
    with pytest.raises(CheckpointError, match=r'got no config, step'):
        load_checkpoint(path)
