# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Weighted cross-entropy over the main and the auxiliary logits, and Dice over the main."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seg_perception.core.classes import UNLABELED


def class_weights(labels: Sequence[np.ndarray], num_classes: int, offset: float) -> Tensor:
    """
    Weights 1 / ln(offset + share of the labelled pixels), (classes,) float32.

    Paszke et al. 2016 (ENet, arXiv 1606.02147) with offset 1.02; a larger offset is milder.
    """
    counts = sum(np.bincount(mask.ravel(), minlength=256)[:num_classes] for mask in labels)
    share = np.asarray(counts) / np.sum(counts)
    return torch.tensor(1 / np.log(offset + share), dtype=torch.float32)


class SegmentationLoss(nn.Module):
    """Loss of logits (N, C, h, w), main ones first, against labels (N, H, W) with 255 ignored."""

    def __init__(
        self,
        weights: Tensor | None,
        aux_weight: float,
        stride: int = 1,
        dice_weight: float = 0.0,
    ) -> None:
        """
        Set up the loss.

        :param stride: score every stride-th row and column. The offset cycles with the step, so
            every pixel counts and none is seen shifted.
        """
        super().__init__()
        self.weights, self.stride = weights, stride
        self.aux_weight, self.dice_weight = aux_weight, dice_weight

    def forward(self, outputs: Sequence[Tensor], labels: Tensor, step: int = 0) -> Tensor:
        row, column = step // self.stride % self.stride, step % self.stride
        target = labels[:, row :: self.stride, column :: self.stride].long()
        main, *auxiliary = [_log_shares(logits, target) for logits in outputs]
        loss = self._cross_entropy(main, target)
        for log_shares in auxiliary:
            loss = loss + self.aux_weight * self._cross_entropy(log_shares, target)
        if self.dice_weight:
            loss = loss + self.dice_weight * dice_loss(main.exp(), target)
        return loss

    def _cross_entropy(self, log_shares: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(log_shares, target, self.weights, ignore_index=UNLABELED)


def dice_loss(shares: Tensor, target: Tensor) -> Tensor:
    """
    One minus the mean soft Dice over the classes that occur in the target.

    Every class counts the same, however small: Milletari et al. 2016 (V-Net, arXiv 1606.04797),
    with plain sums in the denominator.
    """
    known = target != UNLABELED
    truth = F.one_hot(target.where(known, 0), shares.shape[1]).movedim(3, 1) * known[:, None]
    axes = (0, 2, 3)
    pixels = truth.sum(axes)
    overlap = (shares * truth).sum(axes)
    dice = 2 * overlap / ((shares * known[:, None]).sum(axes) + pixels).clamp(min=1)
    return 1 - dice[pixels > 0].mean()


def _log_shares(logits: Tensor, target: Tensor) -> Tensor:
    """Log softmax at the size of the target."""
    logits = F.interpolate(logits, size=target.shape[1:], mode='bilinear', align_corners=False)
    return F.log_softmax(logits, dim=1)
