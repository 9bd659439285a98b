# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Measured distances along the path of the vehicle, and what ends the free road."""

from __future__ import annotations

from dataclasses import replace
from math import hypot, inf, isfinite, isnan

import cv2
import numpy as np

from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import ClassTable
from seg_perception.core.corridor import AHEAD, LEFT, RIGHT, corridor_shape
from seg_perception.core.drivable import DrivableParams
from seg_perception.core.free_distance import OWN, area_bits, free_distance
from seg_perception.core.results import DistanceSource, DrivableArea
from seg_perception.core.terrain import Surface

SOURCES = {'depth': DistanceSource.DEPTH, 'lidar': DistanceSource.LIDAR}
NEAR_SHARE = 5
"""Percentile of the distances of a thing: its near side, and not its nearest speck."""

_STD = {'depth': (0.03, 0.01), 'lidar': (0.05, 0.002)}  # metres, and share of the distance
_LEAST_PX = 4  # that end the road
_SLICE_M = 0.5  # of the road, in which enough blocked pixels end it
_EVERY = 2  # pixels and rows that are looked at
_BAND = 1.96  # standard deviations to either side that hold 95 %


def std_m(source: str, distance_m: float) -> float:
    """Standard deviation of a distance that a sensor of range measured."""
    least, share = _STD[source]
    return hypot(least, share * distance_m)


def along_path(
    x_m: np.ndarray, y_m: np.ndarray, curvature_per_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Distances along the path from the origin, and to its left, of places of any shape."""
    if not curvature_per_m:
        return x_m, y_m
    forward, aside = curvature_per_m * x_m, 1.0 - curvature_per_m * y_m
    turned = np.arctan2(forward, aside)
    return turned / curvature_per_m, (1.0 - np.hypot(forward, aside)) / curvature_per_m


def measured_area(
    area: DrivableArea,
    surface: Surface,
    table: ClassTable,
    params: DrivableParams = DrivableParams(),
    *,
    geometry: CameraGeometry,
    curvature_per_m: float = 0.0,
) -> DrivableArea:
    """The area with the free distances that are measured; the rest keeps those of flat ground."""
    strips = corridor_shape(params.corridor, geometry, curvature_per_m).strips
    if strips is None:
        return area
    flags = geometry.with_ego_body(cv2.LUT(surface.corrected, table.lookup(area_bits)), OWN)
    passed = cv2.bitwise_or(area.mask, cv2.inRange(flags & OWN, 1, 255))
    known = np.isfinite(surface.ranges.xyz_m[2]).view(np.uint8) * np.uint8(255)
    blocked = cv2.subtract(cv2.bitwise_and(known, cv2.bitwise_not(passed)), surface.overhead)
    ends = _ends(blocked, surface, geometry, params, curvature_per_m)
    # What is measured is where it is: flat ground tells of the rest alone.
    rest = cv2.bitwise_or(passed, known)
    found = free_distance(strips, rest, flags, geometry.camera, params.clearance_m)
    for name, end in ends.items():
        if end < found[name] or (isnan(found[name]) and isfinite(end)):
            found[name] = end
            if name == 'free_distance_m':
                found |= _spread(end, std_m(surface.ranges.source, end))
    return replace(area, **found)


def _spread(distance_m: float, std: float) -> dict[str, object]:
    band = max(0.0, distance_m - _BAND * std), distance_m + _BAND * std
    return {'free_distance_std_m': std, 'free_distance_band_m': band}


def _ends(
    blocked: np.ndarray,
    surface: Surface,
    geometry: CameraGeometry,
    params: DrivableParams,
    curvature_per_m: float,
) -> dict[str, float]:
    """How far the first measured thing in each strip is, by field; inf where nothing is."""
    chosen = blocked[::_EVERY, ::_EVERY] > 0
    x, y = (plane[::_EVERY, ::_EVERY][chosen] for plane in surface.ranges.xyz_m[:2])
    along, aside = along_path(x, y, curvature_per_m)
    half, reach = params.corridor.half_width_m, params.corridor.reach_m
    inside = (along > 0) & (along < reach) & (np.abs(aside) < 3 * half)
    along, aside = along[inside], aside[inside]
    blocking_px = params.corridor.blocking_m * float(geometry.camera.calibration.k[0, 0])
    strips = {AHEAD: -half, LEFT: half, RIGHT: -3 * half}
    names = {AHEAD: 'free_distance_m', LEFT: 'free_left_m', RIGHT: 'free_right_m'}
    return {
        names[strip]: _first_end(along[(aside >= low) & (aside < low + 2 * half)], blocking_px)
        for strip, low in strips.items()
    }


def _first_end(along_m: np.ndarray, blocking_px: float) -> float:
    """
    Where enough of the blocked pixels (N,) at distances are to end the road; inf: nowhere.

    :param blocking_px: that enough are one metre away.
    """
    slices = (along_m * (1 / _SLICE_M)).astype(np.intp)
    counts = np.bincount(slices)
    middle_m = (np.arange(len(counts)) + 0.5) * _SLICE_M
    full = np.flatnonzero(counts >= np.maximum(_LEAST_PX, blocking_px / middle_m) / _EVERY)
    return float(np.percentile(along_m[slices == full[0]], NEAR_SHARE)) if len(full) else inf
