# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a risk means for those who drive: a speed limit, and whether to stop."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite

from seg_perception.core.errors import ParameterError
from seg_perception.core.results import RiskLevel, SafetyRisk
from seg_perception.core.settings import Settings, setting


@dataclass(frozen=True)
class SpeedLimitParams(Settings, name='speed_limit'):
    """The speeds between which limits are given."""

    maximum_mps: float = setting(
        0.0,
        'maximum speed of the vehicle, which no published limit exceeds; 0: the topic speed_limit '
        'is not offered',
        'm/s',
        0,
        100,
    )
    minimum_mps: float = setting(
        0.1, 'lowest limit that is published; the vehicle stops below it', 'm/s', 0.01, 100
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0.0 < self.maximum_mps < self.minimum_mps:
            expected = f'speed_limit.minimum_mps = {self.minimum_mps:g} at least, or 0'
            raise ParameterError('speed_limit.maximum_mps', self.maximum_mps, expected)


@dataclass(frozen=True)
class SpeedLimit:
    """
    A limit that is always a speed, and the stop that it cannot express.

    Nav2 takes a limit of 0 for none, and two of its controllers raise their speed to a limit above
    it: so a limit lies between the minimum and the maximum of the parameters.
    """

    limit_mps: float
    stop: bool
    reason: str  # why to stop, or why the limit is the lowest; empty: neither


def speed_limit(risk: SafetyRisk, params: SpeedLimitParams) -> SpeedLimit:
    """
    The limit of a risk: its suggested speed, the minimum where that is not known.

    Stop where the risk is CRITICAL or UNKNOWN, or the suggested speed below the minimum.
    """
    reason, stop = _reason(risk, params)
    known_mps = risk.suggested_speed_mps if not reason else params.minimum_mps
    return SpeedLimit(min(known_mps, params.maximum_mps or inf), stop, reason)


def _reason(risk: SafetyRisk, params: SpeedLimitParams) -> tuple[str, bool]:
    if risk.level in (RiskLevel.UNKNOWN, RiskLevel.CRITICAL):
        return f'risk {risk.level.name}', True
    speed_mps = risk.suggested_speed_mps
    if not isfinite(speed_mps):
        return 'suggested speed unknown: no calibrated camera sees the road ahead', False
    if speed_mps < params.minimum_mps:
        return f'suggested speed {speed_mps:.2f} m/s', True
    return '', False
