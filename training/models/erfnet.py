# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
ERFNet: residual units whose 3x3 convolutions are factorised into 3x1 and 1x3.

Romera et al. 2018, doi 10.1109/TITS.2017.2750080. Written from the paper; its authors' code (CC
BY-NC 4.0) was only compared with: the same weights give the same logits.
"""

from __future__ import annotations

from itertools import cycle, islice
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seg_perception.core.settings import Setting
from training.models.layers import Count, Dropout, crop_to, init_weights
from training.models.weights import KeyMap, State
from training.transforms import MEAN_RGB, STD_RGB

EPS = 1e-3  # of the batch norms, as in the authors' code
DILATIONS = (2, 4, 8, 16)


class Down(nn.Module):
    """Halves the size: a convolution of stride 2 in parallel with max pooling."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels - in_channels, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(channels, EPS)

    def forward(self, features: Tensor) -> Tensor:
        # ceil_mode: an odd size is rounded up like that of the convolution
        pooled = F.max_pool2d(features, 2, ceil_mode=True)
        return F.relu(self.norm(torch.cat([self.conv(features), pooled], dim=1)))


class Factorised(nn.Module):
    """Residual unit "non-bottleneck-1D": 3x1, 1x3, and the same once more, dilated."""

    def __init__(self, channels: int, dilation: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_pair(channels, 1),
            nn.ReLU(inplace=True),
            *_pair(channels, dilation),
            nn.Dropout2d(dropout),
        )

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(features + self.body(features))


def _pair(channels: int, dilation: int) -> list[nn.Module]:
    d = dilation
    return [
        nn.Conv2d(channels, channels, (3, 1), padding=(d, 0), dilation=(d, 1)),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, (1, 3), padding=(0, d), dilation=(1, d)),
        nn.BatchNorm2d(channels, EPS),
    ]


class Up(nn.Sequential):
    """Doubles the size by a transposed convolution."""

    def __init__(self, in_channels: int, channels: int) -> None:
        conv = nn.ConvTranspose2d(in_channels, channels, 3, 2, padding=1, output_padding=1)
        super().__init__(conv, nn.BatchNorm2d(channels, EPS), nn.ReLU(inplace=True))


RULES = (
    (r'^features\.', ''),
    (r'^encoder\.initial_block\.', 'encoder.0.'),
    (r'^encoder\.layers\.(\d+)\.', lambda m: f'encoder.{int(m[1]) + 1}.'),
    (r'^decoder\.layers\.([03])\.conv\.', r'decoder.\1.0.'),
    (r'^decoder\.layers\.([03])\.bn\.', r'decoder.\1.1.'),
    (r'^decoder\.layers\.', 'decoder.'),
    (r'^decoder\.output_conv\.', 'full.'),
    (r'\.bn\.', '.norm.'),
    (r'\.conv3x1_1\.', '.body.0.'),
    (r'\.conv1x3_1\.', '.body.2.'),
    (r'\.bn1\.', '.body.3.'),
    (r'\.conv3x1_2\.', '.body.5.'),
    (r'\.conv1x3_2\.', '.body.7.'),
    (r'\.bn2\.', '.body.8.'),
)
"""Patterns from the released names to the names here."""


def prepare_released(net: nn.Module, state: State) -> State:
    """The released network takes RGB from 0 to 1; fold our normalisation into its first block."""
    mean, std = (torch.tensor(values) / 255 for values in (MEAN_RGB, STD_RGB))
    block = 'encoder.initial_block'
    weight, scale = state[f'{block}.conv.weight'], state[f'{block}.bn.weight'].clone()
    centre = state[f'{block}.bn.running_mean'].clone()
    scale[-3:] *= std  # the pooled image itself
    centre[-3:] = (centre[-3:] - mean) / std
    offset = (weight * mean[:, None, None]).sum((1, 2, 3))
    return {
        **state,
        f'{block}.conv.weight': weight * std[:, None, None],
        f'{block}.conv.bias': state[f'{block}.conv.bias'] + offset,
        f'{block}.bn.weight': scale,
        f'{block}.bn.running_mean': centre,
    }


class ERFNet(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H, W)."""

    backbone_names = ('encoder',)
    head_names = ('full',)
    boundary_feature = 'decoder.2'
    encoding_feature = 'encoder'
    key_maps = (
        KeyMap(
            'ERFNet of ImageNet',
            mark='features.encoder.initial_block.conv.weight',
            rules=RULES,
            drop=(r'^classifier\.',),
            fresh=('decoder', 'full'),
        ),
        KeyMap(
            'ERFNet',
            mark='decoder.output_conv.weight',
            rules=RULES,
            drop=(r'^encoder\.output_conv\.',),
            prepare=prepare_released,
        ),
    )

    def __init__(
        self,
        num_classes: int,
        width: Annotated[int, Setting('channels of the first block; 3 are the image', '', 4)] = 16,
        units: tuple[Count, Count] = (5, 8),
        early_dropout: Dropout = 0.03,
        dropout: Dropout = 0.3,
    ) -> None:
        """
        :param width: those at 1/4 and 1/8 have 4 and 8 times as many channels.
        :param units: how many there are in the encoder at 1/4 and at 1/8.
        :param early_dropout: share of channels dropped in the units at 1/4.
        :param dropout: share of channels dropped in the units at 1/8.
        """
        super().__init__()
        w16, w64, w128 = width, 4 * width, 8 * width
        self.encoder = nn.Sequential(
            Down(3, w16),  # (N, 16, H/2, W/2)
            Down(w16, w64),  # (N, 64, H/4, W/4)
            *(Factorised(w64, 1, early_dropout) for _ in range(units[0])),
            Down(w64, w128),  # (N, 128, H/8, W/8)
            *(Factorised(w128, d, dropout) for d in islice(cycle(DILATIONS), units[1])),
        )
        self.decoder = nn.Sequential(
            Up(w128, w64),
            Factorised(w64),
            Factorised(w64),  # (N, 64, H/4, W/4)
            Up(w64, w16),
            Factorised(w16),
            Factorised(w16),  # (N, 16, H/2, W/2)
        )
        self.full = nn.ConvTranspose2d(w16, num_classes, 2, stride=2)
        init_weights(self)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        logits = crop_to(self.full(self.decoder(self.encoder(image))), image)
        return (logits,) if self.training else logits
