# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import CITYSCAPES_19
from seg_perception.core.errors import ParameterError
from seg_perception.core.results import Scan
from seg_perception.core.scan import ScanParams, free_space_scan

SIZE = (360, 640)
K = np.array([[500.0, 0, 319.5], [0, 500.0, 179.5], [0, 0, 1]])
ROAD, WALL, SKY, CAR = (CITYSCAPES_19.names.index(name) for name in ('road', 'wall', 'sky', 'car'))

PARAMS = ScanParams()


@lru_cache
def camera(**extrinsics: float) -> CameraGeometry:
    """1.5 m up and level: a row v below row 179.5 sees 750 / v metres."""
    return CameraGeometry(
        Calibration.pinhole(K, SIZE), Extrinsics(**{'height_m': 1.5} | extrinsics)
    )


def fitted(geometry: CameraGeometry, labels) -> CameraGeometry:
    """The same camera for labels of any size."""
    if geometry.size == labels.shape:
        return geometry
    return CameraGeometry.of(geometry.image_camera, labels.shape)


def scan(labels, cam=None, params=PARAMS) -> Scan:
    mask = np.where(labels == ROAD, 255, 0).astype(np.uint8)
    cam = fitted(cam or camera(), labels)
    return free_space_scan(mask, labels, CITYSCAPES_19, cam, params)


def street() -> np.ndarray:
    labels = np.full(SIZE, SKY, np.uint8)
    labels[180:] = ROAD
    return labels


def at(found: Scan, angle_rad: float) -> float:
    beam = round((angle_rad - found.angle_min_rad) / found.angle_increment_rad)
    return float(found.ranges_m[beam])


def test_free_road_has_no_return() -> None:
    found = scan(street())
    assert np.isinf(found.ranges_m).all() and found.ranges_m.dtype == np.float32
    # The image reaches atan(319.5 / 500) = 0.5688 rad to either side, nearest 750 / 180 m.
    assert found.angle_min_rad == pytest.approx(-0.57) and len(found.ranges_m) == 115
    assert found.range_min_m == pytest.approx(750 / 180, rel=1e-3) and found.range_max_m == 40.0


def test_a_wall_across_the_road() -> None:
    labels = street()
    labels[100:230] = WALL  # 15 m ahead
    found = scan(labels)
    assert at(found, 0.0) == pytest.approx(15.0, rel=1e-3)
    # 7.5 m to the left of there: hypot(15, 7.5) at 0.4636 rad.
    assert at(found, 0.46) == pytest.approx(16.74, rel=0.01)
    labels[100:230] = CAR
    assert at(scan(labels), 0.0) == pytest.approx(14.4, rel=1e-3), 'its lowest part is 6 cm up'


def test_a_post_is_seen_by_its_beam_alone() -> None:
    labels = street()
    labels[150:230, 200:206] = WALL  # 116.5 px to the left: 0.2288 rad
    found = scan(labels)
    assert at(found, 0.23) == pytest.approx(15.4, rel=0.01)
    assert np.isfinite(found.ranges_m).sum() <= 3


def test_ranges_count_from_the_origin() -> None:
    labels = street()
    labels[100:230] = WALL
    assert at(scan(labels, camera(forward_m=2.0)), 0.0) == pytest.approx(17.0, rel=1e-3)


def test_what_is_not_known_is_nan_on_request() -> None:
    labels = street()
    labels[100:230, 320:] = 255
    found = scan(labels, params=ScanParams(unknown='nan'))
    assert np.isnan(at(found, -0.3)) and at(found, 0.3) == np.inf
    everywhere = np.full(SIZE, 255, np.uint8)
    assert np.isnan(scan(everywhere, params=ScanParams(unknown='nan')).ranges_m).all()


def test_what_is_not_known_is_blocked_where_the_known_ground_ends() -> None:
    labels = street()
    labels[100:230, 320:] = 255  # as a wall 15 m ahead
    found = scan(labels)
    assert at(found, -0.3) == pytest.approx(14.4 / np.cos(0.3), rel=0.01), 'it may be a vehicle'
    assert at(found, 0.3) == np.inf
    everywhere = scan(np.full(SIZE, 255, np.uint8)).ranges_m
    assert everywhere.min() == pytest.approx(750 / 180) and everywhere.max() < 750 / 180 / 0.8
    labels = street()
    labels[:180] = 255  # the ground is known up to the horizon, what is above is not
    assert (scan(labels).ranges_m == np.float32(scan(labels).range_max_m)).all()


