# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
DDRNet-23-slim: one branch at 1/8 that keeps detail, one down to 1/64 that sees context.

Hong et al. 2021, arXiv 2101.06085. Written from the paper. ``planes`` 32 is the slim network;
smaller values narrow every layer.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.models.layers import ConvBn, SegHead, init_weights, resize_to


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


class Dappm(nn.Module):
    """Deep aggregation pyramid pooling: five scales, each refined with the one before."""

    def __init__(self, in_channels: int, branch: int, channels: int) -> None:
        super().__init__()
        self.pools = nn.ModuleList(nn.AvgPool2d(2 * s + 1, s, s) for s in (2, 4, 8))
        self.scales = nn.ModuleList(ConvBn(in_channels, branch, 1) for _ in range(5))
        self.refine = nn.ModuleList(ConvBn(branch, branch) for _ in range(4))
        self.compress = ConvBn(5 * branch, channels, 1)
        self.shortcut = ConvBn(in_channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        pooled = [pool(features) for pool in self.pools] + [features.mean((2, 3), keepdim=True)]
        outputs = [self.scales[0](features)]
        for scale, refine, part in zip(self.scales[1:], self.refine, pooled, strict=True):
            outputs.append(refine(resize_to(scale(part), features) + outputs[-1]))
        return self.compress(torch.cat(outputs, dim=1)) + self.shortcut(features)


class DDRNet(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H/8, W/8); in training also one auxiliary logits."""

    def __init__(self, num_classes: int, planes: int = 32, head: int = 64) -> None:
        super().__init__()
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
        self.context = Dappm(16 * p, 4 * p, 4 * p)
        self.head = SegHead(4 * p, head, num_classes)
        self.aux = SegHead(2 * p, head, num_classes)
        init_weights(self)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        features = F.relu(self.low2(self.stem(image)))  # (N, 64, H/8, W/8)
        low, high = self.low3(features), self.high3(features)  # (N, 128, H/16, .), (N, 64, H/8, .)
        low, high = fuse(low, high, self.to_low3, self.to_high3)
        detail = high
        low, high = self.low4(low), self.high4(high)  # (N, 256, H/32, .), (N, 64, H/8, .)
        low, high = fuse(low, high, self.to_low4, self.to_high4)
        high = self.high5(high)  # (N, 128, H/8, W/8)
        context = self.context(F.relu(self.low5(low)))  # (N, 128, H/64, W/64)
        logits = self.head(F.relu(high + resize_to(context, high)))
        return (logits, self.aux(detail)) if self.training else logits


def fuse(low: Tensor, high: Tensor, down: nn.Module, up: nn.Module) -> tuple[Tensor, Tensor]:
    """Bilateral fusion: each branch takes the other's features at its own size."""
    low, high = F.relu(low), F.relu(high)
    return F.relu(low + down(high)), F.relu(high + resize_to(up(low), high))
