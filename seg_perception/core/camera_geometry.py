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
from math import inf
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from seg_perception.core.camera import Calibration, Camera, Extrinsics
from seg_perception.core.errors import CalibrationError

Geometry = TypeVar('Geometry', bound='ImageGeometry')
Settings = TypeVar('Settings')
Part = TypeVar('Part')


class ImageGeometry:
    """
    Images of one size without a calibration: nothing about them is metric.

    :param size: (height, width) of the labels.
    """

    camera: Camera | None = None

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self._parts: dict[Any, tuple[Any, Any]] = {}

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
    :raises CalibrationError: when the camera sees no ground near enough.
    """

    camera: Camera

    def __init__(
        self, calibration: Calibration, extrinsics: Extrinsics, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(size or calibration.size)
        self.image_camera = Camera(calibration, extrinsics)
        self.camera = self.image_camera.scaled(self.size)
        self._rays = _Rays(self.camera.calibration)

    @classmethod
    def of(cls, camera: Camera, size: tuple[int, int] | None = None) -> CameraGeometry:
        """The geometry of a camera whose images are labelled at a size (H, W)."""
        return cls(camera.calibration, camera.extrinsics, size)

    def moved(self, extrinsics: Extrinsics) -> CameraGeometry:
        """The same camera with other extrinsics; keeps the rays, which take longest to make."""
        other = CameraGeometry(self.image_camera.calibration, extrinsics, self.size)
        other._rays = self._rays
        return other

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


class GeometryKeeper:
    """
    Makes the geometry of one camera and keeps it until calibration, extrinsics or size change.

    Several threads may ask for views.

    :param labels_size: the (height, width) at which a frame of a (height, width) is labelled.
    """

    def __init__(self, labels_size: Callable[[tuple[int, int]], tuple[int, int]]) -> None:
        self._labels_size = labels_size
        self._lock = Lock()
        self._image = ImageGeometry((1, 1))
        self._camera: tuple[Any, CameraGeometry] | None = None

    def view(
        self,
        calibration: Calibration | Missing,
        extrinsics: Extrinsics | Missing,
        size: tuple[int, int],
    ) -> CameraView:
        """The view of a frame of a size (H, W)."""
        missing = next((x for x in (calibration, extrinsics) if isinstance(x, Missing)), None)
        if missing is None:
            try:
                return CameraView(self._calibrated(calibration, extrinsics, size))  # type: ignore[arg-type]
            except CalibrationError as error:
                missing = Missing(f'calibration does not fit: {error}', is_fault=True)
        labels_size = self._labels_size(size)
        with self._lock:
            if self._image.size != labels_size:
                self._image = ImageGeometry(labels_size)
            return CameraView(self._image, missing.reason, missing.is_fault)

    def _calibrated(
        self, calibration: Calibration, extrinsics: Extrinsics, size: tuple[int, int]
    ) -> CameraGeometry:
        lens = calibration, size
        with self._lock:
            kept = self._camera
            if kept is None or kept[0] != lens:
                fitting = calibration.for_image(size)
                geometry = CameraGeometry(fitting, extrinsics, self._labels_size(size))
            elif kept[1].camera.extrinsics != extrinsics:
                geometry = kept[1].moved(extrinsics)
            else:
                return kept[1]
            self._camera = lens, geometry
            return geometry


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
