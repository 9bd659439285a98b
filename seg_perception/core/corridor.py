# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The ego corridor: the strip of ground that the vehicle is about to cover, seen in the image.

With a calibrated camera it is the vehicle's width and a margin on the ground, straight ahead or
along a curvature. Without, it follows from the vanishing point of the direction of travel: on flat
ground, d pixels below the horizon, a width w spans w / h * d pixels for a camera at height h,
whatever its focal length. Distances need the focal length f as well, Z = f h / d; with an assumed
one they only rank what is nearer and are never stated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, cos, hypot, inf, isfinite, pi, sin, sqrt

import cv2
import numpy as np

from seg_perception.core.camera import ROAD_PITCH_STD_RAD, Camera
from seg_perception.core.camera_geometry import CameraGeometry, ImageGeometry
from seg_perception.core.errors import ParameterError
from seg_perception.core.results import VanishingPoint
from seg_perception.core.settings import Settings, setting

MOST_CURVED = 1.0  # 1/m, a circle of 1 m
_NOWHERE_M = 1e9  # to the left of the path: what is not on it
_STRAIGHT_PER_M = 1e-8  # curvatures below it move nothing and cannot be divided by
_BINS_A_PIECE = 4
COARSE_SHARE = 0.1  # of its distance that a pixel may cover and still tell where something is


@dataclass(frozen=True)
class Corridor(Settings, name='corridor'):
    """The strip in metres; where a camera's height is not known it has a typical one."""

    camera_height_m: float = setting(
        1.35, 'height above the ground of a camera whose height is not known', 'm', 0.05, 30
    )
    ego_mask_share: float = setting(
        0.0, 'height of the own vehicle at the bottom of the image', 'image heights', 0, 0.4
    )
    vehicle_width_m: float = setting(1.9, 'width of the vehicle', 'm', 0.1, 20)
    margin_m: float = setting(0.3, 'space to keep free on each side of the vehicle', 'm', 0, 10)
    reach_m: float = setting(
        60.0, 'length of the corridor; coarse pixels end it sooner', 'm', 1, 500
    )
    blocking_m: float = setting(
        0.05, 'width of the smallest object that ends the free road', 'm', 0, 5
    )

    def end_row(self, height: int) -> int:
        """One past the last row of an image that does not show the own vehicle, 1 or more."""
        return max(1, height - round(self.ego_mask_share * height))

    @property
    def half_width_m(self) -> float:
        return self.vehicle_width_m / 2 + self.margin_m


AHEAD, LEFT, RIGHT = 1, 2, 3


@dataclass(frozen=True, eq=False)
class Strips:
    """
    The corridor and the strips of its width to its left and right, cut into B pieces.

    A piece is as long as a pixel row in the middle of the corridor.
    """

    first: int  # row of the image in which the arrays begin
    strip: np.ndarray  # (R, W) uint8, AHEAD, LEFT or RIGHT; 0 in none of them
    tangent: np.ndarray  # (R, W) float32, grows along the path
    edges: np.ndarray  # (B + 1,) float32, tangents where the pieces end
    edges_m: np.ndarray  # (B + 1,) float64, distances along the path where they end
    blocking_px: np.ndarray  # (B,) pixels of a piece that end the free road; fewer if they fill it
    pieces: np.ndarray | None = None  # (R, W) int32 of each pixel, where they are prepared

    def pieces_of(self, pixels: np.ndarray) -> np.ndarray:
        """The pieces (N,) of flat indices (N,) into the arrays."""
        if self.pieces is not None:
            return np.asarray(self.pieces.ravel()[pixels])
        return _pieces(self.tangent.ravel()[pixels], self.edges)


@dataclass(frozen=True, eq=False)
class CorridorShape:
    """A corridor in the pixels of one image size; H and W are its height and width."""

    top_row: int  # first row of the corridor
    end_row: int  # one past its last row; below it is the own vehicle
    inside: np.ndarray  # (H, W) uint8, 255 in the corridor
    adjacent: np.ndarray  # (H, W) uint8, 255 up to one corridor width to the left and right of it
    widths_px: np.ndarray  # (H,) float32, width of the corridor; 0 outside its rows
    range_m: np.ndarray  # (H,) float32, along the path to the nearest of a row; NaN outside
    is_metric: bool  # whether the ranges are known; else a focal length is assumed
    strips: Strips | None = None  # for metres, where calibrated


