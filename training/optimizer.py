# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Optimiser, its groups of parameters, and the learning rate over the run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from training.config import OptimConfig
from training.errors import ConfigError, near
from training.models.weights import is_part


def build_optimizer(
    parameters: Iterable[tuple[str, nn.Parameter]], backbone: Sequence[str], optim: OptimConfig
) -> torch.optim.Optimizer:
    """
    The configured optimiser.

    :param parameters: with the names that they have in the network.
    :param backbone: starts of the names that learn at ``backbone_factor`` of the rate.
    :raises ConfigError: when such a factor is asked for and there is no backbone.
    """
    groups = parameter_groups(parameters, backbone, optim)
    # Fused: one pass over the weights instead of one for each term of the update.
    if optim.name == 'sgd':
        return torch.optim.SGD(groups, optim.learning_rate, optim.momentum, fused=True)
    kind = {'adam': torch.optim.Adam, 'adamw': torch.optim.AdamW}[optim.name]
    return kind(groups, optim.learning_rate, fused=True)


def parameter_groups(
    parameters: Iterable[tuple[str, nn.Parameter]], backbone: Sequence[str], optim: OptimConfig
) -> list[dict[str, Any]]:
    """
    Kernels and the rest, of backbone and head: up to four groups, each with its ``factor``.

    Norms and biases have one axis and are not decayed: there is nothing to keep small in them.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, value in parameters:
        if value.requires_grad:
            key = is_part(name, backbone), value.ndim > 1
            groups.setdefault(key, []).append(value)
    if optim.backbone_factor != 1 and not any(is_backbone for is_backbone, _ in groups):
        fix = 'Leave it at 1: this network names no backbone.'
        raise ConfigError('config key optim.backbone_factor', optim.backbone_factor, 1, fix)
    return [
        {
            'params': values,
            'factor': optim.backbone_factor if is_backbone else 1.0,
            'weight_decay': optim.weight_decay if is_kernel else 0.0,
        }
        for (is_backbone, is_kernel), values in sorted(groups.items(), key=lambda item: item[0])
    ]


def freeze(net: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    """
    Take the gradients from modules; they also have to be kept in evaluation mode.

    :param names: as ``named_modules`` has them, such as ``backbone.stem``.
    :raises ConfigError: when there is no such module.
    """
    known = {name: module for name, module in net.named_modules() if name}
    for name in names:
        if name not in known:
            expected = ', '.join(key for key in known if '.' not in key) + ' or a module in them'
            raise ConfigError('config key optim.freeze', name, expected, near(name, known))
        known[name].requires_grad_(False)
    return [known[name] for name in names]


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give each group its share of the rate."""
    for group in optimizer.param_groups:
        group['lr'] = rate * group['factor']


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load the state of each parameter, and keep rates and decays that were changed since."""
    settings = [
        {name: value for name, value in group.items() if name != 'params'}
        for group in optimizer.param_groups
    ]
    optimizer.load_state_dict(state)
    for group, changed in zip(optimizer.param_groups, settings, strict=True):
        group.update(changed)


def learning_rate_factor(optim: OptimConfig, step: int, progress: float, epoch: int) -> float:
    """
    Factor 0..1 of the base learning rate: linear warm-up times the schedule.

    :param step: steps done.
    :param progress: share of the run that is done, 0..1.
    :param epoch: epochs done.
    """
    warmup = min(1.0, (step + 1) / optim.warmup_steps) if optim.warmup_steps else 1.0
    return warmup * _decay(optim, min(progress, 1.0), epoch)


def _decay(optim: OptimConfig, progress: float, epoch: int) -> float:
    match optim.schedule:
        case 'poly':
            return float((1 - progress) ** optim.power)
        case 'poly_product':
            # Seed document 001: after each epoch the rate is multiplied by the poly factor.
            left = (1 - done / optim.epochs for done in range(1, epoch + 1))
            return float(math.prod(left) ** optim.power)
        case 'cosine':
            return (1 + math.cos(math.pi * progress)) / 2
        case 'step':
            return optim.gamma ** sum(progress >= share for share in optim.milestones)
        case 'halving':
            return 0.5 ** (epoch // optim.halve_every)
        case _:
            return 1.0
