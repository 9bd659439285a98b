# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Exponential moving average of a network: what is scored and exported."""

from __future__ import annotations

import copy

import torch
from torch import nn


class WeightAverage:
    """Average of weights and batch-norm statistics, in ``net``."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        """Take in the weights after ``step``; early ones count more, to forget the start."""
        decay = min(self.decay, (1 + step) / (10 + step))
        new = net.state_dict()
        for name, value in self.net.state_dict().items():
            if value.is_floating_point():
                value.lerp_(new[name], 1 - decay)
            else:
                value.copy_(new[name])
