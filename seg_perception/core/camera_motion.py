# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
How a camera moved between two images: rotation and direction of travel, from sparse flow.

For a static scene, a ray before, the ray after (turned back) and the direction of travel lie in
one plane: the epipolar constraint (Longuet-Higgins, 1981). The distances of the turned rays from
their epipolar lines are minimised robustly over five parameters, by Gauss-Newton with a tolerance
that narrows round by round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

_ROTATION_ROUNDS = 4  # with the direction held at its start
_WIDENINGS = (3.0, 2.0, 1.5, 1.0, 1.0, 1.0)  # of the tolerance, three times the noise
_LONGEST_STEP = 0.3  # rad
_LEAST_POINTS = 25
_LEAST_NOISE_PX = 0.08  # Lucas-Kanade is hardly better


@dataclass(frozen=True, eq=False)
class CameraMotion:
    """
    Motion between two images in the optical frame, x right, y down, z ahead.

    ``direction`` is halfway between the two images; ``information`` is that of its coordinates
    along ``basis``, with what the rotation leaves open already taken off.
    """

    rotation: np.ndarray  # (3,) rad, rotation vector: turns rays after into the frame before
    direction: np.ndarray  # (3,) unit length
    basis: np.ndarray  # (2, 3) unit vectors across the direction
    information: np.ndarray  # (2, 2) 1 / rad^2
    fits: np.ndarray  # (N,) bool
    closeness: np.ndarray  # (N,) distance travelled / depth of each point; NaN where unseen
    noise_px: float  # of the points that fit
    parallax_px: float  # 80th percentile of the length of the flow without the rotation


def find_motion(
    before: np.ndarray,
    after: np.ndarray,
    pixel_rad: float,
    starts: Sequence[object] = ((0.0, 0.0, 1.0),),
) -> CameraMotion | None:
    """
    The motion that explains how static points moved; None where there are too few of them.

    :param before: rays (N, 3) of the optical frame, 1 deep.
    :param after: rays of the same points in the second image.
    :param pixel_rad: angle of a pixel, which is about the noise.
    :param starts: directions (3,) from which the best fit is sought.
    """
    if len(before) < _LEAST_POINTS:
        return None
    first, second = np.ascontiguousarray(before.T), np.ascontiguousarray(after.T)
    fit = min((_Fit(first, second, pixel_rad, near) for near in starts), key=lambda f: f.cost)
    return fit.motion()


class _Fit:
    """Rotation and direction under refinement; rays are (3, N) here."""

    def __init__(
        self, before: np.ndarray, after: np.ndarray, pixel_rad: float, start: object
    ) -> None:
        self._before, self._after, self._pixel_rad = before, after, pixel_rad
        self.turn, self.direction = np.eye(3), _unit(np.asarray(start, float))
        self.noise = 0.25 * pixel_rad
        for _ in range(_ROTATION_ROUNDS):  # least absolute residuals
            self._linearise()
            self._step(1.0 / np.maximum(np.abs(self.residuals), self.noise), 3)
        for widening in _WIDENINGS:
            self._linearise()
            self.noise = self._spread()
            self._step(_weights(self.residuals / (3.0 * widening * self.noise)), 5)
        self._linearise()
        self.noise = self._spread()

    @property
    def cost(self) -> float:
        """What robust fits are compared by."""
        misfit = (self.residuals / self._pixel_rad) ** 2
        return float((misfit / (1.0 + misfit)).sum())

    def _linearise(self) -> None:
        """Distances (N,) from the epipolar lines, and their derivatives (5, N)."""
        turned = self.turn @ self._after
        lines = _crossing(self.direction) @ self._before
        scale = 1.0 / (np.maximum(np.hypot(lines[0], lines[1]), 1e-3) * turned[2])
        scaled = turned * scale
        self.turned, self.residuals = turned, (scaled * lines).sum(axis=0)
        by_direction = across(self.direction) @ _cross(self._before, scaled)
        self.jacobian = np.concatenate([_cross(scaled, lines), by_direction])

    def _step(self, weights: np.ndarray, count: int) -> None:
        """A step of the first so many parameters: 3 for the rotation, 5 for all."""
        weighted = self.jacobian[:count] * weights
        normal = weighted @ self.jacobian[:count].T
        normal[np.diag_indices(count)] += 1e-9 * len(self.residuals)
        step = np.zeros(5)
        step[:count] = -np.linalg.solve(normal, weighted @ self.residuals)
        step *= min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), 1e-12))
        self.turn = cv2.Rodrigues(step[:3])[0] @ self.turn
        self.direction = _unit(self.direction + step[3:] @ across(self.direction))

    def _spread(self) -> float:
        robust = 1.4826 * float(np.median(np.abs(self.residuals)))
        return max(robust, _LEAST_NOISE_PX * self._pixel_rad)

    def motion(self) -> CameraMotion:
        """The result, with the direction in which points come nearer."""
        moved = (self.turned / self.turned[2] - self._before)[:2]
        lengths, fits = np.hypot(*moved), np.abs(self.residuals) < 3.0 * self.noise
        nearer = self._closeness(moved)
        seen = nearer[fits & (lengths > 3.0 * self.noise)]
        sign = -1.0 if len(seen) and np.median(seen) < 0 else 1.0
        turn = cv2.Rodrigues(self.turn)[0].ravel()
        halfway = cv2.Rodrigues(-0.5 * turn)[0]
        return CameraMotion(
            turn, sign * halfway @ self.direction, across(sign * self.direction) @ halfway.T,
            self._information(), fits, sign * nearer, self.noise / self._pixel_rad,
            float(np.percentile(lengths, 80)) / self._pixel_rad,
        )  # fmt: skip

    def _closeness(self, moved: np.ndarray) -> np.ndarray:
        """
        Distance travelled over depth (N,).

        A point X comes to X - s t: its ray moves by s (x t_z - t) / (Z - s t_z).
        """
        x, y, z = self.direction
        along = self._before[:2] * z - np.array([[x], [y]])
        ratio = (moved * along).sum(axis=0) / np.maximum((along**2).sum(axis=0), 1e-12)
        return np.asarray(ratio / (1.0 + ratio * z))

    def _information(self) -> np.ndarray:
        """That of the direction (2, 2), what the rotation leaves open taken off."""
        weighted = self.jacobian * _weights(self.residuals / (3.0 * self.noise))
        full = weighted @ self.jacobian.T / self.noise**2 + 1e-6 * np.eye(5)
        cross = full[3:, :3]
        return np.asarray(full[3:, 3:] - cross @ np.linalg.solve(full[:3, :3], cross.T))


def across(direction: np.ndarray) -> np.ndarray:
    """Two unit vectors (2, 3) across a unit vector: to the right and down for one ahead."""
    x, y, z = direction
    right = np.array([z, 0.0, -x]) if z * z + x * x > 0.01 else np.array([-y, x, 0.0])
    right = _unit(right)
    return np.stack([right, _crossing(direction) @ right])


def _crossing(vector: np.ndarray) -> np.ndarray:
    """The matrix (3, 3) of the cross product with a vector."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross products of columns (3, N)."""
    return np.stack(
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    )


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.sqrt(vector @ vector))


def _weights(misfit: np.ndarray) -> np.ndarray:
    """Geman and McClure."""
    return np.asarray(1.0 / (1.0 + misfit**2) ** 2)
