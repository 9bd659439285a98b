# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which precision a network is trained in, and where bfloat16 cannot be had."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class _Float32Conv2d(nn.Conv2d):
    """A convolution that autocast leaves alone."""

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return super().forward(features.float())


def keep_exact(net: nn.Module) -> None:
    """
    Keep in float32 what autocast to bfloat16 spoils on a CPU.

    With channels last, a dilated convolution whose channels are grouped or no multiple of 16
    takes the gradient of its weights from memory that nothing wrote to (torch 2.15): not a number
    in some steps, wrong unnoticed in others. Fast-SCNN and ESPNet have such layers.
    """
    for module in net.modules():
        if type(module) is not nn.Conv2d or max(module.dilation) == 1:
            continue
        if module.groups > 1 or module.in_channels % 16:
            module.__class__ = _Float32Conv2d
