# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Data of a frame for all drawing functions: canvas, light, scene, pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp

import cv2
import numpy as np

from seg_perception.synthetic.camera import SyntheticCamera
from seg_perception.synthetic.canvas import Canvas, Rgb
from seg_perception.synthetic.scene import Scene
from seg_perception.synthetic.weather import Light

NEAREST_M = 1.0  # things nearer than this to the camera's plane are left out
_COARSE_PX = 1.3  # a texel larger than this loses nothing when it is drawn at half size


@dataclass(frozen=True)
class Glow:
    """A shining lamp: its place in the image, its reach in pixels, and its plane."""

    column: float
    row: float
    radius_px: float
    colour: Rgb
    plane: int


@dataclass(frozen=True, eq=False)
class View:
    """One frame being drawn."""

    canvas: Canvas
    light: Light
    scene: Scene
    pose: tuple[float, float, float]  # world X and Y in metres, heading in radians
    glows: list[Glow] = field(default_factory=list)
    lights: dict[tuple[float, float, float], np.ndarray] = field(default_factory=dict)

    @property
    def camera(self) -> SyntheticCamera:
        return self.canvas.camera

    def vehicle_xy(self, along: np.ndarray, left: np.ndarray) -> np.ndarray:
        """Points (N, 2) of the vehicle frame at distances along and left of the centre line."""
        return self.from_world(along, self.scene.centre_m(along) + left)

    def from_world(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Points (N, 2) of the vehicle frame at world places."""
        x0, y0, heading = self.pose
        dx, dy = x - x0, y - y0
        cos, sin = np.cos(heading), np.sin(heading)
        return np.stack([dx * cos + dy * sin, dy * cos - dx * sin], axis=1)

    def lit(self, normal: tuple[float, float, float]) -> np.ndarray:
        """Light on a surface with a normal in the world frame, factor per channel."""
        if normal not in self.lights:
            self.lights[normal] = self.light.on(np.array(normal))
        return self.lights[normal]

    def turned(self, normal: tuple[float, float, float]) -> np.ndarray:
        """A direction (3,) of the world in the vehicle frame."""
        x, y, z = normal
        cos, sin = np.cos(self.pose[2]), np.sin(self.pose[2])
        return np.array([x * cos + y * sin, y * cos - x * sin, z])

    def camera_points(
        self, along: np.ndarray, left: np.ndarray, up: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """Points (N, 3) of the camera frame."""
        return self.camera.raised_to_camera(self.vehicle_xy(along, left), up)

    def seen(self, colour: Rgb, lit: Sequence[float], depth_m: float) -> Rgb:
        """A colour under a light (factor per channel) and through the haze."""
        clear = exp(-self.light.haze_per_m * depth_m)
        r, g, b = self.light.haze.tolist()
        haze = 1 - clear
        return (
            min(255.0, colour[0] * lit[0] * clear + r * haze),
            min(255.0, colour[1] * lit[1] * clear + g * haze),
            min(255.0, colour[2] * lit[2] * clear + b * haze),
        )


def warped(
    texture: np.ndarray,
    warp: np.ndarray,
    size: tuple[int, int],
    light: np.ndarray,
    texel_px: float,
) -> np.ndarray:
    """
    A lit texture as the image shows it; one with large texels at half size, then doubled.

    :param warp: affine (2, 3) or perspective (3, 3), pixels of the texture to those of the image.
    :param size: width and height in the image.
    """
    transform = cv2.warpAffine if len(warp) == 2 else cv2.warpPerspective
    edge = cv2.BORDER_REPLICATE
    if texel_px <= _COARSE_PX:
        return cv2.transform(transform(texture, warp, size, borderMode=edge), light)
    half = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    shrink, scale = warp.copy(), warp[2] if len(warp) == 3 else np.array([0.0, 0.0, 1.0])
    shrink[:2] = 0.5 * warp[:2] - 0.25 * scale  # about the same corner
    small = cv2.transform(transform(texture, shrink, half, borderMode=edge), light)
    double = cv2.resize(small, (2 * half[0], 2 * half[1]))
    return np.asarray(double[: size[1], : size[0]])
