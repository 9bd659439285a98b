# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which precision a network is trained in, and where bfloat16 cannot be had."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class _Float32Conv2d(nn.Conv2d):
    """A convolution that autocast leaves alone."""

    @classmethod
    def of(cls, conv: nn.Conv2d) -> _Float32Conv2d:
        """The same convolution, with the same parameters."""
        kept = cls(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,
            conv.stride,
            conv.padding,
            conv.dilation,
            conv.groups,
            device='meta',  # no values are drawn for it
        )
        kept.weight, kept.bias = conv.weight, conv.bias
        return kept

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return super().forward(features.float())


def keep_exact(net: nn.Module) -> None:
    """
    Keep in float32 what autocast to bfloat16 spoils, or slows down, on a CPU.

    With channels last, a dilated convolution whose channels are grouped or no multiple of 16
    takes the gradient of its weights from memory that nothing wrote to (torch 2.15): not a number
    in some steps, wrong unnoticed in others. Fast-SCNN and ESPNet have such layers. Depthwise ones
    with a stride or a kernel of 5 are right, but their gradient takes five times as long.
    """
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Conv2d and (_is_spoiled(child) or _is_slow(child)):
                setattr(parent, name, _Float32Conv2d.of(child))


def _is_spoiled(conv: nn.Conv2d) -> bool:
    return max(conv.dilation) > 1 and (conv.groups > 1 or conv.in_channels % 16 > 0)


def _is_slow(conv: nn.Conv2d) -> bool:
    is_depthwise = conv.groups == conv.in_channels > 1
    return is_depthwise and (max(conv.stride) > 1 or max(conv.kernel_size) > 3)
