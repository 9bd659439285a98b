# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
ESPNet: units that look at few channels through five dilations at once.

Mehta et al. 2018, arXiv 1803.06815. Written from the paper; its authors' code (MIT) was only
compared with: their published weights give the same logits. ``depths`` are the paper's alpha 2
and alpha 3. The paper trains the encoder first (ESPNet-C); here all is trained at once.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.models.layers import Count, Width, crop_to, init_weights, pad_to_multiple
from training.models.weights import KeyMap, State
from training.transforms import MEAN_RGB, STD_RGB

EPS = 1e-3  # of the batch norms, as in the authors' code
DILATIONS = (1, 2, 4, 8, 16)
K = len(DILATIONS)


class NormAct(nn.Sequential):
    """Batch norm, and PReLU with a slope for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.BatchNorm2d(channels, EPS), nn.PReLU(channels))


class Pyramid(nn.Module):
    """
    The unit ESP: reduce to a fifth of the channels, transform with five dilations, merge.

    Outputs of larger dilations are sums with those of smaller ones, which removes the grid that
    dilation alone leaves ("hierarchical feature fusion").
    """

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, residual: bool = True
    ) -> None:
        super().__init__()
        part = channels // K
        parts = [channels - (K - 1) * part] + (K - 1) * [part]
        kernel = 3 if stride == 2 else 1
        self.reduce = nn.Conv2d(in_channels, part, kernel, stride, kernel // 2, bias=False)
        self.parts = nn.ModuleList(
            nn.Conv2d(part, out, 3, padding=d, dilation=d, bias=False)
            for out, d in zip(parts, DILATIONS, strict=True)
        )
        self.out = NormAct(channels)
        self.residual = residual and stride == 1

    def forward(self, features: Tensor) -> Tensor:
        reduced = self.reduce(features)
        merged = [self.parts[0](reduced), self.parts[1](reduced)]
        for transform in self.parts[2:]:
            merged.append(merged[-1] + transform(reduced))
        joined = torch.cat(merged, dim=1)
        return self.out(features + joined if self.residual else joined)


class Level(nn.Module):
    """Halves the size, then a number of units; gives what went in and what came out."""

    def __init__(self, in_channels: int, channels: int, depth: int) -> None:
        super().__init__()
        self.down = Pyramid(in_channels, channels, stride=2)
        self.units = nn.Sequential(*(Pyramid(channels, channels) for _ in range(depth)))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        first = self.down(features)
        return first, self.units(first)


def shrink(image: Tensor) -> Tensor:
    """The image at half the size, for the shortcuts into the encoder."""
    return F.avg_pool2d(image, 3, stride=2, padding=1)


def double(channels: int, out_channels: int) -> nn.ConvTranspose2d:
    """Transposed convolution to twice the size."""
    return nn.ConvTranspose2d(channels, out_channels, 2, stride=2, bias=False)


RULES = (
    (r'^encoder\.', ''),
    (r'^level1\.conv\.', 'level1.0.'),
    (r'^level1\.bn\.', 'level1.1.'),
    (r'^level1\.act\.', 'level1.2.'),
    (r'^b(\d)\.bn\.', r'join\1.0.'),
    (r'^b(\d)\.act\.', r'join\1.1.'),
    (r'^level(\d)_0\.bn\.', r'level\1.down.out.0.'),
    (r'^level(\d)_0\.act\.', r'level\1.down.out.1.'),
    (r'^level(\d)_0\.', r'level\1.down.'),
    (r'^level([23])\.(\d)\.', r'level\1.units.\2.'),
    (r'\.bn\.bn\.', '.out.0.'),
    (r'\.bn\.act\.', '.out.1.'),
    (r'\.c1\.conv\.', '.reduce.'),
    (r'\.d(\d+)\.conv\.', lambda m: f'.parts.{DILATIONS.index(int(m[1]))}.'),
)
"""Patterns from the released names to the names here."""
DECODER = (r'^(classifier|level3_C|br|conv|up_l\d|combine_l2_l3)\.',)
"""Has the released number of classes, 20, in all its layers."""
RELEASED_MEAN_BGR = (72.3923111, 82.90893555, 73.15840149)
RELEASED_STD_BGR = (45.3192215, 46.15289307, 44.91483307)
"""Of values from 0 to 255; what comes out is divided by 255 once more."""


def prepare_released(net: nn.Module, state: State) -> State:
    """
    Fold our normalisation into the released encoder, which takes another one, of BGR.

    The image goes into the first convolution and is joined to the features of levels 1 and 2.
    """
    state = {key.removeprefix('encoder.'): value.clone() for key, value in state.items()}
    std = torch.tensor(RELEASED_STD_BGR).flip(0)
    scale = torch.tensor(STD_RGB) / std / 255  # theirs = scale * ours + shift
    shift = (torch.tensor(MEAN_RGB) - torch.tensor(RELEASED_MEAN_BGR).flip(0)) / std / 255
    weight = state['level1.conv.weight'].flip(1)
    state['level1.conv.weight'] = weight * scale[:, None, None]
    state['level1.bn.running_mean'] -= (weight * shift[:, None, None]).sum((1, 2, 3))
    for join, conv in (('b1', 'level2_0.c1.conv'), ('b2', 'level3_0.c1.conv')):
        for name in ('bn.weight', 'bn.bias', 'bn.running_mean', 'bn.running_var', 'act.weight'):
            image = state[f'{join}.{name}'][-3:]
            image.copy_(image.flip(0))
        state[f'{join}.bn.weight'][-3:] *= scale
        state[f'{join}.bn.running_mean'][-3:] -= shift
        state[f'{join}.bn.running_mean'][-3:] /= scale
        reader = state[f'{conv}.weight'][:, -3:]
        reader.copy_(reader.flip(1))
    return state


class ESPNet(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H, W)."""

    backbone_names = ('level1', 'join1', 'level2', 'join2', 'level3', 'join3')
    head_names = ('score2', 'score3', 'merge2', 'merge1', 'full')
    boundary_feature = 'join2'
    encoding_feature = 'join3'
    key_maps = tuple(
        KeyMap(name, mark, RULES, DECODER, ('score', 'merge', 'full'), prepare_released)
        for name, mark in (
            ('ESPNet, its encoder', 'encoder.level1.conv.weight'),
            ('ESPNet-C', 'level1.conv.weight'),
        )
    )

    def __init__(
        self, num_classes: int, depths: tuple[Count, Count] = (2, 8), width: Width = 16
    ) -> None:
        """
        :param depths: number of units at 1/4 and at 1/8.
        :param width: channels of the first layer; those of the levels are 4 and 8 times as many.
        """
        super().__init__()
        w16, w64, w128 = width, 4 * width, 8 * width
        c = max(num_classes, K)  # of the decoder, which works on one channel a class
        self.level1 = nn.Sequential(
            nn.Conv2d(3, w16, 3, stride=2, padding=1, bias=False), *NormAct(w16)
        )
        self.join1 = NormAct(w16 + 3)
        self.level2 = Level(w16 + 3, w64, depths[0])
        self.join2 = NormAct(2 * w64 + 3)
        self.level3 = Level(2 * w64 + 3, w128, depths[1])
        self.join3 = NormAct(2 * w128)
        self.score3 = nn.Sequential(
            nn.Conv2d(2 * w128, c, 1, bias=False), nn.BatchNorm2d(c, EPS), double(c, c)
        )
        self.score2 = nn.Conv2d(2 * w64 + 3, c, 1, bias=False)
        self.merge2 = nn.Sequential(
            NormAct(2 * c), Pyramid(2 * c, c, residual=False), double(c, c), NormAct(c)
        )
        self.merge1 = nn.Sequential(nn.Conv2d(c + w16, c, 3, padding=1, bias=False), *NormAct(c))
        self.full = double(c, num_classes)
        init_weights(self)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        padded = pad_to_multiple(image, 8)
        half = shrink(padded)
        level1 = self.level1(padded)  # (N, 16, H/2, W/2)
        first, last = self.level2(self.join1(torch.cat([level1, half], dim=1)))
        level2 = self.join2(torch.cat([last, first, shrink(half)], dim=1))  # (N, 131, H/4, W/4)
        level3 = self.join3(torch.cat(self.level3(level2), dim=1))  # (N, 256, H/8, W/8)
        scores = torch.cat([self.score2(level2), self.score3(level3)], dim=1)  # (N, 2c, H/4, W/4)
        scores = torch.cat([self.merge2(scores), level1], dim=1)  # (N, c + 16, H/2, W/2)
        logits = crop_to(self.full(self.merge1(scores)), image)
        return (logits,) if self.training else logits
