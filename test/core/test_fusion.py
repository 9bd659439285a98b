# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from math import isnan, nan, pi, radians

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_perception.core.camera import Calibration, Camera, Extrinsics
from seg_perception.core.errors import ParameterError
from seg_perception.core.fusion import (
    CameraScene,
    CameraState,
    FusionParams,
    Sector,
    fuse,
    fuse_grids,
    sector_of,
)
from seg_perception.core.results import Grid, RiskFactor, RiskLevel, SafetyRisk

OK, TIMEOUT, INVALID = CameraState
LEVELS = RiskLevel


def risk(score, level, reason='clear', contact_s=nan, speed_mps=nan):
    factors = (
        RiskFactor('vehicles', 1 - score / 100, 0.85, reason),
        RiskFactor('clear_path', 0.1, 0.85, 'free'),
    )
    return SafetyRisk(
        score, level, factors, time_to_contact_s=contact_s, suggested_speed_mps=speed_mps
    )


SAFE = risk(95.0, LEVELS.LOW)
FRONT = CameraScene('front', 10.0, SAFE, sector=Sector(-pi / 4, pi / 4))
REAR = CameraScene('rear', 9.95, risk(40.0, LEVELS.HIGH, 'car near', 2.5, 4.0))


def named(scene, camera):
    return next(status for status in scene.cameras if status.camera == camera)


def test_the_worst_camera_counts():
    scene = fuse([FRONT, REAR])
    assert (scene.risk.score, scene.risk.level) == (40.0, LEVELS.HIGH)
    assert scene.worst_camera == 'rear'
    assert scene.stamp_s == 10.0 and scene.skew_s == pytest.approx(0.05)
    assert scene.complete and scene.grid is None
    reasons = {factor.name: factor.reason for factor in scene.risk.factors}
    assert reasons == {'vehicles': 'rear: car near', 'clear_path': 'front: free'}
    assert (scene.risk.time_to_contact_s, scene.risk.suggested_speed_mps) == (2.5, 4.0)


def test_one_camera_is_its_own_answer():
    scene = fuse([FRONT])
    assert (scene.risk.score, scene.risk.level, scene.worst_camera) == (95.0, LEVELS.LOW, 'front')
    assert scene.coverage_share == pytest.approx(0.25)


@pytest.mark.parametrize(
    ('lost', 'state', 'text', 'age_s'),
    [
        (replace(REAR, stamp_s=9.7), TIMEOUT, '0.30 s behind the newest camera', 0.3),
        (replace(REAR, state=INVALID, text='bad frame'), INVALID, 'bad frame', 0.05),
        (replace(REAR, state=TIMEOUT, text='stale'), TIMEOUT, 'stale', 0.05),
        (CameraScene('rear'), TIMEOUT, 'no answer yet', nan),
    ],
)
def test_a_lost_camera_never_hides(lost, state, text, age_s):
    """Half of the safety that is left: 95 becomes 47.5, which is HIGH."""
    scene = fuse([FRONT, lost])
    status = named(scene, 'rear')
    assert (status.state, status.text, status.level) == (state, text, LEVELS.UNKNOWN)
    assert status.age_s == pytest.approx(age_s, nan_ok=True)
    assert (scene.risk.score, scene.risk.level) == (47.5, LEVELS.HIGH)
    assert scene.risk.factors[-1] == RiskFactor(
        'cameras_lost', 1.0, 0.5, f'camera rear: {state.name}'
    )
    assert not scene.complete and scene.worst_camera == 'front'


def test_without_any_answer_the_risk_is_unknown():
    for scenes in ([], [CameraScene('front')], [replace(FRONT, state=INVALID)]):
        scene = fuse(scenes)
        assert scene.risk.level is LEVELS.UNKNOWN and isnan(scene.risk.score)
        assert isnan(scene.stamp_s) and isnan(scene.skew_s) and isnan(scene.coverage_share)
        assert scene.worst_camera == '' and len(scene.cameras) == len(scenes)


def test_coverage_counts_each_direction_once():
    left = CameraScene('left', 10.0, SAFE, sector=Sector(0.0, pi / 2))
    rear = CameraScene('rear', 10.0, SAFE, sector=Sector(pi * 3 / 4, -pi * 3 / 4))
    assert fuse([FRONT, left]).coverage_share == pytest.approx(135 / 360)
    assert fuse([FRONT, rear]).coverage_share == pytest.approx(0.5)
    lost = replace(rear, state=INVALID)
    assert fuse([FRONT, lost]).coverage_share == pytest.approx(0.25)


