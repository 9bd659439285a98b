# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Networks by name. Each takes a normalised (N, 3, H, W) image and gives logits at 1/8."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from training.errors import ConfigError, near
from training.models.ddrnet import DDRNet

NETWORKS: dict[str, Callable[..., nn.Module]] = {'ddrnet': DDRNet}


def build_model(name: str, num_classes: int, planes: int) -> nn.Module:
    """
    The network of that name with fresh weights.

    :raises ConfigError: when there is no such network.
    """
    if name not in NETWORKS:
        raise ConfigError('model.name', repr(name), ', '.join(NETWORKS), near(name, NETWORKS))
    return NETWORKS[name](num_classes, planes=planes)
