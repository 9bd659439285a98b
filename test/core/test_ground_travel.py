# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from math import isnan

import cv2
import numpy as np
import pytest

from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.camera_motion import CameraMotion, across
from seg_perception.core.ground_travel import GroundTravel

SIZE, HEIGHT_M, GAP_S = (135, 240), 1.5, 0.2
K = np.array([[200.0, 0, 119.5], [0, 200.0, 67.5], [0, 0, 1]])
LENS = Calibration.pinhole(K, SIZE)
GEOMETRY = CameraGeometry(LENS, Extrinsics(HEIGHT_M))
GROUND = np.where(np.isnan(GEOMETRY.ground.x_m), 0, 255).astype(np.uint8)
rng = np.random.default_rng(3)
ASPHALT = cv2.GaussianBlur(rng.uniform(0, 255, (600, 900)).astype(np.float32), (0, 0), 2.0)


def road(place_m: tuple[float, float], heading_rad: float) -> np.ndarray:
    """What the camera sees of a speckled ground from a place, grey (H, W) uint8."""
    x, y = np.nan_to_num(GEOMETRY.ground.x_m), np.nan_to_num(GEOMETRY.ground.y_m)
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    ahead, left = place_m[0] + x * cos - y * sin, place_m[1] + x * sin + y * cos
    columns, rows = (ahead * 20 % 900).astype(np.float32), (left * 20 % 600).astype(np.float32)
    grey = cv2.remap(ASPHALT, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.where(GROUND > 0, grey, 128).astype(np.uint8)


def motion(turn_rad: float) -> CameraMotion:
    """Straight on, along the middle of a turn to the left."""
    direction = np.array([0.0, 0.0, 1.0])
    empty = np.zeros(0)
    turn = np.array([0.0, -turn_rad, 0.0])
    return CameraMotion(turn, direction, across(direction), np.eye(2), empty > 0, empty, 0.1, 9.0)


def drive(speed_mps: float, turn_radps: float, pairs: int = 5) -> tuple[GroundTravel, list[float]]:
    """Pairs of images along a circle, and the distances measured, in metres."""
    travel, found, heading, place = GroundTravel(), [], 0.0, np.zeros(2)
    for index in range(pairs):
        turn, start_s = turn_radps * GAP_S, index * GAP_S
        before = road(tuple(place), heading)
        middle = heading + turn / 2
        place = place + speed_mps * GAP_S * np.array([np.cos(middle), np.sin(middle)])
        heading += turn
        after = road(tuple(place), heading)
        stamps_s = (start_s, start_s + GAP_S)
        found.append(
            HEIGHT_M * travel.measure(before, after, GROUND, motion(turn), LENS, 0.0, stamps_s)
        )
    return travel, found


@pytest.mark.parametrize(('speed_mps', 'turn_radps'), [(6.0, 0.0), (8.0, 0.2), (4.0, -0.15)])
def test_distance_and_curvature_on_a_circle(speed_mps: float, turn_radps: float) -> None:
    travel, found = drive(speed_mps, turn_radps)
    assert found == pytest.approx([speed_mps * GAP_S] * len(found), rel=0.03)
    told = max(0.0, abs(turn_radps) - 0.03) * np.sign(turn_radps)  # without what holds a lane
    curvature_per_m = travel.curvature(1.0) / HEIGHT_M
    assert curvature_per_m == pytest.approx(told / speed_mps, rel=0.04, abs=1e-4)


def test_what_is_not_known_is_not_told() -> None:
    travel, _ = drive(6.0, 0.1, pairs=2)
    assert isnan(travel.curvature(0.4))  # two pairs may both be wrong
    travel, _ = drive(6.0, 0.1)
    assert isnan(travel.curvature(3.0))  # long ago
    plain = np.full(SIZE, 90, np.uint8)
    assert isnan(GroundTravel().measure(plain, plain, GROUND, motion(0.0), LENS, 0.0, (0.0, 0.2)))
    one, other = (rng.integers(0, 255, SIZE).astype(np.uint8) for _ in range(2))
    assert isnan(GroundTravel().measure(one, other, GROUND, motion(0.0), LENS, 0.0, (0.0, 0.2)))
    none = np.zeros(SIZE, np.uint8)
    assert isnan(GroundTravel().measure(one, one, none, motion(0.0), LENS, 0.0, (0.0, 0.2)))
