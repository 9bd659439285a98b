# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Cross-entropy, with class weights and on class boundaries."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from training.losses.class_weights import ClassWeights
from training.losses.inputs import LossInputs
from training.losses.reduce import weighted_mean


class CrossEntropy(nn.Module):
    """Mean of -log p of the true class, weighted by class."""

    def __init__(self, class_weights: ClassWeights, weighted: bool = True) -> None:
        super().__init__()
        self.register_buffer('weights', class_weights.table(weighted), persistent=False)

    def forward(self, inputs: LossInputs) -> Tensor:
        return weighted_mean(-inputs.log_truth, inputs.target.look_up(self.weights))


class EdgeCrossEntropy(nn.Module):
    """
    Cross-entropy over the pixels within ``radius_px`` of a class boundary alone.

    The third part of the Dice, cross-entropy and edge loss of PP-LiteSeg in SuperGradients, which
    seed document 001 trains with; its recipe is weights 1, 0.5 and 0.5.
    """

    def __init__(
        self, class_weights: ClassWeights, weighted: bool = True, radius_px: int = 1
    ) -> None:
        super().__init__()
        self.radius_px = radius_px
        self.register_buffer('weights', class_weights.table(weighted), persistent=False)

    def forward(self, inputs: LossInputs) -> Tensor:
        is_near = (inputs.target.boundary == 1).to(inputs.log_truth.dtype)
        if self.radius_px > 1:
            reach = self.radius_px - 1
            is_near = F.max_pool2d(is_near, 2 * reach + 1, stride=1, padding=reach)
        return weighted_mean(-inputs.log_truth, is_near * inputs.target.look_up(self.weights))
