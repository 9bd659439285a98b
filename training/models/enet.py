# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
ENet: a long encoder at 1/8 of narrow bottlenecks, a short decoder that unpools by memory.

Paszke et al. 2016, arXiv 1606.02147. Written from the paper; its authors' code (Torch 7, licence
BSD 3-clause) was read for what the paper leaves open: the last layer's kernel is 2x2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.models.layers import (
    Choice,
    Count,
    Dropout,
    Width,
    check_multiple,
    crop_to,
    init_weights,
    pad_to_multiple,
    pool_with_choice,
    unpool,
)

REDUCTION = 4  # from the channels of a bottleneck to those inside it


def activation(channels: int, relu: bool) -> nn.Module:
    """PReLU with a slope for each channel in the encoder, ReLU in the decoder."""
    return nn.ReLU(inplace=True) if relu else nn.PReLU(channels)


def conv(in_channels: int, channels: int, kernel: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Convolution that keeps the size, without bias: a norm follows."""
    padding = dilation * (kernel // 2)
    return nn.Conv2d(in_channels, channels, kernel, padding=padding, dilation=dilation, bias=False)


class InitBlock(nn.Module):
    """Convolution of stride 2 in parallel with max pooling of the image: 13 + 3 channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels - 3, 3, stride=2, padding=1, bias=False)
        self.norm = nn.Sequential(nn.BatchNorm2d(channels), activation(channels, relu=False))

    def forward(self, image: Tensor) -> Tensor:
        return self.norm(torch.cat([self.conv(image), F.max_pool2d(image, 2)], dim=1))


