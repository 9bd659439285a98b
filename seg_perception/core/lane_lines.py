# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The vanishing point of lane marks and road edges in one image.

Straight segments (von Gioi et al., LSD, 2010) on the road meet where the road goes, at the
horizon of flat ground. A bend, or a vehicle that stands askew, moves that point sideways; its row
stays.
"""

from __future__ import annotations

from dataclasses import replace
from math import radians

import cv2
import numpy as np

from seg_perception.core.calibration_evidence import Estimate
from seg_perception.core.camera import Calibration
from seg_perception.core.classes import ClassTable, Role

_LEAST_LENGTH = 0.035  # share of the image width
_END_PX, _ANGLE_RAD = 0.7, radians(0.4)  # noise of a segment: of its ends, and of its direction
_MOST_ACROSS = radians(75.0)  # from the vertical; flatter ones are stop lines and shadows
_TRIES, _LEAST_SEGMENTS = 200, 5
_LEAST_FIT = 0.35  # share of the length of all segments that meets in the point
_LEAST_FAN = radians(25.0)  # between the outermost segments
_MOST_ABOVE = 0.005  # share of the road that may lie above the point
_MARGIN = 0.015  # share of the height that labels are off
_MOST_STD = radians(2.0)


_MOST_SAMPLES = 40
_AGREE = radians(1.5)  # from the direction of travel, beyond its deviation; else the road bends
_ALONE = np.array([radians(4.0), radians(1.5), np.inf])  # deviation of lines that nothing checks
_SAMPLE_ROW, _SYSTEMATIC_ROW = radians(0.6), radians(0.3)  # the road is not flat
_LEAST_SAMPLES, _ALIKE = 3, 2  # samples; so many in a row see the same


class LineEvidence:
    """Gathers where the lines on the road meet."""

    def __init__(self) -> None:
        self._samples: list[np.ndarray] = []  # (2,) tangents

    def add(self, point: np.ndarray, is_moving: bool) -> None:
        """Add a point (2,); what a standing camera sees again replaces what it saw."""
        kept = self._samples if is_moving else self._samples[:-1]
        self._samples = [*kept, point][-_MOST_SAMPLES:]

    def clear(self) -> None:
        """Forget everything, as after a remount."""
        self._samples = []

    def joined(self, known: Estimate) -> Estimate:
        """
        An estimate with what the lines add.

        Where nothing is known, lines alone give a rough one. Else those that lead where the
        vehicle goes sharpen the row, by inverse variance.
        """
        if not self._samples:
            return known
        points = np.array(self._samples)
        if not known.blocks:
            return Estimate(np.array([*np.median(points, axis=0), np.nan]), _ALONE, 0.0)
        off = points - known.mean[:2]
        rows = off[(np.abs(off) < _AGREE + known.std[:2]).all(axis=1), 1]
        if len(rows) < _LEAST_SAMPLES:
            return known
        scatter = max(_SAMPLE_ROW, 1.4826 * float(np.median(np.abs(rows - np.median(rows)))))
        variance = _SYSTEMATIC_ROW**2 + _ALIKE * scatter**2 / len(rows)
        share = known.std[1] ** 2 / (known.std[1] ** 2 + variance)
        mean, std = known.mean.copy(), known.std.copy()
        mean[1] += share * float(np.median(rows))
        std[1] *= np.sqrt(1.0 - share)
        return replace(known, mean=mean, std=std)


def meeting_of_lines(
    grey: np.ndarray, labels: np.ndarray, table: ClassTable, lens: Calibration
) -> np.ndarray | None:
    """
    Where the lines on the road meet, as tangents (2,) right and down of the optical axis.

    :param grey: (h, w) uint8.
    :param labels: class ids of the same image, of any size.
    :returns: None where too few lines meet, or the road is seen above that point.
    """
    height, width = grey.shape
    small = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
    ground = cv2.LUT(small, table.role_mask(Role.DRIVABLE, Role.MARKING))
    others = cv2.LUT(small, table.role_mask(Role.VEHICLE, Role.VULNERABLE, Role.EGO))
    segments = _road_segments(grey, ground, others)
    if len(segments) < _LEAST_SEGMENTS:
        return None
    point = _meeting(segments, lens)
    if point is None:
        return None
    top = float(lens.project(np.array([[*point, 1.0]]))[0, 1]) - _MARGIN * height
    if not np.isfinite(top):
        return None
    above = np.count_nonzero(ground[: int(np.clip(top, 0, height))])
    return point if above <= _MOST_ABOVE * np.count_nonzero(ground) else None


def _road_segments(grey: np.ndarray, ground: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Segments (N, 4) float32 on the ground or its edge, from end to end in pixels."""
    height, width = grey.shape
    kernel = np.ones((7, 7), np.uint8)
    road = cv2.dilate(ground, kernel)
    road[cv2.dilate(others, kernel) > 0] = 0
    rows = np.flatnonzero(road.any(axis=1))
    if not len(rows):
        return np.zeros((0, 4), np.float32)
    top = int(rows[0])
    found = cv2.createLineSegmentDetector(cv2.LSD_REFINE_NONE).detect(grey[top : rows[-1] + 1])[0]
    segments = np.zeros((0, 4), np.float32) if found is None else found.reshape(-1, 4)
    segments = segments + np.array([0, top, 0, top], np.float32)
    across, down = np.abs(segments[:, 2:] - segments[:, :2]).T
    kept = np.hypot(across, down) > _LEAST_LENGTH * width
    kept &= np.arctan2(across, down) < _MOST_ACROSS
    for share in (0.1, 0.5, 0.9):
        at = np.rint(segments[:, :2] * (1 - share) + segments[:, 2:] * share).astype(int)
        columns, low = np.clip(at.T, 0, [[width - 1], [height - 1]])
        kept &= road[low, columns] > 0
    return np.asarray(segments[kept])


