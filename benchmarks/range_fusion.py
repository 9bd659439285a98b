# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Measured range and labelled clouds against exact truth, and what they cost.

    python -m benchmarks.range_fusion --seeds 6 --out range_fusion.json

True labels go in. Hazards and the semantic layer are those of the synthetic street; slopes, kerbs
and holes those of a plain world. Times are of one thread at 1280x720: milliseconds of the
processor, the median and the least of the runs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from std_msgs.msg import Header

from benchmarks.range_truth import ROAD, Box, World, beams, camera_geometry, street_cloud
from benchmarks.record import write_record
from benchmarks.street_truth import StreetTruth
from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import CAMVID_11, UNLABELED, Role
from seg_perception.core.corridor import Corridor
from seg_perception.core.drivable import find_drivable
from seg_perception.core.grid import BLOCKED, FREE, UNKNOWN, GridParams, drivable_grid
from seg_perception.core.labelled_cloud import (
    LabelledView,
    ground_points,
    label_points,
    labelled_image,
)
from seg_perception.core.measured_grid import measured_grid
from seg_perception.core.measured_hazards import HazardRanges
from seg_perception.core.range_image import (
    DepthImage,
    RangeImage,
    points_in_image,
    range_of_depth,
    range_of_points,
)
from seg_perception.core.results import Hazard
from seg_perception.core.risk import assess_risk
from seg_perception.core.terrain import Surface, surface_of
from seg_perception.io.point_cloud import Column, PointCloud, with_columns
from seg_perception.node.cloud_msgs import cloud_msg, labelled_cloud_msg
from seg_perception.synthetic.meshes import VEHICLES
from seg_perception.synthetic.street import StreetObject

SIZE = (360, 640)  # of the labels
INDICES = (0, 25, 60)
DEGREES = (-5, -3, 0, 3, 5)
SOURCES = ('depth', 'lidar')
REACH_M = 20.0
GRID = GridParams()
THINGS = (
    Box('car', (12, 16), (-2.9, -1.1), (0, 1.5)),
    Box('pedestrian', (9, 9.4), (1.5, 2.0), (0, 1.7)),
)
_ZONES_M = np.array([-3, -1, 1, 3]) * Corridor().half_width_m
_GROUND = (Role.DRIVABLE, Role.MARKING, Role.WALKABLE)
_RUNS = 60


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('--seeds', type=int, default=6, help='streets')
    parser.add_argument('--out', type=Path)
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    frames = [Frame(seed, index) for seed in range(options.seeds) for index in INDICES]
    figures = {
        'frames': len(frames),
        'hazard_distance_error_percent': hazard_figures(frames),
        'labelled_points_right': label_figures(),
        'semantic_layer_iou': layer_figures(frames),
        'grid_on_slopes': {degrees: slope_figures(degrees) for degrees in DEGREES},
        'ms': cost_figures(),
    }
    write_record('range_fusion', figures, options.out)


class Frame:
    """One frame of a street, and what depth and LiDAR measure of it."""

    def __init__(self, seed: int, index: int) -> None:
        self.truth = StreetTruth.of(seed, index, SIZE, 'clear')
        frame = self.truth.frame
        seen = frame.camera
        self.labels = frame.labels
        lens = Calibration.pinhole(seen.K, seen.size)
        self.geometry = CameraGeometry(lens, Extrinsics(seen.height_m, seen.pitch_rad))
        self.cloud = street_cloud(frame).astype(np.float32)
        self.surfaces = {
            'depth': self._surface(range_of_depth(DepthImage(frame.depth_m, 1.0), self.geometry)),
            'lidar': self._surface(
                range_of_points(self.cloud, self.geometry, self.labels, CAMVID_11)
            ),
        }

    def _surface(self, ranges: RangeImage) -> Surface:
        return surface_of(ranges, self.labels, CAMVID_11)


