# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
A calibrated camera over flat ground: pixels to metres and back.

Vehicle frame: x forward, y left, z up, origin on the ground under base_link. Optical frame: x
right, y down, z along the optical axis. Pixel (0, 0) is the centre of the top left pixel; points
are (column, row). The ground is the plane z = 0: what stands up or slopes is not where it seems.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import atan2, cos, hypot, inf, isfinite, pi, sin
from typing import Annotated

import cv2
import numpy as np

from seg_perception.core.errors import CalibrationError
from seg_perception.core.settings import HIDDEN, Setting, Settings, setting

# Distortion models of CameraInfo. OpenCV has plumb_bob as the rational polynomial with zeros
# behind, and zeros behind change neither.
_PLUMB_BOB, _RATIONAL, _FISHEYE = 'plumb_bob', 'rational_polynomial', 'equidistant'
_ALIASES = {
    **dict.fromkeys(('', 'none', 'radtan', 'brown_conrady'), _PLUMB_BOB),
    **dict.fromkeys(('fisheye', 'equi', 'kannala_brandt', 'kannala_brandt4'), _FISHEYE),
    'rational': _RATIONAL,
}
_COEFFICIENTS = {_PLUMB_BOB: (4, 5, 8, 12, 14), _RATIONAL: (4, 5, 8, 12, 14), _FISHEYE: (4, 4)}
# Share of the image's size: a focal length of 1 % sees 178 degrees, one of 1000 a tenth of one.
_FOCAL_RANGE = (0.01, 1000.0)
_RAY_TOLERANCE_PX = 0.1  # a ray that comes back farther off its pixel is none
_LEVEL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # optical to vehicle axes
_NEAR_ENOUGH_M = 100.0
ROAD_PITCH_STD_RAD = 0.009
"""Standard deviation of a pitch on the road, about half a degree: suspension, load and slope."""
_BAND = 1.96  # standard deviations to either side that hold 95 %


