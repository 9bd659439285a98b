# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the pipeline says about one frame. Frozen records, shared by every ring."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from math import nan

import numpy as np


class RiskLevel(IntEnum):
    """Level of the safety risk; the numbers are those of ``SafetyRisk.msg``."""

    UNKNOWN = 0
    LOW = 1
    MODERATE = 2
    HIGH = 3
    CRITICAL = 4


@dataclass(frozen=True)
class RiskFactor:
    """One named cause of risk: risk 0..1, weight 0..1, reason in words."""

    name: str
    risk: float
    weight: float
    reason: str


@dataclass(frozen=True)
class SafetyRisk:
    """Safety score 0..100 (100 is safe, NaN when unknown), its level and its factors."""

    score: float
    level: RiskLevel
    factors: tuple[RiskFactor, ...]


UNKNOWN_RISK = SafetyRisk(nan, RiskLevel.UNKNOWN, ())


@dataclass(frozen=True)
class DrivableArea:
    """
    Where the road is free, in the pixels of ``mask``.

    ``boundary_rows`` holds, for each of ``boundary_columns``, the topmost row that is reached
    from the bottom of the image over drivable pixels alone; H when the bottom row is blocked.
    """

    mask: np.ndarray  # (H, W) uint8, 255 where drivable and connected to the ego zone
    image_share: float  # 0..1, share of the image that is drivable and connected
    corridor_share: float  # 0..1, share of the ego corridor that is free
    boundary_columns: np.ndarray  # (K,) int32, pixel columns
    boundary_rows: np.ndarray  # (K,) int32, pixel rows, 0..H
    confidence: float  # 0..1, mean over the mask; 0 when the mask is empty
    free_distance_m: float = nan  # needs calibration
    ground_polygon_m: np.ndarray = field(  # (M, 2) float32 x forward, y left; needs calibration
        default_factory=lambda: np.zeros((0, 2), np.float32)
    )


@dataclass(frozen=True)
class Result:
    """Everything the pipeline says about one frame, at the frame's own size (H, W)."""

    labels: np.ndarray  # (H, W) uint8 class ids, 255 unlabeled
    confidence: np.ndarray  # (H, W) uint8, 0..255 for 0..1
    area: DrivableArea
    risk: SafetyRisk
    stage_ms: dict[str, float]  # resize, inference, drivable, risk, upscale: milliseconds
