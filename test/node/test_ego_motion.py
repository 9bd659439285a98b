# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from math import inf, nan

import pytest

from seg_perception.core.ego_motion import EgoMotion
from seg_perception.node.ego_motion import Steering
from seg_perception.node.parameters import build, complete

PARAMETER = build(complete({'curvature_per_m': 0.02}))
TOPIC = build(
    complete({'curvature_per_m': 0.02, 'curvature_topic': '/bend', 'curvature_max_age_s': 0.5})
)


def bend(curvature_per_m, fault):
    return EgoMotion(curvature_per_m=curvature_per_m, fault=fault)


def test_parameter_without_a_topic():
    steering = Steering()
    steering.heard(0.3, 10.0)
    assert steering.at(10.0, PARAMETER) == bend(0.02, '')


def test_topic_while_it_is_fresh():
    steering = Steering()
    assert steering.at(9.0, TOPIC) == bend(0.02, 'no curvature on /bend')
    steering.heard(-0.1, 10.0)
    assert steering.at(10.5, TOPIC) == bend(-0.1, '')
    assert steering.at(10.75, TOPIC) == bend(0.02, 'no curvature for 0.8 s on /bend')
    steering.heard(0.2, 11.0)
    assert steering.at(11.0, TOPIC) == bend(0.2, '')


@pytest.mark.parametrize('value', [nan, inf, 0.6, -0.6])
def test_what_no_vehicle_drives_is_not_used(value):
    steering = Steering()
    steering.heard(value, 10.0)
    why = f'curvature {value:g} 1/m on /bend, expected -0.5 to 0.5'
    assert steering.at(10.0, TOPIC) == bend(0.02, why)
