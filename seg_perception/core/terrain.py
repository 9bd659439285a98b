# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The measured height of the ground, and what stands above it, hangs over it or is a hole.

Measured points that are labelled as ground give the median height of each piece of a lattice, so
kerbs, holes and things that are taken for road do not bend it. The vehicle stands on the ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, sin

import cv2
import numpy as np

from seg_perception.core.classes import ClassTable, Role
from seg_perception.core.masks import resize_nearest
from seg_perception.core.range_image import GROUND_ROLES, UPRIGHT_ROLES, RangeImage
from seg_perception.core.settings import Settings, setting

_REACH_M, _SIDE_M = 48.0, 14.0  # of the lattice in the direction of view, and to each side
_ALONG_M, _ACROSS_M = 1.0, 4.0  # of a piece
_HIGH_M, _BIN_M = 4.8, 0.1  # of the histograms of heights
_BINS = round(2 * _HIGH_M / _BIN_M)
_LEAST, _MOST = 3, 20  # points of a piece that count
_STANDS_M, _STANDS = 2.0, 5  # half the length below the vehicle, and the points that it is worth
_EVERY = 2  # pixels and rows that are looked at for the lattice
_FIT_M = 15.0  # from the camera, of the ground that is compared with the calibration
_LEAST_FIT = 60  # points
_OFF_M, _OFF_RAD = 0.5, 0.15  # of the ground near the vehicle: no road is so, it is the input
_GROUNDLESS = 1e-6
_FAR_OFF_M = 1e6
_FACE_ROWS = 3, 6  # of those that are looked at, from the foot of a face to its top
_LINE = 1024
_DENSE = 0.3  # share of the pixels from which on all are looked at
_AROUND = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class RangeParams(Settings, name='range'):
    """What measured heights mean to the vehicle, and which measurements belong to a frame."""

    step_m: float = setting(
        0.12, 'height of a kerb or depth of a hole that the vehicle cannot pass', 'm', 0.02, 1
    )
    overhang_m: float = setting(
        2.5, 'height above the ground at which things hang over the vehicle', 'm', 0.2, 10
    )
    tolerance_s: float = setting(
        0.06, 'largest time between an image and its depth image or point cloud', 's', 0.001, 1
    )


@dataclass(frozen=True)
class GroundCheck:
    """The measured ground near the vehicle against the calibration, which has it level at 0."""

    height_off_m: float  # of the measured ground below the vehicle
    pitch_off_rad: float  # positive: the ground rises ahead, or the camera looks farther down

    @property
    def is_gross(self) -> bool:
        """Whether it is off by more than any road is: unit, frame or transform are wrong."""
        return abs(self.height_off_m) > _OFF_M or abs(self.pitch_off_rad) > _OFF_RAD

    def __str__(self) -> str:
        return f'{self.height_off_m:+.2f} m and {self.pitch_off_rad:+.3f} rad'


