# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Self-calibration along a street of textured planes, and on what must not calibrate."""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import nan, pi, radians

import cv2
import numpy as np
import pytest

import canyon
from canyon import Drive, pinhole
from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.classes import CAMVID_11, UNLABELED
from seg_perception.core.results import CalibrationState, OnlineCalibration
from seg_perception.core.self_calibration import SelfCalibrationParams, SelfCalibrator

POSE = Extrinsics(1.4, radians(2.0), radians(-1.0), radians(-3.0))
LENS = pinhole()


def fed(
    calibrator: SelfCalibrator,
    seen: Iterable[tuple[np.ndarray, np.ndarray, float]],
    **odometry: float,
) -> OnlineCalibration:
    for rgb, labels, stamp_s in seen:
        calibrator.update(rgb, 'rgb', labels, CAMVID_11, stamp_s, **odometry)
    return calibrator.online


def driven(
    pose: Extrinsics = POSE,
    seconds: float = 8.0,
    lens: Calibration = LENS,
    start_s: float = 0.0,
    **drive: float,
) -> list[tuple[np.ndarray, np.ndarray, float]]:
    return list(canyon.frames(lens, pose, Drive(**drive), seconds, start_s))


@pytest.fixture(scope='module')
def straight() -> list[tuple[np.ndarray, np.ndarray, float]]:
    return driven(seconds=14.0)


def test_pitch_yaw_and_roll_of_a_calibrated_camera(straight) -> None:
    found = fed(SelfCalibrator(calibration=LENS), straight)
    assert found.state == CalibrationState.CALIBRATED and found.percent == 100
    assert found.reason == ''
    assert abs(found.pitch_rad - POSE.pitch_rad) < radians(0.15)
    assert abs(found.yaw_rad - POSE.yaw_rad) < radians(0.25)
    assert 0 < found.pitch_std_rad < radians(0.3) and 0 < found.yaw_std_rad < radians(0.4)


def test_vanishing_point_without_a_focal_length(straight) -> None:
    found = fed(SelfCalibrator(), straight)
    (column, row), (height, width) = (
        LENS.project(POSE.rotation.T @ [[1.0], [0], [0]])[0],
        LENS.size,
    )
    point = found.vanishing_point
    assert abs(point.column - (column + 0.5) / width) < 0.004
    assert abs(point.row - (row + 0.5) / height) < 0.005
    assert point.column_std < 0.01 and point.row_std < 0.01
    assert np.isnan([found.pitch_rad, found.yaw_rad, found.roll_rad, found.pitch_std_rad]).all()


def test_provisional_estimate_is_there_within_two_seconds(straight) -> None:
    found = fed(SelfCalibrator(calibration=LENS), straight[:10])
    assert found.state == CalibrationState.CALIBRATING and 0 < found.percent < 60
    assert abs(found.pitch_rad - POSE.pitch_rad) < radians(0.6)
    assert found.pitch_std_rad > radians(0.2) and found.yaw_std_rad > radians(0.2)


def test_standing_still_learns_no_more_than_lines_on_the_road_tell(straight) -> None:
    found = fed(SelfCalibrator(calibration=LENS), driven(speed_mps=0.0, seconds=6.0))
    assert (found.percent, found.reason) == (0, 'standing')
    assert found.state == CalibrationState.CALIBRATING
    assert abs(found.pitch_rad - POSE.pitch_rad) < 2 * found.pitch_std_rad < radians(4.0)
    assert abs(found.yaw_rad - POSE.yaw_rad) < 2 * found.yaw_std_rad and found.yaw_std_rad > 0.05
    unlabelled = [(rgb, np.full_like(labels, UNLABELED), t) for rgb, labels, t in straight[:1] * 9]
    found = fed(SelfCalibrator(), [(*seen[:2], i / 3) for i, seen in enumerate(unlabelled)])
    assert (found.state, found.reason) == (CalibrationState.UNCALIBRATED, 'standing')
    calibrator = SelfCalibrator(calibration=LENS)
    before = fed(calibrator, straight)
    after = fed(calibrator, [(*straight[-1][:2], 14.0 + i / 10) for i in range(60)])
    assert (after.pitch_rad, after.yaw_rad) == (before.pitch_rad, before.yaw_rad)