def test_beams_between_the_columns_are_as_their_neighbours() -> None:
    labels = street()[::8, ::8]  # 80 columns, 0.014 rad each in the middle
    fine = ScanParams(increment_rad=0.002)
    assert np.isinf(scan(labels, params=fine).ranges_m).all()
    assert np.isnan(scan(labels, params=replace(fine, unknown='nan')).ranges_m).mean() > 0.5
    labels[10:36, :40] = WALL
    found = scan(labels, params=fine)
    assert np.isfinite(
        found.ranges_m[found.angle_min_rad + 0.002 * np.arange(len(found.ranges_m)) > 0.01]
    ).all()


def test_a_hit_beats_unknown_and_free_in_its_beam() -> None:
    labels = street()
    labels[150:230, 300:310], labels[150:230, 310:313] = 255, WALL
    for unknown, wanted_m in (('nan', 15.0), ('blocked', 14.4)):  # of the nearer
        found = scan(labels, params=ScanParams(increment_rad=0.1, unknown=unknown))
        assert at(found, 0.0) == pytest.approx(wanted_m, rel=0.01)


def test_the_lower_edge_is_the_nearest_that_can_be_told() -> None:
    labels = street()
    for label in (WALL, CAR, 255):
        labels[100:] = label
        found = scan(labels)
        assert at(found, 0.0) == pytest.approx(750 / 180)
        # Nav2 drops what is nearer than the least range.
        assert (found.ranges_m >= np.float32(found.range_min_m)).all()


def test_a_camera_that_looks_back() -> None:
    labels = street()
    labels[100:230, :320] = WALL
    found = scan(labels, camera(yaw_rad=3.0))
    # Its left is the vehicle's right: angles go on beyond pi.
    assert found.angle_min_rad == pytest.approx(3.0 - 0.57, abs=0.01)
    assert at(found, 3.2) == pytest.approx(15.0 / np.cos(0.2), rel=0.01)
    assert at(found, 2.8) == np.inf


def test_coarse_images_reach_less_far_and_too_coarse_ones_nowhere() -> None:
    # At 90 rows a pixel covers a tenth of its distance 10.5 rows below the horizon, at 17.9 m, or
    # one row before.
    small = scan(np.zeros((90, 160), np.uint8))
    assert small.range_max_m == pytest.approx(17.1, abs=0.9) and np.isinf(small.ranges_m).all()
    flat = scan(np.zeros((1, 640), np.uint8))
    assert flat.range_max_m == 0.0 and not np.isfinite(flat.ranges_m).any()
    assert not np.isinf(flat.ranges_m).any()


@given(st.integers(0, 2**32), st.floats(-0.1, 0.5), st.floats(-3, 3), st.floats(-2, 2))
def test_any_labels_give_ranges_or_nothing(
    seed: int, pitch: float, yaw: float, forward_m: float
) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 22, (45, 80)).astype(np.uint8)
    labels[rng.random(labels.shape) < rng.random()] = ROAD
    cam = CameraGeometry(Calibration.pinhole(K, SIZE), Extrinsics(1.5, pitch, 0, yaw, forward_m))
    found = scan(labels, cam)
    seen = found.ranges_m[np.isfinite(found.ranges_m)]
    assert (seen > 0).all() and (seen <= found.range_max_m + 1e-3).all()
    assert not np.isnan(found.ranges_m).any() or not found.range_max_m
    told = scan(labels, cam, ScanParams(unknown='nan'))
    assert len(told.ranges_m) == len(found.ranges_m)
    # What is not known blocks, what is known stays as it is or is nearer.
    free = np.isinf(found.ranges_m)
    assert not np.isfinite(told.ranges_m[free]).any()
    hit = np.isfinite(told.ranges_m)
    assert (found.ranges_m[hit] <= told.ranges_m[hit]).all()


def test_ranges_of_parameters() -> None:
    with pytest.raises(
        ParameterError, match=r'scan increment_rad: got 0, expected 0\.001 to 0\.5'
    ):
        ScanParams(increment_rad=0)
