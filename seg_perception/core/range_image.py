# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Measured range: where in the vehicle frame the pixels of a camera are, by depth image or LiDAR.

What is not measured is NaN. A LiDAR hits few pixels; in an upright object the pixels of its class
above and below a hit are as far as the hit, on the ground nothing is said between two rings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf

import cv2
import numpy as np

from seg_perception.core.camera import Calibration, Camera
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import ClassTable, Role
from seg_perception.core.turning import turn_calibration

UPRIGHT_ROLES = Role.VULNERABLE, Role.VEHICLE, Role.OBSTACLE, Role.NATURE
GROUND_ROLES = Role.DRIVABLE, Role.MARKING, Role.WALKABLE
_WIDEST = 20.0  # tangent of the angle to the axis that no image reaches
_NEAREST_M = 0.1  # in front of the optical centre; nearer is the camera itself
_FARTHEST_M = 1e5
_BESIDE = np.ones((1, 3), np.uint8)  # closes the columns between two beams


@dataclass(frozen=True, eq=False)
class DepthImage:
    """Depth along the optical axis (H, W), u2 or f4 of any byte order, and metres a unit."""

    values: np.ndarray
    unit_m: float


@dataclass(frozen=True, eq=False)
class RangeImage:
    """Places of the pixels of upright labels (h, w) in the vehicle frame, metres."""

    xyz_m: np.ndarray  # (3, h, w) float32; NaN where nothing is measured
    source: str  # depth or lidar
    sky_share: float = 0.0  # of the points of a cloud in the image, where it shows the sky
    filled: np.ndarray | None = None  # (h, w) bool, pixels of depth that a LiDAR filled

    @property
    def x_m(self) -> np.ndarray:
        return np.asarray(self.xyz_m[0])

    @cached_property
    def share(self) -> float:
        """Share of the pixels that are measured, 0..1."""
        return float(np.isfinite(self.xyz_m[2]).mean())


def merged(depth: RangeImage, lidar: RangeImage) -> RangeImage:
    """Depth, and where it measures nothing the LiDAR; both of the same pixels."""
    gaps = np.isnan(depth.xyz_m[2])
    filled = gaps & np.isfinite(lidar.xyz_m[2])
    xyz = np.where(gaps, lidar.xyz_m, depth.xyz_m)
    return RangeImage(xyz, depth.source, filled=filled)


def range_of_depth(
    depth: DepthImage, geometry: CameraGeometry, lens: Calibration | None = None
) -> RangeImage:
    """
    The range image of a depth image that is registered to the colour image.

    Zeros, negative values, NaN and infinities (REP 118) count as not measured.

    :param geometry: of the labels.
    :param lens: of the depth image, where it has a calibration of its own; it looks from where
        the colour camera is. None: it shows what the colour image shows.
    :raises CalibrationError: when without one it has another shape than the colour image.
    """
    values = depth.values
    if geometry.turns:
        values = np.rot90(values, -geometry.turns)
    size = values.shape[0], values.shape[1]
    sampling = geometry.part(_sampling, (size, lens))
    metres = sampling.taken(values).astype(np.float32)
    if depth.unit_m != 1.0:
        metres *= np.float32(depth.unit_m)
    metres[~((metres > 0) & (metres < _FARTHEST_M))] = np.nan
    if sampling.outside is not None:
        metres[sampling.outside] = np.nan
    xyz = sampling.rays * metres
    xyz += _centre(geometry.camera)[:, None, None]
    return RangeImage(xyz, 'depth')


@dataclass(frozen=True, eq=False)
class _Sampling:
    """Which pixel of a depth image each label pixel takes, and the ray of that pixel."""

    rows: slice | np.ndarray  # of a regular sampling
    columns: slice | np.ndarray
    flat: np.ndarray | None  # (h, w) flat indices of any other
    outside: np.ndarray | None  # (h, w) bool, pixels that the depth image does not show
    rays: np.ndarray  # (3, h, w) float32, 1 deep, on vehicle axes

    def taken(self, values: np.ndarray) -> np.ndarray:
        if self.flat is not None:
            return np.ascontiguousarray(values).take(self.flat)
        if isinstance(self.rows, slice):
            return np.asarray(values[self.rows, self.columns])
        return np.asarray(values[self.rows].take(self.columns, axis=1))


def _sampling(
    geometry: CameraGeometry, settings: tuple[tuple[int, int], Calibration | None]
) -> _Sampling:
    size, lens = settings
    rotation = geometry.camera.extrinsics.rotation
    if lens is None:
        own = geometry.image_camera.calibration.for_image(size)
        rows, columns = (_nearest(*pair) for pair in zip(geometry.size, size, strict=True))
        pixels = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
        rays = own.rays(pixels) @ rotation.T
        picks = [_as_slice(places) for places in (rows, columns)]
        if not all(isinstance(pick, slice) for pick in picks):
            picks = [rows, columns]
        return _Sampling(picks[0], picks[1], None, None, _planes(rays, geometry.size))
    own = turn_calibration(lens, geometry.turns).for_image(size)
    places = own.project(geometry.rays.reshape(-1, 3))
    off = np.abs(2 * places - (size[1] - 1, size[0] - 1))
    inside = np.asarray((off < (size[1], size[0])).all(axis=1))
    pixels = np.rint(np.where(inside[:, None], places, 0)).astype(np.int64)
    rays = own.rays(pixels) @ rotation.T
    flat = (pixels[:, 1] * size[1] + pixels[:, 0]).reshape(geometry.size)
    outside = ~inside.reshape(geometry.size)
    nothing = slice(0)
    return _Sampling(
        nothing, nothing, flat, outside if outside.any() else None, _planes(rays, geometry.size)
    )


