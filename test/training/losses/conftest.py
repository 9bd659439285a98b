# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Four pixels of two classes, for losses that one can work out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seg_perception.core.classes import ClassTable, Role, SegClass
from training.config import LossConfig, TermConfig
from training.losses.class_weights import ClassWeights
from training.losses.inputs import LossInputs, Target, loss_inputs
from training.losses.total import build_term
from training.stats import ClassStatistics


@pytest.fixture
def two_classes() -> ClassTable:
    rows = [('road', Role.DRIVABLE), ('car', Role.VEHICLE)]
    return ClassTable('two', tuple(SegClass(i, n, (0, 0, 0), r) for i, (n, r) in enumerate(rows)))


@pytest.fixture
def counted() -> Callable[[ClassTable, Any], ClassStatistics]:
    """Statistics of one frame with those pixels of each class."""

    def count(classes: ClassTable, pixels: Any) -> ClassStatistics:
        pixels = np.array(pixels)
        return ClassStatistics(
            classes, pixels, (pixels > 0).astype(int), np.full_like(pixels, pixels.sum()), 1, 0.0
        )

    return count


@pytest.fixture
def logits() -> Tensor:
    """Shares of road 1/2, 3/4, 3/4 and, at the void pixel, 0.99: (1, 2, 2, 2)."""
    road = [[0.0, math.log(3)], [math.log(3), 5.0]]
    return torch.tensor([[road, [[0.0, 0.0], [0.0, 0.0]]]])


@pytest.fixture
def labels() -> Tensor:
    """Road, road, car, void: the true class has a share of 1/2, 3/4, 1/4."""
    return torch.tensor([[[0, 0], [1, 255]]], dtype=torch.uint8)


@pytest.fixture
def inputs(logits: Tensor, labels: Tensor) -> LossInputs:
    return loss_inputs(logits, Target(labels), with_predicted=True)


@pytest.fixture
def term(two_classes: ClassTable, counted: Callable[..., Any]) -> Callable[..., nn.Module]:
    """A term by name, with class weights and options."""

    def build(name: str, weights: Any = (1, 1), counts: Any = (1, 1), **options: Any) -> nn.Module:
        ones = np.ones(2, np.float32)
        class_weights = ClassWeights(
            counted(two_classes, counts), np.array(weights, np.float32), ones
        )
        return build_term(TermConfig(name, options=options), class_weights)

    return build


@pytest.fixture
def random_case() -> tuple[Tensor, Tensor]:
    """Logits (2, 4, 6, 7) and labels (2, 6, 7) of all four classes and void."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn((2, 4, 6, 7), generator=generator)
    labels = torch.randint(0, 5, (2, 6, 7), generator=generator)
    return logits, labels.where(labels < 4, 255).to(torch.uint8)


@pytest.fixture
def four_class_weights(counted: Callable[..., Any]) -> ClassWeights:
    """Of four classes a, b, c, d with weights 1, 2, 0.5 and 3."""
    rows = tuple(SegClass(i, name, (0, 0, 0), Role.OTHER) for i, name in enumerate('abcd'))
    return ClassWeights(
        counted(ClassTable('four', rows), [10, 100, 20, 1]),
        np.array([1, 2, 0.5, 3], np.float32),
        np.ones(4, np.float32),
    )


@pytest.fixture
def make_config() -> Callable[..., LossConfig]:
    """A configuration from names of terms."""

    def make(*names: str, **values: Any) -> LossConfig:
        return LossConfig(terms=tuple(TermConfig(name) for name in names), **values)

    return make
