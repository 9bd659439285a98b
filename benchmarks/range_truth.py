# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Exact depth images and LiDAR clouds: of the synthetic street, and of a plain world with slopes.

The plain world is a road between two walks whose height follows a polyline along x, with boxes on
it or above it and holes in it. Every answer comes from the intersection of a ray with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import CAMVID_11
from seg_perception.synthetic.street import StreetFrame

BEAMS_RAD = np.deg2rad(np.linspace(-15, 15, 16))  # of a LiDAR with 16 beams
STEP_RAD = np.deg2rad(0.2)
SKY, ROAD, WALK = (CAMVID_11.names.index(name) for name in ('sky', 'road', 'pavement'))


def beams(around_rad: float = np.pi, step_rad: float = STEP_RAD) -> np.ndarray:
    """Directions (N, 3) of one turn of the LiDAR: x ahead, y left, z up."""
    azimuth = np.arange(-around_rad, around_rad, step_rad)
    up, aside = np.meshgrid(BEAMS_RAD, azimuth, indexing='ij')
    flat = np.cos(up)
    return np.stack([flat * np.cos(aside), flat * np.sin(aside), np.sin(up)], -1).reshape(-1, 3)


def street_cloud(frame: StreetFrame) -> np.ndarray:
    """
    What a LiDAR of 16 beams at the optical centre measures, (N, 3) in the vehicle frame.

    Only where the camera looks, from the planes of the frame; beams into the sky return nothing.
    """
    camera = frame.camera
    rays = beams(np.pi / 3) @ camera.T_camera_vehicle[:3, :3].T
    rays = rays[rays[:, 2] > 0.1]
    rays = rays / rays[:, 2:]
    places = rays[:, :2] * camera.focal_px + camera.K[:2, 2]
    height, width = camera.size
    pixels = np.rint(places).astype(int)
    inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=1)
    places, pixels, rays = places[inside], pixels[inside], rays[inside]
    planes = frame.plane_inverse_depths[frame.planes[pixels[:, 1], pixels[:, 0]]]
    inverse = planes[:, 0] * places[:, 0] + planes[:, 1] * places[:, 1] + planes[:, 2]
    depth = 1.0 / inverse[inverse > 0.01]
    points = rays[inverse > 0.01] * depth[:, None]
    back = np.linalg.inv(camera.T_camera_vehicle)
    return np.asarray(points @ back[:3, :3].T + back[:3, 3])


@dataclass(frozen=True)
class Box:
    """A box in the vehicle frame, metres above the ground below its front."""

    name: str  # of its class in CAMVID_11
    x_m: tuple[float, float]
    y_m: tuple[float, float]
    z_m: tuple[float, float]


@dataclass(frozen=True)
class World:
    """
    Ground whose height follows ``profile`` along x, and boxes.

    :param profile: corners (x, z) of the ground's polyline; level before and behind.
    :param half_road_m: half the width of the road; beyond is the walk.
    """

    profile: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    boxes: tuple[Box, ...] = ()
    half_road_m: float = 4.0

    @classmethod
    def slope(cls, degrees: float, from_m: float = 4.0, **more: object) -> World:
        """Level ground that rises from a distance on; negative falls."""
        rise = np.tan(np.deg2rad(degrees))
        return cls(((from_m, 0.0), (from_m + 200.0, 200.0 * rise)), **more)  # type: ignore[arg-type]

    def ground_z(self, x_m: np.ndarray) -> np.ndarray:
        corners = np.array(self.profile)
        return np.asarray(np.interp(x_m, corners[:, 0], corners[:, 1]))

    def cast(self, origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lengths (N,) in units of each ray, inf into the sky, and class ids (N,) uint8."""
        length, ids = self._ground(origin, rays)
        for box in self.boxes:
            base = float(self.ground_z(np.array(box.x_m[0])))
            low = np.array([box.x_m[0], box.y_m[0], base + box.z_m[0]])
            high = np.array([box.x_m[1], box.y_m[1], base + box.z_m[1]])
            with np.errstate(divide='ignore', invalid='ignore'):
                one, other = (low - origin) / rays, (high - origin) / rays
            enter = np.fmax.reduce(np.minimum(one, other), axis=1)
            leave = np.fmin.reduce(np.maximum(one, other), axis=1)
            hit = (enter <= leave) & (enter > 0) & (enter < length)
            length = np.where(hit, enter, length)
            ids = np.where(hit, np.uint8(CAMVID_11.names.index(box.name)), ids)
        return length, ids

    def _ground(self, origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        corners = [(-1e4, self.profile[0][1]), *self.profile, (1e4, self.profile[-1][1])]
        length = np.full(len(rays), np.inf)
        for (x0, z0), (x1, z1) in pairwise(corners):
            slope = (z1 - z0) / (x1 - x0) if x1 > x0 else 0.0
            above = origin[2] - z0 - slope * (origin[0] - x0)
            with np.errstate(divide='ignore', invalid='ignore'):
                t = above / (slope * rays[:, 0] - rays[:, 2])
            x = origin[0] + t * rays[:, 0]
            hit = (t > 1e-6) & (x >= x0) & (x <= x1) & (t < length)
            length = np.where(hit, t, length)
        y = origin[1] + np.where(np.isfinite(length), length, 0) * rays[:, 1]
        ids = np.where(np.abs(y) <= self.half_road_m, ROAD, WALK)
        return length, np.where(np.isfinite(length), ids, SKY).astype(np.uint8)

    def seen_by(self, geometry: CameraGeometry) -> tuple[np.ndarray, np.ndarray]:
        """Depth (H, W) float32 along the optical axis, inf in the sky, and labels (H, W) uint8."""
        pose = geometry.camera.extrinsics
        origin = np.array([pose.forward_m, pose.left_m, pose.height_m])
        rays = geometry.rays_in_vehicle.reshape(3, -1).T.astype(np.float64)
        depth, ids = self.cast(origin, rays)
        return depth.reshape(geometry.size).astype(np.float32), ids.reshape(geometry.size)

    def cloud(self, origin: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (N, 3) float32 of the vehicle frame within 100 m, and their class ids (N,)."""
        length, ids = self.cast(origin, directions)
        near = length < 100.0
        return (origin + length[near, None] * directions[near]).astype(np.float32), ids[near]


def camera_geometry(
    size: tuple[int, int] = (360, 640), height_m: float = 1.5, pitch_rad: float = 0.05
) -> CameraGeometry:
    """A camera that looks ahead."""
    focal = 0.8 * size[1]
    k = np.array([[focal, 0, (size[1] - 1) / 2], [0, focal, (size[0] - 1) / 2], [0, 0, 1.0]])
    return CameraGeometry(Calibration.pinhole(k, size), Extrinsics(height_m, pitch_rad))