def test_turning_does_not_drift(straight) -> None:
    calibrator = SelfCalibrator(calibration=LENS)
    before = fed(calibrator, straight)
    after = fed(calibrator, driven(yaw_rate_radps=0.15, seconds=3.0, start_s=14.0, wall_m=12.0))
    assert (after.pitch_rad, after.yaw_rad) == (before.pitch_rad, before.yaw_rad)


def test_known_speed_and_yaw_rate_gate(straight) -> None:
    assert fed(SelfCalibrator(), straight[:15], speed_mps=0.3).reason == 'standing'
    assert fed(SelfCalibrator(), straight[:15], yaw_rate_radps=0.3).reason == 'turning'
    assert fed(SelfCalibrator(), straight[:15], speed_mps=nan).reason != 'standing'


def test_remount_is_noticed_and_learned_again(straight) -> None:
    calibrator = SelfCalibrator(calibration=LENS)
    fed(calibrator, straight)
    moved = Extrinsics(1.4, POSE.pitch_rad + radians(2.0), POSE.roll_rad, POSE.yaw_rad)
    states = set()
    for rgb, labels, stamp_s in driven(moved, 20.0, start_s=14.0):
        calibrator.update(rgb, 'rgb', labels, CAMVID_11, stamp_s)
        states.add(calibrator.online.state)
    assert CalibrationState.RECALIBRATING in states
    assert calibrator.online.state == CalibrationState.CALIBRATED
    assert abs(calibrator.online.pitch_rad - moved.pitch_rad) < radians(0.2)


@pytest.mark.parametrize(
    ('yaw', 'word'), [(pi / 2, 'sideways'), (-pi / 2, 'sideways'), (pi, 'backwards')]
)
def test_camera_that_does_not_look_ahead_is_invalid(yaw, word) -> None:
    pose = Extrinsics(1.4, 0.05, 0.0, yaw)
    found = fed(SelfCalibrator(calibration=LENS), driven(pose, 6.0, speed_mps=3.0))
    assert found.state == CalibrationState.INVALID and word in found.reason
    assert found.vanishing_point is None and np.isnan(found.pitch_rad)


def test_flat_images_say_so() -> None:
    grey, labels = np.full((90, 160, 3), 30, np.uint8), np.full((90, 160), 3, np.uint8)
    found = fed(SelfCalibrator(), [(grey, labels, i / 10) for i in range(30)])
    assert (found.state, found.reason) == (CalibrationState.UNCALIBRATED, 'too little texture')


def test_cut_to_another_camera_is_never_mixed(straight) -> None:
    calibrator, other = SelfCalibrator(), Extrinsics(1.4, radians(-2.0), 0.0, radians(3.0))
    fed(calibrator, straight)
    found = fed(calibrator, driven(other, 12.0, start_s=14.0))
    row = LENS.project(other.rotation.T @ [[1.0], [0], [0]])[0, 1]
    assert found.state != CalibrationState.CALIBRATED or (
        abs(found.vanishing_point.row - (row + 0.5) / LENS.size[0]) < 0.01
    )


def test_state_survives_as_json(straight) -> None:
    calibrator = SelfCalibrator(calibration=LENS)
    before = fed(calibrator, straight)
    state = calibrator.state_dict()
    mask = state.pop('ego_mask')
    state = json.loads(json.dumps(state)) | {'ego_mask': mask}
    again = SelfCalibrator(calibration=LENS)
    again.restore(state)
    assert again.online.state == CalibrationState.CALIBRATED
    assert abs(again.online.pitch_rad - before.pitch_rad) < radians(0.05)
    assert abs(again.online.vanishing_point.row - before.vanishing_point.row) < 0.002
    assert again.online.ego_mask is mask
    other_lens = SelfCalibrator(calibration=pinhole(1.0))
    other_lens.restore(state)
    assert other_lens.online.state == CalibrationState.UNCALIBRATED


