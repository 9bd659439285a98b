# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Layers that the networks share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seg_perception.core.settings import Setting
from training.errors import ConfigError

Width = Annotated[int, Setting('channels of the first layer; others are multiples', '', 2)]
Count = Annotated[int, Setting('how many there are', '', 1)]
Dropout = Annotated[float, Setting('share of the values dropped in training', '0..1', 0, 0.99)]
"""Kinds of options that several networks have."""


def check_multiple(option: str, value: int, of: int) -> None:
    """
    Refuse an option of a network that cannot be divided.

    :raises ConfigError: when the value is no positive multiple of a number.
    """
    if of < 1 or value < of or value % of:
        raise ConfigError(f'model.options, {option}', value, f'a multiple of {of}')


class ConvBn(nn.Sequential):
    """Convolution without bias, batch norm, ReLU; stride 2 rounds sizes up."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel: int = 3,
        stride: int = 1,
        relu: bool = True,
        groups: int = 1,
        dilation: int = 1,
    ) -> None:
        padding = dilation * (kernel // 2)
        conv = nn.Conv2d(
            in_channels, channels, kernel, stride, padding, dilation, groups, bias=False
        )
        layers: list[nn.Module] = [conv, nn.BatchNorm2d(channels)]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if relu else []))


class BnConv(nn.Sequential):
    """The same in the other order: batch norm, ReLU, convolution without bias."""

    def __init__(self, in_channels: int, channels: int, kernel: int = 1, groups: int = 1) -> None:
        conv = nn.Conv2d(
            in_channels, channels, kernel, padding=kernel // 2, groups=groups, bias=False
        )
        super().__init__(nn.BatchNorm2d(in_channels), nn.ReLU(), conv)


class InvertedResidual(nn.Module):
    """MobileNet V2's unit: widen six times, 3x3 for each channel, narrow; added where it fits."""

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        wide = 6 * in_channels
        self.body = nn.Sequential(
            ConvBn(in_channels, wide, 1),
            ConvBn(wide, wide, 3, stride, groups=wide, dilation=dilation),
            ConvBn(wide, channels, 1, relu=False),
        )
        self.same = stride == 1 and in_channels == channels

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features) if self.same else self.body(features)


class SegHead(nn.Sequential):
    """3x3 features, then one 1x1 logit a class."""

    def __init__(self, in_channels: int, channels: int, num_classes: int) -> None:
        super().__init__(
            ConvBn(in_channels, channels), nn.Conv2d(channels, num_classes, kernel_size=1)
        )


