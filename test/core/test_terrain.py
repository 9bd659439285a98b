# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Ground heights, and what contradicts flat ground, in a plain world with exact depth."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.range_truth import ROAD, Box, World, beams, camera_geometry
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import CAMVID_11, UNLABELED
from seg_perception.core.range_image import DepthImage, range_of_depth, range_of_points
from seg_perception.core.terrain import (
    Lattice,
    RangeParams,
    Surface,
    Terrain,
    check_ranges,
    surface_of,
)

GEOMETRY = camera_geometry()
X = np.arange(1.0, 40.0, dtype=np.float32)


def surface(world: World, geometry: CameraGeometry = GEOMETRY, scale: float = 1.0) -> Surface:
    depth_m, labels = world.seen_by(geometry)
    ranges = range_of_depth(DepthImage(depth_m * np.float32(scale), 1.0), geometry)
    return surface_of(ranges, labels, CAMVID_11, geometry.camera.extrinsics.yaw_rad)


@pytest.mark.parametrize('degrees', [-5, -2, 0, 2, 5])
def test_terrain_follows_slopes(degrees):
    world = World.slope(degrees)
    found = surface(world)
    heights = found.terrain.at(X, np.zeros_like(X))
    assert np.nanmax(np.abs(heights - world.ground_z(X))[:20]) < 0.08
    assert not found.raised.any() and not found.overhead.any()


def test_lidar_rings_give_the_slope():
    world = World.slope(5.0)
    points, _ = world.cloud(np.array([0, 0, 1.9]), beams())
    _, labels = world.seen_by(GEOMETRY)
    found = surface_of(range_of_points(points, GEOMETRY, labels, CAMVID_11), labels, CAMVID_11)
    heights = found.terrain.at(X, np.zeros_like(X))
    assert np.nanmax(np.abs(heights - world.ground_z(X))[:20]) < 0.25


# What is labelled as road and is none: a kerb across the road, a hole, a kerb along it.
CONTRADICTIONS = {
    'kerb': Box('road', (8, 8.4), (-2, 2), (0, 0.2)),
    'plank': Box('road', (9, 9.2), (-0.5, 0.5), (0, 0.5)),
}


@pytest.mark.parametrize('degrees', [-4, 0, 4])
@pytest.mark.parametrize('name', CONTRADICTIONS)
def test_steps_that_are_labelled_as_road_are_no_road(name, degrees):
    box = CONTRADICTIONS[name]
    found = surface(World.slope(degrees, boxes=(box,)))
    x, y, z = found.ranges.xyz_m
    there = (np.abs(x - np.mean(box.x_m)) < 0.3) & (np.abs(y) < box.y_m[1] - 0.1)
    higher = there & (z - World.slope(degrees).ground_z(x) > 0.17)
    assert higher.sum() > 50
    assert (found.raised[higher] > 0).mean() > 0.8
    assert (found.corrected[found.raised > 0] == UNLABELED).all()
    elsewhere = (found.raised > 0) & ~(np.abs(x - np.mean(box.x_m)) < 0.6)
    assert elsewhere.sum() < 10


def test_a_hole_in_the_road_is_no_road():
    profile = ((8.0, 0.0), (8.01, -0.3), (11.0, -0.3), (11.01, 0.0))
    found = surface(World(profile))
    bottom = (found.ranges.xyz_m[2] < -0.15) & (np.abs(found.ranges.xyz_m[1]) < 3)
    assert bottom.sum() > 100 and (found.raised[bottom] > 0).mean() > 0.9


def test_a_ramp_is_road():
    found = surface(World(((8.0, 0.0), (11.0, 0.4), (30.0, 0.4))))
    assert (found.raised > 0).sum() < 50


def test_what_hangs_over_the_vehicle_is_told():
    gate = Box('fence', (12, 12.3), (-4, 4), (3.0, 3.5))
    wall = Box('fence', (14, 14.3), (-4, 4), (0.0, 1.5))
    found = surface(World(boxes=(gate, wall)))
    z = found.ranges.xyz_m[2]
    fence = found.labels == CAMVID_11.names.index('fence')
    assert (found.overhead[fence & (z > 3.05)] > 0).all()
    assert not found.overhead[fence & (z < 2.0)].any()


def test_a_low_robot_may_set_its_own_heights():
    depth_m, labels = World(boxes=(Box('road', (6, 6.4), (-1, 1), (0, 0.1)),)).seen_by(GEOMETRY)
    ranges = range_of_depth(DepthImage(depth_m, 1.0), GEOMETRY)
    low = surface_of(ranges, labels, CAMVID_11, params=RangeParams(step_m=0.05))
    assert low.raised.any() and not surface_of(ranges, labels, CAMVID_11).raised.any()


@pytest.mark.parametrize('yaw_rad', [0.0, np.pi / 2, np.pi, -np.pi / 2])
def test_cameras_to_all_sides(yaw_rad):
    pose = replace(GEOMETRY.camera.extrinsics, yaw_rad=yaw_rad)
    geometry = CameraGeometry(GEOMETRY.camera.calibration, pose)
    found = surface(World(boxes=(Box('road', (-90, 90), (-90, 90), (-1, 0.08)),)), geometry)
    ahead = np.array([[np.cos(yaw_rad), np.sin(yaw_rad)]]) * X[8:20, None]
    heights = found.terrain.at(*ahead.T.astype(np.float32))
    assert np.abs(heights - 0.08).max() < 0.01


@pytest.mark.parametrize(
    ('scale', 'is_gross'),
    [(1.0, False), (1.05, False), (1000.0, True), (0.001, True), (0.3, True)],
)
def test_a_wrong_unit_is_noticed(scale, is_gross):
    found = surface(World(), scale=scale)
    check = check_ranges(found.ranges, found.labels, CAMVID_11)
    assert check is not None and check.is_gross is is_gross


def test_ground_tells_pitch_and_height():
    depth_m, labels = World().seen_by(GEOMETRY)
    pose = replace(GEOMETRY.camera.extrinsics, pitch_rad=0.02, height_m=1.4)
    wrong = CameraGeometry(GEOMETRY.camera.calibration, pose)
    ranges = range_of_depth(DepthImage(depth_m, 1.0), wrong)
    check = check_ranges(ranges, labels, CAMVID_11)
    assert check is not None and not check.is_gross
    assert check.pitch_off_rad == pytest.approx(0.03, abs=0.001)
    assert check.height_off_m == pytest.approx(-0.1, abs=0.01)


def test_nothing_is_known_of_ground_that_nobody_labels():
    depth_m, labels = World().seen_by(GEOMETRY)
    ranges = range_of_depth(DepthImage(depth_m, 1.0), GEOMETRY)
    nobody = np.full_like(labels, UNLABELED)
    assert check_ranges(ranges, nobody, CAMVID_11) is None
    assert not surface_of(ranges, nobody, CAMVID_11).raised.any()


def test_terrain_of_many_points_at_once():
    x = np.linspace(-40, 40, 70000, dtype=np.float32)
    terrain = Terrain.of(x, np.zeros_like(x), 0.02 * x, Lattice())
    assert np.nanmax(np.abs(terrain.at(x, np.zeros_like(x)) - 0.02 * x)[np.abs(x) > 4]) < 0.04
    assert ROAD == 3
