# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is known of the camera, drawn over its image: horizon, vanishing point, own vehicle."""

from __future__ import annotations

from math import tan

import cv2
import numpy as np

from seg_perception.core.camera import Camera
from seg_perception.core.camera_geometry import CameraGeometry, ImageGeometry
from seg_perception.core.masks import resize_nearest
from seg_perception.core.results import VanishingPoint

_HORIZON_RGB, _EGO_RGB = (90, 190, 255), (235, 235, 235)


def draw_camera(scene: np.ndarray, geometry: ImageGeometry) -> None:
    """Draw into an image (H, W, 3) uint8 RGB of any size."""
    size = scene.shape[0], scene.shape[1]
    if geometry.ego_mask is not None:
        draw_ego_mask(scene, geometry.ego_mask)
    if isinstance(geometry, CameraGeometry):
        camera = geometry.image_camera.scaled(size)
        rows, place = camera.horizon_rows, _direction_of_travel(camera)
    elif geometry.vanishing_point is not None:
        rows, place = _line(geometry.vanishing_point, size)
    else:
        return
    _draw_horizon(scene, rows)
    if np.isfinite(place).all() and np.abs(place).max() < 4 * max(size):
        marker, px = tuple(np.rint(place).astype(int).tolist()), max(9, round(size[0] / 24))
        thick = max(1, round(size[0] / 300))
        cv2.drawMarker(scene, marker, _HORIZON_RGB, cv2.MARKER_CROSS, px, thick, cv2.LINE_AA)


def draw_ego_mask(scene: np.ndarray, ego_mask: np.ndarray) -> None:
    """
    Hatch the own vehicle in an overlay (H, W, 3) uint8, in place.

    :param ego_mask: (h, w) uint8 of any size, not 0 on the own vehicle.
    """
    height, width = scene.shape[:2]
    mask = resize_nearest(ego_mask, (height, width))
    if not mask.any():
        return
    period = max(6, height // 40)
    place = np.arange(height, dtype=np.int32)[:, None] + np.arange(width, dtype=np.int32)
    strokes = (place % period < max(1, period // 6)) & (mask > 0)
    scene[strokes] = _EGO_RGB
    outline, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(scene, outline, -1, _EGO_RGB, max(1, round(height / 300)), cv2.LINE_AA)


def _direction_of_travel(camera: Camera) -> np.ndarray:
    """Pixel (2,) in which the direction of travel meets the image; NaN where it does not."""
    ahead = camera.extrinsics.rotation.T @ (1.0, 0.0, 0.0)
    return np.asarray(camera.calibration.project(ahead[None])[0])


def _line(point: VanishingPoint, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Row of the horizon in each column, (W,), and the vanishing point, (2,) pixels."""
    place = np.array([point.column * size[1], point.row * size[0]]) - 0.5
    columns = np.arange(size[1])
    return place[1] - tan(point.roll_rad) * (columns - place[0]), place


def _draw_horizon(scene: np.ndarray, rows: np.ndarray) -> None:
    columns = np.unique(np.linspace(0, len(rows) - 1, 60).astype(int))
    points = np.column_stack([columns, rows[columns]])
    points = points[np.abs(np.nan_to_num(points, nan=1e9)).max(axis=1) < 1e5]
    cv2.polylines(scene, [np.rint(points).astype(np.int32)], False, _HORIZON_RGB, 1, cv2.LINE_AA)