def corridor_shape(
    corridor: Corridor, geometry: ImageGeometry, curvature_per_m: float = 0.0
) -> CorridorShape:
    """
    The corridor in the images of a geometry; it has one row at least.

    A camera that does not see the vehicle's path gets that of an image, and so do coarse images.

    :param curvature_per_m: of the path, positive to the left.
    :raises ParameterError: when the curvature cannot be.
    """
    if not abs(curvature_per_m) <= MOST_CURVED:
        allowed = f'{-MOST_CURVED} to {MOST_CURVED} 1/m'
        raise ParameterError('curvature of the path', curvature_per_m, allowed)
    is_straight, path = abs(curvature_per_m) < _STRAIGHT_PER_M, (corridor, curvature_per_m)
    shape = None
    if isinstance(geometry, CameraGeometry):
        bent = None if is_straight else geometry.part(_bent, path)
        shape = geometry.part(_straight, corridor) if is_straight else bent
    if shape is None and not is_straight:
        shape = geometry.part(_bent_in_image, path)
    return shape or geometry.part(_in_image, corridor)


# Of a camera that has not moved yet: it looks about level, or somewhat down.
_UNKNOWN_POINT = VanishingPoint(0.5, 0.51, row_std=0.03)
_OUTLINE = 12  # points of each edge of a bent corridor
_FOCAL = 0.85  # of the image's width: 61 degrees; most cameras of vehicles have 0.6 to 1.1
_FAR_M = 45.0  # beyond it, what is not known of the horizon is as much as the distance
_FAR_STDS = 2.5  # by which the far end is below the horizon
_FAR_STDS_UNKNOWN = 1.0  # nothing is known: what is far must not be missed


