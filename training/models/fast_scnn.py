# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Fast-SCNN: quick down to 1/8, a slim network on that, and one fusion of both.

Poudel et al. 2019, arXiv 1902.04502. Written from the paper, whose authors published no code.
Dropout before the last layer is said there without a rate. ``width`` scales every channel.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from training.models.layers import (
    ConvBn,
    InvertedResidual,
    PyramidPooling,
    init_weights,
    resize_to,
)


class Separable(nn.Sequential):
    """3x3 for each channel, then 1x1 across channels."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        each = ConvBn(in_channels, in_channels, 3, stride, groups=in_channels)
        super().__init__(each, ConvBn(in_channels, channels, 1))


def bottlenecks(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """Three of them; the first changes size and channels."""
    first = InvertedResidual(in_channels, channels, stride)
    return nn.Sequential(first, *(InvertedResidual(channels, channels) for _ in range(2)))


class Fusion(nn.Module):
    """Detail at 1/8 plus context, which is enlarged and smoothed with a dilated 3x3."""

    def __init__(self, detail_channels: int, channels: int) -> None:
        super().__init__()
        self.detail = ConvBn(detail_channels, channels, 1, relu=False)
        self.context = nn.Sequential(
            ConvBn(channels, channels, 3, groups=channels, dilation=4),
            ConvBn(channels, channels, 1, relu=False),
        )

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        return F.relu(self.detail(detail) + self.context(resize_to(context, detail)))


class FastScnn(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H/8, W/8); in training two auxiliary logits."""

    backbone_names = ('detail', 'deep', 'context')
    head_names = ('head.3', 'aux_detail.2', 'aux_context.2')
    boundary_feature = 'detail'
    encoding_feature = 'context'

    def __init__(self, num_classes: int, width: float = 1.0, dropout: float = 0.1) -> None:
        super().__init__()
        c32, c48, c64, c96, c128 = (int(c * width) for c in (32, 48, 64, 96, 128))
        self.detail = nn.Sequential(
            ConvBn(3, c32, stride=2), Separable(c32, c48, stride=2), Separable(c48, c64, stride=2)
        )
        self.deep = nn.Sequential(
            bottlenecks(c64, c64, 2), bottlenecks(c64, c96, 2), bottlenecks(c96, c128, 1)
        )
        self.context = PyramidPooling(c128)
        self.fusion = Fusion(c64, c128)
        self.head = nn.Sequential(
            Separable(c128, c128),
            Separable(c128, c128),
            nn.Dropout(dropout),
            nn.Conv2d(c128, num_classes, 1),
        )
        self.aux_detail = _aux_head(c64, c32, num_classes, dropout)
        self.aux_context = _aux_head(c128, c32, num_classes, dropout)
        init_weights(self)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        detail = self.detail(image)  # (N, 64, H/8, W/8)
        context = self.context(self.deep(detail))  # (N, 128, H/32, W/32)
        logits = self.head(self.fusion(detail, context))  # (N, classes, H/8, W/8)
        if not self.training:
            return logits
        return logits, self.aux_detail(detail), self.aux_context(context)


def _aux_head(in_channels: int, channels: int, num_classes: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        ConvBn(in_channels, channels), nn.Dropout(dropout), nn.Conv2d(channels, num_classes, 1)
    )
