# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from training.models import build_model
from training.precision import keep_exact


@pytest.mark.parametrize(('channels', 'groups', 'dilation'), [(16, 16, 2), (16, 8, 4), (25, 1, 4)])
def test_weight_gradient_of_a_dilated_convolution_is_exact(
    channels: int, groups: int, dilation: int
) -> None:
    torch.manual_seed(0)
    shape = {'padding': dilation, 'dilation': dilation, 'groups': groups}
    conv = nn.Conv2d(channels, channels, 3, bias=False, **shape)
    net = nn.Sequential(conv).to(memory_format=torch.channels_last)
    keep_exact(net)
    features = torch.randn(4, channels, 30, 40).to(memory_format=torch.channels_last)
    with torch.autocast('cpu', torch.bfloat16):
        answer = net(features)
    slope = torch.randn_like(answer)
    (gradient,) = torch.autograd.grad(answer, conv.weight, slope)
    exact = F.conv2d(features.double(), conv.weight.double(), **shape)
    (expected,) = torch.autograd.grad(exact, conv.weight, slope.double())
    torch.testing.assert_close(gradient, expected.float(), rtol=1e-4, atol=1e-3)


def test_other_convolutions_stay_in_bfloat16() -> None:
    net = nn.Sequential(nn.Conv2d(16, 16, 3, groups=16), nn.Conv2d(16, 16, 3, dilation=2))
    keep_exact(net)
    with torch.autocast('cpu', torch.bfloat16):
        assert net(torch.zeros(1, 16, 16, 16)).dtype == torch.bfloat16


@pytest.mark.parametrize('shape', [{'kernel_size': 5}, {'kernel_size': 3, 'stride': 2}])
def test_slow_depthwise_convolutions_are_left_in_float32(shape: dict[str, int]) -> None:
    net = nn.Sequential(nn.Conv2d(16, 16, groups=16, **shape))
    keep_exact(net)
    with torch.autocast('cpu', torch.bfloat16):
        assert net(torch.zeros(1, 16, 16, 16)).dtype == torch.float32


def test_weights_and_answers_in_float32_stay() -> None:
    torch.manual_seed(0)
    net = build_model('fast_scnn', 3, {'width': 0.25}).eval()
    kept = copy.deepcopy(net)
    keep_exact(kept)
    image = torch.randn(1, 3, 64, 64)
    assert kept.state_dict().keys() == net.state_dict().keys()
    assert torch.equal(kept(image), net(image))
