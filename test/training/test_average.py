# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from seg_perception.core.classes import CAMVID_11, CITYSCAPES_19
from training.average import WeightAverage
from training.checkpoint import KEYS, load_checkpoint, save_checkpoint
from training.cli import main


def test_average_follows_the_weights():
    net = nn.Linear(1, 1, bias=False)
    net.weight.data.fill_(0.0)
    average = WeightAverage(net, decay=0.5)
    with torch.no_grad():
        net.weight.fill_(8.0)
    average.update(step=0)  # early decay 1/10
    assert average.net.weight.item() == pytest.approx(7.2)
    average.update(step=1000)
    assert average.net.weight.item() == pytest.approx(7.6)


def test_norm_statistics_are_averaged_and_their_counts_copied():
    net = nn.BatchNorm2d(1, momentum=1.0)
    average = WeightAverage(net, decay=0.9)
    net(torch.tensor([3.0, 5.0]).reshape(2, 1, 1, 1))  # mean 4, unbiased variance 2
    average.update(step=1000)
    assert float(average.net.running_mean) == pytest.approx(0.4)
    assert float(average.net.running_var) == pytest.approx(1.1)
    assert int(average.net.num_batches_tracked) == 1


def test_without_decay_the_average_is_the_network():
    net = nn.Linear(2, 2)
    average = WeightAverage(net, decay=0.0)
    with torch.no_grad():
        net.weight.fill_(3.0)
    average.update(step=1000)
    assert average.net.weight.flatten().tolist() == [3.0, 3.0, 3.0, 3.0]
    assert not average.net.weight.requires_grad


def test_average_follows_weights_that_were_loaded():
    net = nn.Linear(1, 1)
    average = WeightAverage(net, decay=0.0)
    net.load_state_dict({'weight': torch.tensor([[2.0]]), 'bias': torch.tensor([5.0])})
    average.update(step=0)
    assert (average.net.weight.item(), average.net.bias.item()) == (2.0, 5.0)


def checkpoint(path, weight, classes=CAMVID_11):
    state = dict.fromkeys(KEYS, 0) | {'classes': classes.to_dict(), 'step': int(weight[0])}
    average = {'head.weight': torch.tensor(weight), 'norm.count': torch.tensor(int(weight[0]))}
    save_checkpoint(path, state | {'average': average})
    return str(path)


def test_blend_is_the_mean_of_the_averaged_weights(tmp_path):
    paths = [
        checkpoint(tmp_path / 'after.pt', [4.0, 0.0]),
        checkpoint(tmp_path / 'before.pt', [1.0, 3.0]),
    ]
    assert main(['blend', *paths, '--out', str(tmp_path / 'blend.pt')]) == 0
    state = load_checkpoint(tmp_path / 'blend.pt')
    assert state['average']['head.weight'].tolist() == [2.5, 1.5]
    assert int(state['average']['norm.count']) == 4  # a count has no mean
    assert (state['step'], state['blend']) == (4, paths)


def test_what_cannot_be_blended(tmp_path, capsys):
    one = checkpoint(tmp_path / 'one.pt', [1.0, 2.0])
    wide = checkpoint(tmp_path / 'wide.pt', [1.0, 2.0, 3.0])
    city = checkpoint(tmp_path / 'city.pt', [1.0, 2.0], CITYSCAPES_19)
    out = ['--out', str(tmp_path / 'blend.pt')]
    assert main(['blend', one, *out]) == 2
    assert 'checkpoints to blend: got 1, expected two or more' in capsys.readouterr().err
    assert main(['blend', one, wide, *out]) == 2
    said = capsys.readouterr().err
    assert f'head.weight of {wide}: got [3], expected [2] as in {one}' in said
    assert main(['blend', one, city, *out]) == 2
    assert f'checkpoint {city}' in capsys.readouterr().err
    assert not (tmp_path / 'blend.pt').exists()
