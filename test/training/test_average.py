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
    net.weight.data.fill_(8.0)
    average.update(net, step=0)  # early decay 1/10
    assert float(average.net.weight) == pytest.approx(7.2)
    average.update(net, step=1000)
    assert float(average.net.weight) == pytest.approx(7.6)


def test_batch_norm_counts_are_copied():
    net = nn.BatchNorm2d(2)
    average = WeightAverage(net, decay=0.9)
    net(torch.randn(4, 2, 3, 3))
    average.update(net, step=0)
    assert int(average.net.num_batches_tracked) == 1
