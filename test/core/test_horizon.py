# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from math import isnan

import numpy as np
import pytest

from seg_perception.core.camera import Calibration, Camera, Extrinsics
from seg_perception.core.classes import CITYSCAPES_19
from seg_perception.core.errors import ParameterError
from seg_perception.core.horizon import HorizonParams, estimate_pitch

SIZE = (360, 640)
K = np.array([[500.0, 0, 319.5], [0, 500.0, 179.5], [0, 0, 1]])
ROAD, WALK, CAR, SKY = (
    CITYSCAPES_19.names.index(name) for name in ('road', 'sidewalk', 'car', 'sky')
)


def street(pitch_rad: float, left_m: float = 3.0, right_m: float = -4.0, bend: float = 0.0):
    """
    Labels of a road between two edges that bend alike, on flat ground 1.5 m below the camera.

    A row at slope v below the optical axis sees the ground at h (cos - v sin) / (v cos + sin).
    """
    slope = (np.arange(360) - 179.5) / 500
    fall = slope * np.cos(pitch_rad) + np.sin(pitch_rad)
    depth = 1.5 / np.where(fall > 1e-6, fall, np.nan)
    ahead = depth * (np.cos(pitch_rad) - slope * np.sin(pitch_rad))
    aside = -(np.arange(640) - 319.5)[None] / 500 * depth[:, None] - bend * ahead[:, None] ** 2 / 2
    labels = np.where((aside < left_m) & (aside > right_m), ROAD, WALK).astype(np.uint8)
    labels[np.isnan(depth)] = SKY
    return labels


def estimate(labels, camera_pitch_rad=0.0, **extrinsics):
    cam = Camera(Calibration.pinhole(K, SIZE), Extrinsics(1.5, camera_pitch_rad, **extrinsics))
    mask = np.where(labels == ROAD, 255, 0).astype(np.uint8)
    return estimate_pitch(mask, labels, CITYSCAPES_19, cam)


@pytest.mark.parametrize('true_rad', [-0.02, 0.0, 0.03])
@pytest.mark.parametrize('off_rad', [-0.0175, 0.0, 0.0175])
@pytest.mark.parametrize('bend', [0.0, 0.005, -0.01])
def test_edges_of_a_road_tell_the_pitch(true_rad: float, off_rad: float, bend: float) -> None:
    found = estimate(street(true_rad, bend=bend), true_rad + off_rad)
    assert found.pitch_rad == pytest.approx(true_rad, abs=5e-4)
    # One pixel of 0.002 rad is what is owned up to at least.
    assert 0.002 <= found.std_rad < 0.004
    assert found.horizon_row == pytest.approx(179.5 - 500 * np.tan(true_rad), abs=0.3)


def test_a_yawed_and_shifted_camera_is_accounted_for() -> None:
    found = estimate(street(0.02), 0.03, left_m=0.8, forward_m=1.5)
    assert found.pitch_rad == pytest.approx(0.02, abs=5e-4)


def test_a_wrong_height_or_width_changes_nothing() -> None:
    # Only where the edges meet counts: the same picture of a camera half as high.
    cam = Camera(Calibration.pinhole(K, SIZE), Extrinsics(0.75, 0.03))
    labels = street(0.02)
    mask = np.where(labels == ROAD, 255, 0).astype(np.uint8)
    found = estimate_pitch(mask, labels, CITYSCAPES_19, cam, HorizonParams(reach_m=17.5))
    assert found.pitch_rad == pytest.approx(0.02, abs=5e-4)


def test_parked_cars_are_no_edge_and_a_side_road_no_reason_to_err() -> None:
    labels = street(0.01)
    labels[230:, :200] = CAR
    assert estimate(labels, 0.02).pitch_rad == pytest.approx(0.01, abs=1e-3)
    labels = street(0.01)
    labels[215:228, :320] = ROAD
    assert estimate(labels, 0.02).pitch_rad == pytest.approx(0.01, abs=1e-3)


def test_where_it_cannot_be_told_there_is_no_answer() -> None:
    one_edge = street(0.0, left_m=30.0)
    blocked = street(0.0)
    blocked[:, 320:] = CAR
    widening = street(0.0)
    rng = np.random.default_rng(0)
    for row in range(185, 360):  # edges at random
        widening[row] = WALK
        widening[row, rng.integers(50, 300) : rng.integers(340, 600)] = ROAD
    for labels in (
        one_edge, blocked, widening, np.full(SIZE, ROAD, np.uint8), np.full(SIZE, 255, np.uint8)
    ):  # fmt: skip
        found = estimate(labels)
        assert isnan(found.pitch_rad) and isnan(found.std_rad) and isnan(found.horizon_row)


@pytest.mark.parametrize('size', [(1, 1), (1, 640), (360, 1), (5, 7)])
def test_degenerate_images(size: tuple[int, int]) -> None:
    assert isnan(estimate(np.full(size, ROAD, np.uint8)).pitch_rad)


def test_ranges() -> None:
    with pytest.raises(ParameterError, match='horizon reach_m: got 0, expected 5 to 200'):
        HorizonParams(reach_m=0)