@dataclass(frozen=True)
class _Horizon:
    """The horizon of an image of a size, and how the ground below it is seen."""

    column: float  # of the vanishing point
    row: float
    roll_rad: float
    far_px: float  # below the horizon, where the corridor ends
    near_px: float  # by which the horizon may well be higher
    depth_px_m: float  # the distance of ground times how far it is below the horizon
    spread: float  # half the width of the corridor, in how far it is below the horizon
    bend_px2: float  # how far the path is to the left, times how far it is below the horizon

    @classmethod
    def of(cls, geometry: ImageGeometry, corridor: Corridor, curvature: float = 0.0) -> _Horizon:
        (height, width), point = geometry.size, geometry.vanishing_point or _UNKNOWN_POINT
        focal_px, height_m = _FOCAL * width, geometry.camera_height_m
        depth_px_m = focal_px * (height_m if isfinite(height_m) else corridor.camera_height_m)
        std_px = hypot(point.row_std * height, ROAD_PITCH_STD_RAD * focal_px)
        stds = _FAR_STDS if geometry.vanishing_point else _FAR_STDS_UNKNOWN
        # Farther on the path has left the straight one, and the vehicle may take either.
        most_m = sqrt(2 * corridor.half_width_m / abs(curvature)) if curvature else inf
        return cls(
            point.column * width - 0.5,
            point.row * height - 0.5,
            point.roll_rad,
            max(depth_px_m / min(_FAR_M, corridor.reach_m, most_m), stds * std_px),
            point.row_std * height,
            depth_px_m,
            corridor.half_width_m * focal_px / depth_px_m,
            focal_px * depth_px_m * curvature / 2,
        )

    def below(self, columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far pixels are below the horizon and to the right of the vanishing point, px."""
        right, down = columns - self.column, rows - self.row
        cosine, sine = cos(self.roll_rad), sin(self.roll_rad)
        return right * sine + down * cosine, right * cosine - down * sine

    def sides(self, below: np.ndarray, side: float) -> np.ndarray:
        """How far an edge of the corridor, -1 left or 1 right, is right of the vanishing point."""
        within = np.maximum(below, self.far_px)
        return np.asarray(side * self.spread * within - self.bend_px2 / within)

    def pixel(self, below: float, right: float) -> tuple[float, float]:
        """Column and row of a place that is so far below the horizon and to the right, px."""
        cosine, sine = cos(self.roll_rad), sin(self.roll_rad)
        aside, down = below * sine + right * cosine, below * cosine - right * sine
        return round(self.column + aside), round(self.row + down)


def _in_image(geometry: ImageGeometry, corridor: Corridor) -> CorridorShape:
    return _bent_in_image(geometry, (corridor, 0.0))


def _bent_in_image(geometry: ImageGeometry, path: tuple[Corridor, float]) -> CorridorShape:
    (height, width), (corridor, _) = geometry.size, path
    horizon, end = _Horizon.of(geometry, *path), corridor.end_row(height)
    rows = np.arange(height, dtype=np.float32)
    columns = np.arange(width, dtype=np.float32)
    below, right = horizon.below(columns, rows[:, None])
    middle = (rows - horizon.row) / cos(horizon.roll_rad)  # below the horizon, along the path
    top = min(ceil(horizon.far_px * cos(horizon.roll_rad) + horizon.row), end - 1)
    top = max(top, 0)
    within = np.maximum(below, horizon.far_px)
    half = np.maximum(horizon.spread * within, 0.5)
    aside = np.abs(right + horizon.bend_px2 / within) if horizon.bend_px2 else np.abs(right)
    used = ((rows >= top) & (rows < end))[:, None]
    inside = used & (aside <= half)
    adjacent = used & (aside <= 3 * half) & ~inside
    middle = np.maximum(middle, horizon.far_px)
    ranges = np.where(used[:, 0], horizon.depth_px_m / (middle + horizon.near_px), np.nan)
    return CorridorShape(
        top_row=top,
        end_row=end,
        inside=_painted(inside),
        adjacent=_painted(adjacent),
        widths_px=_frozen(np.where(used[:, 0], 2 * horizon.spread * middle, 0).astype(np.float32)),
        range_m=_frozen(ranges.astype(np.float32)),
        is_metric=False,
    )


def image_outline(
    corridor: Corridor,
    size: tuple[int, int],
    geometry: ImageGeometry | None = None,
    curvature_per_m: float = 0.0,
) -> np.ndarray:
    """
    Points (N, 2) int32, x and y, around the corridor in an image (H, W) without a calibration.

    :param geometry: of that image at any size.
    """
    known = geometry or ImageGeometry(size)
    known = ImageGeometry(size, known.vanishing_point, camera_height_m=known.camera_height_m)
    horizon = _Horizon.of(known, corridor, curvature_per_m)
    nearest = (corridor.end_row(size[0]) - 1 - horizon.row) / cos(horizon.roll_rad)
    below = np.array([horizon.far_px, nearest])
    if curvature_per_m:
        below = np.geomspace(horizon.far_px, max(nearest, horizon.far_px), _OUTLINE)
    left, right = (zip(below, horizon.sides(below, side), strict=True) for side in (-1, 1))
    around = [*left, *reversed(list(right))]
    return np.array([horizon.pixel(*point) for point in around], np.int32)


@dataclass(frozen=True, eq=False)
class _Ground:
    """The rows (R) with ground that a camera sees well enough, before they are bent to a path."""

    first: int  # row of the image
    ahead_m: np.ndarray  # (R, W) float32, in the direction of the path
    left_m: np.ndarray  # (R, W) float32; _NOWHERE_M where there is no ground ahead
    square_m2: np.ndarray  # (R, W) float32, squared, from the origin; 0 where there is none
    most_left_m: float  # of those ahead, to either side


def _ground(geometry: CameraGeometry, corridor: Corridor) -> _Ground:
    reached = ground_in_reach(geometry, corridor)
    rows = np.flatnonzero(reached.any(axis=1))
    first, end = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
    ground = geometry.ground
    ahead, left = _forward(geometry.camera) * ground.x_m[first:end], ground.y_m[first:end]
    seen = (reached[first:end] > 0) & (ahead > 0)
    return _Ground(
        first,
        _frozen(ahead),
        _frozen(np.where(seen, left, np.float32(_NOWHERE_M))),
        _frozen(np.where(seen, ahead**2 + left**2, np.float32(0))),
        float(np.abs(left[seen]).max(initial=0.0)),
    )


def ground_in_reach(geometry: CameraGeometry, corridor: Corridor) -> np.ndarray:
    """
    Pixels (H, W) uint8 of 0 or 255 that tell where the ground that they see is.

    Not where they are too coarse, beyond the reach, and on the own vehicle.
    """
    return geometry.part(_in_reach, corridor)


def _in_reach(geometry: CameraGeometry, corridor: Corridor) -> np.ndarray:
    ground, (forward, left) = geometry.ground, geometry.camera.extrinsics.ground_point_m
    away = np.hypot(ground.x_m - forward, ground.y_m - left)
    seen = (ground.coarse_m <= COARSE_SHARE * away) & (away <= corridor.reach_m)
    seen[corridor.end_row(geometry.size[0]) :] = False
    return _painted(seen)


def _straight(geometry: CameraGeometry, corridor: Corridor) -> CorridorShape | None:
    shape = _along(geometry, corridor, 0.0)
    if shape is None or shape.strips is None:
        return shape
    strips, pieces = shape.strips, np.zeros(shape.strips.strip.shape, np.int32)
    pixels = np.flatnonzero(strips.strip)
    pieces.ravel()[pixels] = strips.pieces_of(pixels)
    return replace(shape, strips=replace(strips, pieces=_frozen(pieces)))


def _bent(geometry: CameraGeometry, path: tuple[Corridor, float]) -> CorridorShape | None:
    return _along(geometry, *path)


def _along(geometry: CameraGeometry, corridor: Corridor, curvature: float) -> CorridorShape | None:
    """
    The corridor along a path that a camera sees; None when it sees none.

    With curvature k a point is a = (1 - hypot(k x, 1 - k y)) / k to the left of the path. That is
    at most h where y - k / 2 (x^2 + y^2) is at most h - k / 2 h^2: no root, no angle.
    """
    ground, camera = geometry.part(_ground, corridor), geometry.camera
    aside = ground.left_m
    if not aside.size:
        return None
    if curvature:
        aside = cv2.scaleAdd(ground.square_m2, -curvature / 2, ground.left_m)
        if abs(curvature) * ground.most_left_m >= 1.0:  # not beyond a quarter of the circle
            aside[curvature * ground.left_m >= 1.0] = _NOWHERE_M
    half = corridor.half_width_m
    inside, three = (_within(aside, half * n, curvature) for n in (1, 3))
    widths = cv2.reduce(inside, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0] // 255
    rows = np.flatnonzero(widths)
    if not len(rows):
        return None
    top, end, first = int(rows[0]), int(rows[-1]) + 1, ground.first
    edges_m = _edges(corridor, camera, (first + top, first + end), curvature)
    tangent, edges = ground.ahead_m, _tangents(edges_m, curvature)
    if curvature:  # grows as the way along the path does, and costs a division
        tangent = cv2.divide(tangent, 1.0 - np.float32(curvature) * ground.left_m)
    strip = (three & RIGHT) - ((aside > 0).view(np.uint8) & three)  # RIGHT, LEFT or 0
    strip = np.minimum(strip, ~(inside & ~np.uint8(AHEAD)))  # AHEAD inside
    strip *= tangent < edges[-1]  # not beyond what is seen of the path
    if len(edges) < 2 or not (strip == AHEAD).any():  # no row shows the middle of the path
        return None
    adjacent = cv2.subtract(three, inside)
    adjacent[:top] = adjacent[end:] = 0
    height, distance_m = geometry.size[0], _nearest_m(tangent, inside, curvature)

    def whole(part: np.ndarray, fill: float = 0) -> np.ndarray:
        image = np.full((height, *part.shape[1:]), fill, part.dtype)
        image[first : first + len(part)] = part
        return _frozen(image)

    slant_m = np.hypot((edges_m[:-1] + edges_m[1:]) / 2, camera.extrinsics.height_m)
    blocking_px = np.ceil(corridor.blocking_m / slant_m * camera.calibration.k[0, 0])
    arrays = map(_frozen, (strip, tangent, edges, edges_m, np.maximum(blocking_px, 1)))
    return CorridorShape(
        top_row=first + top,
        end_row=first + end,
        inside=whole(inside),
        adjacent=whole(adjacent),
        widths_px=whole(widths.astype(np.float32)),
        range_m=whole(distance_m, np.nan),
        is_metric=True,
        strips=Strips(first, *arrays),
    )


def _nearest_m(tangent: np.ndarray, inside: np.ndarray, curvature: float) -> np.ndarray:
    """Distance along the path to the nearest pixel of each row inside, (R,); NaN without one."""
    within = np.full_like(tangent, inf)
    cv2.copyTo(tangent, inside, within)
    nearest = cv2.reduce(within, 1, cv2.REDUCE_MIN)[:, 0]
    nearest[np.isinf(nearest)] = np.nan
    return np.asarray(np.arctan(curvature * nearest) / curvature if curvature else nearest)


def _within(aside: np.ndarray, half_m: float, curvature: float) -> np.ndarray:
    """Where points are at most ``half_m`` from the path, uint8 of 0 or 255."""
    least, most = (
        side * (half_m - side * curvature / 2 * half_m**2)
        if side * curvature * half_m < 1.0  # else it is beyond the centre of the circle
        else side * _NOWHERE_M / 2
        for side in (-1, 1)
    )
    return np.asarray(cv2.inRange(aside, least, most))


def _tangents(along_m: np.ndarray, curvature: float) -> np.ndarray:
    """What x / (1 - k y) is at distances along the path, float32."""
    if curvature:
        angles = np.minimum(along_m * abs(curvature), pi / 2)
        along_m = np.tan(angles) / abs(curvature)
    return along_m.astype(np.float32)


def _pieces(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """
    The piece (N,) of each value; 0 before the first edge, B beyond the last of B + 1.

    Reciprocals of distances are rows of the image, nearly, so that equal bins of them hold an edge
    at most: then the bin and one comparison tell the piece, in a third of a search's time.
    """
    if len(edges) < 2:
        return np.zeros(len(values), np.intp)
    first, last = 1.0 / edges[0], 1.0 / edges[-1]
    scale = np.float32(_BINS_A_PIECE * len(edges)) / (first - last)

    def bins_of(values: np.ndarray) -> np.ndarray:
        return np.asarray((first - 1.0 / values) * scale).astype(np.intp)

    edge_bins = bins_of(edges)
    if not np.diff(edge_bins).all():  # two in one bin
        return np.asarray(np.searchsorted(edges, values, side='right') - 1).clip(min=0)
    below = np.searchsorted(edge_bins, np.arange(edge_bins[-1] + 2))  # edges in earlier bins
    found = below.take(bins_of(values), mode='clip')
    pieces = found - 1 + (values >= np.append(edges, np.float32(inf)).take(found))
    return np.asarray(np.maximum(pieces, 0))


def _edges(
    corridor: Corridor, camera: Camera, rows_of: tuple[int, int], curvature: float
) -> np.ndarray:
    """
    Distances along the path, near to far, at which its middle crosses the edges of rows.

    They end where the path leaves the image: what is on it from there on is not seen.
    """
    end_m, samples = 2.0 * corridor.reach_m, 4000
    if curvature:  # a quarter of the circle at most
        # Between 500 samples a straight line is off by less than 0.03 mm for each metre.
        end_m, samples = min(end_m, pi / 2 / abs(curvature)), 500
    along = np.geomspace(0.1, end_m, samples)
    angle = curvature * along
    x = np.sin(angle) / curvature if curvature else along
    y = (1.0 - np.cos(angle)) / curvature if curvature else np.zeros_like(along)
    columns, rows = camera.ground_to_pixel(np.column_stack([_forward(camera) * x, y])).T
    seen = np.flatnonzero(np.abs(2 * columns - (camera.size[1] - 1)) <= camera.size[1])
    along, rows = along[: seen.max(initial=-1) + 1], rows[: seen.max(initial=-1) + 1]
    along, rows = along[np.isfinite(rows)], rows[np.isfinite(rows)]
    rising = np.append(np.diff(rows) < 0, True)
    if len(rows) and not rising.all():
        # Seen from the side, or beyond the lens: keep the far piece.
        first = int(np.flatnonzero(~rising)[-1]) + 1
        along, rows = along[first:], rows[first:]
    wanted = np.arange(rows_of[0], rows_of[1] + 1) - 0.5
    wanted = wanted[(wanted >= rows.min(initial=inf)) & (wanted <= rows.max(initial=-inf))]
    if not len(wanted):
        return np.zeros(1)  # no piece
    return np.asarray(np.interp(wanted, rows[::-1], along[::-1])[::-1])


def _forward(camera: Camera) -> float:
    """1 for a camera that looks ahead, -1 for one that looks back."""
    return 1.0 if cos(camera.extrinsics.yaw_rad) >= 0 else -1.0


def _painted(mask: np.ndarray) -> np.ndarray:
    return _frozen(np.where(mask, 255, 0).astype(np.uint8))


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
