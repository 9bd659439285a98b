# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Measured range against exact truth: a plain world with slopes, and the synthetic street."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.range_truth import ROAD, Box, World, beams, camera_geometry, street_cloud
from seg_perception.core.camera import Calibration
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import CAMVID_11
from seg_perception.core.errors import CalibrationError
from seg_perception.core.range_image import (
    DepthImage,
    points_in_image,
    range_of_depth,
    range_of_points,
)
from seg_perception.core.terrain import check_ranges, surface_of
from seg_perception.synthetic.street import Street

CAR = CAMVID_11.names.index('car')
FULL = camera_geometry((720, 1280))
SMALL = CameraGeometry(FULL.image_camera.calibration, FULL.image_camera.extrinsics, (360, 640))
HILL = World.slope(5.0, boxes=(Box('car', (15, 19), (-1, 1), (0, 1.5)),))


def millimetres(depth_m: np.ndarray, kind: str = '<u2') -> DepthImage:
    return DepthImage(np.where(depth_m < 60, np.rint(depth_m * 1000), 0).astype(kind), 0.001)


@pytest.mark.parametrize('has_lens', [False, True])
@pytest.mark.parametrize('kind', ['<u2', '>u2', '<f4'])
def test_depth_places_the_pixels(kind, has_lens):
    depth_m, _ = HILL.seen_by(FULL)
    _, labels = HILL.seen_by(SMALL)
    depth = DepthImage(depth_m, 1.0) if kind == '<f4' else millimetres(depth_m, kind)
    lens = FULL.image_camera.calibration if has_lens else None
    x, y, z = range_of_depth(depth, SMALL, lens).xyz_m
    road = (labels == ROAD) & (x < 40)
    assert road.mean() > 0.2
    # The pixels of depth and labels differ by half a pixel: not at the edge of the car.
    assert np.percentile(np.abs(z - HILL.ground_z(x))[road], 99) < 0.002
    assert np.abs(x[(labels == CAR) & (np.abs(y) < 0.9) & (z < 2.4)] - 15).max() < 0.02


def test_a_depth_camera_with_a_lens_of_its_own():
    """It sees half as wide: what it does not show is not measured."""
    k = FULL.image_camera.calibration.k * np.array([[1.0], [1.0], [1.0]])
    k[:2, 2] -= 320, 180
    narrow = Calibration.pinhole(k, (360, 640))
    depth_m = HILL.seen_by(FULL)[0][180:540, 320:960]
    x, _, z = range_of_depth(DepthImage(depth_m, 1.0), SMALL, narrow).xyz_m
    assert np.isnan(x[:, :155]).all() and np.isnan(x[:85]).all()
    assert np.isfinite(x[180:265, 165:475]).all()
    assert np.nanmax(np.abs(z - HILL.ground_z(x))[220:265, 165:475]) < 2.0


def test_depth_of_another_shape_is_refused():
    with pytest.raises(CalibrationError, match='640x480'):
        range_of_depth(DepthImage(np.ones((480, 640), '<u2'), 0.001), SMALL)


@pytest.mark.parametrize('value', [0.0, np.nan, np.inf, -np.inf, -1.0])
def test_what_is_no_range_is_not_measured(value):
    nothing = DepthImage(np.full((360, 640), value, np.float32), 1.0)
    assert range_of_depth(nothing, SMALL).share == 0


def test_a_turned_camera_sees_the_same():
    upright = range_of_depth(DepthImage(HILL.seen_by(FULL)[0], 1.0), SMALL)
    lens, pose = FULL.image_camera.calibration, FULL.image_camera.extrinsics
    turned = CameraGeometry(lens, pose, (360, 640), turns=2)
    upside_down = np.ascontiguousarray(HILL.seen_by(FULL)[0][::-1, ::-1])
    found = range_of_depth(DepthImage(upside_down, 1.0), turned)
    np.testing.assert_allclose(found.xyz_m, upright.xyz_m, atol=1e-5)


@pytest.mark.parametrize('origin', [(0, 0, 1.5), (-0.5, 0.3, 1.9)])
def test_lidar_places_the_pixels(origin):
    _, labels = HILL.seen_by(SMALL)
    points, _ = HILL.cloud(np.array(origin, float), beams())
    x, y, z = range_of_points(points, SMALL, labels, CAMVID_11).xyz_m
    car = (labels == CAR) & (np.abs(y) < 0.8)
    assert car.sum() > 500 and np.abs(x[car] - 15).max() < 0.3
    ground = (labels == ROAD) & np.isfinite(x) & (x < 30)
    assert np.percentile(np.abs(z - HILL.ground_z(x))[ground], 99) < 0.1


@pytest.mark.parametrize('points', [np.zeros((0, 3)), np.full((5, 3), np.nan), [[-5.0, 0, 0]]])
def test_clouds_that_the_camera_does_not_see(points):
    labels = np.full((360, 640), ROAD, np.uint8)
    ranges = range_of_points(np.asarray(points, np.float32), SMALL, labels, CAMVID_11)
    assert ranges.share == 0 and check_ranges(ranges, labels, CAMVID_11) is None
    assert not surface_of(ranges, labels, CAMVID_11).raised.any()


def test_points_behind_the_camera_are_not_in_its_image():
    points = np.array([[10, 0, 1.0], [-10, 0, 1.0], [0, 0, 1.5]], np.float32)
    assert points_in_image(points, SMALL.camera).numbers.tolist() == [0]


def test_a_distorted_lens_sees_points_where_it_shows_them():
    lens = replace(SMALL.camera.calibration, d=(-0.2, 0.05, 0.0, 0.0, 0.0))
    camera = CameraGeometry(lens, SMALL.camera.extrinsics).camera
    places = np.array([[8, 2.0], [12, -3.0]])
    points = np.column_stack([places, np.zeros(2)]).astype(np.float32)
    seen = points_in_image(points, camera)
    expected = np.rint(camera.ground_to_pixel(places)).astype(int)
    assert np.stack(np.divmod(seen.pixels, 640), 1)[:, ::-1].tolist() == expected.tolist()


@pytest.mark.parametrize('seed', [0, 3])
def test_the_street_is_where_its_planes_are(seed):
    frame = Street(seed, (360, 640)).frame(10)
    seen = frame.camera
    geometry = camera_geometry(seen.size, seen.height_m, seen.pitch_rad)
    geometry = CameraGeometry(Calibration.pinhole(seen.K, seen.size), geometry.camera.extrinsics)
    depth = range_of_depth(DepthImage(frame.depth_m, 1.0), geometry)
    lidar = range_of_points(street_cloud(frame), geometry, frame.labels, CAMVID_11)
    road = frame.labels == ROAD
    assert np.nanmax(np.abs(depth.xyz_m[2][road])) < 0.01
    both = np.isfinite(lidar.xyz_m[0]) & road & (depth.xyz_m[0] < 30)
    assert both.sum() > 300
    # A hit is up to half a pixel from the centre: along the ground that grows with the square.
    slack_m = 0.75 * depth.xyz_m[0][both] ** 2 / (seen.height_m * seen.focal_px)
    assert (np.abs(lidar.xyz_m[0] - depth.xyz_m[0])[both] <= slack_m + 0.02).all()
