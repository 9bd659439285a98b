# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Averages of weights: over the steps of a run, and of several checkpoints."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from seg_perception.core.classes import ClassTable
from training.checkpoint import load_checkpoint, save_checkpoint
from training.data.tables import check_table
from training.errors import CheckpointError


class WeightAverage:
    """
    Exponential average of the weights and norm statistics of a network, in ``net``.

    The network stays on its device from here on: its tensors are remembered, because to collect
    them by name at every step would cost more than the average itself.

    :param decay: share of the old average that each step keeps; 0 follows the network.
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


def blend(checkpoints: Sequence[Path], out: Path) -> None:
    """
    Write the first checkpoint with the mean of the averaged weights of all.

    Of one network before and after it learned something more, the mean often keeps both
    (Wortsman et al., CVPR 2022, arXiv 2109.01903).

    :raises CheckpointError: when there are less than two, or they are of different networks.
    :raises ClassTableError: when they have different classes.
    """
    if len(checkpoints) < 2:
        raise CheckpointError('checkpoints to blend', len(checkpoints), 'two or more')
    first, *others = (load_checkpoint(path) for path in checkpoints)
    classes = ClassTable.from_dict(first['classes'])
    for path, state in zip(checkpoints[1:], others, strict=True):
        check_table(f'checkpoint {path}', ClassTable.from_dict(state['classes']), classes)
        here, there = _shapes(first['average']), _shapes(state['average'])
        if wrong := sorted(name for name in here | there if here.get(name) != there.get(name)):
            fix = 'Blend runs of one network, one of which was resumed from the other.'
            expected = f'{here.get(wrong[0])} as in {checkpoints[0]}'
            raise CheckpointError(f'{wrong[0]} of {path}', there.get(wrong[0]), expected, fix)
    weights = [state['average'] for state in (first, *others)]
    mean = {name: _mean([part[name] for part in weights]) for name in weights[0]}
    names = [str(path) for path in checkpoints]
    save_checkpoint(out, {**first, 'average': mean, 'blend': names})


def _shapes(weights: dict[str, Tensor]) -> dict[str, list[int]]:
    return {name: list(value.shape) for name, value in weights.items()}


def _mean(values: Sequence[Tensor]) -> Tensor:
    """The mean; of what counts, such as batches, the first."""
    return torch.stack(list(values)).mean(0) if values[0].is_floating_point() else values[0]
