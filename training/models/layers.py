# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Layers that the networks share."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class ConvBn(nn.Sequential):
    """Convolution without bias, batch norm, ReLU; stride 2 rounds sizes up."""

    def __init__(
        self, in_channels: int, channels: int, kernel: int = 3, stride: int = 1, relu: bool = True
    ) -> None:
        conv = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, bias=False)
        layers: list[nn.Module] = [conv, nn.BatchNorm2d(channels)]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if relu else []))


class SegHead(nn.Sequential):
    """3x3 features, then one 1x1 logit a class."""

    def __init__(self, in_channels: int, channels: int, num_classes: int) -> None:
        super().__init__(
            ConvBn(in_channels, channels), nn.Conv2d(channels, num_classes, kernel_size=1)
        )


def resize_to(features: Tensor, like: Tensor) -> Tensor:
    """Bilinear resize to the height and width of ``like``, so that any input size fits."""
    return F.interpolate(features, size=like.shape[2:], mode='bilinear', align_corners=False)


def init_weights(net: nn.Module) -> None:
    """He initialisation of every convolution; batch norms start as the identity."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
            if module.bias is not None:
                nn.init.zeros_(module.bias)
