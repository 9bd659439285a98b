# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Hazards, free distance, grid and scan with measured range, on slopes, against exact truth."""

from functools import cache
from math import inf

import numpy as np
import pytest

from benchmarks.range_truth import Box, World, beams, camera_geometry
from seg_perception.core.classes import CAMVID_11, UNLABELED
from seg_perception.core.corridor import Corridor
from seg_perception.core.drivable import DrivableParams, find_drivable
from seg_perception.core.grid import BLOCKED, FREE, UNKNOWN, GridParams, drivable_grid
from seg_perception.core.measured_grid import measured_grid
from seg_perception.core.measured_hazards import HazardRanges
from seg_perception.core.measured_path import along_path, measured_area
from seg_perception.core.range_image import (
    DepthImage,
    merged,
    points_in_image,
    range_of_depth,
    range_of_points,
)
from seg_perception.core.results import DistanceSource, DrivableArea, Hazard
from seg_perception.core.risk import assess_risk
from seg_perception.core.scan import free_space_scan
from seg_perception.core.terrain import Surface, surface_of

GEOMETRY = camera_geometry()
SURE = np.full(GEOMETRY.size, 255, np.uint8)
GRID = GridParams()
SOURCES = {'depth': DistanceSource.DEPTH, 'lidar': DistanceSource.LIDAR}
TOLERANCE = {'depth': 0.02, 'lidar': 0.03}


@cache
def seen_in(world: World) -> tuple[np.ndarray, np.ndarray]:
    return world.seen_by(GEOMETRY)


def measure(world: World, source: str, nothing_beyond_m: float = inf) -> Surface:
    depth_m, labels = seen_in(world)
    if source == 'depth':
        depth_m = np.where(depth_m < nothing_beyond_m, depth_m, 0)
        ranges = range_of_depth(DepthImage(depth_m, 1.0), GEOMETRY)
    else:
        points, _ = world.cloud(np.array([0.0, 0.0, 1.9]), beams())
        ranges = range_of_points(points, GEOMETRY, labels, CAMVID_11)
    return surface_of(ranges, labels, CAMVID_11)


def area_of(surface: Surface) -> DrivableArea:
    area = find_drivable(surface.corrected, SURE, CAMVID_11, geometry=GEOMETRY)
    return measured_area(area, surface, CAMVID_11, geometry=GEOMETRY)


def hazards_of(surface: Surface, area: DrivableArea) -> list[Hazard]:
    ranges = HazardRanges(surface, CAMVID_11, Corridor(), GEOMETRY)
    risk = assess_risk(surface.corrected, SURE, CAMVID_11, area, geometry=GEOMETRY, ranges=ranges)
    return [hazard for hazard in risk.hazards if hazard.zone == 0]


@pytest.mark.parametrize('source', SOURCES)
@pytest.mark.parametrize(('degrees', 'away_m'), [(-5, 15.0), (0, 8.0), (3, 40.0), (5, 25.0)])
def test_hazards_are_where_they_are_measured(away_m, degrees, source):
    """Uphill the image of flat ground has them above its horizon, and misses them."""
    car = Box('car', (away_m, away_m + 4), (-0.9, 0.9), (0, 1.5))
    surface = measure(World.slope(degrees, boxes=(car,)), source)
    area = area_of(surface)
    hazards = hazards_of(surface, area)
    assert [hazard.who for hazard in hazards] == ['car']
    hazard = hazards[0]
    assert hazard.distance_m == pytest.approx(away_m, rel=TOLERANCE[source])
    assert hazard.position_m == pytest.approx((away_m, 0.0), rel=0.03, abs=0.2)
    assert hazard.distance_source is SOURCES[source] and 0 < hazard.distance_std_m < 0.5
    if source == 'depth':
        assert area.free_distance_m == pytest.approx(away_m, rel=0.02)
        low, high = area.free_distance_band_m
        assert low < away_m < high


