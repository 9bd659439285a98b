# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Drivable area: the road that can be reached from where the vehicle stands.

Drivable and marking pixels that are connected to the ego zone at the bottom of the image. Gaps of
a pixel or two are closed and thin static things, such as poles, cut nothing off; people and
vehicles always do. Every step keeps the order: less road in the mask never means more free road.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from typing import Annotated

import cv2
import numpy as np

from seg_perception.core.boundary import RoadFrame, find_boundary, with_margin
from seg_perception.core.camera_geometry import CameraGeometry, ImageGeometry
from seg_perception.core.classes import UNLABELED, ClassTable
from seg_perception.core.corridor import Corridor, CorridorShape, corridor_shape
from seg_perception.core.free_distance import (
    OWN,
    ROAD,
    SOLID,
    STATIC,
    VEHICLE,
    area_bits,
    free_distance,
    ground_polygon,
)
from seg_perception.core.masks import resize_nearest
from seg_perception.core.results import DrivableArea
from seg_perception.core.settings import HIDDEN, Setting, Settings, setting, share

_REACHED = 128  # between the 0 and 255 of the mask that is flooded
_ALTERNATIVE = 'alternative'  # BDD100K's class of the lanes that one may change to
_GAP = np.ones((3, 3), np.uint8)  # closes gaps of up to two pixels
_STEEPEST_RAD = 0.1  # that a road rises before the camera
_FAR_PX = 16000  # farther off than any row
# Of the corridor's 2.5 m: 1.8 m between a bus's wheels, 0.5 m between its body and the ground.
_WHEELS_SHARE, _BODY_SHARE = 0.72, 0.2
_SPECK = np.ones((2, 1), np.uint8)  # the least that counts as a person or vehicle

# At 20 m it makes a vehicle 0.8 m nearer than it seems: about what its bumper overhangs.
CLEARANCE = Setting('height above the ground of the lowest visible part of a vehicle', 'm', 0, 0.5)
MIN_CONFIDENCE = share('confidence below which the label of a pixel counts as unknown')


@dataclass(frozen=True)
class DrivableParams(Settings, name='drivable'):
    """How the drivable area is found."""

    corridor: Annotated[Corridor, HIDDEN] = field(default_factory=Corridor)
    ego_zone_share: float = setting(
        0.1, 'height of the ego zone at the bottom', 'image heights', 0.001, 1
    )
    columns: int = setting(
        64, 'number of boundary columns, evenly spaced over the image', '', 1, 4096
    )
    min_confidence: Annotated[float, MIN_CONFIDENCE, HIDDEN] = 0.3
    pole_share: float = setting(
        0.025, 'width up to which static objects cut off no road', 'image widths', 0, 0.2
    )
    patch_share: float = setting(
        0.12,
        'height of the lowest isolated patch that ends the road in the boundary',
        'corridor widths',
        0,
        1,
    )
    polygon_tolerance_m: float = setting(
        0.2, 'largest distance between the ground polygon and the true outline', 'm', 0, 10
    )
    clearance_m: Annotated[float, CLEARANCE, HIDDEN] = 0.06


