# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The terms by name, and their options checked."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, get_type_hints

from torch import nn

from training.config import TermConfig
from training.errors import ConfigError, near
from training.losses.cross_entropy import CrossEntropy, EdgeCrossEntropy
from training.losses.focal import Focal, ObjectWeightedFocal
from training.losses.ohem import Ohem
from training.losses.overlap import Dice, ForegroundIou, Jaccard
from training.losses.priors import ClassPriors

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
"""Each takes the priors and its options, and scores a ``Scored``."""

RANGES: dict[str, tuple[float, float]] = {
    'gamma': (0, 10),
    'offset': (1.001, 10),
    'threshold': (0.001, 1),
    'min_kept': (1e-6, 1),
    'smooth': (0, 1e6),
    'radius_px': (1, 64),
}
KINDS: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), 'true or false'),
    int: ((int,), 'a whole number'),
    float: ((int, float), 'a number'),
    tuple[str, ...]: ((list, tuple), 'a list of names'),
}


def build_term(config: TermConfig, priors: ClassPriors) -> nn.Module:
    """
    The term of that name with its options.

    :raises ConfigError: when there is no such term or option, or a value cannot be.
    """
    if config.name not in TERMS:
        raise ConfigError(
            'loss term', repr(config.name), ', '.join(TERMS), near(config.name, TERMS)
        )
    if not 0 < config.weight < float('inf'):
        raise ConfigError(f'weight of loss term {config.name}', config.weight, 'more than 0')
    _check_options(config.name, config.options)
    return TERMS[config.name](priors, **config.options)


def _check_options(name: str, options: Mapping[str, Any]) -> None:
    hints = get_type_hints(TERMS[name].__init__)
    known = list(inspect.signature(TERMS[name]).parameters)[1:]
    for key, value in options.items():
        if key not in known:
            raise ConfigError(
                f'option of loss term {name}', repr(key), ', '.join(known), near(key, known)
            )
        kinds, words = KINDS[hints[key]]
        low, high = RANGES.get(key, (float('-inf'), float('inf')))
        thing = f'option {key} of loss term {name}'
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise ConfigError(thing, repr(value), words)
        if key in RANGES and not low <= value <= high:
            raise ConfigError(thing, value, f'{low:g} to {high:g}')
