# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
DSNet: ENet's plan with ShuffleNet V2 units, whose dilations follow a scheme without gaps.

Wang et al. 2020, "Real-Time Driving Scene Semantic Segmentation", IEEE Access 8. Written from the
paper, which comes without code. Its parameter counts settle what its text leaves open, and this
is within 1.4 % of them: 0.45, 0.91, 1.36, 1.81 M for the sizes, 1.15 M for ADD, 1.22 M for PSP.

The ablations of its table 5 are options:

    NOSF  unit: no_shuffle       INIT  init: conv          PSP   pyramid: true
    ADD   unit: add              DILA  dilation: doubling  SKIP  skip: true
    DW    unit: depthwise        MBV2  unit: mobilenet_v2  ENET  unit: enet

With the units and their numbers that the paper describes, DW, MBV2 and ENET come to 0.57, 1.12
and 0.78 M where it prints 0.89, 1.17 and 0.95 M. For those, a unit at 1/8 would need 22 thousand
(DW) and 23 thousand (ENET) parameters; a depthwise one has 13, ENet's bottleneck 18, and neither
kept down units nor biases make up for it. What was changed besides is not said.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle, islice
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seg_perception.core.settings import Setting
from training.errors import ConfigError
from training.models.enet import Bottleneck, UnpoolingNet
from training.models.layers import (
    Choice,
    ConvBn,
    InvertedResidual,
    PyramidPooling,
    Width,
    check_multiple,
    init_weights,
    pool_with_choice,
    unpool,
)

HYBRID = (1, 2, 5, 9) * 2 + (2, 5, 9, 17) * 2
"""Dilations of the units 2.x and 3.x. Sums of steps leave no pixel out (Wang et al. 2018)."""
LARGER = tuple(islice(cycle((2, 5, 9, 17)), 20))
"""Of the units that sizes 1.5 and 2.0 add, ten each. The paper does not say theirs."""
SIZES = {0.5: (2, 5, 9, 5, 9, 17), 1.0: HYBRID, 1.5: HYBRID + LARGER[:10], 2.0: HYBRID + LARGER}
FEW = (2, (2, 5, 9, 17))
MANY = (8, tuple(islice(cycle((1, 2, 5, 9)), 17)) + tuple(islice(cycle((2, 5, 9, 17)), 17)))
UNIT_COUNTS = {'add': FEW, 'mobilenet_v2': FEW, 'depthwise': MANY, 'enet': MANY}
"""Units 1.x, and dilations of 2.x and 3.x, where units weigh more or less than DSNet's own."""


def join(left: Tensor, right: Tensor, shuffle: bool) -> Tensor:
    """Both halves of the channels; shuffled they alternate, so that the next unit mixes them."""
    if shuffle:
        return torch.stack((left, right), dim=2).flatten(1, 2)
    return torch.cat((left, right), dim=1)


def three_convs(
    in_channels: int, channels: int, stride: int = 1, dilation: int = 1, depthwise: bool = False
) -> nn.Sequential:
    """1x1, 3x3, 1x1, each with norm and ReLU."""
    if depthwise:
        each = ConvBn(channels, channels, 3, stride, groups=channels, dilation=dilation)
        middle = [each, ConvBn(channels, channels, 1)]
    else:
        middle = [ConvBn(channels, channels, 3, stride, dilation=dilation)]
    return nn.Sequential(ConvBn(in_channels, channels, 1), *middle, ConvBn(channels, channels, 1))