def find_drivable(
    labels: np.ndarray,
    confidence: np.ndarray,
    table: ClassTable,
    params: DrivableParams = DrivableParams(),
    *,
    geometry: ImageGeometry | None = None,
    curvature_per_m: float = 0.0,
) -> DrivableArea:
    """
    The drivable area of labels (H, W) uint8, with confidence (H, W) uint8 0..255 for 0..1.

    Pixels of the own vehicle are passed through on the way up, but are no part of the area.

    :param geometry: of images of that size; metres need that of a camera.
    :param curvature_per_m: of the vehicle's path, positive to the left; needs a camera.
    """
    height, width = labels.shape
    geometry = geometry or ImageGeometry((height, width))
    shape = corridor_shape(params.corridor, geometry, curvature_per_m)
    straight = corridor_shape(params.corridor, geometry)
    end, bits = params.corridor.end_row(height), table.lookup(area_bits)
    seen = geometry.with_ego_body(cv2.LUT(labels, bits), OWN)
    body = _having(seen, OWN)
    body[end:] = 255
    flags = seen[:end]
    road = _sure_road(flags, confidence[:end], params)
    # Nothing above its top row can change the answer.
    top = min(max(cv2.boundingRect(road)[1], geometry.part(_first_row, None)), end - 1)
    flags, road = flags[top:], road[top:]
    own = body[top:end]
    under = under_vehicles(_having(flags, VEHICLE), straight.widths_px[top:])
    road = cv2.subtract(_without_gaps(road, flags), cv2.bitwise_or(own, under))
    walk = cv2.bitwise_or(road, with_margin(own, height))
    linked = cv2.bitwise_or(walk, _poles(walk, flags, params))
    zone = _ego_zone(shape, top, end, params)
    reached = cv2.bitwise_and(_reached(linked, zone), walk)
    mask = _padded(cv2.bitwise_and(reached, road), top, height)
    inside = cv2.subtract(shape.inside, _padded(own, top, height))
    named = geometry.with_ego_body(labels, UNLABELED)
    frame = RoadFrame(mask, body, seen, named)
    boundary = find_boundary(
        frame,
        _columns(width, params.columns),
        patch_px=params.patch_share * np.maximum.accumulate(straight.widths_px),
        far_row=shape.top_row,
        unsure=cv2.subtract(_having(seen, ROAD), _sure_road(seen, confidence, params)),
    )
    area = DrivableArea(
        mask=mask,
        image_share=cv2.countNonZero(mask) / mask.size,
        corridor_share=_share_of(mask, inside),
        confidence=cv2.mean(confidence, mask)[0] / 255.0,
        **boundary,
        mask_alternative=_alternative(labels, mask, table),
    )
    if not isinstance(geometry, CameraGeometry) or not (bits & ROAD).any():
        return area
    polygon_m = ground_polygon(mask, geometry, params.corridor, params.polygon_tolerance_m)
    area = replace(area, ground_polygon_m=polygon_m)
    if shape.strips is None:
        return area
    passed = cv2.bitwise_or(mask, _padded(own, top, height))
    free = free_distance(shape.strips, passed, seen, geometry.camera, params.clearance_m)
    return replace(area, **free)


def _first_row(geometry: ImageGeometry, _: None) -> int:
    """The first row that may show road: no farther above the horizon than a hill of 10 % is."""
    camera = geometry.camera
    if camera is None:
        return 0
    horizon = float(np.nan_to_num(camera.horizon_rows, nan=-inf).min())
    return max(0, round(horizon - _STEEPEST_RAD / camera.pixel_rad)) if horizon > -inf else 0


def under_vehicles(
    vehicles: np.ndarray, widths_px: np.ndarray, clearance_share: float = 0.0
) -> np.ndarray:
    """
    Pixels (R, W) uint8 between the wheels of a vehicle: seen as road, and yet not free.

    In their row a vehicle is to their left and right, no farther apart than wheels are, and above
    them one is as near as a body is to the ground.

    :param vehicles: (R, W) uint8 of 0 or 255.
    :param widths_px: (R,) of the ego corridor in each row; 0 where it does not reach.
    :param clearance_share: of that width that the vehicle itself reaches farther down.
    """
    under = np.zeros_like(vehicles)
    left, top, width, height = cv2.boundingRect(vehicles)
    low = min(top + height + round(clearance_share * float(widths_px.max())), len(vehicles))
    top = max(top, int((widths_px > 0).argmax()))
    if not width or top >= low:
        return under
    box = slice(top, low), slice(left, left + width)
    taken, widest = vehicles[box] > 0, widths_px[top:low]
    rows = np.arange(low - top, dtype=np.int16)[:, None]
    drop = rows - np.maximum.accumulate(np.where(taken, rows, np.int16(-_FAR_PX)), axis=0)
    hidden = _in_gaps(taken, _WHEELS_SHARE * widest) & (drop <= _pixels(_BODY_SHARE * widest))
    if clearance_share:
        hidden |= drop <= _pixels(clearance_share * widest)
    under[box] = np.where(hidden & ~taken, 255, 0)
    return under


def _pixels(lengths: np.ndarray) -> np.ndarray:
    """Lengths (R,) as a column (R, 1) of whole pixels."""
    return np.asarray(np.rint(lengths), np.int16)[:, None]


