# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Turned cameras see the same ground, and what is said of them comes back where it was."""

from dataclasses import replace
from math import nan, pi

import numpy as np
import pytest

from seg_perception.core.camera import Calibration, Camera, Extrinsics
from seg_perception.core.camera_geometry import GeometryKeeper, Missing
from seg_perception.core.errors import CalibrationError
from seg_perception.core.results import UNKNOWN_RISK, Box, DrivableArea, Hazard, SceneRecord
from seg_perception.core.turning import (
    turn_calibration,
    turn_extrinsics,
    turn_image,
    turn_record,
    turn_size,
    turns_of,
)

SIZE = (360, 640)
K = np.array([[500.0, 0, 310.0], [0, 480.0, 190.0], [0, 0, 1]])
LENSES = {
    'plumb_bob': (-0.25, 0.06, 0.003, -0.002, -0.01),
    'rational_polynomial': (
        0.5,
        0.1,
        0.002,
        -0.001,
        0.01,
        0.8,
        0.2,
        0.05,
        0.01,
        -0.02,
        0.03,
        0.01,
    ),
    'equidistant': (0.05, -0.01, 0.003, -0.001),
}
POSE = Extrinsics(1.5, pitch_rad=0.4, yaw_rad=0.2, forward_m=1.0, left_m=-0.3)


def calibration(model: str) -> Calibration:
    p = np.hstack([K, [[5.0], [7.0], [0.0]]])
    return Calibration(SIZE, K, model, LENSES[model], np.eye(3), p)


def turned_points(points: np.ndarray, turns: int) -> np.ndarray:
    """Where pixels (N, 2) of the image as it came are in the turned one, by turning an image."""
    found = []
    for column, row in points.astype(int):
        image = np.zeros(SIZE, np.uint8)
        image[row, column] = 255
        row, column = np.argwhere(turn_image(image, turns))[0]
        found.append((column, row))
    return np.array(found, float)


@pytest.mark.parametrize('model', LENSES)
@pytest.mark.parametrize('turns', [0, 1, 2, 3])
@pytest.mark.parametrize('off_rad', [-0.1, 0.0, 0.2])
def test_a_turned_camera_sees_the_same_ground(model: str, turns: int, off_rad: float) -> None:
    roll = (turns * pi / 2 + off_rad + pi) % (2 * pi) - pi
    pose = replace(POSE, roll_rad=roll)
    assert turns_of(pose) == turns
    upright = turn_extrinsics(pose, turns)
    assert upright.roll_rad == pytest.approx(off_rad)
    lens = turn_calibration(calibration(model), turns)
    assert lens.size == turn_size(SIZE, turns)
    points = np.array([[320.0, 180.0], [100.0, 250.0], [500.0, 90.0], [330.0, 300.0]])
    expected = Camera(calibration(model), pose).pixel_to_ground(points)
    found = Camera(lens, upright).pixel_to_ground(turned_points(points, turns))
    assert np.isfinite(expected).any()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(
        Camera(lens.rectified(), upright).pixel_to_ground(turned_points(points, turns)),
        Camera(calibration(model).rectified(), pose).pixel_to_ground(points),
        atol=1e-6,
    )


def test_four_turns_are_none() -> None:
    lens = calibration('rational_polynomial')
    again = turn_calibration(turn_calibration(lens, 1), 3)
    np.testing.assert_allclose(again.k, lens.k)
    np.testing.assert_allclose(again.d, lens.d)
    np.testing.assert_allclose(again.p, lens.p)


def test_a_camera_that_looks_down_has_no_upright() -> None:
    assert turns_of(replace(POSE, pitch_rad=1.5, roll_rad=pi)) == 0


def test_a_tilted_sensor_cannot_be_turned() -> None:
    lens = replace(calibration('plumb_bob'), distortion_model='rational_polynomial',
                   d=(*(0.0,) * 12, 0.01, 0.02))  # fmt: skip
    with pytest.raises(CalibrationError, match='tilt'):
        turn_calibration(lens, 1)


@pytest.mark.parametrize('turns', [1, 2, 3])
def test_records_come_back_where_they_were(turns: int) -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 11, (12, 20), np.uint8)
    area = DrivableArea(
        np.where(labels > 5, 255, 0).astype(np.uint8), 0.4, 0.5,
        np.array([2, 7, 18], np.int32), np.array([3, 9, 0], np.int32), 0.9,
        np.array([1, 2, 3], np.uint8), np.array([0, 1, 2], np.uint8), labels,
    )  # fmt: skip
    box = Box(3, 2, 6, 4)
    seen = Hazard('vehicles', 0, 0.5, 0.5, nan, 'car', box=box)
    risk = replace(UNKNOWN_RISK, hazards=(seen,))
    record = SceneRecord(labels, labels, area, risk, {})
    there = turn_record(record, turns)
    np.testing.assert_array_equal(there.labels, np.rot90(labels, -turns))
    for column, row in zip(there.area.boundary_columns, there.area.boundary_rows, strict=True):
        marks = np.zeros_like(labels)
        marks[area.boundary_rows, area.boundary_columns] = 1
        assert np.rot90(marks, -turns)[row, column] == 1
    assert list(there.area.boundary_columns) == sorted(there.area.boundary_columns)
    left, top, width, height = there.risk.hazards[0].box
    inside = np.zeros_like(labels)
    inside[2:6, 3:9] = 1
    assert np.rot90(inside, -turns)[top : top + height, left : left + width].all()
    assert width * height == 24
    back = turn_record(there, -turns)
    assert back.risk.hazards[0].box == box
    for name in ('mask', 'mask_alternative', 'boundary_columns', 'boundary_rows',
                 'boundary_class_ids', 'boundary_flags'):  # fmt: skip
        np.testing.assert_array_equal(getattr(back.area, name), getattr(area, name))


@pytest.mark.parametrize('turns', [0, 1, 2, 3])
@pytest.mark.parametrize('known', [True, False])
def test_views_are_upright_with_metres_and_without(turns: int, known: bool) -> None:
    keeper = GeometryKeeper(lambda size: (size[0] // 2, size[1] // 2))
    pose = replace(POSE, roll_rad=(turns * pi / 2 + pi) % (2 * pi) - pi)
    seen = keeper.view(calibration('plumb_bob') if known else Missing('none'), pose, SIZE)
    assert (seen.camera is not None) == known
    assert seen.geometry.turns == turns
    assert seen.geometry.size == turn_size((180, 320), turns)
    moved = keeper.view(calibration('plumb_bob'), replace(pose, forward_m=2.0), SIZE)
    assert moved.geometry.turns == turns