def test_a_larger_skew_may_be_allowed():
    late = replace(REAR, stamp_s=9.7)
    assert fuse([FRONT, late], FusionParams(skew_s=0.5)).complete


def grid(*rows, **layout):
    cells = np.array([[{'.': 0, '#': 100, '?': -1}[c] for c in row] for row in rows], np.int8)
    return Grid(cells, **{'resolution_m': 0.5, 'origin_x_m': 0.0, 'origin_y_m': -1.0, **layout})


def test_grids_blocked_wins_and_free_over_unknown():
    one, other = grid('.#?', '?.#'), grid('?.?', '.##')
    fused = fuse_grids([('front', one), ('rear', other)])
    np.testing.assert_array_equal(fused.cells, grid('.#?', '.##').cells)
    assert fused.cells.dtype == np.int8
    assert (fused.resolution_m, fused.origin_x_m, fused.origin_y_m) == (0.5, 0.0, -1.0)


def test_only_live_cameras_are_in_the_grid():
    front = replace(FRONT, grid=grid('.?'))
    rear = replace(REAR, grid=grid('##'))
    assert fuse([front, rear]).grid.cells.tolist() == [[100, 100]]
    assert fuse([front, replace(rear, state=INVALID)]).grid.cells.tolist() == [[0, -1]]


@pytest.mark.parametrize(
    'other', [grid('...'), grid('..', resolution_m=0.4), grid('..', origin_y_m=0.0)]
)
def test_grids_of_other_layouts_are_refused(other):
    message = r"grid of camera 'rear': got \(.*\), expected that of 'front': \(\(1, 2\), 0\.5"
    with pytest.raises(ParameterError, match=message):
        fuse_grids([('front', grid('..')), ('rear', other)])


def camera(yaw_deg, pitch_deg=5.0, focal=320.0):
    k = np.array([[focal, 0, 319.5], [0, focal, 179.5], [0, 0, 1]])
    extrinsics = Extrinsics(1.5, pitch_rad=radians(pitch_deg), yaw_rad=radians(yaw_deg))
    return Camera(Calibration.pinhole(k, (360, 640)), extrinsics)


@pytest.mark.parametrize(
    ('yaw_deg', 'right_deg', 'left_deg'), [(0, -45, 45), (90, 45, 135), (180, 135, -135)]
)
def test_sector_of_a_level_camera_of_90_degrees(yaw_deg, right_deg, left_deg):
    sector = sector_of(camera(yaw_deg, pitch_deg=0.0))
    assert sector.right_rad == pytest.approx(radians(right_deg), abs=0.01)
    assert sector.left_rad == pytest.approx(radians(left_deg), abs=0.01)


def test_four_cameras_see_all_round():
    scenes = [
        CameraScene(str(yaw), 1.0, SAFE, sector=sector_of(camera(yaw)))
        for yaw in (0, 90, 180, 270 - 360)
    ]
    assert fuse(scenes).coverage_share == 1.0


STAMPS = st.one_of(st.floats(0, 20), st.just(nan))
SCENES = st.lists(
    st.builds(
        CameraScene,
        st.sampled_from('abc'),
        STAMPS,
        st.sampled_from([SAFE, REAR.risk, risk(5.0, LEVELS.CRITICAL)]),
        st.sampled_from(CameraState),
    ),
    max_size=4,
)


@given(SCENES, st.integers(0, 3))
def test_losing_a_camera_never_looks_safer_than_the_rest(scenes, number):
    """Nor does it lower the risk of the cameras that stay."""
    before = fuse(scenes)
    assert isnan(before.risk.score) or 0.0 <= before.risk.score <= 100.0
    if number >= len(scenes) or scenes[number].stamp_s == before.stamp_s:
        return
    others = scenes[:number] + scenes[number + 1 :]
    with_lost = [*others, replace(scenes[number], state=INVALID)]
    if not isnan(fuse(others).risk.score):
        assert fuse(with_lost).risk.score <= fuse(others).risk.score
        assert fuse(with_lost).risk.level >= fuse(others).risk.level


def test_ranges():
    with pytest.raises(ParameterError, match=r'fusion skew_s: got -1, expected 0 to 10'):
        FusionParams(skew_s=-1)