def hazard_figures(frames: Sequence[Frame]) -> dict[str, Any]:
    """Distances of vehicles and people against the street's plan, by source."""
    figures = {}
    for source in ('flat', *SOURCES):
        errors = [100 * error for frame in frames for error in _hazard_errors(frame, source)]
        figures[source] = {'hazards': len(errors), **_spread(np.abs(errors))}
    return figures


def _hazard_errors(frame: Frame, source: str) -> Iterator[float]:
    surface, sure = frame.surfaces.get(source), np.full(SIZE, 255, np.uint8)
    labels = surface.corrected if surface else frame.labels
    geometry = frame.geometry
    area = find_drivable(labels, sure, CAMVID_11, geometry=geometry)
    ranges = HazardRanges(surface, CAMVID_11, Corridor(), geometry) if surface else None
    risk = assess_risk(labels, sure, CAMVID_11, area, geometry=geometry, ranges=ranges)
    for hazard in risk.hazards:
        truth = _true_distance(hazard, frame.truth.frame.objects)
        if truth is not None and 4.0 < truth < 40.0:
            yield hazard.distance_m / truth - 1.0


def _true_distance(hazard: Hazard, things: Sequence[StreetObject]) -> float | None:
    """The near side, within its zone, of what a hazard is; None where that is not clear."""
    if hazard.role not in ('vehicle', 'vulnerable') or abs(hazard.zone) > 1:
        return None
    nearest = []
    for thing in things:
        if thing.kind in VEHICLES or thing.kind in ('person', 'cyclist'):
            x, y = _outline(thing)
            own = np.asarray(2 - np.searchsorted(_ZONES_M, y) == hazard.zone)
            if own.mean() > 0.2 and x.min() > 1.0:
                nearest.append(float(x[own].min()))
    close = [x for x in nearest if abs(x - hazard.distance_m) < 0.15 * x + 1.0]
    return min(close) if len(close) == 1 else None


def _outline(thing: StreetObject) -> tuple[np.ndarray, np.ndarray]:
    """Points around the ground that a thing covers."""
    share = np.linspace(-0.5, 0.5, 21)
    half = np.full_like(share, 0.5)
    along = np.concatenate([share, share, half, -half]) * thing.length_m
    across = np.concatenate([half, -half, share, share]) * thing.width_m
    if thing.kind not in VEHICLES:
        along = along * 0.1  # people and cyclists are flat
    cos, sin = np.cos(thing.yaw_rad), np.sin(thing.yaw_rad)
    return (
        thing.x_forward_m + along * cos - across * sin,
        thing.y_left_m + along * sin + across * cos,
    )


def label_figures() -> dict[str, Any]:
    """Share of LiDAR points whose class is right, away from edges, by the place of the LiDAR."""
    geometry, figures = camera_geometry(SIZE), {}
    for name, origin in (('with the camera', (0, 0, 1.5)), ('on the roof', (-1, 0.4, 2.2))):
        right, told, seen = 0, 0, 0
        for degrees in DEGREES:
            world = World.slope(degrees, boxes=THINGS)
            _, labels = world.seen_by(geometry)
            points, truth = world.cloud(np.array(origin, float), beams())
            view = LabelledView(labels, np.full(SIZE, 255, np.uint8), geometry.camera)
            ids, _ = label_points(points, [view], CAMVID_11)
            edges = cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8))
            away = np.zeros(len(ids), bool)
            in_view = points_in_image(points, geometry.camera)
            away[in_view.numbers] = edges.ravel()[in_view.pixels] == 0
            known = away & (ids != UNLABELED)
            right, told = right + int((ids == truth)[known].sum()), told + int(known.sum())
            seen += int(away.sum())
        figures[name] = {'points': seen, 'told': _number(told / seen), 'right': right / told}
    return figures


