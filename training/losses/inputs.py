# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Logits held against labels: what all terms read, computed once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from seg_perception.core.classes import UNLABELED
from training.distributed import at_least_float32
from training.losses.boundary import label_boundaries
from training.models.layers import resize


@dataclass(frozen=True)
class Sampling:
    """
    The pixels of a frame that are scored: every stride-th row and column from an offset on.

    :param size: (height, width) of the frame.
    """

    size: Sequence[int]
    stride: int = 1
    row: int = 0
    column: int = 0

    def of_labels(self, labels: Tensor) -> Tensor:
        """The scored ones of labels (N, H, W)."""
        return labels[:, self.row :: self.stride, self.column :: self.stride]

    def of_logits(self, logits: Tensor) -> Tensor:
        """
        Logits (N, C, h, w) of any size, read where the scored pixels lie.

        The same as a bilinear resize to the frame of which the scored pixels are taken, so that a
        network with logits of full size gets a gradient at each of its pixels in turn.
        """
        if self.stride == 1:
            return resize(logits, self.size)
        if logits.shape[2:] == torch.Size(self.size):
            return logits[:, :, self.row :: self.stride, self.column :: self.stride]
        rows = self._weights(logits, 2, self.row)
        columns = self._weights(logits, 3, self.column)
        return rows @ logits @ columns.T

    def _weights(self, logits: Tensor, axis: int, first: int) -> Tensor:
        """Bilinear weights (scored, given) of the rows or columns; products beat gathering."""
        wanted, given = self.size[axis - 2], logits.shape[axis]
        places = torch.arange(first, wanted, self.stride, device=logits.device)
        at = ((places + 0.5) * (given / wanted) - 0.5).clamp(0, given - 1)
        distances = (at[:, None] - torch.arange(given, device=logits.device)).abs()
        return (1 - distances).clamp(min=0).to(logits.dtype)


@dataclass(frozen=True)
class Target:
    """
    Labels (N, h, w) uint8 with 255 ignored, and what follows from them.

    :param sampling: of the frame that the labels were taken from; None: they are the frame.
    :param allowed: (256, C) bool, the classes that each label may be where some labels are sets
        of classes; None: each is one class.
    """

    labels: Tensor
    sampling: Sampling | None = None
    allowed: Tensor | None = None

    @cached_property
    def known(self) -> Tensor:
        return self.labels != UNLABELED  # (N, h, w) bool

    @cached_property
    def single(self) -> Tensor:
        """Where the label is one class, (N, h, w) bool."""
        return self.known if self.allowed is None else self.labels < self.allowed.shape[1]

    @cached_property
    def classes(self) -> Tensor:
        return self.labels.long().where(self.single, 0)  # (N, h, w) int64, others as class 0

    @cached_property
    def boundary(self) -> Tensor:
        return label_boundaries(self.labels)  # (N, h, w) int8

    def look_up(self, table: Tensor) -> Tensor:
        """Values (N, h, w) of a table (256,) by label."""
        return table.index_select(0, self.labels.flatten().int()).view_as(self.labels)

    def places(self, num_classes: int) -> Tensor:
        """
        Where in flattened logits (N, C, h, w) those of the true classes are, (N h w,) int64.

        Ten times as fast on a CPU as ``gather`` and ``scatter_add`` along the classes.
        """
        count, *size = self.labels.shape
        area = math.prod(size)
        image = torch.arange(count, device=self.labels.device)[:, None] * num_classes
        pixel = torch.arange(area, device=self.labels.device)
        return ((image + self.classes.flatten(1)) * area + pixel).flatten()

    def by_class(self, values: Tensor, num_classes: int) -> Tensor:
        """
        Sums (C,) of values (N, h, w) over the pixels of each class.

        Pixels without a single class are added to class 0: their values must be 0. Each image has
        sums of its own first, for float32 stops counting at 16 million pixels.
        """
        sums = values.new_zeros(len(values), num_classes)
        return sums.scatter_add(1, self.classes.flatten(1), values.flatten(1)).sum(0)


