# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
How far a camera travelled, in its own heights, and how its path bends, from the ground it sees.

Two images of a plane are related by the homography K R' (I - s t n') K^-1 with the rotation R, the
direction of travel t, the normal n and the distance s in heights above the plane (Faugeras and
Lustman, 1988). With the rest known from the flow, s is the value at which the ground of the second
image, warped, looks most like that of the first.
"""

from __future__ import annotations

from math import cos, isfinite, nan, sin, sqrt

import cv2
import numpy as np

from seg_perception.core.camera import Calibration
from seg_perception.core.camera_motion import CameraMotion, across

_WIDTH_PX = 240
_BLUR_PX = 3.0  # of what is taken off as light and shade
_MOST_CONTRAST = 20.0  # grey levels; what is bright counts no more
_FIRST, _NEXT = np.geomspace(0.12, 3.0, 40), np.geomspace(0.72, 1.4, 15)
_ALIKE, _ALONE = 0.3, 0.03  # correlation of the best, and by how much it leads what is not near
_NEAR = 1.25  # ratio of two distances
_LEAST_GROUND, _LEAST_SEEN = 0.02, 0.5  # share of the image; share of the ground still in view
_BELOW_HORIZON = 0.05  # image heights; farther up a row sees too much ground
_LONGEST_S = 1.5  # without a measure, after which the speed is forgotten
_CORRECTION_RADPS = 0.03  # by which drivers turn to hold their lane: it says nothing of the path
_TELLING = 3  # last measures, whose median counts


class GroundTravel:
    """Measures a camera's speed over the ground, pair by pair, in camera heights."""

    def __init__(self) -> None:
        self._per_s = nan  # heights a second
        self._heard_s = nan
        self._bends: list[float] = []

    def measure(
        self,
        before: np.ndarray,
        after: np.ndarray,
        is_ground: np.ndarray,
        motion: CameraMotion,
        lens: Calibration,
        roll_rad: float,
        stamps_s: tuple[float, float],
    ) -> float:
        """
        Distance travelled / height of the camera between two images; NaN when they do not tell.

        :param before: grey (H, W) uint8, as is ``after``.
        :param is_ground: (H, W) uint8, not zero where the first image shows ground.
        :param lens: of images of that size.
        :param roll_rad: of the camera.
        :param stamps_s: of the two images.
        """
        elapsed_s = stamps_s[1] - stamps_s[0]
        if not stamps_s[1] - self._heard_s < _LONGEST_S:
            self._per_s, self._bends = nan, []
        ground = _Ground.of(before, after, is_ground, motion, lens, roll_rad)
        if ground is None:
            return nan
        known = isfinite(self._per_s)
        travelled = ground.travelled(self._per_s * elapsed_s * _NEXT if known else _FIRST)
        if known and not isfinite(travelled):
            travelled = ground.travelled(_FIRST)
        if isfinite(travelled):
            self._per_s, self._heard_s = travelled / elapsed_s, stamps_s[1]
            down = across(motion.direction)[1]
            self._bends = [*self._bends, -float(motion.rotation @ down) / travelled][-_TELLING:]
        return travelled

    def curvature(self, now_s: float) -> float:
        """Curvature of the path times the height, positive to the left; NaN while not known."""
        if len(self._bends) < _TELLING or not now_s - self._heard_s < _LONGEST_S:
            return nan
        bend = float(np.median(self._bends))
        return bend * max(0.0, 1.0 - _CORRECTION_RADPS / max(abs(bend) * self._per_s, 1e-9))


class _Ground:
    """The ground of the first image, and the second one to compare it with."""

    @classmethod
    def of(
        cls, before: np.ndarray, after: np.ndarray, is_ground: np.ndarray,
        motion: CameraMotion, lens: Calibration, roll_rad: float,
    ) -> _Ground | None:  # fmt: skip
        """None where there is too little ground."""
        scale = min(1.0, _WIDTH_PX / before.shape[1])
        size = round(before.shape[0] * scale), round(before.shape[1] * scale)
        half_turn = cv2.Rodrigues(0.5 * motion.rotation)[0]
        travel = half_turn @ motion.direction
        small = lens.scaled(size)
        row = small.project(travel)[0, 1] + _BELOW_HORIZON * size[0]
        top = int(np.clip(row if isfinite(row) else 0, 0, size[0] - 1))
        shown = cv2.resize(is_ground, size[::-1], interpolation=cv2.INTER_NEAREST)[top:]
        mask = cv2.erode(shown, np.ones((3, 3), np.uint8), borderValue=0) > 0
        if np.count_nonzero(mask) < _LEAST_GROUND * size[0] * size[1]:
            return None
        return cls(_contrast(before, size)[top:], _contrast(after, size), mask, travel,
                   half_turn @ half_turn, small, roll_rad)  # fmt: skip

    def __init__(
        self, before: np.ndarray, after: np.ndarray, mask: np.ndarray, travel: np.ndarray,
        turn: np.ndarray, lens: Calibration, roll_rad: float,
    ) -> None:  # fmt: skip
        self._before, self._after, self._mask, self._travel = before, after, mask, travel
        right, down = across(travel)
        self._normal = down * cos(roll_rad) + right * sin(roll_rad)
        lower = np.array([[1.0, 0, 0], [0, 1, len(after) - len(before)], [0, 0, 1]])
        self._rays = np.linalg.inv(lens.k) @ lower
        self._project = lens.k @ turn.T

    def travelled(self, tried: np.ndarray) -> float:
        """The best of the distances tried, NaN when none stands out."""
        alike = np.array([self._alike(distance) for distance in tried])
        best = int(np.argmax(alike))
        others = alike[np.abs(np.log(tried / tried[best])) > np.log(_NEAR)]
        lead = alike[best] - others.max(initial=-1.0)
        if not 0 < best < len(tried) - 1 or alike[best] < _ALIKE or lead < _ALONE:
            return nan
        left, middle, right = alike[best - 1 : best + 2]
        bend = left - 2 * middle + right
        shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
        step = np.log(tried[best + 1] / tried[best])
        return float(tried[best] * np.exp(np.clip(shift, -0.5, 0.5) * step))

    def _alike(self, distance: float) -> float:
        """Correlation of the ground in both images when the camera travelled so far."""
        warp = self._project @ (np.eye(3) - distance * np.outer(self._travel, self._normal))
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = self._before.shape[::-1]
        warped = cv2.warpPerspective(self._after, warp @ self._rays, size, flags=flags,
                                     borderValue=nan)  # fmt: skip
        seen = self._mask & ~np.isnan(warped)
        if np.count_nonzero(seen) < _LEAST_SEEN * np.count_nonzero(self._mask):
            return -1.0
        first, second = self._before[seen], warped[seen]
        return float(first @ second) / max(sqrt(first @ first * (second @ second)), 1e-6)


def _contrast(grey: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    small = cv2.resize(grey, size[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
    lights = cv2.GaussianBlur(small, (0, 0), _BLUR_PX)
    return np.asarray(np.clip(small - lights, -_MOST_CONTRAST, _MOST_CONTRAST))