def layer_figures(frames: Sequence[Frame]) -> dict[str, Any]:
    """IoU of road and other ground in the cells that Nav2's semantic layer would mark."""
    figures = {}
    for source in ('flat', *SOURCES[:1]):
        counts = np.zeros((2, 2), int)
        for frame in frames:
            counts += _layer_counts(frame, frame.surfaces.get(source))
        iou = np.diag(counts) / (counts.sum(0) + counts.sum(1) - np.diag(counts))
        figures[source] = {'cells': int(counts.sum()), 'road': iou[0], 'other': iou[1]}
    return figures


def _layer_counts(frame: Frame, surface: Surface | None) -> np.ndarray:
    """Cells of true (rows) and marked (columns) road and other ground, within 20 m."""
    sure = np.full(SIZE, 255, np.uint8)
    cloud = labelled_image(frame.labels, sure, CAMVID_11, frame.geometry, surface)
    walk = CAMVID_11.names.index('pavement')
    ground = np.isin(cloud.labels, (ROAD, walk)) & np.isfinite(cloud.xyz_m[2])
    x, y, _ = cloud.xyz_m[:, ground]
    near = np.hypot(x, y) < REACH_M
    cells = np.rint(np.stack([x, y], 1)[near] / GRID.resolution_m).astype(int)
    marked = cloud.labels[ground][near] == ROAD
    places, first = np.unique(cells, axis=0, return_index=True)  # the layer keeps the first
    centre = places * GRID.resolution_m
    truth = frame.truth.road_at(centre[:, 0], centre[:, 1])
    return np.histogram2d(~truth, ~marked[first], bins=2, range=((0, 1), (0, 1)))[0].astype(int)


def slope_figures(degrees: float) -> dict[str, Any]:
    """Share of the visible cells within 20 m that are right; unknown ones are wrong."""
    geometry, sure = camera_geometry(SIZE), np.full(SIZE, 255, np.uint8)
    things = (
        Box('car', (12, 16), (-2.9, -1.1), (0, 1.5)),
        Box('pedestrian', (9, 9.4), (1.5, 2.0), (0, 1.7)),
    )
    world = World.slope(degrees, boxes=things)
    depth_m, labels = world.seen_by(geometry)
    points, _ = world.cloud(np.array([0, 0, 1.9]), beams())
    truth, seen = _cell_truth(world, geometry)
    mask = find_drivable(labels, sure, CAMVID_11, geometry=geometry).mask
    cells = {'flat': drivable_grid(mask, labels, sure, CAMVID_11, geometry, GRID).cells}
    for ranges in (
        range_of_depth(DepthImage(depth_m, 1.0), geometry),
        range_of_points(points, geometry, labels, CAMVID_11),
    ):
        surface = surface_of(ranges, labels, CAMVID_11)
        mask = find_drivable(surface.corrected, sure, CAMVID_11, geometry=geometry).mask
        grid = measured_grid(mask, surface.corrected, sure, CAMVID_11, geometry, GRID, surface)
        cells[ranges.source] = grid.cells
    return {
        name: {
            'agreement': _number((own[seen] == truth[seen]).mean()),
            'unknown': _number((own[seen] == UNKNOWN).mean()),
        }
        for name, own in cells.items()
    }


def _cell_truth(world: World, geometry: CameraGeometry) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = GRID.shape
    x, y = np.meshgrid(
        (np.arange(columns) + 0.5) * GRID.resolution_m,
        (np.arange(rows) + 0.5) * GRID.resolution_m - GRID.side_m,
    )
    truth = np.where(np.abs(y) < world.half_road_m, FREE, BLOCKED)
    for box in world.boxes:
        (x0, x1), (y0, y1) = box.x_m, box.y_m
        truth[(x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)] = BLOCKED
    places = np.stack([x.ravel(), y.ravel(), world.ground_z(x.ravel())], 1)
    origin = np.array([0, 0, geometry.camera.extrinsics.height_m])
    seen = np.abs(world.cast(origin, places - origin)[0] - 1) < 0.01
    in_image = np.zeros(len(places), bool)
    in_image[points_in_image(places.astype(np.float32), geometry.camera).numbers] = True
    edge = np.abs(np.abs(y) - world.half_road_m) < GRID.resolution_m
    return truth, (seen & in_image).reshape(x.shape) & ~edge & (np.hypot(x, y) < REACH_M)


