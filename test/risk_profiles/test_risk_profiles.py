# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seg_perception.core.errors import ParameterError
from seg_perception.core.fusion import FusionParams
from seg_perception.core.risk_params import RiskParams
from seg_perception.risk_profiles import (
    VEHICLE,
    Rules,
    profile_items,
    profile_names,
    profile_path,
    read_rules,
)


def written(folder: Path, text: str) -> Path:
    path = folder / 'own.yaml'
    path.write_text(text, encoding='utf-8')
    return path


def test_profiles_that_come_with_the_package():
    assert profile_names() == ['default', 'slow_robot']
    for name in profile_names():
        assert isinstance(read_rules(name), Rules)


def test_the_default_profile_is_the_default():
    rules = read_rules()
    assert rules == Rules()
    assert rules.risk == RiskParams() and rules.fusion == FusionParams()


def test_a_partial_profile_keeps_the_rest(tmp_path):
    path = written(tmp_path, 'risk: {vulnerable: {adjacent: 0.6}}')
    hazard = read_rules(path).risk.vulnerable
    assert (hazard.adjacent, hazard.in_path, hazard.fade) == (0.6, 1.0, 0.45)
    assert read_rules(written(tmp_path, '')) == Rules()


def test_changes_win_over_the_profile():
    rules = read_rules('slow_robot', {'risk.near_m': 3, 'corridor.margin_m': 0.5})
    assert (rules.risk.near_m, rules.risk.reaction_s) == (3.0, 0.5)
    assert rules.risk.corridor.margin_m == rules.drivable.corridor.margin_m == 0.5


def test_what_several_groups_read_stands_once():
    rules = read_rules(changes={'clearance_m': 0.2, 'min_confidence': 0.4})
    assert rules.drivable.clearance_m == rules.grid.clearance_m == rules.scan.clearance_m == 0.2
    assert rules.drivable.min_confidence == rules.grid.min_confidence == 0.4
    paths = [item.path for item in profile_items()]
    assert not {path for path in paths if path.endswith(('clearance_m', 'min_confidence'))}
    assert not {path for path in paths if 'risk.corridor' in path or 'drivable.corridor' in path}


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('risk: {near: 3}', r"own\.yaml: 'risk\.near': .*Did you mean risk\.near_m"),
        ('risk: {near_m: 0}', r"own\.yaml: 'risk\.near_m': got 0, expected .*0\.5 to 50"),
        ('risk: {near_m: soon}', r"'risk\.near_m': got 'soon', expected a number"),
        ('risk: 3', r"own\.yaml: 'risk': got 3, expected a group of keys"),
        ('[1]', r'got a list, expected a group of keys'),
        ('risk: {', r'own\.yaml.*expected YAML'),
        ('risk: {high_from: 0.9}', r'expected moderate_from < high_from < critical_from'),
        ('corridor: {margin_m: 1}', r'got 1, expected nothing\. Set it as the parameter corridor'),
        ('clearance_m: 0.1', r'Set it as the parameter clearance_m'),
        ('grid: {clearance_m: 0.1}', r"'grid\.clearance_m': got an unknown name"),
    ],
)
def test_wrong_profiles_are_refused(tmp_path, text, message):
    with pytest.raises(ParameterError, match=message):
        read_rules(written(tmp_path, text))


def test_a_profile_that_is_not_there():
    with pytest.raises(ParameterError, match=r"'slow_robt', expected one of default, slow_robot"):
        profile_path('slow_robt')


def test_every_vehicle_parameter_exists():
    assert not set(VEHICLE) & {item.path for item in profile_items()}
    assert len(profile_items()) + len(VEHICLE) == 93


def test_a_slow_robot_stops_sooner_and_minds_people_at_its_side():
    car, robot = read_rules().risk, read_rules('slow_robot').risk
    speed = 1.5
    stop_m = speed * robot.reaction_s + speed**2 / (2 * robot.braking_mps2)
    assert stop_m <= robot.near_m < car.near_m
    assert robot.vulnerable.adjacent > car.vulnerable.adjacent
    # A person 10 m ahead concerns a car, and hardly this robot.
    far = [(each.near_m / 10.0) ** each.vulnerable.fade for each in (car, robot)]
    assert far[1] < 0.5 * far[0] and np.isfinite(far).all()
