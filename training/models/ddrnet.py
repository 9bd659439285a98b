# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
DDRNet-23: one branch at 1/8 that keeps detail, one down to 1/64 that sees context.

Hong et al. 2021, arXiv 2101.06085; code https://github.com/ydhongHIT/DDRNet (MIT), whose
ImageNet weights load. Written from the paper. ``planes`` 32 is the slim network; smaller values
narrow every layer. Batch norm and ReLU follow each convolution, also in the context module and
the heads, where the released code puts them before: published weights of those do not fit.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.errors import ConfigError
from training.models.layers import ConvBn, SegHead, init_weights, pool_mean, resize_to
from training.models.weights import KeyMap, State, fold_bias


class Residual(nn.Module):
    """Residual unit: basic (two 3x3) or bottleneck (1x1, 3x3, 1x1 that doubles the channels)."""

    def __init__(
        self, in_channels: int, planes: int, stride: int = 1, bottleneck: bool = False
    ) -> None:
        super().__init__()
        channels = 2 * planes if bottleneck else planes
        if bottleneck:
            middle = ConvBn(planes, planes, stride=stride)
            last = ConvBn(planes, channels, 1, relu=False)
            layers = [ConvBn(in_channels, planes, 1), middle, last]
        else:
            layers = [ConvBn(in_channels, planes, 3, stride), ConvBn(planes, planes, relu=False)]
        self.body = nn.Sequential(*layers)
        same = stride == 1 and in_channels == channels
        self.skip = nn.Identity() if same else ConvBn(in_channels, channels, 1, stride, relu=False)

    def forward(self, features: Tensor) -> Tensor:
        """The last ReLU is left to the caller: fusion adds to the sum before it."""
        return self.body(features) + self.skip(features)


def unit_pair(in_channels: int, planes: int, stride: int = 1) -> nn.Sequential:
    """Two basic units; the sum of the second stays without ReLU."""
    first = Residual(in_channels, planes, stride)
    return nn.Sequential(first, nn.ReLU(), Residual(planes, planes))


def pyramid_pools() -> nn.ModuleList:
    """Means over windows of 5, 9 and 17, at 1/2, 1/4 and 1/8 of the size."""
    return nn.ModuleList(nn.AvgPool2d(2 * s + 1, s, s) for s in (2, 4, 8))


