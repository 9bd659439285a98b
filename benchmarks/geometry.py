# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Drivable area, grid, scan and pitch against the synthetic street's exact truth, and what they cost.

    python -m benchmarks.geometry --seeds 10 --out geometry.json

True masks go in, so every error is the geometry's own. Times are of one thread: milliseconds on
the clock and of the processor, which differ on a busy machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.record import write_record
from benchmarks.street_truth import StreetTruth
from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import CAMVID_11
from seg_perception.core.corridor import Corridor, corridor_shape
from seg_perception.core.drivable import find_drivable
from seg_perception.core.grid import GridParams, drivable_grid
from seg_perception.core.horizon import estimate_pitch
from seg_perception.core.results import DrivableArea, SafetyRisk
from seg_perception.core.risk import assess_risk
from seg_perception.core.scan import free_space_scan
from seg_perception.synthetic.weather import WEATHERS

INDICES = (0, 25, 60)
DEGREE_RAD = 0.0174533
HALF_WIDTH_M = Corridor().vehicle_width_m / 2 + Corridor().margin_m
FAR_M = 40.0  # up to which free distances are compared
EDGE_M = (
    0.1  # where truth changes when the corridor is so much wider, something stands on its edge
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('--seeds', type=int, default=10, help='streets')
    parser.add_argument('--size', type=int, nargs=2, default=(360, 640), help='of the labels')
    parser.add_argument('--out', type=Path)
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    size = int(options.size[0]), int(options.size[1])
    frames = [Frame(seed, index, size) for seed in range(options.seeds) for index in INDICES]
    figures = {
        'labels': size,
        'frames': len(frames),
        'area': area_figures(frames),
        'free_distance': free_figures(frames),
        'pitch_error': band_figures(frames),
        'grid': grid_figures(frames),
        'scan': scan_figures(frames),
        'pitch_from_scene': pitch_figures(frames),
        'ms': cost_figures(frames[:: max(1, len(frames) // 6)]),
    }
    write_record('geometry', figures, options.out)


class Frame:
    """One frame of a street and what is found in it."""

    def __init__(self, seed: int, index: int, size: tuple[int, int]) -> None:
        weather = WEATHERS[seed % len(WEATHERS)]
        self.truth = StreetTruth.of(seed, index, size, weather)
        self.labels = self.truth.frame.labels
        self.sure = np.full(size, 255, np.uint8)
        self.geometry = self.geometry_off(0.0)
        self.area = self.area_of(self.geometry)

    def geometry_off(self, off_rad: float, std_rad: float = 0.009) -> CameraGeometry:
        """The camera with a wrong pitch."""
        seen = self.truth.frame.camera
        extrinsics = Extrinsics(seen.height_m, seen.pitch_rad + off_rad, pitch_std_rad=std_rad)
        return CameraGeometry(
            Calibration.pinhole(seen.K, seen.size), extrinsics, self.labels.shape
        )

    def area_of(self, geometry: CameraGeometry, curvature_per_m: float = 0.0) -> DrivableArea:
        """The drivable area, seen with a camera."""
        path = {'geometry': geometry, 'curvature_per_m': curvature_per_m}
        return find_drivable(self.labels, self.sure, CAMVID_11, **path)

    def free_m(self, wider_m: float = 0.0) -> float:
        """True free distance, from the nearest ground in sight up to 55 m."""
        shape = corridor_shape(Corridor(), self.geometry)
        nearest_m = float(shape.strips.edges_m[0]) if shape.strips else 0.0
        return self.truth.free_m(HALF_WIDTH_M + wider_m, 55.0, nearest_m)

    @property
    def clear_cut(self) -> bool:
        """Whether nothing stands on the edge of the corridor, and the road ends before 40 m."""
        narrow, wide = self.free_m(-EDGE_M), self.free_m(EDGE_M)
        return wide > 0.99 * narrow and self.free_m() <= FAR_M


def area_figures(frames: Sequence[Frame]) -> dict[str, Any]:
    """Intersection over union with the road, and distance of the boundary, in pixels."""
    visible, free, errors = [], [], []
    for frame in frames:
        found = frame.area.mask > 0
        visible.append(_iou(found, frame.truth.visible_road))
        free.append(_iou(found, frame.truth.free_road))
        true = frame.truth.boundary_rows(frame.area.boundary_columns)
        errors.append(np.abs(frame.area.boundary_rows - true))
    every = np.concatenate(errors)
    return {
        'iou_visible_road': _low(visible),
        'iou_road_not_under_vehicles': _low(free),
        'boundary_error_px': {
            'median': _number(np.median(every)),
            'worst_median_of_a_frame': _number(max(np.median(error) for error in errors)),
            'share_within_1': _number(np.mean(every <= 1.0)),
        },
    }


def free_figures(frames: Sequence[Frame]) -> dict[str, Any]:
    """Free distance in the corridor against the street's plan."""
    clear = [frame for frame in frames if frame.clear_cut]
    true = np.array([frame.free_m() for frame in clear])
    errors = np.array([frame.area.free_distance_m for frame in clear]) - true
    allowed = np.maximum(0.03 * true, 0.2)
    return {
        'compared': len(clear),
        'share_within_3_percent_or_0.2_m': _number(np.mean(np.abs(errors) <= allowed)),
        'error_percent': _spread(100 * errors / true),
        'worst_frames': [
            (frame.truth.street.seed, frame.truth.frame.stamp_s, _number(truth), _number(error))
            for frame, truth, error, limit in zip(clear, true, errors, allowed, strict=True)
            if abs(error) > limit
        ],
    }


def band_figures(frames: Sequence[Frame]) -> dict[str, Any]:
    """How often the truth is within the stated 95 % band when the pitch is wrong."""
    rng, clear = np.random.default_rng(0), [frame for frame in frames if frame.clear_cut]
    figures = {
        'off_by_1_degree': [
            _held(frame, off, 0.009) for frame in clear for off in (DEGREE_RAD, -DEGREE_RAD)
        ]
    }
    for name, std in (('off_by_the_usual_std', 0.009), ('off_by_a_std_of_1_degree', DEGREE_RAD)):
        figures[name] = [
            _held(frame, off, std) for frame in clear for off in rng.normal(0, std, 4)
        ]
    return {name: _number(np.mean(held)) for name, held in figures.items()}


def _held(frame: Frame, off_rad: float, std_rad: float) -> bool:
    low, high = frame.area_of(frame.geometry_off(float(off_rad), std_rad)).free_distance_band_m
    return low <= frame.free_m() <= high


def grid_figures(frames: Sequence[Frame]) -> dict[str, Any]:
    """Cells that are free or blocked, against what is there by the street's plan."""
    params, agreed, seen_known, unsafe = GridParams(), [], [], []
    rows, columns = params.shape
    y, x = np.meshgrid(
        (np.arange(rows) + 0.5) * params.resolution_m - params.side_m,
        (np.arange(columns) + 0.5) * params.resolution_m - params.behind_m,
        indexing='ij',
    )
    for frame in frames:
        cells = _grid(frame)
        free = frame.truth.road_at(x, y) & ~frame.truth.occupied_at(x, y)
        seen = frame.truth.ground_seen_at(x.ravel(), y.ravel()).reshape(cells.shape)
        known = cells >= 0
        agreed.append(np.mean(((cells == 0) == free)[known]))
        unsafe.append(np.mean(~free[cells == 0]))
        seen_known.append(np.mean(known[seen]))
    return {
        'agreement_of_known_cells': _low(agreed),
        'share_of_free_cells_that_are_not': _number(np.mean(unsafe)),
        'share_of_seen_cells_that_are_known': _number(np.mean(seen_known)),
    }


def _grid(frame: Frame) -> np.ndarray:
    mask, labels = frame.area.mask, frame.labels
    return drivable_grid(mask, labels, frame.sure, CAMVID_11, frame.geometry).cells


def scan_figures(frames: Sequence[Frame]) -> dict[str, Any]:
    """Ranges against rays through the street's plan."""
    errors, missed = [], []
    for frame in frames:
        scan = free_space_scan(frame.area.mask, frame.labels, CAMVID_11, frame.geometry)
        beams = np.arange(len(scan.ranges_m))
        angles = scan.angle_min_rad + beams * scan.angle_increment_rad
        along = np.arange(scan.range_min_m, scan.range_max_m, 0.05)
        x, y = along * np.cos(angles)[:, None], along * np.sin(angles)[:, None]
        free = frame.truth.road_at(x, y) & ~frame.truth.occupied_at(x, y)
        true = np.where(free.all(axis=1), np.inf, along[free.argmin(axis=1)])
        both = np.isfinite(true) & np.isfinite(scan.ranges_m)
        errors.append(scan.ranges_m[both] / true[both] - 1.0)
        missed.append(np.mean(np.isinf(scan.ranges_m) & (true < 0.95 * scan.range_max_m)))
    every = np.concatenate(errors)
    return {
        'error_percent': _spread(100 * every),
        'share_within_5_percent': _number(np.mean(np.abs(every) <= 0.05)),
        'share_of_beams_free_that_are_not': _number(np.mean(missed)),
    }


def pitch_figures(frames: Sequence[Frame]) -> dict[str, Any]:
    """The pitch from the edges of the road, by a camera that is a degree off."""
    errors, stds = [], []
    for frame in frames:
        geometry = frame.geometry_off(DEGREE_RAD)
        mask = frame.area_of(geometry).mask
        found = estimate_pitch(mask, frame.labels, CAMVID_11, geometry.camera)
        errors.append(found.pitch_rad - frame.truth.frame.camera.pitch_rad)
        stds.append(found.std_rad)
    told = ~np.isnan(errors)
    error, std = np.abs(np.array(errors)[told]), np.array(stds)[told]
    return {
        'answered': _number(np.mean(told)),
        'error_rad': {'median': _number(np.median(error)), 'max': _number(error.max())},
        'within_95_percent_band': _number(np.mean(error <= 1.96 * std)),
    }


def cost_figures(frames: Sequence[Frame]) -> dict[str, Any]:
    """Milliseconds of each part on one thread."""
    bends = cycle(np.arange(-100, 100) * 5e-4)
    parts: dict[str, Callable[[Frame], object]] = {
        'drivable': lambda f: f.area_of(f.geometry),
        'drivable_without_camera': lambda f: find_drivable(f.labels, f.sure, CAMVID_11),
        'drivable_and_risk': lambda f: _risk(f, 0.0),
        'drivable_and_risk_of_a_new_curvature': lambda f: _risk(f, next(bends)),
        'grid': _grid,
        'scan': lambda f: free_space_scan(f.area.mask, f.labels, CAMVID_11, f.geometry),
        'pitch_from_scene': lambda f: estimate_pitch(
            f.area.mask, f.labels, CAMVID_11, f.geometry.camera
        ),
        'corridor_of_a_new_curvature': lambda f: corridor_shape(
            Corridor(), f.geometry, next(bends)
        ),
    }
    return {name: _cost(part, frames) for name, part in parts.items()}


def _risk(frame: Frame, curvature_per_m: float) -> SafetyRisk:
    path = {'geometry': frame.geometry, 'curvature_per_m': curvature_per_m}
    area = frame.area_of(**path)
    return assess_risk(frame.labels, frame.sure, CAMVID_11, area, **path)


def _cost(part: Callable[[Frame], object], frames: Sequence[Frame]) -> dict[str, float]:
    clock, processor = [], []
    for frame in frames:
        part(frame)  # fills what is computed once a camera
        for _ in range(20):
            began, worked = time.perf_counter(), time.thread_time()
            part(frame)
            clock.append((time.perf_counter() - began) * 1e3)
            processor.append((time.thread_time() - worked) * 1e3)
    return {
        'p50': _number(np.median(clock)),
        'p95': _number(np.percentile(clock, 95)),
        'processor_p50': _number(np.median(processor)),
    }


def _iou(found: np.ndarray, true: np.ndarray) -> float:
    return float((found & true).sum() / (found | true).sum())


def _low(values: Sequence[float]) -> dict[str, float]:
    """Mean and the low end of what should be high."""
    return {'mean': _number(np.mean(values)), 'min': _number(min(values))}


def _spread(values: np.ndarray) -> dict[str, float]:
    low, middle, high = np.percentile(values, (5, 50, 95))
    return {'p5': _number(low), 'median': _number(middle), 'p95': _number(high)}


def _number(value: float) -> float:
    return round(float(value), 5)


if __name__ == '__main__':
    main()
