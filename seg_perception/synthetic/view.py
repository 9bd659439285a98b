# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Data of a frame for all drawing functions: canvas, light, scene, pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import exp

import numpy as np

from seg_perception.synthetic.camera import SyntheticCamera
from seg_perception.synthetic.canvas import Canvas, Rgb
from seg_perception.synthetic.scene import Scene
from seg_perception.synthetic.weather import Light

# Pixels of an image to those of one of half the size, about the same corner.
HALF_SIZE = np.array([[0.5, 0.0, -0.25], [0.0, 0.5, -0.25], [0.0, 0.0, 1.0]])
NEAREST_M = 1.0  # things nearer than this to the camera's plane are left out


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

    @cached_property
    def haze(self) -> Rgb:
        """Colour of the haze."""
        r, g, b = self.light.haze.tolist()
        return r, g, b

    @cached_property
    def half_width(self) -> float:
        """Half the width of the view, in metres at one metre's depth."""
        return self.camera.size[1] / 2 / self.camera.focal_px

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
        r, g, b = self.haze
        haze = 1 - clear
        return (
            min(255.0, colour[0] * lit[0] * clear + r * haze),
            min(255.0, colour[1] * lit[1] * clear + g * haze),
            min(255.0, colour[2] * lit[2] * clear + b * haze),
        )
