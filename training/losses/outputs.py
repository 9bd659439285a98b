# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a network and all beside it give in training."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Outputs:
    """Logits (N, C, h, w), auxiliary ones of any size, and what else counts, by name."""

    logits: Tensor
    aux: tuple[Tensor, ...] = ()
    side: dict[str, Tensor] = field(default_factory=dict)
