# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The terms by name, and their options checked."""

from __future__ import annotations

from torch import nn

from training.config import TermConfig, as_arguments
from training.errors import ConfigError, check_known
from training.losses.class_weights import ClassWeights
from training.losses.cross_entropy import CrossEntropy, EdgeCrossEntropy, Ohem
from training.losses.focal import Focal, ObjectWeightedFocal
from training.losses.overlap import Dice, ForegroundIou, Jaccard

TERMS: dict[str, type[nn.Module]] = {
    'cross_entropy': CrossEntropy,
    'edge': EdgeCrossEntropy,
    'focal': Focal,
    'owfl': ObjectWeightedFocal,
    'ohem': Ohem,
    'dice': Dice,
    'jaccard': Jaccard,
    'iou': ForegroundIou,
}
"""Each takes the class weights and its options, and turns ``LossInputs`` into a scalar."""


def build_term(config: TermConfig, class_weights: ClassWeights) -> nn.Module:
    """
    The term of that name with its options.

    :raises ConfigError: when there is no such term or option, or a value cannot be.
    """
    check_known('loss term', config.name, TERMS)
    if not 0 < config.weight < float('inf'):
        raise ConfigError(f'weight of loss term {config.name}', config.weight, 'more than 0')
    options = as_arguments(TERMS[config.name], config.options, f'loss.terms, {config.name}')
    return TERMS[config.name](class_weights, **options)
