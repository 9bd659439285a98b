# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The end of the free road as the ranges of a laser scanner, for costmaps and collision monitors.

Every column of the image measures; a beam has the nearest that its columns see, and the scan
reaches no farther than the pixels can tell. What is not known is never free: by default it is an
obstacle where the known ground ends, because Nav2's collision monitor drops NaN and thus takes it
for free.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, nan, pi, tau
from typing import Annotated

import cv2
import numpy as np

from seg_perception.core.boundary import RoadFrame, boundary_of_all_columns
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import UNLABELED, ClassTable, Role
from seg_perception.core.corridor import COARSE_SHARE
from seg_perception.core.drivable import CLEARANCE
from seg_perception.core.free_distance import OWN, area_bits
from seg_perception.core.results import Scan
from seg_perception.core.settings import HIDDEN, Settings, setting

UNKNOWN = ('blocked', 'nan')


@dataclass(frozen=True)
class ScanParams(Settings, name='scan'):
    """Resolution and range of the pseudo scan."""

    increment_rad: float = setting(0.01, 'angle between two beams', 'rad', 0.001, 0.5)
    range_max_m: float = setting(
        40.0, 'maximum range; free space beyond it is reported as infinity', 'm', 1, 500
    )
    unknown: str = setting(
        'blocked',
        'range where the image does not tell what ends the road: blocked: where the known ground '
        "ends; nan: none, which Nav2's collision monitor takes for free",
        choices=UNKNOWN,
    )
    clearance_m: Annotated[float, CLEARANCE, HIDDEN] = 0.06


def free_space_scan(
    mask: np.ndarray,
    labels: np.ndarray,
    table: ClassTable,
    geometry: CameraGeometry,
    params: ScanParams = ScanParams(),
    measured_m: np.ndarray | None = None,
) -> Scan:
    """
    The pseudo scan of a drivable mask (H, W) uint8 and the labels (H, W) uint8 of its frame.

    The horizon and the sky end no road; where labels are missing the range is unknown, and
    ``params.unknown`` says what stands for it. What blocks the lowest row is reported there,
    though it may begin nearer.

    :param measured_m: (3, H, W) places of the pixels in the vehicle frame, NaN where not measured;
        what ends the road is there then.
    """
    fan, extrinsics = geometry.part(_fan, params), geometry.camera.extrinsics
    ranges = np.full(fan.beams, nan, np.float32)
    scan = Scan(fan.first_rad, params.increment_rad, ranges, fan.near_m, fan.far_m)
    if not fan.far_m:
        return scan
    flags = geometry.with_ego_body(cv2.LUT(labels, table.lookup(area_bits)), OWN)
    own = np.asarray(cv2.inRange(flags & OWN, 1, 255))
    named = geometry.with_ego_body(labels, UNLABELED)
    rows, class_ids = boundary_of_all_columns(RoadFrame(mask, own, flags, named))
    ends = table.lookup(_ends)[class_ids]
    blocks = params.unknown == 'blocked'
    low = (ends == _VEHICLE) | ((ends == _UNTOLD) & blocks)  # what is unknown may be a vehicle
    nearer = np.where(low, 1.0 - params.clearance_m / extrinsics.height_m, 1.0)
    below = np.array(extrinsics.ground_point_m)
    places = below + (fan.edges_m[rows, np.arange(len(rows))] - below) * nearer[:, None]
    if measured_m is not None:
        seen = measured_m[:2, np.maximum(rows - 1, 0), np.arange(len(rows))].T
        known = np.isfinite(seen[:, 0]) & (rows > 0)
        places[known] = seen[known]
    away = np.hypot(places[:, 0], places[:, 1])
    near = away <= fan.far_m  # not at and above the horizon
    hit, free = near & (ends <= _VEHICLE), ~near & ((ends != _UNTOLD) | (rows == 0))
    sighted = fan.beams_of >= 0
    ranges[fan.beams_of[free & sighted]] = inf
    unknown = ~hit & ~free & sighted
    ranges[fan.beams_of[unknown]] = nan  # unknown beats free
    beams = fan.beams_of.copy()
    beams[near] = fan.beam_at(places[near])
    inside = (hit | (unknown & blocks)) & (beams >= 0) & (beams < fan.beams)
    found = np.maximum(np.fmin(away[inside], fan.far_m), fan.near_m)  # else readers drop it
    np.fmin.at(ranges, beams[inside], found.astype(np.float32))  # a hit beats both
    return replace(scan, ranges_m=_without_gaps(ranges)) if blocks else scan


