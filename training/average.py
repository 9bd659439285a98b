# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Exponential moving average of a network: what is scored and exported."""

from __future__ import annotations

import copy

import torch
from torch import nn


class WeightAverage:
    """
    Average of the weights and norm statistics of a network, in ``net``.

    The network stays on its device from here on: its tensors are remembered, because to collect
    them by name at every step would cost more than the average itself.

    :param decay: how much of the old average each step keeps; 0 follows the network.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.decay = decay
        new, old = net.state_dict(keep_vars=True), self.net.state_dict(keep_vars=True)
        pairs = [(old[name], new[name]) for name in new]
        self._averaged = [pair for pair in pairs if pair[0].is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after ``step``; early ones count more, to forget the start."""
        decay = min(self.decay, (1 + step) / (10 + step))
        old, new = map(list, zip(*self._averaged, strict=True))
        torch._foreach_lerp_(old, new, 1 - decay)
        for target, value in self._copied:
            target.copy_(value)
