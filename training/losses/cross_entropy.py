# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Cross-entropy: of all pixels, on class boundaries, and of the hard pixels."""

from __future__ import annotations

import math
from typing import Annotated

import torch.nn.functional as F
from torch import Tensor

from seg_perception.core.settings import Setting, share
from training.distributed import weighted_mean
from training.losses.class_weights import ClassWeights, WeightedTerm
from training.losses.inputs import LossInputs


class CrossEntropy(WeightedTerm):
    """Mean of -log p of the true class, weighted by class."""

    def forward(self, inputs: LossInputs) -> Tensor:
        return weighted_mean(-inputs.log_truth, inputs.target.look_up(self.weights))


class EdgeCrossEntropy(WeightedTerm):
    """
    Cross-entropy over the pixels within ``radius_px`` of a class boundary alone.

    The third part of the Dice, cross-entropy and edge loss of PP-LiteSeg in SuperGradients, which
    seed document 001 trains with; its recipe is weights 1, 0.5 and 0.5.
    """

    def __init__(
        self,
        class_weights: ClassWeights,
        weighted: bool = True,
        radius_px: Annotated[int, Setting('reach from a boundary', 'px', 1, 64)] = 1,
    ) -> None:
        super().__init__(class_weights, weighted)
        self.radius_px = radius_px

    def forward(self, inputs: LossInputs) -> Tensor:
        is_near = (inputs.target.boundary == 1).to(inputs.log_truth.dtype)
        if self.radius_px > 1:
            reach = self.radius_px - 1
            is_near = F.max_pool2d(is_near, 2 * reach + 1, stride=1, padding=reach)
        return weighted_mean(-inputs.log_truth, is_near * inputs.target.look_up(self.weights))


class Ohem(WeightedTerm):
    """
    Cross-entropy over the pixels whose true class has a share of ``threshold`` or less.

    Online hard example mining, Shrivastava et al. 2016 (arXiv 1604.03540), as BiSeNet, STDC and
    PIDNet use it. If too few are that hard, the hardest ``min_kept`` are taken: a share of all
    scored pixels, so that it means the same for every crop, batch and stride.
    """

    def __init__(
        self,
        class_weights: ClassWeights,
        threshold: Annotated[float, share('of the true class', 0.001)] = 0.7,
        min_kept: Annotated[float, share('of all scored pixels', 1e-6)] = 1 / 16,
        weighted: bool = True,
    ) -> None:
        super().__init__(class_weights, weighted)
        self.hard_loss, self.min_kept = -math.log(threshold), min_kept

    def forward(self, inputs: LossInputs) -> Tensor:
        losses = -inputs.log_truth  # 0 where ignored: taken last, and then without weight
        count = math.ceil(self.min_kept * losses.numel())
        hardest = losses.detach().flatten().topk(count, sorted=False).values.min()
        kept = losses.detach() >= hardest.clamp(max=self.hard_loss)
        return weighted_mean(losses, kept * inputs.target.look_up(self.weights))
