# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Semantic encoding loss: a head says which classes are in the image at all.

Zhang et al. 2018 (EncNet, arXiv 1803.08904) as DSNet trains with it (Wang et al. 2020, seed
document 003, equations 6 and 7): the encoder learns the whole scene, and nothing of it is left in
the exported network.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seg_perception.core.classes import UNLABELED
from training.distributed import at_least_float32, weighted_mean


class EncodingLayer(nn.Module):
    """
    Features (N, D, h, w) -> residuals to K learned centres, each (N, K, D).

    The residual of a feature x to centre d_k is x - d_k; a softmax over -s_k |x - d_k|^2 shares
    the feature out among the centres (equation 6), and residuals are summed over the image.
    """

    def __init__(self, channels: int, codewords: int) -> None:
        super().__init__()
        # As in EncNet: centres close to 0, smoothing factors between 0 and 1.
        bound = (codewords * channels) ** -0.5
        self.centres = nn.Parameter(torch.empty(codewords, channels).uniform_(-bound, bound))
        self.smoothing = nn.Parameter(torch.rand(codewords))

    def forward(self, features: Tensor) -> Tensor:
        x = features.flatten(2).mT  # (N, h w, D)
        squares = x.square().sum(2, keepdim=True) + self.centres.square().sum(1)
        distances = squares - 2 * x @ self.centres.T  # (N, h w, K) of |x - d_k|^2
        shares = (-self.smoothing * distances).softmax(2)
        # The sum of share times residual, without (N, h w, K, D) residuals.
        return shares.mT @ x - shares.sum(1)[:, :, None] * self.centres


class EncodingHead(nn.Module):
    """Features (N, D, h, w) -> one logit a class, (N, C): is it in the image?"""

    def __init__(self, channels: int, num_classes: int, codewords: int = 32) -> None:
        super().__init__()
        self.encoding = EncodingLayer(channels, codewords)
        # Over the centres, as in EncNet: it then works with one image a process.
        self.norm = nn.BatchNorm1d(codewords)
        self.classify = nn.Linear(channels, num_classes)

    def forward(self, features: Tensor) -> Tensor:
        # Differences of squares and sums over all pixels: too much for half precision.
        with torch.autocast(features.device.type, enabled=False):
            encoded = self.norm(self.encoding(at_least_float32(features)))  # (N, K, D)
            return self.classify(F.relu(encoded).sum(1))


def encoding_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """
    Binary cross-entropy of logits (N, C) against the classes that labels (N, H, W) have.

    Of both outcomes: equation 7 as printed has only that of classes that are there, and one that
    always says yes would be perfect. Images without any label are left out.
    """
    logits = at_least_float32(logits)
    found = logits.new_zeros(len(labels), UNLABELED + 1)
    found.scatter_(1, labels.flatten(1).long(), 1)
    present = found[:, : logits.shape[1]]
    losses = F.binary_cross_entropy_with_logits(logits, present, reduction='none').mean(1)
    return weighted_mean(losses, present.amax(1))