def cost_figures() -> dict[str, Any]:
    """What each step takes, of a frame of 1280x720 labelled at 640x360."""
    full = camera_geometry((720, 1280))
    pose = full.image_camera.extrinsics
    geometry = CameraGeometry(full.image_camera.calibration, pose, SIZE)
    world = World.slope(3.0, boxes=(Box('car', (15, 19), (-1, 1), (0, 1.5)),))
    (depth_m, labels_full), (_, labels) = world.seen_by(full), world.seen_by(geometry)
    depth = DepthImage(np.where(depth_m < 60, depth_m * 1000, 0).astype('<u2'), 0.001)
    points, _ = world.cloud(np.array([0, 0, 1.9]), beams(step_rad=np.deg2rad(0.05)))
    points = np.resize(points, (60_000, 3))
    in_view = points, geometry, labels, CAMVID_11
    surface = surface_of(range_of_depth(depth, geometry), labels, CAMVID_11)
    sure = np.full(SIZE, 255, np.uint8)
    view = LabelledView(labels_full, np.full((720, 1280), 255, np.uint8), full.camera)
    columns = tuple(Column(name, 4 * place, 7) for place, name in enumerate('xyz'))
    data = points.view(np.uint8).reshape(len(points), 12)
    cloud, header = PointCloud(points, data, columns, False), Header()

    def fuse(ranges: RangeImage) -> Surface:
        return surface_of(ranges, labels, CAMVID_11)

    def organised(own: Surface | None) -> None:
        labelled = labelled_image(labels, sure, CAMVID_11, geometry, own)
        labelled_cloud_msg(labelled, header, 0.0)

    def labelled_points() -> None:
        ids, sureness = label_points(points, [view], CAMVID_11)
        cloud_msg(with_columns(cloud, {'class_id': ids, 'probability': sureness}), header)

    ids, sureness = label_points(points, [view], CAMVID_11)

    def filtered_points() -> None:
        kept = ~ground_points(points, ids, CAMVID_11, _GROUND)
        fields = {'class_id': ids, 'probability': sureness}
        cloud_msg(with_columns(cloud, fields, kept), header)

    area = find_drivable(surface.corrected, sure, CAMVID_11, geometry=geometry)
    frame = area.mask, surface.corrected, sure, CAMVID_11, geometry, GRID
    steps: dict[str, Callable[[], Any]] = {
        'depth: range image': lambda: range_of_depth(depth, geometry),
        'depth: fusion': lambda: fuse(range_of_depth(depth, geometry)),
        'cloud of 60000: range image': lambda: range_of_points(*in_view),
        'cloud of 60000: fusion': lambda: fuse(range_of_points(*in_view)),
        'points, by depth': lambda: organised(surface),
        'points, flat ground': lambda: organised(None),
        'points_labelled of 60000': labelled_points,
        'points_filtered of 60000, more': filtered_points,
        'grid, flat': lambda: drivable_grid(*frame),
        'grid, measured': lambda: measured_grid(*frame, surface),
    }
    return {name: _cost(step) for name, step in steps.items()}


def _cost(step: Callable[[], Any]) -> dict[str, float]:
    times = []
    for _ in range(_RUNS):
        start_s = time.process_time()
        step()
        times.append((time.process_time() - start_s) * 1e3)
    return {'median': _number(np.median(times)), 'least': _number(min(times))}


def _spread(values: np.ndarray) -> dict[str, float]:
    places = ('median', 50), ('p90', 90), ('p95', 95), ('largest', 100)
    return {name: _number(np.percentile(values, place)) for name, place in places}


def _number(value: Any) -> float:
    return round(float(value), 4)


if __name__ == '__main__':
    main()
