# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from training.average import WeightAverage


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
