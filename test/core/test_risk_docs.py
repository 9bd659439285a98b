# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The page about the risk states the numbers that the code has."""

from pathlib import Path

import pytest

from benchmarks.events import EVENTS
from seg_perception.core.fusion import FusionParams
from seg_perception.core.results import RiskLevel
from seg_perception.core.risk import RiskParams
from seg_perception.core.settings import items

PAGE = (Path(__file__).parents[2] / 'docs' / 'risk.md').read_text(encoding='utf-8')


@pytest.mark.parametrize(('group', 'record'), [('risk', RiskParams()), ('fusion', FusionParams())])
def test_every_number_with_its_range(group, record):
    for each in items(record):
        if each.path.startswith('corridor.'):
            continue
        row = (
            f'| `{group}.{each.path}` | {each.default:g} | {each.setting.unit} '
            f'| {each.setting.allowed} | {each.setting.description} |'
        )
        assert row in PAGE


def test_every_event_is_in_the_table():
    assert len(EVENTS) == 33 and f'drives {len(EVENTS)} events' in PAGE
    for event in EVENTS:
        asked = 'calm' if event.least is RiskLevel.LOW else event.least.name
        assert f'| {event.name} | {asked} |' in PAGE
