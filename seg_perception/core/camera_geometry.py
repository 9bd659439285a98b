# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
What the pixels of a camera mean, prepared once: the ground that each sees, and what follows.

The owner of a camera makes one geometry for each calibration, extrinsics and size, keeps it and
passes it on. Corridor, grid and scan keep what they derive from it in the geometry itself
(``part``), so nothing outlives its camera and no two cameras share anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import hypot, inf, isfinite, nan
from threading import Lock
from typing import Any, TypeVar

import cv2
import numpy as np

from seg_perception.core.camera import ROAD_PITCH_STD_RAD, Calibration, Camera, Extrinsics
from seg_perception.core.errors import CalibrationError, first_line
from seg_perception.core.masks import resize_nearest
from seg_perception.core.results import CalibrationState, OnlineCalibration, VanishingPoint
from seg_perception.core.turning import (
    turn_calibration,
    turn_extrinsics,
    turn_image,
    turn_size,
    turns_of,
)

Geometry = TypeVar('Geometry', bound='ImageGeometry')
Settings = TypeVar('Settings')
Part = TypeVar('Part')


class ImageGeometry:
    """
    Images of one size without a calibration: nothing about them is metric.

    :param size: (height, width) of the labels.
    :param vanishing_point: where the direction of travel meets the image, if that is known.
    :param ego_mask: (h, w) uint8 of any size, 255 on the own vehicle; None: it is not in view.
    :param camera_height_m: above the ground, if that is known.
    :param turns: quarter turns clockwise that bring the camera's images upright, as these are.
    """

    camera: Camera | None = None

    def __init__(
        self,
        size: tuple[int, int],
        vanishing_point: VanishingPoint | None = None,
        ego_mask: np.ndarray | None = None,
        camera_height_m: float = nan,
        turns: int = 0,
    ) -> None:
        self.size, self.vanishing_point, self.turns = size, vanishing_point, turns
        self.camera_height_m = camera_height_m
        self.ego_mask = None if ego_mask is None else resize_nearest(ego_mask, size)
        self._parts: dict[Any, tuple[Any, Any]] = {}

    def with_ego_body(self, bits: np.ndarray, own: int, rows: slice = slice(None)) -> np.ndarray:
        """Bits (R, W) uint8 of the pixels in some rows, which are ``own`` on the own vehicle."""
        if self.ego_mask is None:
            return bits
        ego = self.ego_mask[rows]
        bits = cv2.subtract(bits, ego)
        return np.asarray(cv2.bitwise_or(bits, ego & np.uint8(own)))

    def part(
        self: Geometry, make: Callable[[Geometry, Settings], Part], settings: Settings
    ) -> Part:
        """
        What ``make(self, settings)`` gives; made again only when the settings change.

        Several threads may ask: at worst each makes the same.
        """
        kept = self._parts.get(make)
        if kept is None or kept[0] != settings:
            kept = settings, make(self, settings)
            self._parts[make] = kept
        return kept[1]


@dataclass(frozen=True, eq=False)
class GroundMap:
    """What ground each pixel of an image (H, W) sees; all NaN at and above the horizon."""

    x_m: np.ndarray  # (H, W) float32, forward
    y_m: np.ndarray  # (H, W) float32, left
    coarse_m: np.ndarray  # (H, W) float32, length of ground in the pixel; inf next to the horizon
    edges_m: np.ndarray  # (H + 1, W, 2) float32, x and y at the upper edges of pixels; last, below


class CameraGeometry(ImageGeometry):
    """
    Images of a calibrated camera with known extrinsics; immutable, its parts are made when used.

    :param calibration: of the camera's images.
    :param extrinsics: where the camera is in the vehicle frame.
    :param size: (height, width) of the labels: those of the image, resized.
    :param ego_mask: (h, w) uint8 of any size, 255 on the own vehicle; None: it is not in view.
    :param turns: as of ``ImageGeometry``.
    :raises CalibrationError: when the camera sees no ground near enough.
    """

    camera: Camera

    def __init__(
        self,
        calibration: Calibration,
        extrinsics: Extrinsics,
        size: tuple[int, int] | None = None,
        ego_mask: np.ndarray | None = None,
        turns: int = 0,
    ) -> None:
        super().__init__(size or calibration.size, ego_mask=ego_mask, turns=turns)
        self.image_camera = Camera(calibration, extrinsics)
        self.camera = self.image_camera.scaled(self.size)
        self._rays = _Rays(self.camera.calibration)

    @classmethod
    def of(cls, camera: Camera, size: tuple[int, int] | None = None) -> CameraGeometry:
        """The geometry of a camera whose images are labelled at a size (H, W)."""
        return cls(camera.calibration, camera.extrinsics, size)

    def moved(self, extrinsics: Extrinsics, ego_mask: np.ndarray | None = None) -> CameraGeometry:
        """The same camera with other extrinsics; keeps the rays, which take longest to make."""
        lens = self.image_camera.calibration
        other = CameraGeometry(lens, extrinsics, self.size, ego_mask, self.turns)
        other._rays = self._rays
        return other

    @property
    def rays(self) -> np.ndarray:
        """Rays of the optical frame through the pixels, 1 deep, (H, W, 3) float32."""
        return self._rays.of_pixels

    @cached_property
    def rays_in_vehicle(self) -> np.ndarray:
        """The same on the axes of the vehicle, (3, H, W) float32."""
        turned = self.rays.reshape(-1, 3).astype(np.float64) @ self.camera.extrinsics.rotation.T
        return _frozen(np.ascontiguousarray(turned.T).reshape(3, *self.size))

    @cached_property
    def ground(self) -> GroundMap:
        """What ground each pixel sees."""
        extrinsics = self.camera.extrinsics
        below = extrinsics.ground_point_m
        here = extrinsics.ground_of(self._rays.of_pixels.astype(np.float64))
        edges = extrinsics.ground_of(self._rays.of_edges.astype(np.float64))
        away = np.linalg.norm(here - below, axis=-1)
        coarse = 2 * np.abs(np.linalg.norm(edges[:-1] - below, axis=-1) - away)
        coarse[np.isnan(coarse) & ~np.isnan(away)] = inf  # half a pixel up is the sky
        return GroundMap(*map(_frozen, (here[..., 0], here[..., 1], coarse, edges)))


