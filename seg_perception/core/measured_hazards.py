# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Hazards by measured range: where those are that the image shows, and those that it misses.

On a slope the image of flat ground looks for them in the wrong place, and misses what stands
uphill, above the horizon.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import UNLABELED, ClassTable
from seg_perception.core.corridor import Corridor
from seg_perception.core.hazards import (
    ROLES,
    UNKNOWN,
    ZONES,
    HazardRule,
    MeasuredRange,
    least_area_m2,
    measured,
)
from seg_perception.core.measured_path import NEAR_SHARE, SOURCES, along_path, std_m
from seg_perception.core.results import Box, Hazard
from seg_perception.core.terrain import Surface

_EVERY = 2  # pixels and rows that are looked at for things that the image misses
_LEAST_PX = 4  # of a hazard
_DEEP_M = 0.5  # from the near side of a thing to the pixels that tell where it is
_SLICE_M, _SLICES = 1.0, 100  # of the ground ahead


@dataclass(frozen=True, eq=False)
class HazardRanges:
    """The measured surface of a frame, and the path of the vehicle."""

    surface: Surface
    table: ClassTable
    corridor: Corridor
    geometry: CameraGeometry
    curvature_per_m: float = 0.0

    def of(self, hazard: Hazard) -> MeasuredRange | None:
        """Where a hazard of the image is; None where nothing of it is measured."""
        box = hazard.box
        place = slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)
        own = self._members(hazard)[self.surface.corrected[place]] > 0
        ranges = self.surface.ranges
        x, y, _ = ranges.xyz_m[:, place[0], place[1]][:, own]
        return self._range(x, y, None if ranges.filled is None else ranges.filled[place][own])

    def _range(
        self, x_m: np.ndarray, y_m: np.ndarray, filled: np.ndarray | None
    ) -> MeasuredRange | None:
        """
        The near side of places (N,), NaN allowed; None where there are too few.

        :param filled: (N,) bool, those that a LiDAR measured in the gaps of depth.
        """
        along, aside = along_path(x_m, y_m, self.curvature_per_m)
        known = np.isfinite(along) & (along > 0)
        if np.count_nonzero(known) < _LEAST_PX:
            return None
        distance = float(np.percentile(along[known], NEAR_SHARE))
        near = known & (along < distance + _DEEP_M)
        position = float(np.median(x_m[near])), float(np.median(y_m[near]))
        is_filled = filled is not None and bool(filled[near].mean() > 0.5)
        source = 'lidar' if is_filled else self.surface.ranges.source
        zone = int(_zones(np.median(aside[near]), self.corridor.half_width_m))
        return MeasuredRange(distance, std_m(source, distance), SOURCES[source], position, zone)

    def _members(self, hazard: Hazard) -> np.ndarray:
        """Lookup table of the classes that a hazard may be, (256,) uint8."""
        if hazard.class_id < len(self.table):
            members = np.zeros(256, np.uint8)
            members[hazard.class_id] = 255
            return members
        members = self.table.role_mask(*ROLES[hazard.factor])
        members[len(self.table) :] = 255
        return members

    def found(self, factor: str, rule: HazardRule, near_m: float) -> list[Hazard]:
        """The most dangerous of the measured things of a factor in each zone."""
        xyz = self.surface.ranges.xyz_m[:, ::_EVERY, ::_EVERY]
        labels = np.ascontiguousarray(self.surface.corrected[::_EVERY, ::_EVERY])
        members = cv2.LUT(labels, self.table.role_mask(*ROLES[factor]))
        x, y = xyz[0].ravel(), xyz[1].ravel()
        pixels = np.flatnonzero((members.ravel() > 0) & (x > 0) & (x < self.corridor.reach_m))
        x, y = x[pixels], y[pixels]
        filled = self.surface.ranges.filled
        if filled is not None:
            filled = filled[::_EVERY, ::_EVERY].ravel()[pixels]
        along, aside = along_path(x, y, self.curvature_per_m)
        zones = _zones(aside, self.corridor.half_width_m)
        slices = np.clip((along * (1 / _SLICE_M)).astype(np.intp), 0, _SLICES - 1)
        focal_px = float(self.geometry.camera.calibration.k[0, 0]) / _EVERY
        sums = np.bincount(
            (zones + 2) * _SLICES + slices, (along / focal_px) ** 2, len(ZONES) * _SLICES
        ).reshape(len(ZONES), _SLICES)
        extent = np.minimum(1.0, (sums + np.roll(sums, -1, 1)) / least_area_m2(factor))
        middle_m = (np.arange(_SLICES) + 0.5) * _SLICE_M
        danger = extent * (near_m / np.maximum(middle_m, near_m)) ** rule.fade
        hazards = []
        for zone, chosen in zip(ZONES, danger.argmax(axis=1).tolist(), strict=True):
            own = (zones == zone) & (slices >= chosen) & (slices <= chosen + 1)
            seen = self._range(x[own], y[own], None if filled is None else filled[own])
            if seen is not None:
                seen = replace(seen, zone=zone)  # where most of it is, and not its middle
                bare = self._described(factor, zone, pixels[own], labels, aside[own])
                bare = replace(bare, extent=float(extent[zone + 2, chosen]))
                hazards.append(measured(bare, seen, rule, near_m))
        return hazards

    def _described(
        self, factor: str, zone: int, pixels: np.ndarray, labels: np.ndarray, aside: np.ndarray
    ) -> Hazard:
        """A hazard of some pixels of every n-th one, without its range."""
        rows, columns = np.divmod(pixels, labels.shape[1])
        left, top = int(columns.min()) * _EVERY, int(rows.min()) * _EVERY
        right, bottom = (int(columns.max()) + 1) * _EVERY, (int(rows.max()) + 1) * _EVERY
        class_id = int(np.bincount(labels.ravel()[pixels]).argmax())
        known = self.table.classes[class_id] if class_id < len(self.table) else None
        half_m = self.corridor.vehicle_width_m / 2
        covered = np.clip([aside.min(), aside.max()], -half_m, half_m)
        return Hazard(
            factor=factor,
            zone=zone,
            risk=0.0,
            proximity=0.0,
            distance_m=0.0,
            who=known.name if known else UNKNOWN,
            width_px=float(right - left),
            centred=float(np.ptp(covered)) / (2 * half_m) if zone == 0 else 0.0,
            class_id=class_id if known else UNLABELED,
            role=known.role.value if known else 'other',
            box=Box(left, top, right - left, bottom - top),
        )


def _zones(aside_m: np.ndarray, half_width_m: float) -> np.ndarray:
    """The zone -2 (far left) to 2 of places (N,) to the left of the path."""
    edges = np.array([-3, -1, 1, 3]) * half_width_m
    return np.asarray(2 - np.searchsorted(edges, aside_m))
