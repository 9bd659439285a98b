# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Modern U-Net: the network of denoising diffusion, residual units and attention, without time.

Ho et al. 2020, arXiv 2006.11239. Written from the paper; the default sizes are those of PDEArena's
version (MIT), which goes back to labml.ai's (MIT). What told the level of noise is gone: there is
one image and one answer. Attention compares all positions, so only the smallest level has it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.errors import ConfigError
from training.models.layers import Count, Dropout, Width, check_multiple, match_size


def norm_act(channels: int, groups: int) -> nn.Sequential:
    """Group norm and SiLU; they come before each convolution."""
    return nn.Sequential(nn.GroupNorm(groups, channels), nn.SiLU())


class Residual(nn.Module):
    """Two 3x3 convolutions, each after norm and activation, added to the input."""

    def __init__(self, in_channels: int, channels: int, groups: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            norm_act(in_channels, groups),
            nn.Conv2d(in_channels, channels, 3, padding=1),
            norm_act(channels, groups),
            nn.Dropout(dropout),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        same = in_channels == channels
        self.skip = nn.Identity() if same else nn.Conv2d(in_channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.skip(features) + self.body(features)


class Attention(nn.Module):
    """Self-attention over all positions with one head, added to the input."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)
        self.project = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        tokens = self.project(self.norm(features)).flatten(2).mT.unsqueeze(1)  # (N, 1, h w, 3 C)
        query, key, value = tokens.chunk(3, dim=3)
        seen = F.scaled_dot_product_attention(query, key, value)  # (N, 1, h w, C)
        return features + self.out(seen.squeeze(1).mT.reshape(features.shape))


class EncoderLevel(nn.Module):
    """Units, then half the size. Gives the features and what the decoder takes in again."""

    def __init__(self, units: Sequence[nn.Module], channels: int, last: bool) -> None:
        super().__init__()
        self.units = nn.ModuleList(units)
        self.down = None if last else nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, features: Tensor) -> tuple[Tensor, list[Tensor]]:
        kept = []
        for unit in self.units:
            features = unit(features)
            kept.append(features)
        if self.down:
            features = self.down(features)
            kept.append(features)
        return features, kept


class DecoderLevel(nn.Module):
    """Units that each take in one of the kept features, then twice the size."""

    def __init__(self, units: Sequence[nn.Module], channels: int, last: bool) -> None:
        super().__init__()
        self.units = nn.ModuleList(units)
        self.up = None if last else nn.ConvTranspose2d(channels, channels, 4, 2, padding=1)

    def forward(self, features: Tensor, kept: list[Tensor]) -> Tensor:
        """``kept`` is used up from its end."""
        for unit in self.units:
            features = unit(torch.cat([features, kept.pop()], dim=1))
        return self.up(features) if self.up else features


class ModernUNet(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H, W)."""

    backbone_names = ()
    head_names = ('head',)
    boundary_feature = 'last'
    encoding_feature = 'middle'

    def __init__(
        self,
        num_classes: int,
        width: Width = 64,
        multipliers: tuple[Count, ...] = (1, 2, 2, 4),
        attention: tuple[bool, ...] = (False, False, False, True),
        middle_attention: bool = True,
        blocks: Count = 2,
        groups: Count = 32,
        dropout: Dropout = 0.1,
    ) -> None:
        """
        :param multipliers: of the width, one a level; each level halves the size.
        :param attention: of each level, whether its units are followed by attention.
        :param middle_attention: the same between encoder and decoder.
        :param blocks: units of a level; the decoder has one more in each.
        :param groups: of the norms.
        :raises ConfigError: when options do not fit together.
        """
        super().__init__()
        check_multiple('width', width, groups)
        if not 1 <= len(multipliers) <= 6:
            raise ConfigError('model.options, multipliers', multipliers, '1 to 6 numbers')
        if len(attention) != len(multipliers):
            expected = f'{len(multipliers)} values, one for each of multipliers'
            raise ConfigError('model.options, attention', attention, expected)

        def unit(inputs: int, channels: int, attend: bool) -> nn.Module:
            residual = Residual(inputs, channels, groups, dropout)
            return nn.Sequential(residual, Attention(channels, groups)) if attend else residual

        widths = [width * factor for factor in multipliers]
        levels = list(zip(widths, attention, strict=True))
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.encoder, kept, inputs = nn.ModuleList(), [width], width
        for number, (channels, attend) in enumerate(levels, 1):
            last = number == len(levels)
            units = [unit(n, channels, attend) for n in [inputs] + (blocks - 1) * [channels]]
            self.encoder.append(EncoderLevel(units, channels, last))
            kept += (blocks + (not last)) * [channels]
            inputs = channels
        self.middle = nn.Sequential(
            unit(inputs, inputs, middle_attention), unit(inputs, inputs, False)
        )
        self.decoder = nn.ModuleList()
        for number, (channels, attend) in enumerate(reversed(levels), 1):
            units = []
            for _ in range(blocks + 1):
                units.append(unit(inputs + kept.pop(), channels, attend))
                inputs = channels
            self.decoder.append(DecoderLevel(units, channels, last=number == len(levels)))
        self.last = norm_act(width * multipliers[0], groups)
        self.head = nn.Conv2d(width * multipliers[0], num_classes, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        features = self.first(image)  # (N, 64, H, W)
        kept = [features]
        for level in self.encoder:
            features, more = level(features)
            kept += more
        features = self.middle(features)  # (N, 256, H/8, W/8)
        stride = 2 ** len(self.encoder)
        for level in self.decoder:
            features = level(match_size(features, kept[-1], stride), kept)
            stride //= 2
        logits = self.head(self.last(features))  # (N, classes, H, W)
        return (logits,) if self.training else logits
