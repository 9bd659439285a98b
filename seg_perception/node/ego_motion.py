# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The curvature that the ego corridor follows: of a parameter, or of a topic while it is fresh."""

from __future__ import annotations

from math import isfinite

from seg_perception.core.ego_motion import EgoMotion
from seg_perception.node.parameters import CURVATURE_RANGE, NodeParams


class Steering:
    """The last curvature of the topic and when it came, on the steady clock."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None  # replaced as a whole: two threads

    def heard(self, curvature_per_m: float, now_s: float) -> None:
        """Take a curvature; left is positive."""
        self._last = curvature_per_m, now_s

    def at(self, now_s: float, params: NodeParams) -> EgoMotion:
        """The curvature to use, and why it is not the topic's."""
        if not params.curvature_topic:
            return EgoMotion(curvature_per_m=params.curvature_per_m)
        if self._last is None:
            return EgoMotion(
                curvature_per_m=params.curvature_per_m,
                fault=f'no curvature on {params.curvature_topic}',
            )
        curvature_per_m, heard_s = self._last
        if now_s - heard_s > params.curvature_max_age_s:
            age = f'{now_s - heard_s:.1f} s on {params.curvature_topic}'
            return EgoMotion(
                curvature_per_m=params.curvature_per_m, fault=f'no curvature for {age}'
            )
        low, high = CURVATURE_RANGE
        if not isfinite(curvature_per_m) or not low <= curvature_per_m <= high:
            seen = f'{curvature_per_m:g} 1/m on {params.curvature_topic}'
            fault = f'curvature {seen}, expected {low:g} to {high:g}'
            return EgoMotion(curvature_per_m=params.curvature_per_m, fault=fault)
        return EgoMotion(curvature_per_m=curvature_per_m)
