# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Metres against the synthetic street's plan; ``python -m benchmarks.geometry`` does many more."""

from functools import lru_cache

import numpy as np
import pytest

from benchmarks.street_truth import StreetTruth
from seg_perception.core.camera import Calibration, Camera, Extrinsics
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import CAMVID_11
from seg_perception.core.drivable import find_drivable
from seg_perception.core.grid import GridParams, drivable_grid
from seg_perception.core.horizon import estimate_pitch
from seg_perception.core.results import DrivableArea

SIZE = (360, 640)
FRAMES = [(1, 0), (6, 25), (9, 60)]


@lru_cache
def truth(seed: int, index: int) -> StreetTruth:
    return StreetTruth.of(seed, index, SIZE, 'clear')


def camera(of: StreetTruth, off_rad: float = 0.0) -> Camera:
    seen = of.frame.camera
    extrinsics = Extrinsics(seen.height_m, seen.pitch_rad + off_rad)
    return Camera(Calibration.pinhole(seen.K, seen.size), extrinsics)


def area(of: StreetTruth, off_rad: float = 0.0) -> DrivableArea:
    sure = np.full(SIZE, 255, np.uint8)
    geometry = CameraGeometry.of(camera(of, off_rad))
    return find_drivable(of.frame.labels, sure, CAMVID_11, geometry=geometry)


def test_camera_equals_that_of_the_street() -> None:
    of = truth(1, 0)
    ground = np.array([[5.0, 1.0], [20.0, -4.0], [60.0, 8.0]])
    pixels = of.frame.camera.ground_to_pixel(ground)
    np.testing.assert_allclose(camera(of).ground_to_pixel(ground), pixels, atol=1e-9)
    np.testing.assert_allclose(camera(of).pixel_to_ground(pixels), ground, rtol=1e-9)
    assert camera(of).horizon == pytest.approx(of.frame.camera.horizon_row)


@pytest.mark.parametrize(('seed', 'index'), FRAMES)
def test_area_boundary_and_free_distance(seed: int, index: int) -> None:
    of, found = truth(seed, index), area(truth(seed, index))
    road, true = found.mask > 0, of.visible_road
    assert (road & true).sum() / (road | true).sum() >= 0.98
    assert np.median(np.abs(found.boundary_rows - of.boundary_rows(found.boundary_columns))) <= 1
    free_m = of.free_m(1.25, 55.0, 4.5)
    assert 10 < free_m < 40
    assert found.free_distance_m == pytest.approx(free_m, rel=0.03, abs=0.2)


@pytest.mark.parametrize('off_rad', [-0.01745, 0.01745])
@pytest.mark.parametrize(('seed', 'index'), FRAMES)
def test_a_degree_of_pitch_is_within_the_band(seed: int, index: int, off_rad: float) -> None:
    low, high = area(truth(seed, index), off_rad).free_distance_band_m
    assert low <= truth(seed, index).free_m(1.25, 55.0, 4.5) <= high


@pytest.mark.parametrize(('seed', 'index'), FRAMES)
def test_cells(seed: int, index: int) -> None:
    of, params = truth(seed, index), GridParams()
    sure = np.full(SIZE, 255, np.uint8)
    labels = of.frame.labels
    geometry = CameraGeometry.of(camera(of))
    cells = drivable_grid(area(of).mask, labels, sure, CAMVID_11, geometry, params).cells
    y, x = np.meshgrid(np.arange(120) * 0.2 - 11.9, np.arange(200) * 0.2 + 0.1, indexing='ij')
    free = of.road_at(x, y) & ~of.occupied_at(x, y)
    known = cells >= 0
    assert known.sum() > 4000
    assert ((cells == 0) == free)[known].mean() >= 0.98


def test_the_pitch_from_the_street() -> None:
    of = truth(9, 60)
    found = estimate_pitch(area(of, 0.0175).mask, of.frame.labels, CAMVID_11, camera(of, 0.0175))
    assert found.pitch_rad == pytest.approx(of.frame.camera.pitch_rad, abs=1e-3)