class _Lines:
    """Segments of an image, one pixel being so many radians."""

    def __init__(self, starts: np.ndarray, ends: np.ndarray, pixel: float) -> None:
        along = ends - starts
        self.length = np.hypot(*along.T)
        self.normals = np.column_stack([-along[:, 1], along[:, 0]]) / self.length[:, None]
        self._middles = (starts + ends) / 2
        self.offsets = (self.normals * starts).sum(axis=1)
        self._noise = np.hypot(2.0 * _END_PX * pixel / self.length, _ANGLE_RAD)

    def scale(self, points: np.ndarray) -> np.ndarray:
        """One standard deviation of each segment, (K, N), as a distance at points (K, 2)."""
        away = np.linalg.norm(points[:, None] - self._middles, axis=2)
        return np.asarray(np.maximum(away, self.length) * self._noise)

    def misfit(self, points: np.ndarray) -> np.ndarray:
        """How far segments point past points, (K, N) standard deviations."""
        return np.asarray((points @ self.normals.T - self.offsets) / self.scale(points))

    def crossings(self) -> np.ndarray:
        """Points (K, 2) where two segments drawn at random meet."""
        drawn = np.random.default_rng(0).choice(
            len(self.length), (_TRIES, 2), p=self.length / self.length.sum()
        )
        normals, offsets = self.normals[drawn], self.offsets[drawn][..., None]
        kept = np.abs(np.linalg.det(normals)) > np.sin(_LEAST_FAN / 2)
        return np.asarray(np.linalg.solve(normals[kept], offsets[kept])[..., 0])

    def fan(self, fits: np.ndarray) -> float:
        """Angle between the outermost of some segments."""
        normals = self.normals[fits] * np.sign(self.normals[fits, :1])
        return float(np.ptp(np.arctan2(normals[:, 1], normals[:, 0])))


def _meeting(segments: np.ndarray, lens: Calibration) -> np.ndarray | None:
    """The point (2,) that most segments (N, 4) point at."""
    starts, ends = (lens.rays(segments[:, i : i + 2])[:, :2] for i in (0, 2))
    seen = np.isfinite(starts + ends).all(axis=1)
    if seen.sum() < _LEAST_SEGMENTS:
        return None
    lines = _Lines(starts[seen], ends[seen], 1.0 / lens.k[0, 0])
    points = lines.crossings()
    if not len(points):
        return None
    trust = lines.length / (1.0 + (lines.misfit(points) / 2.0) ** 2)
    point = points[np.argmax(trust.sum(axis=1))]
    for _ in range(8):
        off, scale = lines.misfit(point[None])[0], lines.scale(point[None])[0]
        weights = 1.0 / (1.0 + (off / 2.5) ** 2) ** 2
        scaled = lines.normals / scale[:, None]
        normal = scaled.T @ (scaled * weights[:, None]) + 1e-9 * np.eye(2)
        point = point - np.linalg.solve(normal, scaled.T @ (weights * off))
    fits = np.abs(off) < 3.0
    few = fits.sum() < _LEAST_SEGMENTS
    if few or lines.length[fits].sum() < _LEAST_FIT * lines.length.sum():
        return None
    unsure = np.linalg.inv(normal).diagonal().max() > _MOST_STD**2
    return None if unsure or lines.fan(fits) < _LEAST_FAN else point
