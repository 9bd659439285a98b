# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Focal loss, and the object weighted focal loss of DSNet: what is learned already counts less."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn

from seg_perception.core.settings import Setting
from training.distributed import weighted_mean
from training.errors import ConfigError
from training.losses.class_weights import ClassWeights, WeightedTerm, label_table
from training.losses.inputs import LossInputs

LEAST_DOUBT = 1e-7
"""1 - p is at least that: below 1 as exponent, the gradient of its power has no end at 0."""


class Focal(WeightedTerm):
    """
    Mean of -(1 - p)^gamma log p of the true class, weighted by class.

    Lin et al. 2017 (arXiv 1708.02002), over the softmax; gamma 0 is cross-entropy. Divided by the
    sum of the class weights, not by that of the focal factors.
    """

    def __init__(
        self,
        class_weights: ClassWeights,
        gamma: Annotated[float, Setting('exponent of 1 - p', '', 0, 10)] = 2.0,
        weighted: bool = True,
    ) -> None:
        super().__init__(class_weights, weighted)
        self.gamma = gamma

    def forward(self, inputs: LossInputs) -> Tensor:
        losses = -(doubt(inputs.log_truth) ** self.gamma) * inputs.log_truth
        return weighted_mean(losses, inputs.target.look_up(self.weights))


class ObjectWeightedFocal(nn.Module):
    """
    Mean over the labelled pixels of -alpha (1 - p)^gamma log p, alpha and gamma by class.

    DSNet, Wang et al. 2020 (seed document 003), equations 2 to 4: alpha is ENet's weight by the
    greatest of them, gamma the order of magnitude of the class's pixels by those of the rarest.
    ``loss.class_weights`` has no part in it; ``loss.boost`` multiplies alpha.
    """

    def __init__(
        self,
        class_weights: ClassWeights,
        offset: Annotated[float, Setting('of the weights of ENet', '', 1.001, 10)] = 1.02,
    ) -> None:
        """
        Set up alpha and gamma.

        :raises ConfigError: when no pixels are counted.
        """
        super().__init__()
        statistics = class_weights.statistics
        if not statistics.pixels.any():
            raise ConfigError('labelled pixels for loss term owfl', 0, 'counts of each class')
        weights = statistics.weights('enet', offset)
        alpha = weights / weights.max() * class_weights.boost
        gamma = np.maximum(statistics.groups, 0)
        self.register_buffer('alpha', label_table(alpha), persistent=False)
        self.register_buffer('gamma', label_table(gamma), persistent=False)

    def forward(self, inputs: LossInputs) -> Tensor:
        target = inputs.target
        alpha, gamma = target.look_up(self.alpha), target.look_up(self.gamma)
        losses = -alpha * doubt(inputs.log_truth) ** gamma * inputs.log_truth
        return weighted_mean(losses, target.known.to(losses.dtype))


def doubt(log_share: Tensor) -> Tensor:
    """1 - p from log p, without loss of digits where p is close to 1."""
    return -torch.expm1(log_share).clamp(max=-LEAST_DOUBT)