class InitUnit(nn.Module):
    """ENet's: a convolution of stride 2 and max pooling of the image: 13 + 3 channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = ConvBn(3, channels - 3, stride=2)

    def forward(self, image: Tensor) -> Tensor:
        return torch.cat([self.conv(image), F.max_pool2d(image, 2)], dim=1)


class BasicUnit(nn.Module):
    """Half of the channels pass as they are, the others through three convolutions."""

    def __init__(
        self, channels: int, dilation: int, shuffle: bool = True, depthwise: bool = False
    ) -> None:
        super().__init__()
        half = channels // 2
        self.body = three_convs(half, half, dilation=dilation, depthwise=depthwise)
        self.shuffle = shuffle

    def forward(self, features: Tensor) -> Tensor:
        passed, worked = features.chunk(2, dim=1)
        return join(passed, self.body(worked), self.shuffle)


class DownUnit(nn.Module):
    """Max pooling with a 1x1, in parallel with three convolutions; pooling indices are kept."""

    def __init__(
        self, in_channels: int, channels: int, shuffle: bool = True, depthwise: bool = False
    ) -> None:
        super().__init__()
        half = channels // 2
        self.pooled = ConvBn(in_channels, half, 1)
        self.body = three_convs(in_channels, half, stride=2, depthwise=depthwise)
        self.shuffle = shuffle

    def forward(self, features: Tensor) -> tuple[Tensor, Choice]:
        pooled, choice = pool_with_choice(features)
        return join(self.pooled(pooled), self.body(features), self.shuffle), choice


class UpUnit(nn.Module):
    """Features put back where the pooling of that size took its maxima, plus convolutions."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.unpooled = ConvBn(in_channels, channels, 1)
        self.body = nn.Sequential(
            ConvBn(in_channels, channels, 1),
            nn.ConvTranspose2d(channels, channels, 3, 2, 1, output_padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            ConvBn(channels, channels, 1),
        )

    def forward(self, features: Tensor, choice: Choice) -> Tensor:
        return unpool(self.unpooled(features), choice) + self.body(features)


class AddUnit(nn.Module):
    """Ablation ADD: no split, and a sum instead of a concatenation."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.body = three_convs(channels, channels, dilation=dilation)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features)


class AddDownUnit(DownUnit):
    """Ablation ADD: both branches have all channels, and their sum goes on."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(in_channels, 2 * channels)

    def forward(self, features: Tensor) -> tuple[Tensor, Choice]:
        pooled, choice = pool_with_choice(features)
        return self.pooled(pooled) + self.body(features), choice


class Pyramid(PyramidPooling):
    """Ablation PSP: PSPNet's pyramid pooling, which ends with a 3x3 over all it has joined."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.join = ConvBn(2 * channels, channels)


BASIC: dict[str, Callable[[int, int], nn.Module]] = {
    'dsnet': BasicUnit,
    'no_shuffle': lambda channels, dilation: BasicUnit(channels, dilation, shuffle=False),
    'depthwise': lambda channels, dilation: BasicUnit(channels, dilation, depthwise=True),
    'add': AddUnit,
    'mobilenet_v2': lambda channels, d: InvertedResidual(channels, channels, dilation=d),
    'enet': Bottleneck,
}
DOWN: dict[str, Callable[[int, int], nn.Module]] = {
    'no_shuffle': lambda inputs, channels: DownUnit(inputs, channels, shuffle=False),
    'depthwise': lambda inputs, channels: DownUnit(inputs, channels, depthwise=True),
    'add': AddDownUnit,
}


class DSNet(UnpoolingNet):
    """(N, 3, H, W) -> logits (N, classes, H, W)."""

    def __init__(
        self,
        num_classes: int,
        size: float = 1.0,
        unit: Annotated[str, Setting('kind of unit', choices=tuple(BASIC))] = 'dsnet',
        init: Annotated[str, Setting('first unit', choices=('pool', 'conv'))] = 'pool',
        dilation: Annotated[str, Setting('scheme', choices=('hybrid', 'doubling'))] = 'hybrid',
        pyramid: bool = False,
        skip: bool = False,
        width: Width = 16,
    ) -> None:
        """
        :param size: 0.5, 1.0, 1.5 or 2.0: how many units there are at 1/8.
        :param unit: dsnet, or a kind of the ablations: no_shuffle, add, depthwise, mobilenet_v2,
            enet.
        :param init: ``pool`` and a convolution in parallel, or ``conv``: a convolution only.
        :param dilation: the ``hybrid`` scheme, or ``doubling``: 2, 4, 8, 16.
        :param pyramid: add pyramid pooling to the end of the encoder.
        :param skip: add features of the encoder to those of the decoder.
        :param width: channels of the first unit; the stages have 4 and 8 times as many.
        :raises ConfigError: when there is no such size, or the width is no multiple of 4.
        """
        super().__init__()
        check_multiple('width', width, 4)
        sizes = [1.0] if unit in UNIT_COUNTS else list(SIZES)
        if size not in sizes:
            expected = f'{", ".join(map(str, sizes))} with unit {unit}'
            raise ConfigError('model.options, size', size, expected)
        early, dilations = UNIT_COUNTS.get(unit, (4, SIZES[float(size)]))
        if dilation == 'doubling':
            dilations = tuple(islice(cycle((2, 4, 8, 16)), len(dilations)))
        basic, down = BASIC[unit], DOWN.get(unit, DownUnit)
        w16, w64, w128 = width, 4 * width, 8 * width
        self.skip = skip
        self.init = InitUnit(w16) if init == 'pool' else ConvBn(3, w16, stride=2)
        self.down1 = down(w16, w64)
        self.stage1 = nn.Sequential(*(basic(w64, 1) for _ in range(early)))
        self.down2 = down(w64, w128)
        self.stage2 = nn.Sequential(*(basic(w128, d) for d in dilations))
        self.context = Pyramid(w128) if pyramid else nn.Identity()
        self.up4 = UpUnit(w128, w64)
        self.stage4 = basic(w64, 1)
        self.up5 = UpUnit(w64, w16)
        self.stage5 = basic(w16, 1)
        self.full = nn.ConvTranspose2d(w16, num_classes, 2, stride=2)
        init_weights(self)
