# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The ego corridor: the strip of ground that the vehicle is about to cover, seen in the image.

With a calibrated camera it is the vehicle's width and a margin on the ground, straight ahead or
along a curvature. Without, it is a trapezoid fixed to the image: on flat ground and with a level
camera its width in a row is that of the vehicle at the row's distance, so width tells nearness.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import cos, inf, pi
from typing import Annotated

import cv2
import numpy as np

from seg_perception.core.camera import Camera
from seg_perception.core.errors import ParameterError
from seg_perception.core.settings import Setting, Settings

CURVATURE_STEP = 5e-4  # 1/m, of the corridors that are kept; 0.2 m aside at 40 m
MOST_CURVED = 1.0  # 1/m, a circle of 1 m
COARSE_SHARE = 0.1  # of its distance that a pixel may cover and still tell where something is


@dataclass(frozen=True)
class Corridor(Settings, name='corridor'):
    """
    The strip in metres, for calibrated cameras; the trapezoid in shares of the image for others.

    The trapezoid fits a car camera of about 60 degrees with the horizon near the middle: 2.5 m of
    road are half the width at the bottom row (some 4.5 m ahead) and 8 % at the top (28 m).
    """

    top_share: Annotated[
        float, Setting('far end of the trapezoid, from the top', 'image heights', 0, 0.95)
    ] = 0.54
    near_width_share: Annotated[
        float, Setting('width of the trapezoid at the bottom row', 'image widths', 0.01, 1)
    ] = 0.5
    far_width_share: Annotated[
        float, Setting('width of the trapezoid at its far end', 'image widths', 0.005, 1)
    ] = 0.08
    ego_mask_share: Annotated[
        float,
        Setting('height of the own vehicle at the bottom of the image', 'image heights', 0, 0.4),
    ] = 0.0
    vehicle_width_m: Annotated[float, Setting('width of the vehicle', 'm', 0.1, 20)] = 1.9
    margin_m: Annotated[
        float, Setting('space to keep free on each side of the vehicle', 'm', 0, 10)
    ] = 0.3
    reach_m: Annotated[
        float, Setting('length of the corridor; coarse pixels end it sooner', 'm', 1, 500)
    ] = 60.0
    blocking_m: Annotated[
        float, Setting('width of the smallest object that ends the free road', 'm', 0, 5)
    ] = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.far_width_share > self.near_width_share:
            raise ParameterError(
                'corridor far_width_share',
                self.far_width_share,
                f'at most near_width_share, {self.near_width_share}',
                'A corridor narrows with distance.',
            )

    def end_row(self, height: int) -> int:
        """One past the last row of an image that does not show the own bonnet, 1 or more."""
        return max(1, height - round(self.ego_mask_share * height))


@dataclass(frozen=True, eq=False)
class Strip:
    """A strip of ground along the path, cut into pieces as long as a pixel row in its middle."""

    pixels: np.ndarray  # (N,) int64, flat indices of its pixels
    pieces: np.ndarray  # (N,) int64, the piece that each is in
    edges_m: np.ndarray  # (B + 1,) float64, where the pieces end, along the path
    blocking_px: np.ndarray  # (B,) int32, pixels of a piece that end the free road
    first_piece: int  # the nearest in sight


@dataclass(frozen=True, eq=False)
class Strips:
    """The corridor and its neighbours of the same width; None where out of sight."""

    ahead: Strip
    left: Strip | None
    right: Strip | None


@dataclass(frozen=True, eq=False)
class CorridorShape:
    """A corridor in the pixels of one image size; H and W are its height and width."""

    top_row: int  # first row of the corridor
    end_row: int  # one past its last row; below it is the own bonnet
    inside: np.ndarray  # (H, W) uint8, 255 in the corridor
    beside: np.ndarray  # (H, W) uint8, 255 up to one corridor width to the left and right of it
    elsewhere: np.ndarray  # (H, W) uint8, 255 in the rest of the rows of the corridor
    widths_px: np.ndarray  # (H,) float32, width of the corridor; 0 outside its rows
    nearness: np.ndarray  # (H,) float32, nearest distance / distance of the row: 1 near to 0 far
    outline: np.ndarray  # (M, 2) int32, corners as x, y
    distance_m: np.ndarray  # (H,) float32, along the path to the nearest of a row; NaN: no metres
    strips: Strips | None = None  # for metres, where calibrated


def corridor_shape(
    corridor: Corridor,
    size: tuple[int, int],
    camera: Camera | None = None,
    curvature_per_m: float = 0.0,
) -> CorridorShape:
    """
    The corridor in an image of size (H, W); it has one row at least.

    A camera that does not see the vehicle's path gets the trapezoid, and so do images too coarse.

    :param curvature_per_m: of the path, positive to the left.
    :raises ParameterError: when the curvature cannot be.
    """
    if not abs(curvature_per_m) <= MOST_CURVED:
        raise ParameterError(
            'curvature of the path', curvature_per_m, f'{-MOST_CURVED} to {MOST_CURVED} 1/m'
        )
    if camera is not None:
        steps = round(curvature_per_m / CURVATURE_STEP)
        shape = _on_ground(corridor, camera.scaled(size), steps * CURVATURE_STEP)
        if shape is not None:
            return shape
    return _trapezoid(corridor, size)


