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

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.errors import ConfigError, near
from training.models.layers import init_weights, match_size

NORMS = ('batch', 'none')
UPS = ('transpose', 'bilinear')


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
        width: int = 64,
        depth: int = 4,
        norm: str = 'batch',
        dropout: float = 0.0,
        up: str = 'transpose',
    ) -> None:
        """
        :param width: channels of the first level; each deeper level has twice as many.
        :param depth: how often the size is halved.
        :param norm: batch, none.
        :param dropout: share of the values dropped after each pair of convolutions.
        :param up: transpose (learnt), or bilinear, with half the channels in the deepest level.
        :raises ConfigError: when an option cannot be.
        """
        super().__init__()
        _check_options(width, depth, norm, dropout, up)
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


def _check_options(width: int, depth: int, norm: str, dropout: float, up: str) -> None:
    for name, value, known in (('norm', norm, NORMS), ('up', up, UPS)):
        if value not in known:
            raise ConfigError(
                f'model.options of unet, {name}', repr(value), ', '.join(known), near(value, known)
            )
    if not 1 <= depth <= 5:  # an image of 32 pixels has nothing left to halve after that
        raise ConfigError('model.options of unet, depth', depth, '1 to 5')
    if width < 2 or width % 2:
        raise ConfigError('model.options of unet, width', width, 'an even number from 2 on')
    if not 0 <= dropout < 1:
        raise ConfigError('model.options of unet, dropout', dropout, '0 or more, below 1')