def resize(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear resize of maps (N, C, h, w) to a size (H, W); pixels are areas, not points."""
    return F.interpolate(maps, size=size, mode='bilinear', align_corners=False)


def resize_to(features: Tensor, like: Tensor) -> Tensor:
    """Bilinear resize to the height and width of ``like``, so that any input size fits."""
    return resize(features, like.shape[2:])


def pool_mean(features: Tensor) -> Tensor:
    """Mean over all positions: (N, C, h, w) -> (N, C, 1, 1)."""
    return features.mean((2, 3), keepdim=True)


def pool_bins(features: Tensor, bins: int) -> Tensor:
    """
    Means over a grid of bins, (N, C, h, w) -> (N, C, bins, bins): ``F.adaptive_avg_pool2d``.

    Written as two matrix products because that one cannot be exported for sizes that are not
    known yet.
    """
    rows, columns = (_bin_means(size, bins, features) for size in features.shape[2:])
    return rows @ features @ columns.T


def _bin_means(size: int, bins: int, like: Tensor) -> Tensor:
    """Matrix (bins, size) that averages positions: bin i is floor(i s/b) up to ceil((i+1) s/b)."""
    at = torch.arange(size, device=like.device)
    number = torch.arange(bins, device=like.device)[:, None]
    inside = (at >= number * size // bins) & (at < ((number + 1) * size + bins - 1) // bins)
    weights = inside.float()
    return (weights / weights.sum(1, keepdim=True)).to(like.dtype)


def pool_parts(parts: nn.ModuleList, bins: Sequence[int], features: Tensor) -> list[Tensor]:
    """Means over grids of bins, each through its part, back at the size of the features."""
    return [
        resize_to(part(pool_bins(features, count)), features)
        for count, part in zip(bins, parts, strict=True)
    ]


class PyramidPooling(nn.Module):
    """Context of PSPNet: means over grids of 1, 2, 3 and 6 bins, joined to the features."""

    BINS = (1, 2, 3, 6)

    def __init__(self, channels: int) -> None:
        super().__init__()
        part = channels // len(self.BINS)
        self.parts = nn.ModuleList(ConvBn(channels, part, 1) for _ in self.BINS)
        self.join = ConvBn(channels + part * len(self.BINS), channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        pooled = pool_parts(self.parts, self.BINS, features)
        return self.join(torch.cat([features, *pooled], dim=1))


NEAR_TIE = 2**-6
"""Values of norms, around 1, that are closer share a place; libraries round 1e-6 differently."""


class Choice(NamedTuple):
    """Place of the maximum of each 2x2 window: shares 0 or 1, between them near a tie."""

    right: Tensor  # (N, C, H, W/2): in that row of the window, of the right one
    below: Tensor  # (N, C, H/2, W/2): of the lower row


def pool_with_choice(features: Tensor) -> tuple[Tensor, Choice]:
    """
    Max pooling of 2x2 windows and where the maxima were, (N, C, H, W) -> (N, C, H/2, W/2).

    With ``unpool`` it equals ``F.max_pool2d`` with indices and ``F.max_unpool2d``, also where
    values tie: the first in reading order wins. But where a value leads by less than ``NEAR_TIE``,
    it wins in proportion: places are then continuous in the features, so that a rounding more or
    less, which no two libraries have alike, moves next to nothing. Indices would jump, about once
    a frame. They also need a scatter, which runtimes do slowly or not at all. H and W must be
    even.
    """
    left, right = features[..., 0::2], features[..., 1::2]
    rows = torch.where(right > left, right, left)
    above, below = rows[..., 0::2, :], rows[..., 1::2, :]
    pooled = torch.where(below > above, below, above)
    return pooled, Choice(_share(right - left), _share(below - above))


def _share(lead: Tensor) -> Tensor:
    """Share of a place, 0..1, by the lead over the one before; no gradient, as of an index."""
    return (lead.detach() / NEAR_TIE).clamp(0, 1)


def unpool(features: Tensor, choice: Choice) -> Tensor:
    """Each value at its place in a 2x2 window of zeros, (N, C, h, w) -> (N, C, 2h, 2w)."""
    below = features * choice.below
    rows = torch.stack((features - below, below), dim=3).flatten(2, 3)
    right = rows * choice.right
    return torch.stack((rows - right, right), dim=4).flatten(3, 4)


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """
    The image enlarged to multiples of a number of pixels; its last row and column are repeated.

    An exported graph takes such sizes only, so nothing is padded there.
    """
    height, width = image.shape[2:]
    if torch.compiler.is_exporting() or (height % multiple == width % multiple == 0):
        return image
    return F.pad(image, (0, -width % multiple, 0, -height % multiple), mode='replicate')


def crop_to(logits: Tensor, image: Tensor) -> Tensor:
    """Logits without the rows and columns that ``pad_to_multiple`` gave to the image."""
    if torch.compiler.is_exporting():
        return logits
    return logits[:, :, : image.shape[2], : image.shape[3]]


def match_size(features: Tensor, like: Tensor, stride: int) -> Tensor:
    """
    Enlarged features without the last row or column that halving an odd size had added.

    In an exported graph, whose image sizes are multiples of 8, nothing is too much up to there.

    :param stride: of the features before they were enlarged, to the image.
    """
    if torch.compiler.is_exporting():
        fits = stride <= 8
    else:
        fits = features.shape[2:] == like.shape[2:]
    if fits:
        return features
    # a negative pad, because slices tie an exported graph to the parity of its example
    rows, columns = (like.shape[axis] - features.shape[axis] for axis in (2, 3))
    return F.pad(features, (0, columns, 0, rows))


def init_weights(net: nn.Module) -> None:
    """He initialisation of every convolution; batch norms start as the identity."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
            if module.bias is not None:
                nn.init.zeros_(module.bias)