@dataclass(frozen=True)
class Lattice:
    """The pieces of ground whose heights are known: ``along_m`` from, to, along x or along y."""

    along_m: tuple[float, float] = (-_REACH_M, _REACH_M)
    is_sideways: bool = False

    @classmethod
    def ahead_of(cls, yaw_rad: float) -> Lattice:
        """The ground in front of a camera that looks to a side, positive left."""
        is_sideways = abs(sin(yaw_rad)) > abs(cos(yaw_rad))
        ahead = (sin(yaw_rad) if is_sideways else cos(yaw_rad)) >= 0
        return cls((0.0, _REACH_M) if ahead else (-_REACH_M, 0.0), is_sideways)

    @property
    def shape(self) -> tuple[int, int]:
        low, high = self.along_m
        return round((high - low) / _ALONG_M), round(2 * _SIDE_M / _ACROSS_M)

    def places(self, x_m: np.ndarray, y_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns, with fractions; whole at the lower edges of pieces."""
        along, across = (y_m, x_m) if self.is_sideways else (x_m, y_m)
        rows = (along - np.float32(self.along_m[0])) * np.float32(1 / _ALONG_M)
        return rows, (across + np.float32(_SIDE_M)) * np.float32(1 / _ACROSS_M)


@dataclass(frozen=True, eq=False)
class Terrain:
    """Heights of the ground on a lattice in the vehicle frame; level where nothing is known."""

    z_m: np.ndarray  # (rows, columns) float32
    lattice: Lattice

    @classmethod
    def of(
        cls, x_m: np.ndarray, y_m: np.ndarray, z_m: np.ndarray, lattice: Lattice = Lattice()
    ) -> Terrain:
        """The terrain of ground points (N,) each, finite."""
        rows, columns = lattice.shape
        row, column = lattice.places(x_m, y_m)
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        inside &= np.abs(z_m) < _HIGH_M - _BIN_M
        z = z_m[inside]
        level = (z + (_HIGH_M + _BIN_M / 2)) * (1 / _BIN_M)
        piece = row[inside].astype(np.int32) * columns + column[inside].astype(np.int32)
        flat, most = piece * _BINS + level.astype(np.int32), rows * columns * _BINS
        counts, sums = np.bincount(flat, minlength=most), np.bincount(flat, z, most)
        found = _medians(counts.reshape(-1, _BINS), sums.reshape(-1, _BINS))
        height, count = (part.reshape(rows, columns) for part in found)
        height = _without_steps(height, count)
        # Below the vehicle the ground is level and at 0.
        stands = np.abs(lattice.along_m[0] + (np.arange(rows) + 0.5) * _ALONG_M) < _STANDS_M
        height[stands] *= (count / (count + _STANDS))[stands]
        count[stands] += _STANDS
        return cls(_smooth(height, count), lattice)

    def at(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """Height of the ground at places (h, w) or (N,) float32; NaN outside the lattice."""
        rows, columns = self.lattice.places(x_m, y_m)
        if x_m.ndim == 1:  # OpenCV's images have sides of 32767 at most
            shape = -(-x_m.size // _LINE), min(x_m.size, _LINE)
            rows, columns = np.resize(rows, shape), np.resize(columns, shape)
        rows -= np.float32(0.5)
        columns -= np.float32(0.5)
        z = cv2.remap(
            self.z_m, columns, rows, cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT, borderValue=np.nan,
        )  # fmt: skip
        return np.asarray(z).ravel()[: x_m.size].reshape(x_m.shape)


def _medians(counts: np.ndarray, sums_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Median height and number of points of each piece, (N,) each; 0 of too few.

    :param counts: (N, levels) points, and ``sums_m`` of their heights.
    """
    below = np.cumsum(counts, axis=1, dtype=np.int32)
    total = below[:, -1]
    middle = (2 * below >= np.maximum(total, 1)[:, None]).argmax(axis=1)
    around = np.clip(middle[:, None] + (-1, 0, 1), 0, counts.shape[1] - 1)
    each = np.arange(len(counts))[:, None]
    height = sums_m[each, around].sum(axis=1) / np.maximum(counts[each, around].sum(axis=1), 1)
    enough = total >= _LEAST
    return np.where(enough, height, 0), np.where(enough, np.minimum(total, _MOST), 0)


def _without_steps(height_m: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Medians (rows, columns) of the known heights of seven pieces in a row, along their slope."""
    known = count > 0
    both = known[1:] & known[:-1]
    rise = float(np.median(np.diff(height_m, axis=0)[both])) if both.any() else 0.0
    trend = rise * np.arange(len(height_m))[:, None]
    level = np.pad(np.where(known, height_m - trend, np.inf), ((3, 3), (0, 0)), mode='edge')
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(level, 7, axis=0), axis=-1)
    # Of an even number the lower one: things on the ground are more frequent than holes.
    middle = (np.isfinite(windows).sum(axis=-1) - 1).clip(0) // 2
    found = np.take_along_axis(windows, middle[..., None], -1)[..., 0]
    return np.where(known, found + trend, 0.0)


def _smooth(height_m: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Heights with the unknown pieces filled from the known ones around, nearest first."""
    weight = count.astype(np.float32)
    values = (height_m * weight).astype(np.float32)
    filled, known = np.zeros_like(values), np.zeros(values.shape, bool)
    for sigma in (0.6, 2.0, 8.0, 30.0):
        sums, weights = (
            cv2.GaussianBlur(
                part, (0, 0), sigmaX=sigma / 2, sigmaY=sigma, borderType=cv2.BORDER_REPLICATE
            )
            for part in (values, weight)
        )
        new = ~known & (weights > 0.05)
        filled[new] = sums[new] / weights[new]
        known |= new
        if known.all():
            break
    return filled


@dataclass(frozen=True, eq=False)
class Surface:
    """A range image with its labels: the ground below it, and heights above that ground."""

    ranges: RangeImage
    labels: np.ndarray  # (h, w) uint8
    terrain: Terrain
    raised: np.ndarray  # (h, w) uint8, 255 where ground is labelled and a step or hole measured
    overhead: np.ndarray  # (h, w) uint8, 255 where things hang over the vehicle
    corrected: np.ndarray  # (h, w) uint8, labels: raised ground is unlabeled, what hangs is sky


def surface_of(
    ranges: RangeImage,
    labels: np.ndarray,
    table: ClassTable,
    yaw_rad: float = 0.0,
    params: RangeParams = RangeParams(),
) -> Surface:
    """
    What a range image says of labels (h, w) uint8 of the same pixels.

    :param yaw_rad: of the camera.
    """
    first = _first_measured(ranges)
    few = np.ascontiguousarray(ranges.xyz_m[:, first::_EVERY, ::_EVERY])
    ids = np.ascontiguousarray(labels[first::_EVERY, ::_EVERY])
    ground = cv2.LUT(ids, table.lookup(_ground))
    some = few[:, :, ::_EVERY]  # the terrain has no need of every column
    chosen = (ground[:, ::_EVERY] > 0) & np.isfinite(some[2])
    x, y, z = (plane[chosen] for plane in some)
    terrain = Terrain.of(x, y, z, Lattice.ahead_of(yaw_rad))
    height, upright = _heights(few, terrain), cv2.LUT(ids, table.lookup(_upright))
    off = cv2.inRange(np.abs(height), params.step_m, _FAR_OFF_M)
    if ranges.source == 'depth':  # the rings of a LiDAR show no faces
        off = cv2.bitwise_or(off, _faces(few, ground, params.step_m))
    off = cv2.subtract(off, cv2.dilate(upright, _AROUND))  # at edges pixel and range may differ
    high = cv2.inRange(height, params.overhang_m, _FAR_OFF_M)
    raised, overhead = (
        _whole(cv2.bitwise_and(*masks), first, labels)
        for masks in ((off, ground), (high, upright))
    )
    corrected = np.asarray(cv2.bitwise_or(labels, raised))
    sky = next((row.id for row in table.classes if row.role is Role.SKY), None)
    if sky is not None:
        corrected[overhead > 0] = sky
    return Surface(ranges, labels, terrain, raised, overhead, corrected)


def _first_measured(ranges: RangeImage) -> int:
    """The first row below the sky: nothing is measured above it."""
    rows = np.isfinite(ranges.xyz_m[2, ::_EVERY, ::_EVERY]).any(axis=1)
    return _EVERY * int(rows.argmax())


def _whole(few: np.ndarray, first: int, labels: np.ndarray) -> np.ndarray:
    """A mask of every other pixel from a row on as one of all pixels of labels (h, w)."""
    whole = np.zeros_like(labels)
    large = resize_nearest(few, (_EVERY * len(few), _EVERY * few.shape[1]))
    whole[first:] = large[: len(labels) - first, : labels.shape[1]]
    return whole


def check_ranges(ranges: RangeImage, labels: np.ndarray, table: ClassTable) -> GroundCheck | None:
    """The ground that a range image measures near the vehicle; None: there is too little."""
    pick = slice(None, None, 2 * _EVERY), slice(None, None, 2 * _EVERY)
    ids = np.ascontiguousarray(labels[pick])
    few = ranges.xyz_m[:, pick[0], pick[1]]
    x, y, z = few[:, (cv2.LUT(ids, table.lookup(_ground)) > 0) & np.isfinite(few[2])]
    return ground_check(x, y, z)


def _faces(xyz_m: np.ndarray, ground: np.ndarray, step_m: float) -> np.ndarray:
    """Steep faces as high as a step in places (3, h, w) of ground, (h, w) uint8 of 0 or 255."""
    faces = np.zeros_like(ground)
    x, y, z = np.ascontiguousarray(xyz_m[:, :, ::_EVERY])  # every other column will do
    away = np.abs(x) + np.abs(y)
    for rows in _FACE_ROWS:
        rises = np.abs(z[:-rows] - z[rows:])
        steep = (rises > 0.9 * step_m) & (rises > np.abs(away[:-rows] - away[rows:]))
        above, column = np.nonzero(steep)  # few
        below, column = above + rows, column * _EVERY
        x, y, rise = np.abs(xyz_m[:, above, column] - xyz_m[:, below, column])
        steep = (rise > x + y) & (ground[above, column] > 0)
        faces[below[steep], column[steep]] = 255
        faces[below[steep], np.minimum(column[steep] + 1, faces.shape[1] - 1)] = 255
    return faces


def _heights(xyz_m: np.ndarray, terrain: Terrain) -> np.ndarray:
    """Heights above the terrain of places (3, h, w), (h, w); NaN where not known."""
    known = np.flatnonzero(np.isfinite(xyz_m[2]))
    if len(known) > _DENSE * xyz_m[2].size:
        return np.asarray(xyz_m[2] - terrain.at(xyz_m[0], xyz_m[1]))
    heights = np.full(xyz_m.shape[1:], np.nan, np.float32)
    x, y, z = (plane.ravel()[known] for plane in xyz_m)
    if len(known):
        heights.ravel()[known] = z - terrain.at(x, y)
    return heights


def _ground(table: ClassTable) -> np.ndarray:
    return table.role_mask(*GROUND_ROLES)


def _upright(table: ClassTable) -> np.ndarray:
    return table.role_mask(*UPRIGHT_ROLES)


def ground_check(x_m: np.ndarray, y_m: np.ndarray, z_m: np.ndarray) -> GroundCheck | None:
    """The plane through ground points (N,) each near the vehicle; None: there are too few."""
    near = np.flatnonzero((x_m > 0) & (x_m < _FIT_M) & (np.abs(y_m) < _FIT_M / 2))
    if len(near) < _LEAST_FIT:
        middle = float(np.median(z_m)) if len(z_m) >= _LEAST_FIT else 0.0
        return GroundCheck(middle, 0.0) if abs(middle) > _HIGH_M else None
    near = near[:: max(1, len(near) // 1000)]
    x, z = x_m[near].astype(float), z_m[near].astype(float)
    for _ in range(2):
        apart = x - x.mean()
        slope = (apart @ z) / max(float(apart @ apart), _GROUNDLESS)
        height = z.mean() - slope * x.mean()
        off = np.abs(z - height - slope * x)
        kept = off <= 3 * np.median(off) + _GROUNDLESS
        x, z = x[kept], z[kept]
    return GroundCheck(float(height), float(np.arctan(slope)))
