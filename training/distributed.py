# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
r"""
The device, and the processes that train together: those that torchrun started, or this one alone.

    torchrun --nproc-per-node 4 -m training fit --config FILE
    torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-endpoint HOST:29500 \
        -m training fit --config FILE                              # the same on each machine

N processes train exactly as one with the whole batch: DistributedDataParallel gives every process
the mean of the gradients, and what a loss divides by is the mean over processes, not its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from seg_perception.evaluation.metrics import ConfusionMatrix
from training.errors import ConfigError

TORCHRUN_SETS = ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT')


@dataclass(frozen=True)
class Process:
    """This process: what it computes on, and its place among those that train together."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that logs and writes."""
        return self.rank == 0


@contextmanager
def joined(device: str) -> Iterator[Process]:
    """
    Meet the other processes, and part from them at the end.

    :raises ConfigError: when the device is not there, or torchrun's variables are incomplete.
    """
    if 'RANK' not in os.environ:
        yield Process(pick_device(device))
        return
    missing = [name for name in TORCHRUN_SETS if name not in os.environ]
    if missing:
        seen = f'RANK without {", ".join(missing)}'
        raise ConfigError('environment', seen, 'all of them, or none', 'Start with torchrun.')
    world = int(os.environ['WORLD_SIZE'])
    picked = pick_device(device, int(os.environ['LOCAL_RANK']), world)
    if picked.type == 'cuda':
        torch.cuda.set_device(picked)
    # Both: tensors of the network go by nccl, numbers and confusion matrices by gloo.
    dist.init_process_group('cpu:gloo,cuda:nccl' if picked.type == 'cuda' else 'gloo')
    try:
        yield Process(picked, int(os.environ['RANK']), world)
    finally:
        dist.destroy_process_group()


def pick_device(name: str, local_rank: int = 0, world: int = 1) -> torch.device:
    """
    The device of that name: cpu, cuda, cuda:N, or auto. A GPU that is not there is an error.

    :param local_rank: number of this process on its machine: ``cuda`` is the GPU of that number.
    :raises ConfigError: when the name is unknown or the GPU is not there.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == 'cpu' or (name == 'auto' and not gpus):
        return torch.device('cpu')
    kind, _, number = name.partition(':')
    if kind not in ('auto', 'cuda') or (number and not (kind == 'cuda' and number.isdecimal())):
        raise ConfigError('config key device', repr(name), 'cpu, cuda, cuda:N or auto')
    if number and world > 1:
        fix = 'Name no number: each process takes the GPU of its own.'
        raise ConfigError('config key device', f'{name} for {world} processes', 'cuda', fix)
    index = int(number or local_rank)
    if index >= gpus:
        fix = 'Check nvidia-smi and torch.cuda.is_available(), or set device=cpu.'
        raise ConfigError('config key device', f'{kind}:{index}', f'one of {gpus} GPUs', fix)
    return torch.device('cuda', index)


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a floating-point tensor over all processes, without gradient."""
    value = value.detach()
    if not dist.is_initialized():
        return value
    total = value.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


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


def from_first(value: Any) -> Any:
    """What the first process has there, in every process."""
    if not dist.is_initialized():
        return value
    holder = [value]
    dist.broadcast_object_list(holder, device=torch.device('cpu'))
    return holder[0]


def merge_over_processes(matrix: ConfusionMatrix) -> ConfusionMatrix:
    """The counts of all processes together, in every process."""
    if not dist.is_initialized():
        return matrix
    merged = ConfusionMatrix(matrix.num_classes)
    merged.merge(matrix)
    for counts in (merged.counts, merged.missed):
        dist.all_reduce(torch.from_numpy(counts))  # in place
    return merged


def average_buffers(net: nn.Module) -> None:
    """Give every process the mean of the norm statistics, which each gathers by itself."""
    if not dist.is_initialized():
        return
    for buffer in net.buffers():
        if buffer.is_floating_point():
            buffer.copy_(mean_over_processes(buffer))