def test_a_person_beside_the_path_is_measured():
    person = Box('pedestrian', (10, 10.3), (2.0, 2.5), (0, 1.7))
    surface = measure(World.slope(4.0, boxes=(person,)), 'depth')
    ranges = HazardRanges(surface, CAMVID_11, Corridor(), GEOMETRY)
    risk = assess_risk(
        surface.corrected, SURE, CAMVID_11, area_of(surface), geometry=GEOMETRY, ranges=ranges
    )
    (seen,) = (hazard for hazard in risk.hazards if hazard.who == 'pedestrian')
    assert seen.zone == -1 and seen.distance_m == pytest.approx(10.0, abs=0.1)
    assert seen.bearing_rad == pytest.approx(np.arctan2(2.25, 10.0), abs=0.03)


def test_a_lidar_fills_the_gaps_of_depth():
    """A depth camera of 10 m, and a LiDAR beyond."""
    near = Box('pedestrian', (8, 8.3), (1.5, 2.0), (0, 1.7))
    world = World(boxes=(Box('car', (25, 29), (-0.9, 0.9), (0, 1.5)), near))
    depth, lidar = (
        measure(world, source, nothing_beyond_m=10.0).ranges for source in ('depth', 'lidar')
    )
    surface = surface_of(merged(depth, lidar), seen_in(world)[1], CAMVID_11)
    ranges = HazardRanges(surface, CAMVID_11, Corridor(), GEOMETRY)
    risk = assess_risk(
        surface.corrected, SURE, CAMVID_11, area_of(surface), geometry=GEOMETRY, ranges=ranges
    )
    seen = {hazard.who: hazard for hazard in risk.hazards}
    assert seen['car'].distance_m == pytest.approx(25.0, rel=0.03)
    assert seen['car'].distance_source is DistanceSource.LIDAR
    assert seen['pedestrian'].distance_m == pytest.approx(8.0, rel=0.02)
    assert seen['pedestrian'].distance_source is DistanceSource.DEPTH


def test_what_is_not_measured_keeps_flat_ground():
    car = Box('car', (15, 19), (-0.9, 0.9), (0, 1.5))
    surface = measure(World(boxes=(car,)), 'depth', nothing_beyond_m=8.0)
    area = area_of(surface)
    flat = find_drivable(surface.labels, SURE, CAMVID_11, geometry=GEOMETRY)
    assert area.free_distance_m == flat.free_distance_m
    (seen,) = hazards_of(surface, area)
    assert seen.distance_source is DistanceSource.FLAT_GROUND


def test_a_kerb_that_is_taken_for_road_ends_the_free_road():
    kerb = Box('road', (9, 9.4), (-3, 3), (0, 0.2))
    surface = measure(World(boxes=(kerb,)), 'depth')
    area = area_of(surface)
    assert area.free_distance_m == pytest.approx(9.0, abs=0.3)
    flat = find_drivable(surface.labels, SURE, CAMVID_11, geometry=GEOMETRY)
    assert flat.free_distance_m > 40


def test_what_hangs_over_the_vehicle_ends_no_road():
    gate = Box('fence', (12, 12.3), (-4, 4), (3.0, 4.0))
    surface = measure(World.slope(-4.0, boxes=(gate,)), 'depth')
    area = area_of(surface)
    assert area.free_distance_m > 20 and hazards_of(surface, area) == []


def test_along_a_bend():
    angle = np.linspace(0.1, 1.2, 5)
    for curvature in (0.05, -0.05):
        x, y = np.sin(angle) / 0.05, (1 - np.cos(angle)) / curvature
        along, aside = along_path(x, y, curvature)
        np.testing.assert_allclose(along, angle / 0.05)
        np.testing.assert_allclose(aside, 0, atol=1e-9)
    assert along_path(np.array(3.0), np.array(1.0), 1e-6)[1] == pytest.approx(1.0, abs=1e-3)