def _in_gaps(taken: np.ndarray, widest: np.ndarray) -> np.ndarray:
    """Where rows (R, W) bool are empty over no more than (R,) pixels, between two things."""
    height, width = taken.shape
    steps = np.diff(taken.view(np.int8), axis=1, prepend=0, append=0).ravel()
    starts, ends = np.flatnonzero(steps > 0), np.flatnonzero(steps < 0)
    firsts, lasts = ends[:-1], starts[1:]  # a gap follows each end but the last
    rows = firsts // (width + 1)
    narrow = (rows == lasts // (width + 1)) & (lasts - firsts <= widest[rows])
    edges = np.zeros(height * (width + 1), np.int8)
    edges[firsts[narrow]], edges[lasts[narrow]] = 1, -1
    inside = np.cumsum(edges, dtype=np.int8).reshape(height, width + 1)[:, :-1]
    return np.asarray(inside > 0)


def scale_area(area: DrivableArea, size: tuple[int, int]) -> DrivableArea:
    """The area in the pixels of another image size (H, W); shares and metres stay."""
    height, width = area.mask.shape
    rows = np.rint(area.boundary_rows * (size[0] / height))
    columns = (area.boundary_columns + 0.5) * (size[1] / width)
    other = area.mask_alternative
    return replace(
        area,
        mask=resize_nearest(area.mask, size),
        mask_alternative=None if other is None else resize_nearest(other, size),
        boundary_columns=columns.astype(np.int32),
        boundary_rows=rows.astype(np.int32),
    )


def _having(flags: np.ndarray, bit: int) -> np.ndarray:
    return cv2.threshold(flags & bit, 0, 255, cv2.THRESH_BINARY)[1]


def _sure_road(flags: np.ndarray, confidence: np.ndarray, params: DrivableParams) -> np.ndarray:
    least = round(255 * params.min_confidence)
    sure = cv2.threshold(confidence, least - 1, 255, cv2.THRESH_BINARY)[1]
    return cv2.bitwise_and(_having(flags, ROAD), sure)


def _without_gaps(road: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """The road with narrow gaps closed, unless a person or vehicle is in them."""
    solid = cv2.erode(_having(flags, SOLID), _SPECK, anchor=(0, 0))
    solid = cv2.dilate(solid, _SPECK, anchor=(0, 1))
    return cv2.subtract(_closed(road, _GAP), solid)


def _poles(walk: np.ndarray, flags: np.ndarray, params: DrivableParams) -> np.ndarray:
    """Static things with road to their left and right in the same row, and narrow."""
    widest = round(params.pole_share * walk.shape[1])
    across = np.ones((1, (widest + 1) | 1), np.uint8)
    return cv2.bitwise_and(_closed(walk, across), _having(flags, STATIC))


def _closed(mask: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Morphological closing; OpenCV's own would close gaps to the image's edges too."""
    rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
    padded = cv2.copyMakeBorder(mask, rows, rows, columns, columns, cv2.BORDER_CONSTANT)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)
    return closed[rows : rows + mask.shape[0], columns : columns + mask.shape[1]]


def _ego_zone(
    shape: CorridorShape, top: int, end: int, params: DrivableParams
) -> tuple[slice, slice]:
    """Rows (counted from ``top``) and columns of the near end of the corridor."""
    height, width = shape.inside.shape
    first = max(end - max(1, round(params.ego_zone_share * height)), top)
    rows = slice(first - top, end - top)
    columns = np.flatnonzero(shape.inside[first:end].any(axis=0))
    if not len(columns):  # the corridor begins farther up
        return rows, slice(0, width)
    return rows, slice(int(columns[0]), int(columns[-1]) + 1)


def _reached(passable: np.ndarray, zone: tuple[slice, slice]) -> np.ndarray:
    """
    The part of a 0 or 255 mask that is connected (4 neighbours) to its pixels in the zone.

    Flooding once for each piece in the zone, mostly one, takes a tenth of the time that labelling
    the components of the whole image takes.
    """
    flooded = passable.copy()
    left = flooded[zone] == 255
    while left.any():
        row, column = divmod(int(left.argmax()), left.shape[1])
        seed = column + zone[1].start, row + zone[0].start
        cv2.floodFill(flooded, None, seed, _REACHED, flags=4)
        left = flooded[zone] == 255
    return cv2.inRange(flooded, _REACHED, _REACHED)


def _columns(width: int, count: int) -> np.ndarray:
    """Pixel columns in the middle of equal strips, (K,) int32; no more of them than pixels."""
    count = min(count, width)
    return ((np.arange(count) + 0.5) * (width / count)).astype(np.int32)


def _alternative(labels: np.ndarray, mask: np.ndarray, table: ClassTable) -> np.ndarray | None:
    """What of the mask is of BDD100K's second kind; None when the table has none."""
    if _ALTERNATIVE not in table.names:
        return None
    other = table.names.index(_ALTERNATIVE)
    return cv2.bitwise_and(cv2.inRange(labels, other, other), mask)


def _share_of(mask: np.ndarray, region: np.ndarray) -> float:
    total = cv2.countNonZero(region)
    return cv2.countNonZero(cv2.bitwise_and(mask, region)) / total if total else 0.0


def _padded(part: np.ndarray, top: int, height: int) -> np.ndarray:
    """With the empty rows above and below that had been left out."""
    below = height - top - len(part)
    return cv2.copyMakeBorder(part, top, below, 0, 0, cv2.BORDER_CONSTANT)
