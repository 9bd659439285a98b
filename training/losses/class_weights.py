# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Class weights in the loss, from the pixels of each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from seg_perception.core.classes import ClassTable
from training.config import LossConfig
from training.data.label_sets import NO_SETS, LabelSets
from training.data.tables import class_id
from training.errors import ConfigError
from training.stats import ClassStatistics


@dataclass(frozen=True)
class ClassWeights:
    """Statistics of the classes, their weights in the loss, and the boost in those."""

    statistics: ClassStatistics
    weights: np.ndarray  # (C,) float32
    boost: np.ndarray  # (C,) float32
    sets: LabelSets = NO_SETS

    @classmethod
    def of(
        cls, config: LossConfig, statistics: ClassStatistics, sets: LabelSets = NO_SETS
    ) -> ClassWeights:
        """
        Weights by ``class_weights``, times ``boost``.

        :raises ConfigError: when a class to boost is not in the table, or its factor negative.
        """
        boost = _boost(config.boost, statistics.classes)
        weights = statistics.weights(config.class_weights, config.weight_offset)
        return cls(statistics, weights * boost, boost, sets)

    def table(self, is_weighted: bool = True) -> Tensor:
        """
        The weights by label, (256,) float32, or ones; 0 for labels without a class.

        A label that may be several classes weighs as the lightest of them, which it mostly is.
        """
        weights = self.weights if is_weighted else np.ones_like(self.weights)
        return label_table(np.array([*weights, *(weights[list(s)].min() for s in self.sets)]))


class WeightedTerm(nn.Module):
    """A term whose pixels count by ``weights`` of their class, (256,) by label."""

    def __init__(self, class_weights: ClassWeights, weighted: bool = True) -> None:
        super().__init__()
        self.register_buffer('weights', class_weights.table(weighted), persistent=False)


def label_table(values: np.ndarray) -> Tensor:
    """Values (C,) of the classes as a table (256,) float32 by label, 0 for the other labels."""
    table = torch.zeros(256)
    table[: len(values)] = torch.as_tensor(values, dtype=torch.float32)
    return table


def _boost(factors: dict[str, float], classes: ClassTable) -> np.ndarray:
    boost = np.ones(len(classes), np.float32)
    for name, factor in factors.items():
        if not 0 <= factor < np.inf:
            raise ConfigError(f'config key loss.boost.{name}', factor, '0 or more')
        boost[class_id(name, classes, 'config key loss.boost')] = factor
    return boost