class Bottleneck(nn.Module):
    """Residual unit: 1x1 to a quarter of the channels, the middle convolution, 1x1 back."""

    def __init__(
        self,
        channels: int,
        dilation: int = 1,
        asymmetric: bool = False,
        relu: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        inside = channels // REDUCTION
        if asymmetric:
            middle = [
                nn.Conv2d(inside, inside, (5, 1), padding=(2, 0), bias=False),
                nn.Conv2d(inside, inside, (1, 5), padding=(0, 2), bias=False),
            ]
        else:
            middle = [conv(inside, inside, 3, dilation)]
        self.body = extension(conv(channels, inside), middle, inside, channels, relu, dropout)
        self.out = activation(channels, relu)

    def forward(self, features: Tensor) -> Tensor:
        return self.out(features + self.body(features))


def extension(
    first: nn.Conv2d,
    middle: list[nn.Module],
    inside: int,
    channels: int,
    relu: bool,
    dropout: float,
) -> nn.Sequential:
    """Branch of a bottleneck: three convolutions with their norms, then dropout of channels."""
    return nn.Sequential(
        first,
        nn.BatchNorm2d(inside),
        activation(inside, relu),
        *middle,
        nn.BatchNorm2d(inside),
        activation(inside, relu),
        conv(inside, channels),
        nn.BatchNorm2d(channels),
        nn.Dropout2d(dropout),
    )


class DownBottleneck(nn.Module):
    """Halves the size; the pooled features get channels of zeros, and its choice is remembered."""

    def __init__(self, in_channels: int, channels: int, dropout: float) -> None:
        super().__init__()
        inside = channels // REDUCTION
        first = nn.Conv2d(in_channels, inside, 2, stride=2, bias=False)
        middle = [conv(inside, inside, 3)]
        self.body = extension(first, middle, inside, channels, relu=False, dropout=dropout)
        self.out = activation(channels, relu=False)
        self.grow = channels - in_channels

    def forward(self, features: Tensor) -> tuple[Tensor, Choice]:
        pooled, choice = pool_with_choice(features)
        wide = F.pad(pooled, (0, 0, 0, 0, 0, self.grow))
        return self.out(wide + self.body(features)), choice


class UpBottleneck(nn.Module):
    """Doubles the size: features go where the pooling of that size had found its maxima."""

    def __init__(self, in_channels: int, channels: int, dropout: float) -> None:
        super().__init__()
        inside = channels // REDUCTION
        middle = [nn.ConvTranspose2d(inside, inside, 3, 2, 1, output_padding=1, bias=False)]
        self.body = extension(conv(in_channels, inside), middle, inside, channels, True, dropout)
        self.main = nn.Sequential(conv(in_channels, channels), nn.BatchNorm2d(channels))
        self.out = activation(channels, relu=True)

    def forward(self, features: Tensor, choice: Choice) -> Tensor:
        return self.out(unpool(self.main(features), choice) + self.body(features))


def context_stage(channels: int, dropout: float) -> nn.Sequential:
    """Stages 2 and 3 of the paper's table 1: regular, dilated, asymmetric, in turn."""
    options = [{}, {'dilation': 2}, {'asymmetric': True}, {'dilation': 4}]
    options += [{}, {'dilation': 8}, {'asymmetric': True}, {'dilation': 16}]
    return nn.Sequential(*(Bottleneck(channels, dropout=dropout, **kind) for kind in options))


class UnpoolingNet(nn.Module):
    """
    (N, 3, H, W) -> logits (N, classes, H, W): ENet's plan, for the parts of a network.

    Both steps up put features where the pooling of that size had found its maxima.
    """

    backbone_names = ()
    head_names = ('full',)
    boundary_feature = 'stage4'
    encoding_feature = 'context'
    skip = False  # add features of the encoder to those of the decoder

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        first = self.init(pad_to_multiple(image, 8))  # (N, 16, H/2, W/2)
        features, choice1 = self.down1(first)
        second = self.stage1(features)  # (N, 64, H/4, W/4)
        features, choice2 = self.down2(second)
        features = self.context(self.stage2(features))  # (N, 128, H/8, W/8)
        features = self.up4(features, choice2)  # (N, 64, H/4, W/4)
        features = self.stage4(features + second if self.skip else features)
        features = self.up5(features, choice1)  # (N, 16, H/2, W/2)
        features = self.stage5(features + first if self.skip else features)
        logits = crop_to(self.full(features), image)
        return (logits,) if self.training else logits


class ENet(UnpoolingNet):
    """(N, 3, H, W) -> logits (N, classes, H, W)."""

    def __init__(
        self,
        num_classes: int,
        width: Width = 16,
        repeats: Count = 2,
        early_dropout: Dropout = 0.01,
        dropout: Dropout = 0.1,
    ) -> None:
        """
        :param width: channels of the first block; the stages have 4 and 8 times as many.
        :param repeats: how often the eight units of stage 2 come; the second time is stage 3.
        :param early_dropout: share of channels dropped in stage 1.
        :param dropout: share of channels dropped in the other stages.
        :raises ConfigError: when the width cannot be divided by 4.
        """
        super().__init__()
        check_multiple('width', width, REDUCTION)
        w16, w64, w128 = width, 4 * width, 8 * width
        self.init = InitBlock(w16)
        self.down1 = DownBottleneck(w16, w64, early_dropout)
        self.stage1 = nn.Sequential(*(Bottleneck(w64, dropout=early_dropout) for _ in range(4)))
        self.down2 = DownBottleneck(w64, w128, dropout)
        self.stage2 = nn.Identity()  # it is a part of the context
        self.context = nn.Sequential(*(context_stage(w128, dropout) for _ in range(repeats)))
        self.up4 = UpBottleneck(w128, w64, dropout)
        self.stage4 = nn.Sequential(
            *(Bottleneck(w64, relu=True, dropout=dropout) for _ in range(2))
        )
        self.up5 = UpBottleneck(w64, w16, dropout)
        self.stage5 = Bottleneck(w16, relu=True, dropout=dropout)
        self.full = nn.ConvTranspose2d(w16, num_classes, 2, stride=2)
        init_weights(self)