@lru_cache(maxsize=32)
def _trapezoid(corridor: Corridor, size: tuple[int, int]) -> CorridorShape:
    height, width = size
    end = corridor.end_row(height)
    top = min(round(corridor.top_share * height), end - 1)
    rows = np.arange(height, dtype=np.float32)
    reach = np.clip((height - 1 - rows) / max(1, height - 1 - top), 0.0, 1.0)
    near, far = corridor.near_width_share * width, corridor.far_width_share * width
    widths = (near + (far - near) * reach) * ((rows >= top) & (rows < end))
    # Distance of a pixel column from the middle, the same on both sides.
    offsets = np.abs(np.arange(width, dtype=np.float32) - (width - 1) / 2)
    inside = offsets <= np.maximum(widths, 1.0)[:, None] / 2
    beside = offsets <= 1.5 * np.maximum(widths, 1.0)[:, None]
    used = (widths > 0)[:, None]
    return CorridorShape(
        top_row=top,
        end_row=end,
        inside=_painted(inside & used),
        beside=_painted(beside & ~inside & used),
        elsewhere=_painted(~beside & used),
        widths_px=_frozen(widths),
        nearness=_frozen(widths / near),
        outline=_frozen(_corners(width, top, end, widths)),
        distance_m=_frozen(np.full(height, np.nan, np.float32)),
    )


def _corners(width: int, top: int, end: int, widths: np.ndarray) -> np.ndarray:
    middle, last = (width - 1) / 2, end - 1
    far, near = widths[top] / 2, widths[last] / 2
    corners = [
        (middle - far, top),
        (middle + far, top),
        (middle + near, last),
        (middle - near, last),
    ]
    outline: np.ndarray = np.rint(np.array(corners)).astype(np.int32)
    return outline


@lru_cache(maxsize=32)
def _on_ground(corridor: Corridor, camera: Camera, curvature: float) -> CorridorShape | None:
    """The corridor that a camera sees; None when it sees none."""
    first, trusted = _trusted(corridor, camera)
    along, aside = _along_path(corridor, camera, first, trusted, curvature)
    half = corridor.vehicle_width_m / 2 + corridor.margin_m
    inside = np.abs(aside) <= half
    widths = inside.sum(axis=1, dtype=np.int32)
    rows = np.flatnonzero(widths)
    if not len(rows):
        return None
    top, end = int(rows[0]), int(rows[-1]) + 1
    edges = _edges(corridor, camera, first + top, first + end, curvature)
    beside = np.abs(aside) <= 3 * half
    left, right = beside & (aside > half), beside & (aside < -half)
    ahead, *others = (
        _strip(strip, along, first, edges, corridor, camera) for strip in (inside, left, right)
    )
    if ahead is None:
        return None
    distance = np.where(inside, along, np.inf).min(axis=1)
    distance[np.isinf(distance)] = np.nan
    used = np.zeros_like(inside)
    used[top:end] = True

    def whole(part: np.ndarray, fill: float = 0) -> np.ndarray:
        image = np.full((camera.size[0], *part.shape[1:]), fill, part.dtype)
        image[first : first + len(part)] = part
        return _frozen(image)

    return CorridorShape(
        top_row=first + top,
        end_row=first + end,
        inside=whole(_painted(inside)),
        beside=whole(_painted((left | right) & used)),
        elsewhere=whole(_painted(used & ~beside)),
        widths_px=whole(widths.astype(np.float32)),
        nearness=whole(np.nan_to_num(np.nanmin(distance) / distance)),
        outline=_frozen(_around(whole(_painted(inside)))),
        distance_m=whole(distance, np.nan),
        strips=Strips(ahead, *others),
    )


@lru_cache(maxsize=16)
def _trusted(corridor: Corridor, camera: Camera) -> tuple[int, np.ndarray]:
    """The first row with ground in reach, and from there a mask of the pixels that see it."""
    trusted = ground_in_reach(corridor, camera)
    rows = np.flatnonzero(trusted.any(axis=1))
    first, end = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
    return first, _frozen(trusted[first:end] > 0)


@lru_cache(maxsize=16)
def ground_in_reach(corridor: Corridor, camera: Camera) -> np.ndarray:
    """
    Pixels (H, W) uint8 of 0 or 255 that tell where the ground that they see is.

    Not where they are too coarse, beyond the reach, and on the own bonnet.
    """
    ground, (forward, left) = camera.ground(camera.size), camera.mount.foot_m
    away = np.hypot(ground.x_m - forward, ground.y_m - left)
    seen = (ground.coarse_m <= COARSE_SHARE * away) & (away <= corridor.reach_m)
    seen[corridor.end_row(camera.size[0]) :] = False
    return _painted(seen)


