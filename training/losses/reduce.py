# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Means and sums over all processes, such that N processes train exactly as one with the whole batch.

DistributedDataParallel gives every process the mean of the gradients. What a loss divides by must
then be the mean over processes, not its own.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from training.distributed import mean_over_processes


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Sum of weights times values by the sum of weights; 0 where all weights are 0."""
    total = mean_over_processes(weights.sum())
    return (weights * values).sum() / total.clamp(min=torch.finfo(total.dtype).tiny)


def sum_over_processes(value: Tensor) -> Tensor:
    """
    The sum of a tensor over all processes.

    Its gradient is that of the own part times their number: the mean over processes of the
    gradients of any function of this sum is then the gradient of that function.
    """
    number = dist.get_world_size() if dist.is_initialized() else 1
    return number * (value + (mean_over_processes(value) - value.detach()))


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision widened: sums over a million pixels need the digits."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