def _nearest(count: int, of: int) -> np.ndarray:
    """The pixel of ``of`` whose centre is nearest to that of each of ``count`` pixels."""
    places = (np.arange(count) + 0.5) * (of / count) - 0.5
    return np.asarray(np.clip(np.ceil(places - 0.5), 0, of - 1), np.int64)


def _as_slice(places: np.ndarray) -> slice | np.ndarray:
    steps = np.unique(np.diff(places))
    regular = len(steps) == 1 and steps[0] > 0
    return slice(int(places[0]), int(places[-1]) + 1, int(steps[0])) if regular else places


def _planes(rays: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.ascontiguousarray(rays.T.reshape(3, *size), np.float32)


def _centre(camera: Camera) -> np.ndarray:
    pose = camera.extrinsics
    return np.array([pose.forward_m, pose.left_m, pose.height_m], np.float32)


@dataclass(frozen=True, eq=False)
class SeenPoints:
    """The points of a cloud that fall into an image."""

    numbers: np.ndarray  # (M,) int, of the points
    pixels: np.ndarray  # (M,) int, flat indices of the image
    depth_m: np.ndarray  # (M,) float32, along the optical axis


def points_in_image(points_m: np.ndarray, camera: Camera) -> SeenPoints:
    """
    Where points (N, 3) of the vehicle frame are in the image of a camera; NaN are nowhere.

    Whether something stands in between is not looked at.
    """
    turn = camera.extrinsics.rotation.astype(np.float32)
    shift = -_centre(camera) @ turn
    depth = points_m @ turn[:, 2] + shift[2]
    aside = points_m @ turn[:, 0] + shift[0]
    (height, width), lens = camera.size, camera.calibration
    widest = 1.1 * width / float(lens.k[0, 0]) if lens.is_straight else _WIDEST
    # NaN compares false.
    ahead = np.flatnonzero((depth > _NEAREST_M) & (np.abs(aside) < widest * depth))
    z = depth[ahead]
    across, down = aside[ahead] / z, (points_m[ahead] @ turn[:, 1] + shift[1]) / z
    if lens.is_straight:
        k = lens.k.astype(np.float32)
        columns = k[0, 0] * across + k[0, 1] * down + k[0, 2]
        rows = k[1, 1] * down + k[1, 2]
    else:
        columns, rows = lens.project(np.column_stack([across, down, np.ones_like(down)])).T
    inside = (np.abs(2 * columns - (width - 1)) < width) & (
        np.abs(2 * rows - (height - 1)) < height
    )
    numbers = ahead[inside]
    pixels = np.rint(rows[inside]).astype(np.intp) * width + np.rint(columns[inside]).astype(
        np.intp
    )
    return SeenPoints(numbers, pixels, depth[numbers])


def range_of_points(
    points_m: np.ndarray, geometry: CameraGeometry, labels: np.ndarray, table: ClassTable
) -> RangeImage:
    """
    The range image of a cloud (N, 3) in the vehicle frame, NaN allowed.

    :param labels: (h, w) uint8; hits spread up and down within an upright thing of one class.
    """
    seen, (height, width) = points_in_image(points_m, geometry.camera), geometry.size
    depths = np.full(height * width, inf, np.float32)
    np.minimum.at(depths, seen.pixels, seen.depth_m)
    metres = np.full((height, width), np.nan, np.float32)
    xyz = np.full((3, height, width), np.nan, np.float32)
    if len(seen.pixels):
        rows = slice(int(seen.pixels.min()) // width, int(seen.pixels.max()) // width + 1)
        upright = cv2.LUT(labels[rows], table.role_mask(*UPRIGHT_ROLES))
        metres[rows] = _spread(depths.reshape(height, width)[rows], labels[rows], upright)
        own, near = depths[seen.pixels], metres.ravel()[seen.pixels]
        # Far behind the rest of its thing the LiDAR sees past it, and the camera does not.
        metres.ravel()[seen.pixels] = np.where(own > near * 1.1 + 0.5, near, own)
        np.multiply(geometry.rays_in_vehicle[:, rows], metres[rows], out=xyz[:, rows])
        xyz[:, rows] += _centre(geometry.camera)[:, None, None]
    sky = table.role_mask(Role.SKY)[labels.ravel()[seen.pixels]]
    return RangeImage(xyz, 'lidar', float((sky > 0).mean()) if len(sky) else 0.0)


def _spread(hits: np.ndarray, labels: np.ndarray, upright: np.ndarray) -> np.ndarray:
    """
    Depths (h, w), inf without one, where upright pixels have the nearest of their run, else NaN.

    A run is the pixels of one class on top of each other in a column.
    """
    turned = cv2.transpose(labels)
    starts = np.ones(turned.shape, bool)
    np.not_equal(turned[:, 1:], turned[:, :-1], out=starts[:, 1:])
    first = np.flatnonzero(starts)
    wide = cv2.transpose(np.asarray(cv2.erode(hits, _BESIDE)))
    wide[cv2.transpose(upright) == 0] = inf
    nearest = np.minimum.reduceat(wide.ravel(), first)
    nearest[nearest > _FARTHEST_M] = np.nan
    filled = np.repeat(nearest, np.diff(first, append=starts.size))
    return np.asarray(cv2.transpose(filled.reshape(turned.shape)))
