# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_perception.core.errors import ParameterError
from seg_perception.core.results import RiskLevel, SafetyRisk
from seg_perception.core.speed_limit import SpeedLimitParams, speed_limit

PARAMS = SpeedLimitParams(maximum_mps=2.0, minimum_mps=0.2)


@pytest.mark.parametrize(
    ('level', 'suggested_mps', 'limit_mps', 'stop', 'reason'),
    [
        (RiskLevel.LOW, 1.5, 1.5, False, ''),
        (RiskLevel.HIGH, 9.0, 2.0, False, ''),
        (RiskLevel.LOW, 0.0, 0.2, True, 'suggested speed 0.00 m/s'),
        (RiskLevel.MODERATE, 0.19, 0.2, True, 'suggested speed 0.19 m/s'),
        (RiskLevel.CRITICAL, 1.5, 0.2, True, 'risk CRITICAL'),
        (RiskLevel.UNKNOWN, nan, 0.2, True, 'risk UNKNOWN'),
        (RiskLevel.LOW, nan, 0.2, False, 'suggested speed unknown: no calibrated camera'),
    ],
)
def test_limits_by_hand(
    level: RiskLevel, suggested_mps: float, limit_mps: float, stop: bool, reason: str
) -> None:
    risk = SafetyRisk(50.0, level, (), suggested_speed_mps=suggested_mps)
    found = speed_limit(risk, PARAMS)
    assert (found.limit_mps, found.stop) == (limit_mps, stop)
    assert found.reason.startswith(reason) and bool(found.reason) == bool(reason)


@given(
    st.sampled_from(RiskLevel),
    st.floats() | st.just(0.0),
    st.just(0.0) | st.floats(0.5, 100),
    st.floats(0.01, 0.5),
)
def test_a_limit_is_never_zero_and_never_above_the_maximum(
    level: RiskLevel, suggested_mps: float, maximum_mps: float, minimum_mps: float
) -> None:
    params = SpeedLimitParams(maximum_mps, minimum_mps)
    risk = SafetyRisk(50.0, level, (), suggested_speed_mps=suggested_mps)
    found = speed_limit(risk, params)
    assert found.limit_mps >= minimum_mps  # also refuses NaN
    assert found.limit_mps <= max(suggested_mps, minimum_mps) or suggested_mps != suggested_mps
    assert not maximum_mps or found.limit_mps <= maximum_mps


def test_a_maximum_below_the_minimum_is_refused() -> None:
    with pytest.raises(ParameterError, match=r'maximum_mps: got 0\.1, expected .* 0\.2 at least'):
        SpeedLimitParams(maximum_mps=0.1, minimum_mps=0.2)