def _without_gaps(ranges: np.ndarray) -> np.ndarray:
    """Ranges (N,), those that no column measured the nearer of their neighbours."""
    known = np.flatnonzero(~np.isnan(ranges))
    if not len(known):
        return ranges
    after = np.searchsorted(known, np.arange(len(ranges)))
    left, right = known[np.maximum(after - 1, 0)], known[np.minimum(after, len(known) - 1)]
    return np.where(np.isnan(ranges), np.minimum(ranges[left], ranges[right]), ranges)


_HIT, _VEHICLE, _SKY, _UNTOLD = 0, 1, 2, 3


def _ends(table: ClassTable) -> np.ndarray:
    """Lookup table of what it means when a class ends the road, (256,) uint8."""
    ends = np.full(256, _UNTOLD, np.uint8)
    ends[: len(table)] = _HIT
    ends[table.role_mask(Role.VEHICLE) > 0] = _VEHICLE
    ends[table.role_mask(Role.SKY) > 0] = _SKY
    ends[table.role_mask(Role.OTHER, Role.EGO) > 0] = _UNTOLD
    return ends


@dataclass(frozen=True, eq=False)
class _Fan:
    """Where the columns of an image look on the ground."""

    edges_m: np.ndarray  # (H + 1, W, 2), the ground at the upper edges of pixels; last, the bottom
    beams_of: np.ndarray  # (W,) int, the beam of each column
    yaw_rad: float
    first_rad: float
    increment_rad: float
    beams: int
    near_m: float
    far_m: float  # 0 when no pixel is fine enough

    def beam_at(self, places_m: np.ndarray) -> np.ndarray:
        """The beams of ground points (N, 2)."""
        turns = np.arctan2(places_m[:, 1], places_m[:, 0]) - self.yaw_rad
        aside = (turns + pi) % tau - pi + self.yaw_rad
        return np.asarray(np.rint((aside - self.first_rad) / self.increment_rad), np.int64)


def _fan(geometry: CameraGeometry, params: ScanParams) -> _Fan:
    width, camera = geometry.size[1], geometry.camera
    ground, (x_m, y_m) = geometry.ground, camera.extrinsics.ground_point_m
    trusted = ground.coarse_m <= COARSE_SHARE * np.hypot(ground.x_m - x_m, ground.y_m - y_m)
    places = np.stack([ground.x_m, ground.y_m], axis=-1)
    away = np.where(trusted, np.hypot(ground.x_m, ground.y_m), nan)
    middle = away[:, (width - 1) // 2]
    far = min(params.range_max_m, float(np.nanmax(middle))) if np.isfinite(middle).any() else 0.0
    near = float(np.nanmin(np.hypot(*ground.edges_m.T))) if far else 0.0  # of reported ends
    yaw_rad, step_rad = camera.extrinsics.yaw_rad, params.increment_rad
    fan = _Fan(ground.edges_m, np.full(width, -1), yaw_rad, 0.0, step_rad, 0, near, far)
    if not far:
        return fan
    beams = fan.beam_at(places[trusted])
    first = int(beams.min())
    fan = replace(fan, first_rad=first * params.increment_rad, beams=int(beams.max()) - first + 1)
    seen = trusted.any(axis=0)
    farthest = places[trusted.argmax(axis=0), np.arange(width)]
    return replace(fan, beams_of=np.where(seen, fan.beam_at(farthest), -1))
