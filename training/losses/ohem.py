# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Cross-entropy of the hard pixels."""

from __future__ import annotations

import math
from typing import Annotated

from torch import Tensor

from seg_perception.core.settings import share
from training.losses.class_weights import ClassWeights, WeightedTerm
from training.losses.inputs import LossInputs
from training.losses.reduce import weighted_mean


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
        losses = -inputs.log_truth  # 0 where void: taken last, and then without weight
        count = math.ceil(self.min_kept * losses.numel())
        hardest = losses.detach().flatten().topk(count, sorted=False).values.min()
        kept = losses.detach() >= hardest.clamp(max=self.hard_loss)
        return weighted_mean(losses, kept * inputs.target.look_up(self.weights))