@dataclass(frozen=True)
class Missing:
    """Why a calibration or extrinsics are not known; ``is_fault``: given, and wrong."""

    reason: str
    is_fault: bool = False


@dataclass(frozen=True)
class CameraView:
    """
    The geometry of one frame, and in words why it is not metric; empty when it is.

    ``is_fault`` tells what is wrong from what was never given.
    """

    geometry: ImageGeometry
    reason: str = ''
    is_fault: bool = False

    @property
    def camera(self) -> Camera | None:
        """The camera at the size of the frame; None without metres."""
        geometry = self.geometry
        return geometry.image_camera if isinstance(geometry, CameraGeometry) else None


_SAME_ANGLE_RAD = 0.002  # a quarter of what is not known of the pitch anyway
_SAME_SHARE = 0.003  # of the image: a pixel of 360 rows
_COARSE_HEIGHT = 0.1  # share of a height; typical cameras of cars differ by as much
_SAME_SCALE = 0.05  # of a height or a standard deviation
_SAME_EGO_SHARE = 0.003  # of the image's pixels


class GeometryKeeper:
    """
    Makes the geometry of one camera and keeps it until what it is made of changes noticeably.

    Calibration, extrinsics and size count at once. What the camera has learned of itself drifts
    with every frame; it counts when it has moved by more than what hardly changes an answer.
    Several threads may ask for views.

    :param labels_size: the (height, width) at which a frame of a (height, width) is labelled.
    """

    def __init__(self, labels_size: Callable[[tuple[int, int]], tuple[int, int]]) -> None:
        self._labels_size = labels_size
        self._lock = Lock()
        self._learned = _Learned()
        self._image: tuple[Any, ImageGeometry] | None = None
        self._camera: tuple[Any, CameraGeometry] | None = None

    def view(
        self,
        calibration: Calibration | Missing,
        extrinsics: Extrinsics | Missing,
        size: tuple[int, int],
        online: OnlineCalibration | None = None,
    ) -> CameraView:
        """
        The view of a frame of a size (H, W).

        :param online: what the camera has learned of itself; without extrinsics the geometry
            follows it. Its ego mask counts in any case.
        """
        with self._lock:
            learned = self._learned = self._learned.followed_by(_Learned.of(online))
            if isinstance(extrinsics, Missing) and not extrinsics.is_fault and learned.extrinsics:
                extrinsics = learned.extrinsics
            missing = next((x for x in (calibration, extrinsics) if isinstance(x, Missing)), None)
            turns = 0 if isinstance(extrinsics, Missing) else turns_of(extrinsics)
            if missing is None:
                try:
                    return CameraView(self._calibrated(calibration, extrinsics, size, turns))  # type: ignore[arg-type]
                except (CalibrationError, ArithmeticError, ValueError, cv2.error) as error:
                    # Numbers that pass every check and cannot be used take no masks with them.
                    missing = Missing(
                        f'calibration does not fit: {first_line(error)}', is_fault=True
                    )
            wanted = self._labels_size(turn_size(size, turns)), learned, turns
            if self._image is None or self._image[0] != wanted:
                self._image = wanted, learned.image_geometry(wanted[0], turns)
            return CameraView(self._image[1], missing.reason, missing.is_fault)

    def _calibrated(
        self, calibration: Calibration, extrinsics: Extrinsics, size: tuple[int, int], turns: int
    ) -> CameraGeometry:
        lens, ego = (calibration, size, turns), self._learned.ego
        upright = turn_extrinsics(extrinsics, turns)
        kept = self._camera
        if kept is None or kept[0][:3] != lens:
            fitting = turn_calibration(calibration.for_image(size), turns)
            labels_size = self._labels_size(fitting.size)
            geometry = CameraGeometry(fitting, upright, labels_size, _turned(ego, turns), turns)
            _ = geometry.ground  # what fails, fails here
        elif kept[1].camera.extrinsics != upright or kept[0][3] is not ego:
            geometry = kept[1].moved(upright, _turned(ego, turns))
        else:
            return kept[1]
        self._camera = (*lens, ego), geometry
        return geometry


