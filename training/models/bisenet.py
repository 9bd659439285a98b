# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
BiSeNet on ResNet-18: a wide shallow path for detail, a deep one for context.

Yu et al. 2018, arXiv 1808.00897. Written from the paper; where it leaves layers open (a 3x3 after
each step up, the heads), they are those of https://github.com/CoinCheung/BiSeNet (MIT). Built so,
it has 13.3 M parameters with ResNet-18; the paper's 49 M have not been reproduced by anyone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from training.models.layers import ConvBn, SegHead, init_weights, pool_mean
from training.models.weights import torchvision_resnet


class Backbone(ResNet):
    """
    torchvision's ResNet (He et al. 2016, arXiv 1512.03385; BSD-3-Clause) without its classifier.

    (N, 3, H, W) -> features at 1/4, 1/8, 1/16 and 1/32; ``dilated``: the last two at 1/8.
    """

    def __init__(
        self, block: type[BasicBlock | Bottleneck], depths: Sequence[int], dilated: bool = False
    ) -> None:
        stretched = [False, dilated, dilated]
        super().__init__(block, list(depths), replace_stride_with_dilation=stretched)
        del self.avgpool, self.fc

    def forward(self, image: Tensor) -> list[Tensor]:
        outputs = [self.maxpool(self.relu(self.bn1(self.conv1(image))))]  # (N, 64, H/4, W/4)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            outputs.append(stage(outputs[-1]))
        return outputs[1:]


class Refine(nn.Module):
    """Attention refinement: 3x3, then each channel scaled by what its mean says."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = ConvBn(in_channels, channels)
        self.attention = nn.Sequential(*ConvBn(channels, channels, 1, relu=False), nn.Sigmoid())

    def forward(self, features: Tensor) -> Tensor:
        features = self.conv(features)
        return features * self.attention(pool_mean(features))


class ContextPath(nn.Module):
    """Deep features with the global mean, brought back up to 1/8."""

    def __init__(self, channels16: int, channels32: int, channels: int) -> None:
        super().__init__()
        self.arm16, self.arm32 = Refine(channels16, channels), Refine(channels32, channels)
        self.whole = ConvBn(channels32, channels, 1)
        self.up16, self.up8 = ConvBn(channels, channels), ConvBn(channels, channels)

    def forward(self, at8: Tensor, at16: Tensor, at32: Tensor) -> tuple[Tensor, Tensor]:
        """Context (N, channels) at the size of ``at8``, and at that of ``at16``."""
        deep = self.arm32(at32) + self.whole(pool_mean(at32))
        context16 = self.up16(F.interpolate(deep, size=at16.shape[2:]))
        context8 = self.arm16(at16) + context16
        return self.up8(F.interpolate(context8, size=at8.shape[2:])), context16


class FeatureFusion(nn.Module):
    """Joins detail and context, then weighs channels by what their mean says."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.join = ConvBn(in_channels, channels, 1)
        self.attention = nn.Sequential(
            nn.Conv2d(channels, channels // 4, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(channels // 4, channels, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        features = self.join(torch.cat([detail, context], dim=1))
        return features + features * self.attention(pool_mean(features))


class BiSeNet(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H/8, W/8); in training two auxiliary logits."""

    backbone_names = ('backbone',)
    head_names = ('head.1', 'aux8.1', 'aux16.1')
    boundary_feature = 'detail'
    encoding_feature = 'context.arm32'
    imagenet = 'resnet18'
    key_maps = (
        torchvision_resnet('backbone.', fresh=('detail', 'context', 'fusion', 'head', 'aux')),
    )

    def __init__(
        self,
        num_classes: int,
        channels: int = 128,
        depths: tuple[int, int, int, int] = (2, 2, 2, 2),
    ) -> None:
        """
        :param channels: of the detail and of each level of the context.
        :param depths: residual units of each stage of the backbone; the default is ResNet-18.
        """
        super().__init__()
        self.detail = nn.Sequential(
            ConvBn(3, 64, 7, stride=2),
            ConvBn(64, 64, stride=2),
            ConvBn(64, 64, stride=2),
            ConvBn(64, channels, 1),
        )
        self.context = ContextPath(256, 512, channels)
        self.fusion = FeatureFusion(2 * channels, 2 * channels)
        self.head = SegHead(2 * channels, 2 * channels, num_classes)
        self.aux8 = SegHead(channels, channels // 2, num_classes)
        self.aux16 = SegHead(channels, channels // 2, num_classes)
        init_weights(self)
        self.backbone = Backbone(BasicBlock, depths)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        _, at8, at16, at32 = self.backbone(image)  # (N, 128, H/8, .), (256, H/16), (512, H/32)
        context8, context16 = self.context(at8, at16, at32)  # (N, 128, H/8, .), (N, 128, H/16, .)
        detail = self.detail(image)  # (N, 128, H/8, W/8)
        logits = self.head(self.fusion(detail, context8))  # (N, classes, H/8, W/8)
        return (logits, self.aux8(context8), self.aux16(context16)) if self.training else logits
