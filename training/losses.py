# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Weighted cross-entropy over the main and the auxiliary logits."""

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
    """Cross-entropy of each logits (N, C, h, w) against labels (N, H, W) with 255 ignored."""

    def __init__(self, weights: Tensor | None, aux_weight: float, stride: int = 1) -> None:
        """
        Set up the loss.

        :param stride: score every stride-th row and column. The offset cycles with the step, so
            every pixel counts and none is seen shifted.
        """
        super().__init__()
        self.weights, self.aux_weight, self.stride = weights, aux_weight, stride

    def forward(self, outputs: Sequence[Tensor], labels: Tensor, step: int = 0) -> Tensor:
        row, column = step // self.stride % self.stride, step % self.stride
        target = labels[:, row :: self.stride, column :: self.stride].long()
        main, *auxiliary = [self._cross_entropy(logits, target) for logits in outputs]
        return main + self.aux_weight * sum(auxiliary, torch.zeros(()))

    def _cross_entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        logits = F.interpolate(logits, size=target.shape[1:], mode='bilinear', align_corners=False)
        return F.cross_entropy(logits, target, self.weights, ignore_index=UNLABELED)
