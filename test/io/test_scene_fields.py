# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every field of the messages is said, read from the .msg files; a missing one is an error."""

from __future__ import annotations

import re
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seg_perception.core.errors import MessageError
from seg_perception.core.results import (
    BoundaryFlag,
    DrivableArea,
    RiskFactor,
    RiskLevel,
    SafetyRisk,
    SceneRecord,
    SceneStatus,
)
from seg_perception.io.cdr_messages import header, scene_message
from seg_perception.io.scene_fields import Origin, scene_fields, unknown_scene_fields

MESSAGES = Path(__file__).parents[2] / 'seg_perception_msgs' / 'msg'
ORIGIN = Origin('front', 'tiny', 'base_link')
HEAD = header(5_000_000_007, 'front_optical')


def fields_of(message: str) -> list[str]:
    """The names of the fields that a .msg file declares, without constants."""
    text = (MESSAGES / f'{message}.msg').read_text(encoding='utf-8')
    return re.findall(r'^[\w/]+(?:\[\])?\s+([a-z]\w*)\s*(?:#.*)?$', text, re.MULTILINE)


def values() -> dict[str, Any]:
    mask = np.zeros((4, 6), np.uint8)
    row = np.zeros(2, np.int32)
    area = DrivableArea(mask, 0.5, 0.25, row, row, 0.75)
    risk = SafetyRisk(62.5, RiskLevel.MODERATE, (RiskFactor('vehicles', 0.5, 0.25, 'near'),))
    return scene_fields(SceneRecord(mask, mask, area, risk, {'resize': 1.5}), ORIGIN, 21.5)


def part(scene: dict[str, Any], message: str) -> dict[str, Any]:
    """The values of one message of a scene."""
    risk = scene['safety_risk']
    return {
        'RoadScene': scene,
        'DrivableArea': scene['drivable_area'],
        'SafetyRisk': risk,
        'RiskFactor': risk['factors'][0],
    }[message]


FIELDS = [
    (message, field)
    for message in ('RoadScene', 'DrivableArea', 'SafetyRisk', 'RiskFactor')
    for field in fields_of(message)
    if field != 'header'
]


def test_the_files_are_read() -> None:
    assert len(FIELDS) == 13 + 15 + 10 + 4
    assert ('DrivableArea', 'boundary_flags') in FIELDS


@pytest.mark.parametrize(('message', 'field'), FIELDS)
def test_a_missing_or_renamed_field_is_an_error(message: str, field: str) -> None:
    assert scene_message(values(), HEAD)
    scene = values()
    value = part(scene, message).pop(field)
    with pytest.raises(MessageError, match=rf'{message}: .*no value for .*{field}'):
        scene_message(scene, HEAD)
    part_of = part(values(), message) | {f'{field}_new': value}
    other = values()
    part(other, message).update(part_of)
    with pytest.raises(MessageError, match=rf'{message}: .*without a field .*{field}_new'):
        scene_message(other, HEAD)


def test_the_flags_of_the_boundary_are_those_of_the_message() -> None:
    text = (MESSAGES / 'DrivableArea.msg').read_text(encoding='utf-8')
    constants = re.findall(r'^uint8 (\w+)=(\d)', text, re.MULTILINE)
    assert [(flag.name, str(int(flag))) for flag in BoundaryFlag] == constants


@pytest.mark.parametrize('status', [SceneStatus.STALE, SceneStatus.INVALID])
def test_nothing_is_known_and_nothing_is_zero(status: SceneStatus) -> None:
    scene = unknown_scene_fields(ORIGIN, status, 'gone')
    assert scene.keys() == values().keys() and scene['status'] == int(status)
    area, risk = scene['drivable_area'], scene['safety_risk']
    assert all(isnan(value) for value in area.values() if isinstance(value, float))
    assert sum(isinstance(value, float) for value in area.values()) == 10
    assert isnan(risk['score']) and risk['level'] == 0 and risk['factors'] == []
