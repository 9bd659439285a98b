# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
PIDNet-S: three branches. P keeps detail, I integrates context, D finds the boundaries.

Xu et al. 2023, arXiv 2206.02066; code https://github.com/XuJiacong/PIDNet (MIT), whose weights
load. Written from the paper. D tells the last fusion where to trust detail and where context.
``planes`` 32 is PIDNet-S.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.models.ddrnet import (
    CLASSIFIER,
    RESIDUAL_RULES,
    STEM_RULES,
    Residual,
    fold_stem,
    pyramid_pools,
    unit_pair,
)
from training.models.layers import BnConv, ConvBn, init_weights, pool_mean, resize_to
from training.models.weights import KeyMap


class ParallelPooling(nn.Module):
    """PAPPM: five scales as in DDRNet, but refined side by side by one grouped 3x3."""

    def __init__(self, in_channels: int, branch: int, channels: int) -> None:
        super().__init__()
        self.pools = pyramid_pools()
        self.scales = nn.ModuleList(BnConv(in_channels, branch) for _ in range(5))
        self.refine = BnConv(4 * branch, 4 * branch, 3, groups=4)
        self.compress = BnConv(5 * branch, channels)
        self.shortcut = BnConv(in_channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        pooled = [pool(features) for pool in self.pools] + [pool_mean(features)]
        first = self.scales[0](features)
        parts = [
            resize_to(scale(part), features) + first
            for scale, part in zip(self.scales[1:], pooled, strict=True)
        ]
        joined = torch.cat([first, self.refine(torch.cat(parts, dim=1))], dim=1)
        return self.compress(joined) + self.shortcut(features)


class GuidedFusion(nn.Module):
    """Pag: P takes from I where both agree on what they see."""

    def __init__(self, channels: int, middle: int) -> None:
        super().__init__()
        self.key = ConvBn(channels, middle, 1, relu=False)
        self.query = ConvBn(channels, middle, 1, relu=False)

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        query = resize_to(self.query(context), detail)
        share = torch.sigmoid((self.key(detail) * query).sum(1, keepdim=True))  # (N, 1, h, w)
        return (1 - share) * detail + share * resize_to(context, detail)


class BoundaryFusion(nn.Module):
    """Light-Bag: detail where D sees a boundary, context elsewhere."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.detail = ConvBn(channels, channels, 1, relu=False)
        self.context = ConvBn(channels, channels, 1, relu=False)

    def forward(self, detail: Tensor, context: Tensor, boundary: Tensor) -> Tensor:
        edge = torch.sigmoid(boundary)
        return self.detail(detail + (1 - edge) * context) + self.context(context + edge * detail)


def unit_triple(in_channels: int, planes: int) -> nn.Sequential:
    """Three basic units, the first of stride 2; the sum of the last stays without ReLU."""
    return nn.Sequential(
        *unit_pair(in_channels, planes, stride=2), nn.ReLU(), Residual(planes, planes)
    )


def pre_head(in_channels: int, channels: int, outputs: int) -> nn.Sequential:
    """Batch norm and ReLU come before each convolution."""
    return nn.Sequential(
        BnConv(in_channels, channels, 3),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, outputs, 1),
    )


RULES = (
    *STEM_RULES,
    (r'^(final_layer|seghead_\w)\.bn1\.', r'\1.0.0.'),
    (r'^(final_layer|seghead_\w)\.conv1\.', r'\1.0.2.'),
    (r'^(final_layer|seghead_\w)\.bn2\.', r'\1.1.'),
    (r'^(final_layer|seghead_\w)\.conv2\.', r'\1.3.'),
    (r'^final_layer\.', 'head.'),
    (r'^seghead_p\.', 'aux.'),
    (r'^seghead_d\.', 'boundary.'),
    *RESIDUAL_RULES,
    (r'^layer(\d)_d\.(0\.)?', r'd\1.'),
    (r'^layer5_\.0\.', 'p5.'),
    (r'^layer5\.', 'i5.'),
    (r'^layer(\d)_\.(\d)\.', lambda m: f'p{m[1]}.{2 * int(m[2])}.'),  # a ReLU lies between
    (r'^layer(\d)\.(\d)\.', lambda m: f'i{m[1]}.{2 * int(m[2])}.'),
    (r'^compression(\d)\.', r'to_p\1.'),
    (r'^diff(\d)\.', r'to_d\1.'),
    (r'^(pag\d)\.f_x\.', r'\1.key.'),
    (r'^(pag\d)\.f_y\.', r'\1.query.'),
    (r'^dfm\.conv_p\.', 'fusion.detail.'),
    (r'^dfm\.conv_i\.', 'fusion.context.'),
    (r'^spp\.scale0\.', 'context.scales.0.'),
    (r'^spp\.scale(\d)\.(\d)\.', lambda m: f'context.scales.{m[1]}.{int(m[2]) - 1}.'),
    (r'^spp\.scale_process\.', 'context.refine.'),
    (r'^spp\.compression\.', 'context.compress.'),
    (r'^spp\.', 'context.'),
)
"""Patterns from the released names to the names here."""


class PIDNet(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H/8, W/8); in training one auxiliary logits, of P."""

    backbone_names = ('stem', 'i1', 'i2', 'i3', 'i4', 'i5', 'p3', 'p4', 'p5')
    head_names = ('head.3', 'aux.3')
    boundary_feature = 'boundary'
    """Logits of D, (N, 1, H/8, W/8): its own head, so that a loss needs no other on it."""
    encoding_feature = 'context'
    key_maps = (
        KeyMap(
            'PIDNet of ImageNet',
            mark='linear.weight',
            rules=RULES,
            drop=CLASSIFIER,
            fresh=('d', 'to_', 'pag', 'context', 'fusion', 'head', 'aux', 'boundary'),
            prepare=fold_stem,
        ),
        KeyMap('PIDNet', mark='final_layer.conv1.weight', rules=RULES, prepare=fold_stem),
    )

    def __init__(
        self, num_classes: int, planes: int = 32, branch: int = 96, head: int = 128
    ) -> None:
        super().__init__()
        p = planes
        self.stem = nn.Sequential(ConvBn(3, p, stride=2), ConvBn(p, p, stride=2))
        self.i1, self.i2 = unit_pair(p, p), unit_pair(p, 2 * p, stride=2)
        self.i3, self.i4 = unit_triple(2 * p, 4 * p), unit_triple(4 * p, 8 * p)
        self.i5 = nn.Sequential(
            Residual(8 * p, 8 * p, stride=2, bottleneck=True),
            Residual(16 * p, 8 * p, bottleneck=True),
        )
        self.p3, self.p4 = unit_pair(2 * p, 2 * p), unit_pair(2 * p, 2 * p)
        self.p5 = Residual(2 * p, 2 * p, bottleneck=True)
        self.to_p3 = ConvBn(4 * p, 2 * p, 1, relu=False)
        self.to_p4 = ConvBn(8 * p, 2 * p, 1, relu=False)
        self.pag3, self.pag4 = GuidedFusion(2 * p, p), GuidedFusion(2 * p, p)
        self.d3 = Residual(2 * p, p)
        self.d4 = Residual(p, p, bottleneck=True)
        self.d5 = Residual(2 * p, 2 * p, bottleneck=True)
        self.to_d3 = ConvBn(4 * p, p, relu=False)
        self.to_d4 = ConvBn(8 * p, 2 * p, relu=False)
        self.context = ParallelPooling(16 * p, branch, 4 * p)
        self.fusion = BoundaryFusion(4 * p)
        self.head = pre_head(4 * p, head, num_classes)
        self.aux = pre_head(2 * p, head, num_classes)
        self.boundary = pre_head(2 * p, p, 1)
        init_weights(self)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        features = F.relu(self.i2(F.relu(self.i1(self.stem(image)))))  # (N, 64, H/8, W/8)
        i = F.relu(self.i3(features))  # (N, 128, H/16, W/16)
        p = detail = F.relu(self.pag3(self.p3(features), self.to_p3(i)))  # (N, 64, H/8, W/8)
        d = self.d3(features)  # (N, 32, H/8, W/8)
        d = F.relu(d + resize_to(self.to_d3(i), d))
        i = F.relu(self.i4(i))  # (N, 256, H/32, W/32)
        p = F.relu(self.pag4(self.p4(p), self.to_p4(i)))  # (N, 64, H/8, W/8)
        d = self.d4(d)  # (N, 64, H/8, W/8)
        d = edge = F.relu(d + resize_to(self.to_d4(i), d))
        p, d = self.p5(p), self.d5(d)  # (N, 128, H/8, W/8)
        i = resize_to(self.context(self.i5(i)), p)  # (N, 128, H/8, W/8), from H/64
        logits = self.head(self.fusion(p, i, d))
        if not self.training:
            return logits
        # Times zero: without a boundary loss the head still has a gradient, as DDP asks for.
        return logits, self.aux(detail) + 0 * self.boundary(edge).mean()