@dataclass(frozen=True, eq=False)
class _Learned:
    """What a geometry takes from an online calibration."""

    point: VanishingPoint | None = None
    extrinsics: Extrinsics | None = None
    ego: np.ndarray | None = None
    height_m: float = nan

    @classmethod
    def of(cls, online: OnlineCalibration | None) -> _Learned:
        if online is None:
            return cls()
        if online.state is CalibrationState.INVALID:
            return cls(ego=online.ego_mask)
        return cls(
            online.vanishing_point, _learned_extrinsics(online), online.ego_mask, _height_m(online)
        )

    def followed_by(self, new: _Learned) -> _Learned:
        """What is new, or, where it has hardly moved, what was; the same object if nothing has."""
        point = self.point if _is_same_point(self.point, new.point) else new.point
        extrinsics = (
            self.extrinsics if _is_same_pose(self.extrinsics, new.extrinsics) else new.extrinsics
        )
        ego = self.ego if _is_same_mask(self.ego, new.ego) else new.ego
        height_m = self.height_m if _is_near(self.height_m, new.height_m) else new.height_m
        kept = point is self.point and extrinsics is self.extrinsics and ego is self.ego
        if kept and height_m is self.height_m:
            return self
        return _Learned(point, extrinsics, ego, height_m)

    def image_geometry(self, size: tuple[int, int], turns: int = 0) -> ImageGeometry:
        """That of upright images; a vanishing point is known of cameras that are not turned."""
        point = None if turns else self.point
        return ImageGeometry(size, point, _turned(self.ego, turns), self.height_m, turns)


def _turned(mask: np.ndarray | None, turns: int) -> np.ndarray | None:
    return None if mask is None else turn_image(mask, turns)


def _height_m(online: OnlineCalibration) -> float:
    """The height by its own account; NaN while a typical one is as good."""
    sure = online.height_std_m <= _COARSE_HEIGHT * online.height_m
    return online.height_m if sure else nan


def _learned_extrinsics(online: OnlineCalibration) -> Extrinsics | None:
    """Where the camera is by its own account; None while that is too uncertain for metres."""
    roll_rad = online.roll_rad if isfinite(online.roll_rad) else 0.0  # as good as all cameras
    angles = online.pitch_rad, roll_rad, online.yaw_rad
    known = all(map(isfinite, (*angles, online.height_m, online.height_std_m)))
    if online.state is not CalibrationState.CALIBRATED or not known:
        return None
    pitch_std_rad = hypot(online.pitch_std_rad, ROAD_PITCH_STD_RAD)
    return Extrinsics(
        online.height_m, *angles, pitch_std_rad=pitch_std_rad, height_std_m=online.height_std_m
    )


def _is_same_point(old: VanishingPoint | None, new: VanishingPoint | None) -> bool:
    if old is None or new is None:
        return old is new
    moved = max(abs(old.column - new.column), abs(old.row - new.row))
    surer = max(abs(old.column_std - new.column_std), abs(old.row_std - new.row_std))
    turned_rad = abs(old.roll_rad - new.roll_rad)
    return max(moved, surer) <= _SAME_SHARE and turned_rad <= 2 * _SAME_ANGLE_RAD


def _is_same_pose(old: Extrinsics | None, new: Extrinsics | None) -> bool:
    if old is None or new is None:
        return old is new
    names = 'pitch_rad', 'roll_rad', 'yaw_rad', 'pitch_std_rad'
    turned_rad = max(abs(getattr(old, name) - getattr(new, name)) for name in names)
    heights = (old.height_m, new.height_m), (old.height_std_m, new.height_std_m)
    return turned_rad <= _SAME_ANGLE_RAD and all(_is_near(*pair) for pair in heights)


def _is_near(old: float, new: float) -> bool:
    return abs(new - old) <= _SAME_SCALE * abs(old) or not (isfinite(old) or isfinite(new))


def _is_same_mask(old: np.ndarray | None, new: np.ndarray | None) -> bool:
    if old is None or new is None or old.shape != new.shape:
        return old is new
    return old is new or cv2.countNonZero(old ^ new) <= _SAME_EGO_SHARE * new.size


class _Rays:
    """Rays of the optical frame, 1 deep, (R, W, 3) float32; they depend on the lens alone."""

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration

    @cached_property
    def of_pixels(self) -> np.ndarray:
        return self._through(np.arange(self._calibration.size[0]))

    @cached_property
    def of_edges(self) -> np.ndarray:
        """Of the edges above and below all pixels, (H + 1, W, 3)."""
        return self._through(np.arange(self._calibration.size[0] + 1) - 0.5)

    def _through(self, rows: np.ndarray) -> np.ndarray:
        width = self._calibration.size[1]
        places = np.stack(np.meshgrid(np.arange(width), rows), axis=-1)
        rays = self._calibration.rays(places.reshape(-1, 2))
        return _frozen(rays.reshape(len(rows), width, 3))


def _frozen(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float32)
    values.setflags(write=False)
    return values
