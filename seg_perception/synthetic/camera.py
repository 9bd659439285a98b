# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The pinhole camera of the synthetic street.

Vehicle frame: x forward, y left, z up, origin on the ground under the camera. World frame: the
same axes at the start of the street. Camera frame: x right, y down, z along the optical axis.
Pixel (0, 0) is the centre of the top left pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class SyntheticCamera:
    """Intrinsics, extrinsics and pose of one frame."""

    K: np.ndarray  # (3, 3) float64
    size: tuple[int, int]  # (height, width)
    height_m: float  # of the optical centre above the ground
    pitch_rad: float  # positive looks down
    T_world_camera: np.ndarray  # (4, 4) float64, camera points to world points

    @property
    def focal_px(self) -> float:
        return float(self.K[0, 0])

    @property
    def horizon_row(self) -> float:
        """Image row of the ground plane at infinity."""
        return float(self.K[1, 2] - self.focal_px * np.tan(self.pitch_rad))

    @cached_property
    def T_camera_vehicle(self) -> np.ndarray:  # noqa: N802 - the frames' own spelling
        """Vehicle points to camera points, (4, 4) float64."""
        sin, cos = np.sin(self.pitch_rad), np.cos(self.pitch_rad)
        transform = np.eye(4)
        transform[:3, :3] = [[0.0, -1.0, 0.0], [-sin, 0.0, -cos], [cos, 0.0, -sin]]
        transform[:3, 3] = -transform[:3, 2] * self.height_m
        return transform

    def vehicle_to_camera(self, points_m: np.ndarray) -> np.ndarray:
        """Points of the vehicle frame (N, 3) in the camera frame (N, 3), metres."""
        transform = self.T_camera_vehicle
        return np.asarray(np.asarray(points_m) @ transform[:3, :3].T + transform[:3, 3])

    def raised_to_camera(self, ground_m: np.ndarray, up_m: np.ndarray | float = 0.0) -> np.ndarray:
        """Points above ground points (N, 2) x forward, y left in the camera frame (N, 3)."""
        up_m = np.broadcast_to(up_m, len(ground_m))
        return self.vehicle_to_camera(np.column_stack([ground_m, up_m]))

    def vehicle_to_pixel(self, points_m: np.ndarray) -> np.ndarray:
        """Points of the vehicle frame (N, 3) in metres to pixels (N, 2); NaN behind the camera."""
        points = self.vehicle_to_camera(points_m)
        z = np.where(points[:, 2:] > 1e-6, points[:, 2:], np.nan)
        return np.asarray(points[:, :2] / z * self.focal_px + self.K[:2, 2])

    def ground_to_pixel(self, ground_m: np.ndarray) -> np.ndarray:
        """Ground points (N, 2) x forward, y left in metres to pixels (N, 2) column, row."""
        return self.vehicle_to_pixel(np.column_stack([ground_m, np.zeros(len(ground_m))]))

    def pixel_to_ground(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (N, 2) column, row to ground points (N, 2) in metres; NaN above the horizon."""
        offset = (np.asarray(pixels, np.float64) - self.K[:2, 2]) / self.focal_px
        forward, depth = self.ground_ray(offset[:, 1])
        return np.column_stack([forward, -offset[:, 0] * depth])

    def ground_ray(self, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """
        Distance forward and depth along the optical axis, in metres, where rays meet the ground.

        :param slope: (row - cy) / focal length of each ray; NaN comes back above the horizon.
        """
        sin, cos = np.sin(self.pitch_rad), np.cos(self.pitch_rad)
        fall = slope * cos + sin
        depth = self.height_m / np.where(fall > 1e-9, fall, np.nan)
        return depth * (cos - slope * sin), depth
