# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One process alone; two of them train together in test_fit.py."""

import numpy as np
import pytest
import torch

from seg_perception.evaluation.metrics import ConfusionMatrix
from training.distributed import (
    Process,
    from_first,
    joined,
    mean_over_processes,
    merge_over_processes,
    pick_device,
)
from training.errors import ConfigError


@pytest.fixture
def gpus(monkeypatch):
    """Pretends that there are so many GPUs."""

    def pretend(count):
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: count > 0)
        monkeypatch.setattr(torch.cuda, 'device_count', lambda: count)

    return pretend


@pytest.mark.parametrize(
    ('count', 'name', 'local_rank', 'picked'),
    [
        (0, 'auto', 0, 'cpu'),
        (0, 'cpu', 0, 'cpu'),
        (2, 'cpu', 0, 'cpu'),
        (2, 'auto', 0, 'cuda:0'),
        (2, 'cuda', 1, 'cuda:1'),
        (2, 'cuda:1', 0, 'cuda:1'),
    ],
)
def test_device(gpus, count, name, local_rank, picked):
    gpus(count)
    assert pick_device(name, local_rank) == torch.device(picked)


@pytest.mark.parametrize(
    ('count', 'name', 'words'),
    [
        (0, 'cuda', r'device: got cuda:0, expected one of 0 GPUs. Check nvidia-smi'),
        (2, 'cuda:2', r'device: got cuda:2, expected one of 2 GPUs'),
        (2, 'gpu', r"device: got 'gpu', expected cpu, cuda, cuda:N or auto"),
        (2, 'auto:1', r"device: got 'auto:1'"),
        (2, 'cuda:x', r"device: got 'cuda:x'"),
    ],
)
def test_device_that_is_not_there(gpus, count, name, words):
    gpus(count)
    with pytest.raises(ConfigError, match=words):
        pick_device(name)


def test_more_processes_than_gpus_and_numbered_gpus(gpus):
    gpus(2)
    with pytest.raises(ConfigError, match='got auto:2, expected one of 2 GPUs'):
        pick_device('auto', local_rank=2, world=3)
    with pytest.raises(ConfigError, match='got cuda:1 for 2 processes, expected cuda'):
        pick_device('cuda:1', world=2)


def test_alone(monkeypatch):
    monkeypatch.delenv('RANK', raising=False)
    with joined('cpu') as process:
        assert process == Process(torch.device('cpu'), rank=0, world=1)
        assert process.is_first
        value = torch.tensor(3.0, requires_grad=True)
        assert mean_over_processes(value).item() == 3.0
        assert not mean_over_processes(value).requires_grad
        assert from_first('a') == 'a'
        matrix = ConfusionMatrix(2)
        matrix.add(np.array([[0, 1]], np.uint8), np.array([[0, 0]], np.uint8))
        assert merge_over_processes(matrix).counts.tolist() == [[1, 0], [1, 0]]


def test_half_of_torchruns_variables(monkeypatch):
    monkeypatch.setenv('RANK', '0')
    monkeypatch.delenv('WORLD_SIZE', raising=False)
    words = r'environment: got RANK without LOCAL_RANK, WORLD_SIZE.*Start with torchrun'
    with pytest.raises(ConfigError, match=words), joined('cpu'):
        pass
