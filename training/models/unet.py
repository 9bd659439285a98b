# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
U-Net: an encoder of convolution pairs and pooling, a decoder that takes each level in again.

Ronneberger et al. 2015, arXiv 1505.04597. Written from the paper. Convolutions are padded, so that
the logits have the size of the image. Its variants are options:

    the paper's own, 31.0 M parameters       norm: none
    with batch norm                          the default
    at most 512 channels instead of 1024     depth: 3
    regularised                              dropout: 0.25, or 0.4
    without transposed convolutions, 17 M    up: bilinear
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seg_perception.core.settings import Setting
from training.models.layers import Dropout, Width, check_multiple, init_weights, match_size


class ConvPair(nn.Sequential):
    """Two 3x3 convolutions, each with norm and ReLU, then dropout of single values."""

    def __init__(
        self, in_channels: int, inside: int, channels: int, norm: str, dropout: float
    ) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in ((in_channels, inside), (inside, channels)):
            layers.append(nn.Conv2d(inputs, outputs, 3, padding=1, bias=norm == 'none'))
            if norm == 'batch':
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers, *([nn.Dropout(dropout)] if dropout else []))


class Up(nn.Module):
    """Enlarges the deeper features and joins them with those of its own level."""

    def __init__(self, channels: int, skip_channels: int, up: str) -> None:
        super().__init__()
        if up == 'transpose':
            self.enlarge: nn.Module = nn.ConvTranspose2d(channels, skip_channels, 2, stride=2)
        else:
            self.enlarge = nn.Upsample(scale_factor=2, mode='bilinear', align_corners=False)

    def forward(self, features: Tensor, skip: Tensor, stride: int) -> Tensor:
        larger = match_size(self.enlarge(features), skip, stride)
        return torch.cat([skip, larger], dim=1)


class UNet(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H, W)."""

    backbone_names = ()
    head_names = ('head',)
    encoding_feature = 'deepest'

    def __init__(
        self,
        num_classes: int,
        width: Width = 64,
        depth: Annotated[int, Setting('how often the size is halved', '', 1, 5)] = 4,
        norm: Annotated[str, Setting('after convolutions', choices=('batch', 'none'))] = 'batch',
        dropout: Dropout = 0.0,
        up: Annotated[str, Setting('enlarger', choices=('transpose', 'bilinear'))] = 'transpose',
    ) -> None:
        """
        :param width: each deeper level has twice as many channels.
        :param depth: at most 5: an image of 32 pixels has nothing left to halve after that.
        :param dropout: after each pair of convolutions.
        :param up: transpose (learnt), or bilinear, with half the channels in the deepest level.
        :raises ConfigError: when the width is odd.
        """
        super().__init__()
        check_multiple('width', width, 2)
        levels = [width << level for level in range(depth)]  # 64, 128, 256, 512
        deepest = 2 * levels[-1] if up == 'transpose' else levels[-1]
        pair = {'norm': norm, 'dropout': dropout}
        self.down = nn.ModuleList(
            ConvPair(inputs, channels, channels, **pair)
            for inputs, channels in zip([3, *levels], levels, strict=False)
        )
        self.deepest = ConvPair(levels[-1], deepest, deepest, **pair)
        self.join, self.up = nn.ModuleList(), nn.ModuleList()
        inputs = deepest
        for channels in reversed(levels):
            halve = up == 'bilinear' and channels > width
            outputs = channels // 2 if halve else channels
            self.join.append(Up(inputs, channels, up))
            joined = 2 * channels
            self.up.append(ConvPair(joined, channels, outputs, **pair))
            inputs = outputs
        self.head = nn.Conv2d(width, num_classes, 1)
        self.boundary_feature = f'up.{depth - 1}'
        init_weights(self)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        features, skips = image, []
        for pair in self.down:
            skips.append(pair(features))
            features = F.max_pool2d(skips[-1], 2, ceil_mode=True)
        features = self.deepest(features)  # (N, 1024, H/16, W/16)
        stride = 2 ** len(skips)
        for join, pair, skip in zip(self.join, self.up, reversed(skips), strict=True):
            features = pair(join(features, skip, stride))  # (N, 512, H/8, W/8), ...
            stride //= 2
        logits = self.head(features)  # (N, classes, H, W)
        return (logits,) if self.training else logits
