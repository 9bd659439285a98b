# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Drives along the synthetic street seen through a camera that looks anywhere, with exact truth.

The street renders a camera with a pitch alone. A camera that is turned in place sees a
homography of the same image, so a wider image is rendered and warped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import atan, ceil, cos, hypot, pi, sin, tan

import cv2
import numpy as np

from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.synthetic.assets import paint_assets
from seg_perception.synthetic.camera import SyntheticCamera
from seg_perception.synthetic.ground import FAR_M, Ground
from seg_perception.synthetic.layout import TEXEL_M
from seg_perception.synthetic.street import Street
from seg_perception.synthetic.weather import WEATHERS, Lens

SIZE = (360, 640)
DURATION_S = 25.0
FOCALS = (0.6, 0.8, 1.1)  # shares of the width: a dash cam, a usual camera, a narrow one
_SUPERSAMPLING = 1.25
_AHEAD_OF_AXLE_M = 1.4  # of the camera
_SWAY_M, _SWAY_LENGTH_M = 0.12, 22.0
_PITCH_PER_ACCELERATION = 0.0044  # rad per m/s2: a quarter of a degree, a usual car


@dataclass(frozen=True)
class Mounting:
    """How a camera is mounted, and the drive that it sees."""

    seed: int
    focal_px: float
    extrinsics: Extrinsics
    weather: str = 'clear'

    @classmethod
    def random(cls, seed: int, weather: str = '') -> Mounting:
        """Pitch and yaw to 5 degrees, roll to 2, one of three focal lengths."""
        rng = np.random.default_rng([seed, 17])
        pitch, yaw = (float(angle) for angle in rng.uniform(-1, 1, 2) * pi / 36)
        roll, height = float(rng.uniform(-1, 1)) * pi / 90, float(rng.uniform(1.2, 1.7))
        focal = FOCALS[seed % len(FOCALS)] * SIZE[1]
        extrinsics = Extrinsics(height, pitch, roll, yaw)
        return cls(seed, focal, extrinsics, weather or WEATHERS[seed % len(WEATHERS)])

    @property
    def calibration(self) -> Calibration:
        """Of the images."""
        k = np.diag([self.focal_px, self.focal_px, 1.0])
        k[:2, 2] = (SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2
        return Calibration.pinhole(k, SIZE)


@dataclass(frozen=True, eq=False)
class DriveFrame:
    """One frame with its labels and odometry."""

    rgb: np.ndarray  # (H, W, 3) uint8
    labels: np.ndarray  # (H, W) uint8
    stamp_s: float
    speed_mps: float
    yaw_rate_radps: float


class MixedDrive(Street):
    """Straight stretches, curves, a stop and nodding; as seen by one mounting."""

    def __init__(self, mounting: Mounting, fps: float = 10.0) -> None:
        self.mounting = mounting
        size = _wide_size(mounting)
        super().__init__(mounting.seed, size, weather=mounting.weather, fps=fps)
        self.height_m, self.pitch_rad = mounting.extrinsics.height_m, 0.0
        self.focal_px = mounting.focal_px * _SUPERSAMPLING
        rng = np.random.default_rng([mounting.seed, 18])
        bends = rng.uniform([[-6, 35, 0], [-10, 80, 0]], [[6, 60, 6], [10, 150, 6]])
        self.scene.bend = bends.tolist()
        self._plan = _SpeedPlan(rng)
        self.scene.ego_m = self._ego_m  # type: ignore[method-assign]
        art = np.random.default_rng([mounting.seed, 5])
        texel_m = TEXEL_M if size[0] > 500 else 2 * TEXEL_M
        self._ground = Ground(
            art, self.profile, self.focal_px * self.height_m, texel_m,
            self.light.on(np.array([0.0, 0.0, 1.0])),
        )  # fmt: skip
        self._assets = paint_assets(art, self.light, size, self.focal_px, FAR_M)
        lens_rng = np.random.default_rng([mounting.seed, 6])
        self._lens = Lens(lens_rng, self.light, size, self.focal_px)
        self._warp = _warp(mounting, self.focal_px, size)

    def camera(self, index: int) -> SyntheticCamera:
        """The forward camera of a frame, which also nods under acceleration."""
        usual = self.pitch_rad
        self.pitch_rad = usual - _PITCH_PER_ACCELERATION * self._plan.acceleration(
            index / self.fps
        )
        try:
            return super().camera(index)
        finally:
            self.pitch_rad = usual

    def frames(self) -> Iterator[DriveFrame]:
        """The whole drive."""
        for index in range(round(DURATION_S * self.fps)):
            yield self.seen(index)

    def seen(self, index: int) -> DriveFrame:
        """One frame as the mounted camera sees it."""
        frame, time_s = self.frame(index), index / self.fps
        size = SIZE[::-1]
        rgb = cv2.warpPerspective(frame.rgb, self._warp, size, flags=cv2.INTER_LINEAR)
        labels = cv2.warpPerspective(frame.labels, self._warp, size, flags=cv2.INTER_NEAREST)
        speed = self._plan.speed(time_s)
        turn = self._heading(time_s + 0.05) - self._heading(time_s - 0.05)
        return DriveFrame(rgb, labels, time_s, speed, turn / 0.1)

    def _pose(self, time_s: float) -> tuple[float, float, float]:
        """The rear axle follows the road, and the camera is ahead of it: it slips in curves."""
        along, offset = self._ego_m(time_s)
        heading, left = self._heading(time_s), float(self.scene.centre_m(along)) + offset
        return (
            along + _AHEAD_OF_AXLE_M * cos(heading),
            left + _AHEAD_OF_AXLE_M * sin(heading),
            heading,
        )

    def _heading(self, time_s: float) -> float:
        along = self._plan.along(time_s)
        sway = _SWAY_M / _SWAY_LENGTH_M * cos(along / _SWAY_LENGTH_M)
        return atan(tan(self.scene.heading_rad(along)) + sway)

    def _ego_m(self, time_s: float) -> tuple[float, float]:
        along = self._plan.along(time_s)
        sway = _SWAY_M * sin(along / _SWAY_LENGTH_M)
        return along, self.profile.lane_centre_m(self.scene.lane) + sway


class _SpeedPlan:
    """A speed of 6 to 14 m/s that swings, and one stop of four seconds."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._times = np.arange(-1.0, DURATION_S + 2.0, 0.01)
        stop = rng.uniform(6.0, DURATION_S - 8.0)
        speed = rng.uniform(7, 12) + rng.uniform(0.5, 1.5) * np.sin(
            self._times / rng.uniform(1.5, 4.0) + rng.uniform(0, 6)
        )
        away = np.maximum(np.abs(self._times - stop) - 2.0, 0.0)
        self._speed = speed * np.minimum(1.0, away / 3.0) ** 1.5
        self._along = 8.0 + np.cumsum(self._speed) * 0.01

    def along(self, time_s: float) -> float:
        return float(np.interp(time_s, self._times, self._along))

    def speed(self, time_s: float) -> float:
        return float(np.interp(time_s, self._times, self._speed))

    def acceleration(self, time_s: float) -> float:
        return (self.speed(time_s + 0.1) - self.speed(time_s - 0.1)) / 0.2


def _wide_size(mounting: Mounting) -> tuple[int, int]:
    """A size whose image covers that of the mounting."""
    pose, (height, width) = mounting.extrinsics, SIZE
    across, down = width / 2 / mounting.focal_px, height / 2 / mounting.focal_px
    roll = abs(sin(pose.roll_rad))
    half_width = _turned(across + roll * down, abs(pose.yaw_rad)) * hypot(1.0, down * 0.2)
    half_height = _turned(down + roll * across, abs(pose.pitch_rad)) * hypot(1.0, across * 0.3)
    focal = mounting.focal_px * _SUPERSAMPLING
    return 2 * ceil(half_height * focal + 4), 2 * ceil(half_width * focal + 4)


def _turned(tangent: float, angle: float) -> float:
    return (tangent + tan(angle)) / (1.0 - tangent * tan(angle)) / cos(angle)


def _warp(mounting: Mounting, focal_px: float, size: tuple[int, int]) -> np.ndarray:
    """Homography from the wide forward image to the mounted one."""
    wide = np.diag([focal_px, focal_px, 1.0])
    wide[:2, 2] = (size[1] - 1) / 2, (size[0] - 1) / 2
    turn = mounting.extrinsics.rotation.T @ Extrinsics(1.0).rotation
    return np.asarray(mounting.calibration.k @ turn @ np.linalg.inv(wide))
