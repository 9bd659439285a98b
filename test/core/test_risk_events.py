# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Some of the scripted events of the benchmark, up to a little after they begin."""

from itertools import islice

import pytest

from benchmarks.events import EVENTS, MODES, drive, geometry_of
from seg_perception.core.camera_geometry import GeometryKeeper
from seg_perception.core.classes import CAMVID_11
from seg_perception.core.drivable import find_drivable
from seg_perception.core.results import RiskLevel
from seg_perception.core.risk import assess_risk
from seg_perception.core.risk_filter import RiskFilter

FIRST, ONSET, END = 24, 30, 33  # frames at 20 Hz; events begin at 1.5 s
LOW, HIGH, CRITICAL = RiskLevel.LOW, RiskLevel.HIGH, RiskLevel.CRITICAL


@pytest.mark.parametrize(
    ('name', 'before', 'after'),
    [
        ('pedestrian steps out 8 m ahead', LOW, CRITICAL),
        ('lens covered', LOW, HIGH),
        ('crowd on the pavement only', LOW, LOW),
    ],
)
def test_event(name, before, after):
    event = next(each for each in EVENTS if each.name == name)
    levels = {mode: [] for mode in MODES}
    memories = {mode: RiskFilter() for mode in MODES}
    keepers = {mode: GeometryKeeper(lambda size: size) for mode in MODES}
    for stamp_s, shot, camera in islice(drive(event), FIRST, END):
        for mode, memory in memories.items():
            used = geometry_of(mode, keepers[mode], camera, shot.labels.shape)
            area = find_drivable(shot.labels, shot.confidence, CAMVID_11, geometry=used)
            raw = assess_risk(
                shot.labels, shot.confidence, CAMVID_11, area, geometry=used, rgb=shot.rgb
            )
            levels[mode].append(memory.update(raw, stamp_s).level)
    expected = [before] * (ONSET - FIRST) + [after] * (END - ONSET)
    assert levels == dict.fromkeys(MODES, expected)
