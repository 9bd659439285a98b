# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Learning rate over the run."""

from __future__ import annotations


def poly_factor(step: int, progress: float, warmup_steps: int, power: float) -> float:
    """
    Factor 0..1 of the base learning rate: linear warm-up, then the poly schedule.

    :param step: steps done.
    :param progress: share of the run that is done, 0..1.
    """
    warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    return float(warmup * (1 - min(progress, 1.0)) ** power)
