# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
PP-LiteSeg: an STDC backbone, pooled context, and a decoder that narrows on its way up.

Peng et al. 2022, arXiv 2204.02681; code in https://github.com/PaddlePaddle/PaddleSeg
(Apache-2.0). Written from the paper. It does not say how backbone features are brought to the
decoder's channels: 1x1 convolutions give the 6.3 M (T) and 10.5 M (B) parameters that are
usually quoted; ``projection: 3`` is PaddleSeg's (8.0 M and 12.2 M).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.models.layers import ConvBn, SegHead, init_weights, pool_parts, resize_to
from training.models.stdc import Stdc, imagenet_map


class SimplePooling(nn.Module):
    """Means over grids of 1, 2 and 4 bins, summed, then 3x3."""

    BINS = (1, 2, 4)

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(ConvBn(in_channels, channels, 1) for _ in self.BINS)
        self.join = ConvBn(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        first, *others = pool_parts(self.parts, self.BINS, features)
        return self.join(sum(others, first))


class AttentionFusion(nn.Module):
    """Unified attention fusion: at each pixel a share of detail, the rest of context."""

    def __init__(self, in_channels: int, channels: int, out: int, projection: int) -> None:
        super().__init__()
        self.project = ConvBn(in_channels, channels, projection)
        self.attention = nn.Sequential(ConvBn(4, 2), *ConvBn(2, 1, relu=False), nn.Sigmoid())
        self.join = ConvBn(channels, out)

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        detail = self.project(detail)
        context = resize_to(context, detail)
        maps = [m for f in (detail, context) for m in (f.mean(1, True), f.amax(1, True))]
        share = self.attention(torch.cat(maps, dim=1))  # (N, 1, h, w)
        return self.join(share * detail + (1 - share) * context)


class PPLiteSeg(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H/8, W/8); in training two auxiliary logits."""

    backbone_names = ('backbone',)
    head_names = ('head.1', 'aux16.1', 'aux32.1')
    encoding_feature = 'context'
    key_maps = (imagenet_map('context', 'fuse', 'head', 'aux'),)

    def __init__(
        self,
        num_classes: int,
        backbone: str = 'stdc1',
        base: int = 64,
        decoder: tuple[int, int, int] = (32, 64, 128),
        projection: int = 1,
    ) -> None:
        """:param decoder: channels at 1/8, 1/16 and 1/32."""
        super().__init__()
        d8, d16, d32 = decoder
        self.backbone = Stdc(backbone, base)
        self.boundary_feature = f'backbone.features.{self.backbone.taps[0]}'
        self.context = SimplePooling(16 * base, d32)
        self.fuse32 = AttentionFusion(16 * base, d32, d32, projection)
        self.fuse16 = AttentionFusion(8 * base, d32, d16, projection)
        self.fuse8 = AttentionFusion(4 * base, d16, d8, projection)
        self.head = SegHead(d8, d8, num_classes)
        self.aux16 = SegHead(d16, d16, num_classes)
        self.aux32 = SegHead(d32, d16, num_classes)
        init_weights(self)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        at8, at16, at32 = self.backbone(image)
        features32 = self.fuse32(at32, self.context(at32))  # (N, 128, H/32, W/32)
        features16 = self.fuse16(at16, features32)  # (N, 64, H/16, W/16)
        logits = self.head(self.fuse8(at8, features16))  # (N, classes, H/8, W/8)
        if not self.training:
            return logits
        return logits, self.aux16(features16), self.aux32(features32)
