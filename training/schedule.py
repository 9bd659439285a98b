# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Learning rate over the run."""

from __future__ import annotations

import math

from training.config import OptimConfig


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
