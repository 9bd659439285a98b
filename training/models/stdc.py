# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
STDC-Seg: a backbone of short-term dense concatenation, with BiSeNet's context path.

Fan et al. 2021, arXiv 2104.13188; code https://github.com/MichaelFan01/STDC-Seg (MIT), whose
weights load. Written from the paper. The paper counts no parameters of the whole network and
names no width of the head: with 64 it has 7.8 M (STDC1) and 11.9 M (STDC2), as usually quoted;
the released weights are of ``head: 256`` (8.3 M and 12.3 M). The detail loss of the paper is
this project's boundary loss, which reads ``boundary_feature``, the features at 1/8.
"""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor, nn

from training.models.bisenet import ContextPath, FeatureFusion
from training.models.layers import ConvBn, SegHead, init_weights
from training.models.weights import KeyMap

DEPTHS = {'stdc1': (2, 2, 2), 'stdc2': (4, 5, 3)}
"""Blocks at 1/8, 1/16 and 1/32."""


class DenseBlock(nn.Module):
    """1/2, 1/4, 1/8 and 1/8 of the channels, each from the one before, side by side."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        c2, c4, c8 = channels // 2, channels // 4, channels // 8
        self.convs = nn.ModuleList(
            [ConvBn(in_channels, c2, 1), ConvBn(c2, c4), ConvBn(c4, c8), ConvBn(c8, c8)]
        )
        self.down: nn.Module = nn.Identity()
        self.skip: nn.Module = nn.Identity()
        if stride == 2:
            self.down = ConvBn(c2, c2, stride=2, relu=False, groups=c2)
            self.skip = nn.AvgPool2d(3, stride=2, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        first = self.convs[0](features)
        parts = [self.skip(first)]
        features = self.down(first)
        for conv in self.convs[1:]:
            features = conv(features)
            parts.append(features)
        return torch.cat(parts, dim=1)


class Stdc(nn.Module):
    """(N, 3, H, W) -> (N, 256, H/8, .), (N, 512, H/16, .), (N, 1024, H/32, .) for base 64."""

    def __init__(self, name: str, base: int = 64) -> None:
        super().__init__()
        depths = DEPTHS[name]
        layers: list[nn.Module] = [
            ConvBn(3, base // 2, stride=2),
            ConvBn(base // 2, base, stride=2),
        ]
        channels = base
        for stage, depth in enumerate(depths):
            width = base * 2 ** (stage + 2)
            layers.append(DenseBlock(channels, width, 2))
            layers += [DenseBlock(width, width, 1) for _ in range(depth - 1)]
            channels = width
        self.features = nn.Sequential(*layers)
        self.taps = [1 + blocks for blocks in accumulate(depths)]  # last block of each stage

    def forward(self, image: Tensor) -> list[Tensor]:
        outputs, features = [], image
        for index, layer in enumerate(self.features):
            features = layer(features)
            if index in self.taps:
                outputs.append(features)
        return outputs


BACKBONE_RULES = (
    (r'\.conv_list\.(\d)\.conv\.', r'.convs.\1.0.'),
    (r'\.conv_list\.(\d)\.bn\.', r'.convs.\1.1.'),
    (r'\.avd_layer\.', '.down.'),
    (r'^(features\.[01])\.conv\.', r'\1.0.'),
    (r'^(features\.[01])\.bn\.', r'\1.1.'),
    (r'^features\.', 'backbone.features.'),
)

CONTEXT_RULES = (
    (r'\.conv\.weight$', '.0.weight'),
    (r'\.bn\.(\w+)$', r'.1.\1'),
    (r'^ffm\.convblk\.', 'fusion.join.'),
    (r'^ffm\.conv1\.', 'fusion.attention.0.'),
    (r'^ffm\.conv2\.', 'fusion.attention.2.'),
    (r'\.conv_atten\.', '.attention.0.'),
    (r'\.bn_atten\.', '.attention.1.'),
    (r'^cp\.(arm16|arm32)\.conv\.', r'context.\1.conv.'),
    (r'^cp\.(arm16|arm32)\.', r'context.\1.'),
    (r'^cp\.conv_avg\.', 'context.whole.'),
    (r'^cp\.conv_head32\.', 'context.up16.'),
    (r'^cp\.conv_head16\.', 'context.up8.'),
    (r'^conv_out16\.conv\.', 'aux8.0.'),
    (r'^conv_out16\.conv_out\.', 'aux8.1.'),
    (r'^conv_out32\.conv\.', 'aux16.0.'),
    (r'^conv_out32\.conv_out\.', 'aux16.1.'),
    (r'^conv_out\.conv\.', 'head.0.'),
    (r'^conv_out\.conv_out\.', 'head.1.'),
)
"""Patterns for the parts outside the backbone."""


def imagenet_map(*fresh: str) -> KeyMap:
    """Of the published ImageNet files, such as STDCNet813M_73.91.tar, on a field ``backbone``."""
    return KeyMap(
        'STDC of ImageNet',
        mark='features.0.conv.weight',
        rules=BACKBONE_RULES,
        drop=(r'^x\d+\.', r'^(conv_last|fc|bn|linear)\.'),  # x: the same tensors once more
        fresh=fresh,
    )


class StdcSeg(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H/8, W/8); in training two auxiliary logits."""

    backbone_names = ('backbone',)
    head_names = ('head.1', 'aux8.1', 'aux16.1')
    encoding_feature = 'context.arm32'
    key_maps = (
        imagenet_map('context', 'fusion', 'head', 'aux'),
        KeyMap(
            'STDC-Seg',
            mark='cp.backbone.features.0.conv.weight',
            rules=((r'^cp\.backbone\.', ''), *BACKBONE_RULES, *CONTEXT_RULES),
            drop=(
                r'^cp\.backbone\.(x\d+|conv_last|fc|bn|linear)\.',
                r'^conv_out_sp\d+\.',  # heads of the detail loss
            ),
            fresh=('head.1.bias', 'aux8.1.bias', 'aux16.1.bias'),
        ),
    )

    def __init__(
        self,
        num_classes: int,
        backbone: str = 'stdc1',
        base: int = 64,
        channels: int = 128,
        head: int = 64,
    ) -> None:
        super().__init__()
        self.backbone = Stdc(backbone, base)
        self.boundary_feature = f'backbone.features.{self.backbone.taps[0]}'
        self.context = ContextPath(8 * base, 16 * base, channels)
        self.fusion = FeatureFusion(4 * base + channels, 4 * base)
        self.head = SegHead(4 * base, head, num_classes)
        self.aux8 = SegHead(channels, channels // 2, num_classes)
        self.aux16 = SegHead(channels, channels // 2, num_classes)
        init_weights(self)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        at8, at16, at32 = self.backbone(image)
        context8, context16 = self.context(at8, at16, at32)  # (N, 128, H/8, .), (N, 128, H/16, .)
        logits = self.head(self.fusion(at8, context8))  # (N, classes, H/8, W/8)
        return (logits, self.aux8(context8), self.aux16(context16)) if self.training else logits
