# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How the own vehicle moves."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan


@dataclass(frozen=True)
class EgoMotion:
    """
    How the vehicle moves at a frame; NaN for what is not known.

    :param speed_mps: along the x axis of the vehicle frame; negative in reverse.
    :param yaw_rate_radps: positive to the left.
    :param curvature_per_m: of the path that the ego corridor follows, positive to the left.
    :param source: of the speed, such as a topic; empty when it is not known.
    :param age_s: of the speed, by arrival.
    :param fault: why the motion is not known as asked for; empty when it is.
    """

    speed_mps: float = nan
    yaw_rate_radps: float = nan
    curvature_per_m: float = 0.0
    source: str = ''
    age_s: float = nan
    fault: str = ''
