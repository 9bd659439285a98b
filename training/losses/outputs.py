# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a network and its side heads give in training."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Outputs:
    """Logits (N, C, h, w), auxiliary ones of any size, and those of the side heads by name."""

    logits: Tensor
    aux: tuple[Tensor, ...] = ()
    side: dict[str, Tensor] = field(default_factory=dict)