def test_slow_drive_gives_roll_and_with_the_speed_the_height() -> None:
    slow = driven(speed_mps=4.0, seconds=11.0)
    found = fed(SelfCalibrator(calibration=LENS), slow, speed_mps=4.0)
    assert abs(found.roll_rad - POSE.roll_rad) < radians(0.6)
    assert radians(0.7) < found.roll_std_rad < radians(1.3)
    assert found.height_source == 'speed'
    assert abs(found.height_m - POSE.height_m) < 2.0 * found.height_std_m < 0.3
    given = SelfCalibrationParams(height_m=1.25)
    found = fed(SelfCalibrator(given, LENS), slow[:6])
    assert (found.height_m, found.height_std_m, found.height_source) == (1.25, 0.05, 'parameter')


def test_skipped_frames_change_nothing(straight) -> None:
    calibrator = SelfCalibrator(SelfCalibrationParams(rate_hz=0.5), LENS)
    fed(calibrator, straight[:8])
    said = calibrator.online
    assert fed(calibrator, straight[8:10]) is said


def wiped(rgb: np.ndarray, index: int) -> np.ndarray:
    """A wiper sweeps the image and back."""
    columns, rows = (index * 83) % 480, np.arange(270)
    seen = rgb.copy()
    for row in rows:
        left = int(np.clip(columns + (row - 135) // 2, 0, 450))
        seen[row, left : left + 30] = 15
    return seen


def dark(rgb: np.ndarray, index: int) -> np.ndarray:
    noise = np.random.default_rng(index).normal(0, 4, rgb.shape[:2])
    return np.clip(rgb * 0.15 + noise[..., None], 0, 255).astype(np.uint8)


def wobbling(rgb: np.ndarray, index: int) -> np.ndarray:
    """Rows that are read one after the other while the camera shakes sideways and rolls."""
    columns, rows = np.meshgrid(np.arange(480.0), np.arange(270.0))
    shift = 1.5 * np.sin(0.9 * index + rows / 60.0)
    return cv2.remap(rgb, np.float32(columns + shift), np.float32(rows), cv2.INTER_LINEAR)


@pytest.mark.parametrize('spoil', [wiped, dark, wobbling])
def test_spoiled_images_are_never_confidently_wrong(straight, spoil) -> None:
    seen = [(spoil(rgb, i), labels, t) for i, (rgb, labels, t) in enumerate(straight)]
    found = fed(SelfCalibrator(calibration=LENS), seen)
    if found.vanishing_point is not None:
        assert abs(found.pitch_rad - POSE.pitch_rad) < max(radians(0.3), 2 * found.pitch_std_rad)
        assert abs(found.yaw_rad - POSE.yaw_rad) < max(radians(0.5), 2 * found.yaw_std_rad)


@pytest.mark.parametrize('factor', [0.8, 1.2])
def test_wrong_focal_length_leaves_the_vanishing_point_right(straight, factor) -> None:
    found = fed(SelfCalibrator(calibration=pinhole(0.8 * factor)), straight)
    column, row = LENS.project(POSE.rotation.T @ [[1.0], [0], [0]])[0]
    height, width = LENS.size
    assert abs(found.vanishing_point.column - (column + 0.5) / width) < 0.006
    assert abs(found.vanishing_point.row - (row + 0.5) / height) < 0.008
    # The angles scale with it, as they must: tan(angle) = offset / focal length.
    assert abs(found.pitch_rad * factor - POSE.pitch_rad) < radians(0.2)