def cell_truth(world: World, reach_m: float) -> tuple[np.ndarray, np.ndarray]:
    """What the cells are, and which of them the camera sees, away from the edge of the road."""
    rows, columns = GRID.shape
    x, y = np.meshgrid(
        (np.arange(columns) + 0.5) * GRID.resolution_m,
        (np.arange(rows) + 0.5) * GRID.resolution_m - GRID.side_m,
    )
    truth = np.where(np.abs(y) < world.half_road_m, FREE, BLOCKED)
    for box in world.boxes:
        inside = (np.abs(x - np.mean(box.x_m)) <= np.ptp(box.x_m) / 2) & (
            np.abs(y - np.mean(box.y_m)) <= np.ptp(box.y_m) / 2
        )
        truth[inside] = BLOCKED
    places = np.stack([x.ravel(), y.ravel(), world.ground_z(x.ravel())], 1)
    origin = np.array([0, 0, GEOMETRY.camera.extrinsics.height_m])
    visible = np.abs(world.cast(origin, places - origin)[0] - 1) < 0.01
    in_image = np.zeros(len(places), bool)
    in_image[points_in_image(places.astype(np.float32), GEOMETRY.camera).numbers] = True
    edge = np.abs(np.abs(y) - world.half_road_m) < GRID.resolution_m
    return truth, (visible & in_image).reshape(x.shape) & ~edge & (np.hypot(x, y) < reach_m)


THINGS = (
    Box('car', (12, 16), (-2.9, -1.1), (0, 1.5)),
    Box('pedestrian', (9, 9.4), (1.5, 2.0), (0, 1.7)),
)


@pytest.mark.parametrize('source', SOURCES)
@pytest.mark.parametrize('degrees', [-5, 0, 5])
def test_the_grid_on_slopes(degrees, source):
    world = World.slope(degrees, boxes=THINGS)
    surface = measure(world, source)
    mask = find_drivable(surface.corrected, SURE, CAMVID_11, geometry=GEOMETRY).mask
    frame = mask, surface.corrected, SURE, CAMVID_11, GEOMETRY, GRID
    cells = measured_grid(*frame, surface).cells
    truth, seen = cell_truth(world, 20.0)
    agreement = (cells[seen] == truth[seen]).mean()
    assert agreement >= 0.95
    if abs(degrees) == 5:
        assert (drivable_grid(*frame).cells[seen] == truth[seen]).mean() < 0.8
    for box in THINGS:  # the near side of each is blocked, what is behind it unknown
        row = round((np.mean(box.y_m) + GRID.side_m) / GRID.resolution_m)
        column = round(box.x_m[0] / GRID.resolution_m)
        assert (cells[row, column - 1 : column + 2] == BLOCKED).any()
        hidden = cells[row, column + 8 : column + 12]
        assert (hidden != FREE).all()


def test_unknown_ground_stays_unknown():
    surface = measure(World(), 'depth')
    nobody = np.full_like(surface.labels, UNLABELED)
    blind = surface_of(surface.ranges, nobody, CAMVID_11)
    mask = np.zeros_like(nobody)
    cells = measured_grid(mask, nobody, SURE, CAMVID_11, GEOMETRY, GRID, blind).cells
    assert (cells == UNKNOWN).all()


@pytest.mark.parametrize('degrees', [-4, 0, 4])
def test_the_scan_ends_where_things_are_measured(degrees):
    world = World.slope(degrees, boxes=(Box('car', (15, 19), (-3, 3), (0, 1.5)),))
    surface = measure(world, 'depth')
    mask = find_drivable(
        surface.corrected, SURE, CAMVID_11, DrivableParams(), geometry=GEOMETRY
    ).mask
    scan = free_space_scan(
        mask, surface.corrected, CAMVID_11, GEOMETRY, measured_m=surface.ranges.xyz_m
    )
    angles = scan.angle_min_rad + np.arange(len(scan.ranges_m)) * scan.angle_increment_rad
    ahead = scan.ranges_m[np.abs(angles) < 0.15] * np.cos(angles[np.abs(angles) < 0.15])
    np.testing.assert_allclose(ahead, 15.0, rtol=0.01)