class Dappm(nn.Module):
    """Deep aggregation pyramid pooling: five scales, each refined with the one before."""

    def __init__(self, in_channels: int, branch: int, channels: int) -> None:
        super().__init__()
        self.pools = pyramid_pools()
        self.scales = nn.ModuleList(ConvBn(in_channels, branch, 1) for _ in range(5))
        self.refine = nn.ModuleList(ConvBn(branch, branch) for _ in range(4))
        self.compress = ConvBn(5 * branch, channels, 1)
        self.shortcut = ConvBn(in_channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        pooled = [pool(features) for pool in self.pools] + [pool_mean(features)]
        outputs = [self.scales[0](features)]
        for scale, refine, part in zip(self.scales[1:], self.refine, pooled, strict=True):
            outputs.append(refine(resize_to(scale(part), features) + outputs[-1]))
        return self.compress(torch.cat(outputs, dim=1)) + self.shortcut(features)


STEM_RULES = (
    (r'^conv1\.([01])\.', r'stem.0.\1.'),
    (r'^conv1\.([34])\.', lambda m: f'stem.1.{int(m[1]) - 3}.'),
)
RESIDUAL_RULES = (
    (r'\.conv(\d)\.', lambda m: f'.body.{int(m[1]) - 1}.0.'),
    (r'\.bn(\d)\.', lambda m: f'.body.{int(m[1]) - 1}.1.'),
    (r'\.downsample\.', '.skip.'),
)
RULES = (
    *STEM_RULES,
    *RESIDUAL_RULES,
    (r'^layer5_\.0\.', 'high5.'),
    (r'^layer5\.0\.', 'low5.'),
    (r'^layer1\.(\d)\.', lambda m: f'stem.2.{2 * int(m[1])}.'),  # a ReLU lies between
    (r'^layer(\d)_\.(\d)\.', lambda m: f'high{m[1]}.{2 * int(m[2])}.'),
    (r'^layer(\d)\.(\d)\.', lambda m: f'low{m[1]}.{2 * int(m[2])}.'),
    (r'^compression(\d)\.', r'to_high\1.'),
    (r'^down3\.', 'to_low3.'),
    (r'^down4\.([01])\.', r'to_low4.0.\1.'),
    (r'^down4\.([34])\.', lambda m: f'to_low4.1.{int(m[1]) - 3}.'),
)
"""Patterns from the released names to the names here."""
CLASSIFIER = (r'^(down5|last_layer|linear)\.',)
"""Parts that only the networks trained on ImageNet have."""


def fold_stem(net: nn.Module, state: State) -> State:
    """The released stems have biases before their batch norms."""
    return fold_bias(fold_bias(state, 'conv1.0', 'conv1.1'), 'conv1.3', 'conv1.4')


def prepare_released(net: nn.Module, state: State) -> State:
    """
    Refuse released weights for a network of another function.

    :raises ConfigError: when the network rectifies before it fuses.
    """
    if net.rectify:
        fix = 'The released weights are of the paper, which adds before the ReLU.'
        raise ConfigError('model.options.rectify with these weights', True, False, fix)
    return fold_stem(net, state)


class DDRNet(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H/8, W/8); in training also one auxiliary logits."""

    backbone_names = (
        *('stem', 'low2', 'low3', 'low4', 'low5', 'high3', 'high4', 'high5'),
        *('to_low3', 'to_low4', 'to_high3', 'to_high4'),
    )
    head_names = ('head.1', 'aux.1')
    boundary_feature = 'high5'
    encoding_feature = 'context'
    key_maps = (
        KeyMap(
            'DDRNet',
            mark='down4.3.weight',
            rules=RULES,
            drop=(*CLASSIFIER, r'^(spp|final_layer|seghead_extra)\.'),
            fresh=('context', 'head', 'aux'),
            prepare=prepare_released,
        ),
    )

    def __init__(
        self,
        num_classes: int,
        planes: int = 32,
        head: int = 64,
        branch: int = 128,
        rectify: bool = False,
    ) -> None:
        """
        :param head: channels of the heads.
        :param branch: channels of each scale of the context module.
        :param rectify: ReLU the features of each branch before the others are added, not only
            after; the paper does not, but networks were trained so.
        """
        super().__init__()
        self.rectify = rectify
        p = planes
        self.stem = nn.Sequential(
            ConvBn(3, p, stride=2), ConvBn(p, p, stride=2), unit_pair(p, p), nn.ReLU()
        )
        self.low2 = unit_pair(p, 2 * p, stride=2)
        self.low3, self.high3 = unit_pair(2 * p, 4 * p, stride=2), unit_pair(2 * p, 2 * p)
        self.to_high3 = ConvBn(4 * p, 2 * p, 1, relu=False)
        self.to_low3 = ConvBn(2 * p, 4 * p, stride=2, relu=False)
        self.low4, self.high4 = unit_pair(4 * p, 8 * p, stride=2), unit_pair(2 * p, 2 * p)
        self.to_high4 = ConvBn(8 * p, 2 * p, 1, relu=False)
        self.to_low4 = nn.Sequential(
            ConvBn(2 * p, 4 * p, stride=2), ConvBn(4 * p, 8 * p, stride=2, relu=False)
        )
        self.low5 = Residual(8 * p, 8 * p, stride=2, bottleneck=True)
        self.high5 = Residual(2 * p, 2 * p, bottleneck=True)
        self.context = Dappm(16 * p, branch, 4 * p)
        self.head = SegHead(4 * p, head, num_classes)
        self.aux = SegHead(2 * p, head, num_classes)
        init_weights(self)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        features = F.relu(self.low2(self.stem(image)))  # (N, 64, H/8, W/8)
        low, high = self.low3(features), self.high3(features)  # (N, 128, H/16, .), (N, 64, H/8, .)
        low, high = self.fuse(low, high, self.to_low3, self.to_high3)
        detail = high
        low, high = self.low4(low), self.high4(high)  # (N, 256, H/32, .), (N, 64, H/8, .)
        low, high = self.fuse(low, high, self.to_low4, self.to_high4)
        high = self.high5(high)  # (N, 128, H/8, W/8)
        context = self.context(F.relu(self.low5(low)))  # (N, 128, H/64, W/64)
        logits = self.head(F.relu(high + resize_to(context, high)))
        return (logits, self.aux(detail)) if self.training else logits

    def fuse(
        self, low: Tensor, high: Tensor, down: nn.Module, up: nn.Module
    ) -> tuple[Tensor, Tensor]:
        """Bilateral fusion: each branch takes the other's features at its own size."""
        to_low, to_high = down(F.relu(high)), resize_to(up(F.relu(low)), high)
        if self.rectify:
            low, high = F.relu(low), F.relu(high)
        return F.relu(low + to_low), F.relu(high + to_high)
