# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A street of textured planes, ray-cast in milliseconds: ground, walls and hills far away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.classes import CAMVID_11

SIZE = (270, 480)
ROAD, HOUSE, SKY, CAR = (CAMVID_11.names.index(n) for n in ('road', 'building', 'sky', 'car'))
_TALL_M, _FAR_M, _TEXEL_M, _HILLS_RAD = 9.0, 120.0, 0.08, 0.08


def pinhole(focal_share: float = 0.8, size: tuple[int, int] = SIZE) -> Calibration:
    """A camera without distortion, its focal length a share of the width."""
    height, width = size
    focal = focal_share * width
    k = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    return Calibration.pinhole(k, size)


@dataclass(frozen=True)
class Drive:
    """Where the rear axle is over time: its speed and yaw rate, and the nodding of the body."""

    speed_mps: float = 9.0
    yaw_rate_radps: float = 0.0
    nod_rad: float = 0.003
    fps: float = 5.0
    ahead_m: float = 0.0  # camera ahead of the axle, which does not slip
    wall_m: float = 7.0  # on both sides


def _patches() -> np.ndarray:
    """Patches of one grey each, with corners to follow at every scale."""
    rng = np.random.default_rng(4)
    grey = np.full((512, 512), 128.0, np.float32)
    for size in (64, 32, 16, 8, 4):
        for x, y, level in rng.uniform((0, 0, 20), (512, 512, 235), (40000 // size**2 * 4, 3)):
            grey[int(y) : int(y) + size, int(x) : int(x) + size // 2] = level
    return grey


_TEXTURE = _patches()


def frames(
    calibration: Calibration,
    extrinsics: Extrinsics,
    drive: Drive,
    seconds: float,
    start_s: float = 0.0,
) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """RGB (H, W, 3), labels (H, W) of CAMVID_11 and stamp of each frame."""
    rays = _rays(calibration)
    x = y = heading = 0.0
    for index in range(round(seconds * drive.fps)):
        stamp_s = start_s + index / drive.fps
        nod = drive.nod_rad * np.sin(5.1 * stamp_s)
        grey, labels = _cast(
            rays @ _turned(extrinsics, nod, heading).T, extrinsics.height_m, x, y, heading, drive
        )
        yield np.repeat(grey[..., None], 3, axis=2), labels, stamp_s
        step, turn = drive.speed_mps / drive.fps, drive.yaw_rate_radps / drive.fps
        x += step * np.cos(heading + turn / 2)
        y += step * np.sin(heading + turn / 2)
        heading += turn


def _rays(calibration: Calibration) -> np.ndarray:
    height, width = calibration.size
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    return calibration.rays(grid.reshape(-1, 2)).reshape(height, width, 3)


def _turned(extrinsics: Extrinsics, nod: float, heading: float) -> np.ndarray:
    cos, sin = np.cos([nod, heading]), np.sin([nod, heading])
    pitch = np.array([[cos[0], 0, sin[0]], [0, 1, 0], [-sin[0], 0, cos[0]]])
    yaw = np.array([[cos[1], -sin[1], 0], [sin[1], cos[1], 0], [0, 0, 1]])
    return yaw @ pitch @ extrinsics.rotation


def _cast(
    rays: np.ndarray, height_m: float, x: float, y: float, heading: float, drive: Drive
) -> tuple[np.ndarray, np.ndarray]:
    x, y = x + drive.ahead_m * np.cos(heading), y + drive.ahead_m * np.sin(heading)
    with np.errstate(divide='ignore', invalid='ignore'):
        ground = np.where(rays[..., 2] < 0, -height_m / rays[..., 2], np.inf)
        wall = (np.sign(rays[..., 1]) * drive.wall_m - y) / rays[..., 1]
    wall = np.where(height_m + wall * rays[..., 2] < _TALL_M, wall, np.inf)
    depth = np.minimum(ground, wall)
    is_far = depth > _FAR_M
    depth = np.where(is_far, 0.0, depth)
    hit = rays * depth[..., None] + (x, y, height_m)
    on_ground = ground < wall
    # Hills at infinity have their texture by direction.
    away = np.linalg.norm(rays, axis=-1)
    climb = np.where(is_far, rays[..., 2] / away, 0.0)
    along = np.where(is_far, 60.0 * np.arctan2(rays[..., 1], rays[..., 0]), hit[..., 0])
    across = np.where(is_far, 60.0 * climb, np.where(on_ground, hit[..., 1], hit[..., 2] + 11.0))
    places = [np.mod(v / _TEXEL_M, 512).astype(np.float32) for v in (along, across)]
    grey = cv2.remap(_TEXTURE, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    # A texel smaller than a pixel would flicker.
    clear = np.clip(1.2 - depth / 90.0, 0.0, 1.0)
    is_sky = climb > _HILLS_RAD
    grey = np.where(is_sky, 200, 128 + (grey - 128) * clear)
    labels = np.where(on_ground & ~is_far, ROAD, np.where(is_sky, SKY, HOUSE))
    return grey.astype(np.uint8), labels.astype(np.uint8)
