# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of regions: Dice, Jaccard and the IoU of a foreground, over the whole batch."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from seg_perception.core.settings import Setting
from training.data.tables import class_id
from training.distributed import sum_over_processes
from training.errors import ConfigError
from training.losses.class_weights import ClassWeights
from training.losses.inputs import LossInputs

Smooth = Annotated[float, Setting('added to numerator and denominator', 'px', 0, 1e6)]


class Regions(nn.Module):
    """One minus the mean score of the classes that occur in the batch; each counts the same."""

    reads_predicted = True

    def __init__(self, class_weights: ClassWeights, smooth: Smooth = 0.0) -> None:
        """:param smooth: is added to numerator and denominator."""
        super().__init__()
        self.smooth = smooth

    def forward(self, inputs: LossInputs) -> Tensor:
        overlap, predicted, pixels = region_sums(inputs)
        shared, all_of_both = self.parts(overlap, predicted + pixels)
        score = (shared + self.smooth) / (all_of_both + self.smooth).clamp(min=1e-6)
        return mean_where(1 - score, pixels > 0)

    def parts(self, overlap: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
        """Numerator and denominator of the score, from the overlap and the sum of both sizes."""
        raise NotImplementedError


class Dice(Regions):
    """Soft Dice: Milletari et al. 2016 (V-Net, arXiv 1606.04797), with plain sums below."""

    def parts(self, overlap: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
        return 2 * overlap, sizes


class Jaccard(Regions):
    """Soft intersection over union: Rahman and Wang 2016, doi 10.1007/978-3-319-50835-1_22."""

    def parts(self, overlap: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
        return overlap, sizes - overlap


class ForegroundIou(nn.Module):
    """
    One minus the soft intersection over union of some classes, taken together, against the rest.

    The loss that seed document 004 finds cars with. With ``smooth``, a batch without them asks
    for none.
    """

    def __init__(
        self, class_weights: ClassWeights, foreground: tuple[str, ...] = (), smooth: Smooth = 1.0
    ) -> None:
        """
        Set up the loss.

        :param foreground: names of classes.
        :raises ConfigError: when there are none, or one is not in the table.
        """
        super().__init__()
        key, classes = 'option foreground of loss term iou', class_weights.statistics.classes
        if not foreground:
            raise ConfigError(key, 'no names', 'names of ' + ', '.join(classes.names))
        ids = torch.tensor([class_id(name, classes, key) for name in foreground])
        is_foreground = torch.zeros(256, dtype=torch.bool)
        is_foreground[ids] = True
        self.smooth = smooth
        self.register_buffer('ids', ids, persistent=False)
        self.register_buffer('is_foreground', is_foreground, persistent=False)

    def forward(self, inputs: LossInputs) -> Tensor:
        share = inputs.logits.softmax(1)[:, self.ids].sum(1) * inputs.target.known
        truth = inputs.target.look_up(self.is_foreground)
        sums = torch.stack([(share * truth).sum(), share.sum(), truth.sum().to(share.dtype)])
        overlap, predicted, pixels = sum_over_processes(sums)
        union = predicted + pixels - overlap
        iou = (overlap + self.smooth) / (union + self.smooth).clamp(min=1e-6)
        return (1 - iou) * (predicted + pixels > 0)


def region_sums(inputs: LossInputs) -> Tensor:
    """
    Shares at the pixels of the class, shares at all labelled pixels, pixels: (3, C).

    Sums by class go through indices: a one-hot truth costs a fifth of a training step.
    """
    target, count = inputs.target, inputs.num_classes
    overlap = target.by_class(inputs.truth, count)
    pixels = target.by_class(target.single.to(overlap.dtype), count)
    return sum_over_processes(torch.stack([overlap, inputs.predicted, pixels]))


def mean_where(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of the values where the mask is; 0 where it is nowhere."""
    return (values * mask).sum() / mask.sum().clamp(min=1)
