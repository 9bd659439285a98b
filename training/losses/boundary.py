# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Boundary-aware supervision: an additional head learns where one class meets another.

From "Streetview Semantics" (seed document 000): a 1x1 convolution on the features of the atrous
pyramid, binary cross-entropy, weight 0.2; after Takikawa et al. 2019 (Gated-SCNN, arXiv
1907.05740). The labels alone say where boundaries are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from seg_perception.core.classes import UNLABELED
from training.distributed import at_least_float32, weighted_mean
from training.models.layers import resize

IGNORED = -1


def label_boundaries(labels: Tensor) -> Tensor:
    """
    Where labels (N, H, W) change, (N, H, W) int8: 1 boundary, 0 none, -1 ignored.

    A pixel is boundary when one of its four neighbours has another class; ignored
    pixels have no class.
    """
    known = labels != UNLABELED
    boundary = torch.zeros_like(labels, dtype=torch.int8)
    for axis in (1, 2):
        size = labels.shape[axis] - 1
        before, after = labels.narrow(axis, 0, size), labels.narrow(axis, 1, size)
        both = known.narrow(axis, 0, size) & known.narrow(axis, 1, size)
        change = ((before != after) & both).to(torch.int8)
        boundary.narrow(axis, 0, size).bitwise_or_(change)
        boundary.narrow(axis, 1, size).bitwise_or_(change)
    return boundary.masked_fill(~known, IGNORED)


def boundary_loss(logits: Tensor, labels: Tensor, stride: int = 1) -> Tensor:
    """
    Binary cross-entropy of boundary logits (N, 1, h, w) against labels (N, H, W).

    :param stride: height and width of the blocks that are scored as one pixel. A block with a
        boundary in it is boundary: thin ones would fall between sampled pixels.
    """
    boundary = label_boundaries(labels)
    if stride > 1:
        # The most of 1, 0 and -1: ignored only where all pixels are.
        boundary = F.max_pool2d(boundary[:, None].float(), stride, ceil_mode=True)[:, 0]
    logits = resize(at_least_float32(logits), boundary.shape[1:])[:, 0]
    edge = (boundary == 1).to(logits.dtype)
    losses = F.binary_cross_entropy_with_logits(logits, edge, reduction='none')
    return weighted_mean(losses, (boundary != IGNORED).to(logits.dtype))