@dataclass(frozen=True)
class LossInputs:
    """Logits (N, C, h, w) at the size of the target, and their softmax in two views."""

    target: Target
    logits: Tensor
    log_truth: Tensor  # (N, h, w) log share of what the label may be; 0 where ignored
    predicted: Tensor | None  # (C,) shares of each class, summed over labelled pixels

    @property
    def num_classes(self) -> int:
        return self.logits.shape[1]

    @cached_property
    def truth(self) -> Tensor:
        """Share of the true class, (N, h, w); 0 where no single class is known."""
        return self.log_truth.exp() * self.target.single


def loss_inputs(logits: Tensor, target: Target, with_predicted: bool = False) -> LossInputs:
    """
    Read the logits (N, C, h, w) at the pixels of the target and take the softmax.

    :param with_predicted: also sum up the shares of each class, which some terms read.
    """
    # Twice as fast in this layout, there and back.
    logits = at_least_float32(logits).contiguous(memory_format=torch.channels_last)
    sampling = target.sampling or Sampling(target.labels.shape[1:])
    logits = sampling.of_logits(logits)
    if target.allowed is not None:
        log_truth, predicted = _set_softmax(logits, target, target.allowed, with_predicted)
        return LossInputs(target, logits, log_truth, predicted)
    places = target.places(logits.shape[1])
    log_truth, predicted = _TargetSoftmax.apply(logits, places, target.known, with_predicted)
    return LossInputs(target, logits, log_truth, predicted)


def _set_softmax(
    logits: Tensor, target: Target, allowed: Tensor, with_predicted: bool
) -> tuple[Tensor, Tensor | None]:
    """
    Log of the summed shares of the classes that each label may be, and sums of the shares.

    The marginal loss of partly labelled data (Shi et al., "Marginal loss and exclusion loss for
    partially supervised multi-organ segmentation", 2021, arXiv 2007.03868). A share counts in the
    sums of a class only where the label says whether the pixel is of it.
    """
    flat = target.labels.flatten().int()
    maybe = allowed.index_select(0, flat).view(*target.labels.shape, -1).permute(0, 3, 1, 2)
    log_shares = logits.log_softmax(1)
    # Not -inf: the sum over no class at all, of ignored pixels, has a gradient of nan.
    log_truth = log_shares.masked_fill(~maybe, -1e4).logsumexp(1).where(target.known, 0)
    if not with_predicted:
        return log_truth, None
    told = target.known[:, None] & (target.single[:, None] | ~maybe)
    return log_truth, (log_shares.exp() * told).sum((2, 3)).sum(0)


class _TargetSoftmax(torch.autograd.Function):
    """
    Log share of the true class, and sums of the shares, with the gradient of both in one go.

    It keeps one tensor of the size of the upsampled logits, not two, and takes fewer passes: a
    third less time than log_softmax, gather and exp.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, places: Tensor, known: Tensor, with_predicted: bool
    ) -> tuple[Tensor, Tensor | None]:
        shares = logits.softmax(1).contiguous()
        truth = shares.view(-1).index_select(0, places).view_as(known)
        # A share that float32 cannot hold counts as the least one; its gradient is still right.
        log_truth = truth.clamp(min=torch.finfo(truth.dtype).tiny).log() * known
        shares *= known[:, None]
        ctx.save_for_backward(shares, places, known)
        ctx.set_materialize_grads(False)
        return log_truth, shares.sum((2, 3)).sum(0) if with_predicted else None

    @staticmethod
    def backward(
        ctx: Any, log_truth_grad: Tensor | None, predicted_grad: Tensor | None
    ) -> tuple[Tensor, None, None, None]:
        shares, places, known = ctx.saved_tensors
        own = torch.zeros_like(shares[:, 0]) if log_truth_grad is None else log_truth_grad * known
        if predicted_grad is None:
            grad = shares * own.neg()[:, None]
        else:
            inner = torch.einsum('nchw,c->nhw', shares, predicted_grad)
            grad = predicted_grad[:, None, None] - (inner + own)[:, None]
            grad *= shares
        grad.view(-1).scatter_add_(0, places, own.flatten())
        return grad.contiguous(memory_format=torch.channels_last), None, None, None