def _along_path(
    corridor: Corridor, camera: Camera, first: int, trusted: np.ndarray, curvature: float
) -> tuple[np.ndarray, np.ndarray]:
    """
    How far along the path and to the left of it the trusted pixels see the ground, in metres.

    Beyond the ends of the path it is NaN to the left. A camera that looks backwards sees the path
    of reversing.
    """
    ground, rows = camera.ground(camera.size), slice(first, first + len(trusted))
    along, aside = _arc(_forward(camera) * ground.x_m[rows], ground.y_m[rows], curvature)
    reach = pi / 2 / abs(curvature) if curvature else inf
    path = trusted & (along > 0) & (along <= reach)
    return along, np.where(path, aside, np.float32(np.nan))


def _arc(x: np.ndarray, y: np.ndarray, curvature: float) -> tuple[np.ndarray, np.ndarray]:
    """Ground points in metres along a circle through the origin, and to the left of it."""
    if not curvature:
        return x, y
    ahead, inwards = curvature * x, 1.0 - curvature * y
    return np.arctan2(ahead, inwards) / curvature, (1.0 - np.hypot(ahead, inwards)) / curvature


def _edges(corridor: Corridor, camera: Camera, top: int, end: int, curvature: float) -> np.ndarray:
    """
    Distances along the path, near to far, at which its middle crosses the edges of rows.

    They end where the path leaves the image: nobody sees what is on it from there on.
    """
    along = np.geomspace(0.1, 2.0 * corridor.reach_m, 4000)
    along = along[along * abs(curvature) <= pi / 2]
    angle = curvature * along
    x = np.sin(angle) / curvature if curvature else along
    y = (1.0 - np.cos(angle)) / curvature if curvature else np.zeros_like(along)
    columns, rows = camera.ground_to_pixel(np.column_stack([_forward(camera) * x, y])).T
    seen = np.flatnonzero(np.abs(2 * columns - (camera.size[1] - 1)) <= camera.size[1])
    along, rows = along[: seen.max(initial=-1) + 1], rows[: seen.max(initial=-1) + 1]
    along, rows = along[np.isfinite(rows)], rows[np.isfinite(rows)]
    rising = np.append(np.diff(rows) < 0, True)
    if (
        len(rows) and not rising.all()
    ):  # seen from the side, or beyond the lens: keep the far piece
        first = int(np.flatnonzero(~rising)[-1]) + 1
        along, rows = along[first:], rows[first:]
    wanted = np.arange(top, end + 1) - 0.5
    wanted = wanted[(wanted >= rows.min(initial=inf)) & (wanted <= rows.max(initial=-inf))]
    if not len(wanted):
        return np.zeros(1)  # no piece
    return np.asarray(np.interp(wanted, rows[::-1], along[::-1])[::-1])


def _strip(
    inside: np.ndarray,
    along: np.ndarray,
    first: int,
    edges: np.ndarray,
    corridor: Corridor,
    camera: Camera,
) -> Strip | None:
    """The strip of the pixels inside (rows from ``first`` on); None when there are none."""
    pixels = np.flatnonzero(inside)
    pieces = np.searchsorted(edges.astype(np.float32), along.ravel()[pixels], side='right') - 1
    kept = pieces < len(edges) - 1
    pixels, pieces = pixels[kept], pieces[kept].clip(min=0)
    if not len(pixels):
        return None
    present = np.bincount(pieces, minlength=len(edges) - 1)
    slant_m = np.hypot((edges[:-1] + edges[1:]) / 2, camera.mount.height_m)
    wide_px = np.ceil(corridor.blocking_m / slant_m * camera.calibration.k[0, 0])
    return Strip(
        _frozen(pixels + first * inside.shape[1]),
        _frozen(pieces),
        _frozen(edges),
        _frozen(np.clip(wide_px, 1, np.maximum(1, present)).astype(np.int32)),
        int(pieces.min()),
    )


def _around(inside: np.ndarray) -> np.ndarray:
    """Corners of the outline of the largest piece, (M, 2) int32."""
    outlines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    largest = max(outlines, key=cv2.contourArea)
    return np.asarray(cv2.approxPolyDP(largest, 1.0, True))[:, 0]


def _forward(camera: Camera) -> float:
    """1 for a camera that looks ahead, -1 for one that looks back."""
    return 1.0 if cos(camera.mount.yaw_rad) >= 0 else -1.0


def _painted(mask: np.ndarray) -> np.ndarray:
    return _frozen(np.where(mask, 255, 0).astype(np.uint8))


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