@dataclass(frozen=True, eq=False)
class Calibration:
    """
    Intrinsics of a camera; matrices as in CameraInfo, pixels of ``size`` (height, width).

    Two of the same numbers are equal and hash alike, so what is computed from them can be cached.

    :raises CalibrationError: when the numbers cannot be those of a camera.
    """

    size: tuple[int, int]
    k: np.ndarray  # (3, 3)
    distortion_model: str
    d: tuple[float, ...]
    r: np.ndarray  # (3, 3)
    p: np.ndarray  # (3, 4)

    def __post_init__(self) -> None:
        _check(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Calibration) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @cached_property
    def _key(self) -> tuple[object, ...]:
        matrices = (np.asarray(matrix, float).tobytes() for matrix in (self.k, self.r, self.p))
        return self.size, self.distortion_model, self.d, *matrices

    @classmethod
    def pinhole(cls, k: np.ndarray, size: tuple[int, int]) -> Calibration:
        """A camera without distortion."""
        k = np.asarray(k, float)
        return cls(size, k, _PLUMB_BOB, (0.0,) * 5, np.eye(3), np.hstack([k, np.zeros((3, 1))]))

    def scaled(self, size: tuple[int, int]) -> Calibration:
        """The same camera after its images were resized to ``size``."""
        if size == self.size:
            return self
        sy, sx = size[0] / self.size[0], size[1] / self.size[1]
        # A resize keeps the image's edges, and pixel centres lie half a pixel inside of them.
        scale = np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]])
        return replace(self, size=size, k=scale @ self.k, p=scale @ self.p)

    def for_image(self, size: tuple[int, int]) -> Calibration:
        """
        The calibration of images of ``size``: the calibrated size, or evenly larger or smaller.

        :raises CalibrationError: when the image has another shape: it was cropped, or it is
            another camera's.
        """
        (height, width), (own_height, own_width) = size, self.size
        if abs(height * own_width - width * own_height) > max(own_height, own_width):
            seen = f'one for {own_width}x{own_height} pixels with an image of {width}x{height}'
            expected = 'the image it was made for, or that one resized evenly'
            fix = 'Publish the camera_info of this very image.'
            raise CalibrationError('calibration', seen, expected, fix)
        return self.scaled(size)

    def rectified(self) -> Calibration:
        """The calibration of the rectified image (``image_rect``): P, without distortion."""
        return Calibration.pinhole(np.asarray(self.p, float)[:, :3], self.size)

    def rays(self, points: np.ndarray) -> np.ndarray:
        """
        Directions (N, 3) in the optical frame, 1 deep, of pixels (N, 2).

        NaN where no ray ends on the pixel: beyond what the lens model holds for.
        """
        points = np.asarray(points, np.float64).reshape(-1, 2)
        flat = np.linalg.solve(self.k, np.column_stack([points, np.ones(len(points))]).T).T
        if self.is_straight or not len(flat):  # OpenCV refuses an empty list of points
            return np.asarray(flat)
        flat[:, :2] = self._undistorted(flat[:, :2])
        back = np.abs(self.project(flat) - points).max(axis=1, initial=0.0)
        flat[~(back <= _RAY_TOLERANCE_PX)] = np.nan
        return np.asarray(flat)

    def project(self, points_m: np.ndarray) -> np.ndarray:
        """Points of the optical frame (N, 3) to pixels (N, 2); NaN where the lens sees none."""
        points_m = np.asarray(points_m, np.float64).reshape(-1, 3)
        flat = points_m[:, :2] / np.where(points_m[:, 2:] > 1e-6, points_m[:, 2:], np.nan)
        if not self.is_straight and len(flat):
            flat[~(np.linalg.norm(flat, axis=1) <= self._reach)] = np.nan
            flat = self._distorted(flat)
        return np.asarray(flat @ self.k[:2, :2].T + self.k[:2, 2])

    @cached_property
    def is_straight(self) -> bool:
        """Whether it has no distortion."""
        return not self.is_fisheye and not any(self.d)

    @property
    def is_fisheye(self) -> bool:
        """Whether its distortion is by the angle to the axis, as of equidistant lenses."""
        return _model(self.distortion_model) == _FISHEYE

    @cached_property
    def _reach(self) -> float:
        """Tangent of the angle to the axis beyond which the lens model folds back inwards."""
        tangents = np.tan(np.linspace(0.0, 1.5, 3001))
        moved = self._distorted(np.column_stack([tangents, np.zeros_like(tangents)]))[:, 0]
        folds = np.flatnonzero(~(np.diff(moved) > 0))
        return float(tangents[folds[0] if len(folds) else -1])

    def _undistorted(self, flat: np.ndarray) -> np.ndarray:
        """What the lens moved (N, 2), back on the plane one deep."""
        points, eye = np.ascontiguousarray(flat)[:, None], np.eye(3)
        if self.is_fisheye:
            return np.asarray(cv2.fisheye.undistortPoints(points, eye, self._coefficients))[:, 0]
        steps = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-9)
        undistorted = cv2.undistortPointsIter(points, eye, self._coefficients, eye, eye, steps)
        return np.asarray(undistorted)[:, 0]

    def _distorted(self, flat: np.ndarray) -> np.ndarray:
        """Points (N, 2) of the plane one deep where the lens shows them."""
        if self.is_fisheye:
            moved = cv2.fisheye.distortPoints(flat[:, None], np.eye(3), self._coefficients)
            return np.asarray(moved)[:, 0]
        deep, zero = np.column_stack([flat, np.ones(len(flat))]), np.zeros(3)
        moved = cv2.projectPoints(deep, zero, zero, np.eye(3), self._coefficients)[0]
        return np.asarray(moved)[:, 0]

    @property
    def _coefficients(self) -> np.ndarray:
        d = _significant(self.d)
        count = next(n for n in _COEFFICIENTS[_model(self.distortion_model)] if n >= len(d))
        return np.array(d + (0.0,) * (count - len(d)))


def _model(name: str) -> str:
    """The distortion model of a name as drivers write it."""
    plain = '_'.join(name.strip().lower().replace('-', ' ').replace('_', ' ').split())
    return _ALIASES.get(plain, plain)


def _significant(d: tuple[float, ...]) -> tuple[float, ...]:
    """The coefficients without the zeros behind them."""
    return d[: max((i for i, value in enumerate(d, 1) if value), default=0)]


def _check(calibration: Calibration) -> None:
    size, k, d = calibration.size, np.asarray(calibration.k, float), calibration.d
    model = _model(calibration.distortion_model)
    if len(size) != 2 or min(size) < 1:
        raise CalibrationError('calibration size', size, '(height, width), each 1 or more')
    if not _is_intrinsic(k, size):
        expected = 'finite 3x3 numbers in pixels, last row 0 0 1, focal lengths above 0'
        fix = 'An uncalibrated camera has zeros in its camera_info: calibrate it.'
        raise CalibrationError('calibration K', k.tolist(), expected, fix)
    if not np.isfinite(d).all():
        raise CalibrationError('calibration D', d, 'finite coefficients')
    if model not in _COEFFICIENTS and any(d):  # whatever its name, zeros distort nothing
        known = ' or '.join(_COEFFICIENTS)
        raise CalibrationError('calibration distortion_model', repr(model), known)
    least, *_, most = _COEFFICIENTS.get(model, (0, 0))
    if any(d) and not least <= len(d) <= most + len(d) - len(_significant(d)):
        seen, expected = f'{len(d)} coefficients', f'{least} to {most}, and zeros behind'
        raise CalibrationError(f'calibration D of {model}', seen, expected)


