# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from math import degrees, nan
from pathlib import Path
from typing import Any

import pytest

from seg_perception.core.results import CalibrationState, OnlineCalibration, VanishingPoint
from seg_perception.io.scene_fields import calibration_fields
from seg_perception.report.calibration import CameraSection, over_time, plots_of

SIZE = (200, 400)


def row(time_s: float, pitch_rad: float = nan, **more: Any) -> dict[str, Any]:
    point = VanishingPoint(0.5, 0.4, column_std=0.02, row_std=0.01)
    online = OnlineCalibration(
        CalibrationState.CALIBRATING,
        round(10 * time_s),
        'turning',
        point,
        pitch_rad,
        yaw_rad=pitch_rad / 2,
        pitch_std_rad=0.01,
        yaw_std_rad=0.02,
        **more,
    )
    return {'time_s': time_s, **calibration_fields(online, 'front', SIZE, True)}


def test_angles_are_drawn_in_degrees_with_their_deviation() -> None:
    band, pitch, _, yaw, evidence = over_time([row(1.0, 0.1), row(2.0, 0.2)])['data']
    assert pitch['x'] == [1, 2]
    assert pitch['y'] == pytest.approx([degrees(0.1), degrees(0.2)], abs=1e-3)
    assert pitch['customdata'] == pytest.approx([degrees(0.01)] * 2, abs=1e-3)
    assert yaw['y'] == pytest.approx([degrees(0.05), degrees(0.1)], abs=1e-3)
    upper = [degrees(0.11), degrees(0.21)]
    assert band['y'][:2] == pytest.approx(upper, abs=1e-3) and band['fill'] == 'toself'
    assert (evidence['y'], evidence['yaxis']) == ([10, 20], 'y3')


def test_without_a_lens_the_vanishing_point_is_drawn_in_percent() -> None:
    figure = over_time([row(1.0), row(2.0)])
    _, rows, _, columns, _ = figure['data']
    assert rows['y'] == pytest.approx([40, 40]) and columns['y'] == pytest.approx([50, 50])
    assert rows['customdata'] == pytest.approx([1, 1])
    assert figure['layout']['yaxis']['title']['text'] == 'row, % of height'


def test_a_table_leaves_out_what_is_not_known() -> None:
    facts = row(3.0) | {'state': 'calibrating'}
    section = CameraSection('drive', facts, [], Path('none.jpg'))
    table = {name: value for name, (value,) in section.rows}
    assert table['state'] == 'calibrating, 30 %' and table['reason'] == 'turning'
    assert table['vanishing point, row'] == '79.5 ± 2.0 px'
    assert not [name for name in table if name.startswith(('pitch', 'height', 'own'))]
    assert section.uri == '' and plots_of([section]) == {}
    known = row(3.0, 0.1, height_m=1.4, height_std_m=0.2, height_source='lane width')
    table = dict(CameraSection('drive', known | {'state': 'x'}, [], Path()).rows)
    assert table['height'] == ['1.40 ± 0.20 m'] and table['height from'] == ['lane width']
    assert table['pitch, positive down'] == ['5.73 ± 0.57 °']
