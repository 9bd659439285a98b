# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
An image and its ground truth, drawn back to front.

Every drawn plane gets a number; an image of the numbers states which plane each pixel shows.
Labels and depth both come from it, so they cannot disagree.
"""

from __future__ import annotations

from math import ceil, floor

import cv2
import numpy as np

from seg_perception.synthetic.camera import SyntheticCamera
from seg_perception.synthetic.surfaces import Surface

NEAR_M = 0.4
_SUBPIXEL_BITS = 4
_SUBPIXELS = 1 << _SUBPIXEL_BITS
_FAR_PX = 20000.0  # OpenCV's fixed point overflows beyond 32767

Rgb = tuple[float, float, float]


class Canvas:
    """Image (H, W, 3) uint8 and plane numbers (H, W) uint16 of one camera."""

    def __init__(self, camera: SyntheticCamera) -> None:
        height, width = camera.size
        self.camera, self.centre = camera, camera.K[:2, 2]
        self.focal_px, (self.cx, self.cy) = camera.focal_px, camera.K[:2, 2].tolist()
        self.rgb = np.empty((height, width, 3), np.uint8)
        self.planes = np.zeros((height, width), np.uint16)
        self.surfaces: list[int] = []
        self.inverse_depths: list[np.ndarray] = []

    def add_plane(self, surface: Surface, inverse_depth: np.ndarray) -> int:
        """
        Number of a new plane.

        :param inverse_depth: (a, b, c): 1 / depth is a * column + b * row + c.
        """
        self.surfaces.append(int(surface))
        self.inverse_depths.append(inverse_depth)
        return len(self.surfaces) - 1

    def upright(self, surface: Surface, depth_m: float) -> int:
        """Number of a new plane that faces the camera at one depth."""
        return self.add_plane(surface, np.array([0.0, 0.0, 1.0 / depth_m]))

    def plane_through(self, surface: Surface, corners: np.ndarray) -> int:
        """Number of a new plane through three or more camera points (N, 3)."""
        return self.add_plane(surface, self.inverse_depth(corners))

    def inverse_depth(self, corners: np.ndarray) -> np.ndarray:
        """(a, b, c) of the plane through the first three of the camera points (N, 3)."""
        (x, y, z), (x1, y1, z1), (x2, y2, z2) = corners[:3].tolist()
        ux, uy, uz, vx, vy, vz = x1 - x, y1 - y, z1 - z, x2 - x, y2 - y, z2 - z
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        scale = nx * x + ny * y + nz * z
        if abs(scale) < 1e-9:  # edge-on, no pixel of its own: its first corner's depth will do
            return np.array([0.0, 0.0, 1.0 / max(z, NEAR_M)])
        a, b = nx / self.focal_px / scale, ny / self.focal_px / scale
        return np.array([a, b, nz / scale - a * self.cx - b * self.cy])

    def inverse_depths_of(self, corners: np.ndarray) -> np.ndarray:
        """(a, b, c) in each row (F, 3) of planes through camera points (F, 3, 3)."""
        first = corners[:, 0]
        ux, uy, uz = (corners[:, 1] - first).T
        vx, vy, vz = (corners[:, 2] - first).T
        normal = np.stack([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx])
        scale = (normal * first.T).sum(0)
        edge_on = np.abs(scale) < 1e-9
        a, b, c = normal / np.where(edge_on, 1.0, scale)
        a, b = a / self.camera.focal_px, b / self.camera.focal_px
        c = c - a * self.camera.K[0, 2] - b * self.camera.K[1, 2]
        planes = np.stack([a, b, c], axis=1)
        planes[edge_on, :2] = 0.0
        planes[edge_on, 2] = 1.0 / np.maximum(first[edge_on, 2], NEAR_M)
        return planes

    def project(self, points: np.ndarray) -> np.ndarray:
        """Camera points (N, 3) in front of the camera to pixels (N, 2)."""
        pixels = points[:, :2] * (self.camera.focal_px / points[:, 2:]) + self.centre
        return np.asarray(np.minimum(np.maximum(pixels, -_FAR_PX), _FAR_PX))

    def fill(self, pixels: np.ndarray, colour: Rgb, plane: int | None) -> None:
        """
        Fill a convex polygon (N, 2) of pixels, or of int32 ``to_fixed`` pixels.

        :param plane: None where the polygon lies on a drawn surface: only the colour changes.
        """
        fixed = pixels if pixels.dtype == np.int32 else to_fixed(pixels)
        cv2.fillConvexPoly(self.rgb, fixed, colour, cv2.LINE_AA, _SUBPIXEL_BITS)
        if plane is not None:
            cv2.fillConvexPoly(self.planes, fixed, plane, cv2.LINE_8, _SUBPIXEL_BITS)

    def project_one(self, point: np.ndarray) -> tuple[float, float]:
        """Column and row of a camera point (3,) in front of the camera."""
        x, y, z = point.tolist()
        scale = self.focal_px / z
        return x * scale + self.cx, y * scale + self.cy

    def region(self, pixels: np.ndarray) -> tuple[int, int, int, int] | None:
        """Rows and columns (top, bottom, left, right) that hold the pixels, None outside."""
        columns, rows = pixels[:, 0].tolist(), pixels[:, 1].tolist()
        return self.window(min(rows), max(rows), min(columns), max(columns))

    def window(
        self, high: float, low: float, first: float, last: float
    ) -> tuple[int, int, int, int] | None:
        """Rows and columns (top, bottom, left, right) of a box in pixels, None outside."""
        height, width = self.camera.size
        top, left = max(floor(high), 0), max(floor(first), 0)
        bottom, right = min(ceil(low) + 1, height), min(ceil(last) + 1, width)
        return (top, bottom, left, right) if top < bottom and left < right else None

    def paste(
        self, picture: np.ndarray, mask: np.ndarray, top: int, left: int, plane: int
    ) -> None:
        """Copy a picture (h, w, 3) into the image where the mask (h, w) is set."""
        rows, columns = slice(top, top + mask.shape[0]), slice(left, left + mask.shape[1])
        cv2.copyTo(picture, mask, self.rgb[rows, columns])
        view = self.planes[rows, columns]
        cv2.copyTo(np.full(mask.shape, plane, np.uint16), mask, view)


def to_fixed(pixels: np.ndarray) -> np.ndarray:
    """Pixels (N, 2) as int32 sixteenths, what OpenCV draws polygons of."""
    return np.asarray(np.rint(pixels * _SUBPIXELS), np.int32)


def depth_of(planes: np.ndarray, inverse_depths: np.ndarray) -> np.ndarray:
    """Depth (H, W) float32 metres of plane numbers (H, W) with (a, b, c) in each row (N, 3)."""
    height, width = planes.shape
    a, b, c = (np.take(inverse_depths[:, i], planes) for i in range(3))
    inverse = a * np.arange(width) + b * np.arange(height)[:, None] + c
    with np.errstate(divide='ignore'):
        return np.asarray(1.0 / np.maximum(inverse, 0.0), np.float32)


def clip_near(points: np.ndarray) -> np.ndarray:
    """The part of a convex polygon of camera points (N, 3) in front of the camera, (M, 3)."""
    if min(points[:, 2].tolist()) >= NEAR_M:
        return points
    inside = points[:, 2] >= NEAR_M
    kept: list[np.ndarray] = []
    for i, point in enumerate(points):
        before = points[i - 1]
        if inside[i] != inside[i - 1]:
            share = (NEAR_M - before[2]) / (point[2] - before[2])
            kept.append(before + share * (point - before))
        if inside[i]:
            kept.append(point)
    return np.array(kept).reshape(-1, 3)