def _is_intrinsic(k: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether K projects: what is singular or not in pixels passes simpler checks."""
    if k.shape != (3, 3) or not np.isfinite(k).all() or not np.allclose(k[2], (0, 0, 1)):
        return False
    low, high = _FOCAL_RANGE
    focal = (k[0, 0] / size[1], k[1, 1] / size[0])  # of pixels of any shape
    return bool(k[1, 0] == 0 and all(low <= share <= high for share in focal))


@dataclass(frozen=True)
class Extrinsics(Settings, name='extrinsics', error=CalibrationError):
    """
    Where the optical centre is in the vehicle frame, and where the camera looks.

    The angles turn a camera that looks straight ahead, as in a URDF: about the vehicle's x by
    roll, then y by pitch, then z by yaw.

    :raises CalibrationError: when a value is out of range or NaN.
    """

    height_m: Annotated[
        float, Setting('height of the optical centre above the ground', 'm', 0.05, 30)
    ]
    pitch_rad: float = setting(0.0, 'pitch; positive looks down', 'rad', -pi / 4, pi / 2)
    roll_rad: float = setting(0.0, 'roll; positive lifts the left side', 'rad', -pi, pi)
    yaw_rad: float = setting(0.0, 'yaw; positive looks to the left', 'rad', -pi, pi)
    forward_m: float = setting(0.0, 'optical centre ahead of base_frame', 'm', -30, 30)
    left_m: float = setting(0.0, 'optical centre to the left of base_frame', 'm', -30, 30)
    pitch_std_rad: float = setting(
        ROAD_PITCH_STD_RAD,
        'standard deviation of the pitch on the road, for the uncertainty of distances',
        'rad',
        0,
        0.2,
    )
    height_std_m: Annotated[
        float, Setting('standard deviation of a height that was estimated', 'm', 0, 10), HIDDEN
    ] = 0.0

    @classmethod
    def from_transform(
        cls,
        translation_m: tuple[float, float, float],
        quaternion: tuple[float, float, float, float],
        pitch_std_rad: float = ROAD_PITCH_STD_RAD,
    ) -> Extrinsics:
        """
        The extrinsics of a transform from the optical to the vehicle frame, as TF has it.

        :param translation_m: x, y, z of the optical centre; z above the ground.
        :param quaternion: x, y, z, w.
        """
        x, y, z = translation_m
        axes = rotation_of(quaternion) @ _LEVEL.T  # of a camera body: x ahead, y left, z up
        pitch = -np.arcsin(np.clip(axes[2, 0], -1.0, 1.0))
        yaw, roll = np.arctan2(axes[1, 0], axes[0, 0]), np.arctan2(axes[2, 1], axes[2, 2])
        return cls(z, float(pitch), float(roll), float(yaw), x, y, pitch_std_rad)

    @cached_property
    def rotation(self) -> np.ndarray:
        """Optical axes to vehicle axes, (3, 3)."""
        sr, cr = sin(self.roll_rad), cos(self.roll_rad)
        sp, cp = sin(self.pitch_rad), cos(self.pitch_rad)
        sy, cy = sin(self.yaw_rad), cos(self.yaw_rad)
        roll = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
        pitch = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
        yaw = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
        return np.asarray(yaw @ pitch @ roll @ _LEVEL)

    def ground_of(self, rays: np.ndarray) -> np.ndarray:
        """Where rays (..., 3) of the optical frame meet the ground, (..., 2) m; NaN if not."""
        turned = rays @ self.rotation.T
        length = self.height_m / np.where(turned[..., 2:] < -1e-9, -turned[..., 2:], np.nan)
        return np.asarray(turned[..., :2] * length + self.ground_point_m)

    @property
    def ground_point_m(self) -> tuple[float, float]:
        """The point on the ground below the optical centre, x forward and y left."""
        return self.forward_m, self.left_m


def rotation_of(quaternion: tuple[float, float, float, float]) -> np.ndarray:
    """The rotation (3, 3) of a quaternion x, y, z, w of any length but 0."""
    length = sum(part * part for part in quaternion) ** 0.5
    if not isfinite(length) or length < 1e-6:
        raise CalibrationError('camera transform', quaternion, 'a rotation (x, y, z, w)')
    x, y, z, w = (part / length for part in quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


@dataclass(frozen=True)
class Camera:
    """
    Where the pixels of a calibrated camera with known extrinsics meet the ground.

    :raises CalibrationError: when it sees no ground near enough.
    """

    calibration: Calibration
    extrinsics: Extrinsics

    def __post_init__(self) -> None:
        rows, columns = (np.linspace(-0.5, count - 0.5, 9) for count in self.size)
        grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
        away_m = np.linalg.norm(
            self.pixel_to_ground(grid) - self.extrinsics.ground_point_m, axis=1
        )
        if not (away_m < _NEAR_ENOUGH_M).any():
            pose = self.extrinsics
            seen = f'pitch {pose.pitch_rad:.3f} and roll {pose.roll_rad:.3f} rad'
            expected = f'a camera that sees the ground within {_NEAR_ENOUGH_M:.0f} m'
            fix = 'Positive pitch looks down; z of the optical frame points ahead.'
            raise CalibrationError('camera pose', seen, expected, fix)

    @property
    def size(self) -> tuple[int, int]:
        return self.calibration.size

    def scaled(self, size: tuple[int, int]) -> Camera:
        """The same camera after its images were resized to ``size``."""
        if size == self.size:
            return self
        return Camera(self.calibration.scaled(size), self.extrinsics)

    def pixel_to_ground(self, points: np.ndarray) -> np.ndarray:
        """Pixels (N, 2) to ground points (N, 2) in metres; NaN at and above the horizon."""
        return self.extrinsics.ground_of(self.calibration.rays(points))

    def ground_to_pixel(self, points_m: np.ndarray) -> np.ndarray:
        """Ground points (N, 2) in metres to pixels (N, 2); NaN where the lens sees none."""
        offsets = np.asarray(points_m, np.float64).reshape(-1, 2) - self.extrinsics.ground_point_m
        points_m = np.column_stack([offsets, np.full(len(offsets), -self.extrinsics.height_m)])
        return self.calibration.project(points_m @ self.extrinsics.rotation)

    @cached_property
    def horizon_rows(self) -> np.ndarray:
        """Row of the horizon in each column, (W,); NaN where the lens cannot see it."""
        columns = np.arange(self.size[1], dtype=float)
        # The vehicle's z on optical axes.
        aside, up, ahead = self.extrinsics.rotation[2] * (1, -1, 1)
        if abs(up) < 1e-9:
            return np.full(len(columns), np.nan)
        rows = np.full(len(columns), self.calibration.k[1, 2])
        for _ in range(4):  # the first is exact when nothing is distorted
            rays = self.calibration.rays(np.column_stack([columns, rows]))
            rays[:, 1] = (ahead + aside * rays[:, 0]) / up
            rows = self.calibration.project(rays)[:, 1]
        return rows

    @property
    def horizon(self) -> float:
        """Row of the horizon in the middle column; NaN where the lens cannot see it."""
        return float(self.horizon_rows[(self.size[1] - 1) // 2])

    @property
    def pixel_rad(self) -> float:
        """Angle of a pixel's height at the optical axis."""
        return 1.0 / float(self.calibration.k[1, 1])

    def std_m(self, distance_m: float) -> float:
        """Standard deviation of a distance on the ground: pitch, size of a pixel and height."""
        std_rad = hypot(self.extrinsics.pitch_std_rad, self.pixel_rad / 12**0.5)
        height, away = self.extrinsics.height_m, distance_m - self.ahead_m
        scale_m = away / height * self.extrinsics.height_std_m
        return hypot((away**2 / height + height) * std_rad, scale_m)

    def band_m(self, distance_m: float) -> tuple[float, float]:
        """
        Least and largest that a distance on the ground may be, in 95 of 100 cases.

        The pitch turns the ray; a flat one leaves the ground soon, so the band leans outwards, up
        to infinity. Half a pixel comes on top, since it is a bound and no spread. What is not
        known of the height counts as the turn that would move the distance as far.
        """
        height, away = self.extrinsics.height_m, distance_m - self.ahead_m
        height_rad = self.extrinsics.height_std_m * away / (away**2 + height**2)
        std_rad = hypot(self.extrinsics.pitch_std_rad, height_rad)
        slack_rad = _BAND * std_rad + self.pixel_rad / 2
        steep, flat = atan2(height, away) + slack_rad, atan2(height, away) - slack_rad
        low = height * cos(steep) / sin(steep) + self.ahead_m
        high = height * cos(flat) / sin(flat) + self.ahead_m if flat > 0 else inf
        return max(0.0, low), high

    @property
    def ahead_m(self) -> float:
        """How far the optical centre is ahead of the origin, in the direction it looks."""
        return self.extrinsics.forward_m * (1.0 if cos(self.extrinsics.yaw_rad) >= 0 else -1.0)
