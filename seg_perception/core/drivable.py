# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Drivable area: the road that can be reached from where the vehicle stands.

First version: drivable and marking pixels that are connected to the ego zone at the bottom of the
image. Holes under markings or thin obstacles of other classes are left open.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from seg_perception.core.classes import ClassTable, Role
from seg_perception.core.corridor import Corridor, corridor_shape
from seg_perception.core.errors import ParameterError
from seg_perception.core.masks import resize_nearest
from seg_perception.core.results import DrivableArea

_REACHED = 128  # between the 0 and 255 of the mask that is flooded


@dataclass(frozen=True)
class DrivableParams:
    """How the drivable area is found."""

    corridor: Corridor = field(default_factory=Corridor)
    ego_zone_share: float = 0.1  # height of the ego zone at the bottom, share of the image
    columns: int = 64  # columns of the boundary, spread evenly

    def __post_init__(self) -> None:
        if not 0.0 < self.ego_zone_share <= 1.0:
            raise ParameterError('drivable ego_zone_share', self.ego_zone_share, 'above 0, to 1')
        if not 1 <= self.columns <= 4096:
            raise ParameterError('drivable columns', self.columns, '1 to 4096')


def find_drivable(
    labels: np.ndarray,
    confidence: np.ndarray,
    table: ClassTable,
    params: DrivableParams = DrivableParams(),
) -> DrivableArea:
    """
    The drivable area of labels (H, W) uint8, with confidence (H, W) uint8 0..255 for 0..1.

    Pixels of the own vehicle are passed through on the way up, but are no part of the area.
    """
    height, width = labels.shape
    shape = corridor_shape(params.corridor, (height, width))
    seen = labels[: shape.end_row]  # without the rows of the own bonnet
    road = cv2.LUT(seen, table.role_mask(Role.DRIVABLE, Role.MARKING))
    own = cv2.LUT(seen, table.role_mask(Role.EGO))
    reached = _reached(cv2.bitwise_or(road, own), _ego_zone(seen.shape, params))
    free = cv2.bitwise_and(reached, road)
    mask = cv2.copyMakeBorder(free, 0, height - shape.end_row, 0, 0, cv2.BORDER_CONSTANT)
    columns = _columns(width, params.columns)
    rows = _boundary(reached[:, columns], free[:, columns])
    return DrivableArea(
        mask=mask,
        image_share=cv2.countNonZero(mask) / mask.size,
        corridor_share=_share_of(free, cv2.subtract(shape.inside[: shape.end_row], own)),
        boundary_columns=columns,
        boundary_rows=np.where(rows < shape.end_row, rows, height).astype(np.int32),
        confidence=cv2.mean(confidence, mask)[0] / 255.0,
    )


def scale_area(area: DrivableArea, size: tuple[int, int]) -> DrivableArea:
    """The area in the pixels of another image size (H, W); shares and metres stay."""
    height, width = area.mask.shape
    rows = np.rint(area.boundary_rows * (size[0] / height))
    columns = (area.boundary_columns + 0.5) * (size[1] / width)
    return replace(
        area,
        mask=resize_nearest(area.mask, size),
        boundary_columns=columns.astype(np.int32),
        boundary_rows=rows.astype(np.int32),
    )


def _ego_zone(size: tuple[int, ...], params: DrivableParams) -> tuple[slice, slice]:
    """Rows and columns in front of the vehicle, as wide as the corridor at the bottom."""
    height, width = size
    rows = min(height, max(1, round(params.ego_zone_share * height)))
    left = min(round((1.0 - params.corridor.near_width_share) * width / 2), (width - 1) // 2)
    return slice(height - rows, height), slice(left, width - left)


def _reached(passable: np.ndarray, zone: tuple[slice, slice]) -> np.ndarray:
    """
    The part of a 0 or 255 mask that is connected (4 neighbours) to its pixels in the zone.

    Flooding from one seed for each piece in the zone takes a tenth of the time that labelling
    the components of the whole image takes.
    """
    flooded = passable.copy()
    pieces = cv2.connectedComponents(passable[zone], connectivity=4)[1]
    firsts = np.unique(pieces, return_index=True)[1]
    for row, column in zip(*np.unravel_index(firsts, pieces.shape), strict=True):
        seed = int(column) + zone[1].start, int(row) + zone[0].start
        if flooded[seed[1], seed[0]] == 255:
            cv2.floodFill(flooded, None, seed, _REACHED, flags=4)
    return cv2.inRange(flooded, _REACHED, _REACHED)


def _columns(width: int, count: int) -> np.ndarray:
    """Pixel columns in the middle of equal strips, (K,) int32; no more of them than pixels."""
    count = min(count, width)
    return ((np.arange(count) + 0.5) * (width / count)).astype(np.int32)


def _boundary(reached: np.ndarray, free: np.ndarray) -> np.ndarray:
    """
    Topmost row of the unbroken run from the bottom of the columns (H, K), as (K,); H without one.

    The run may begin on the own vehicle but has to end on the road.
    """
    height = reached.shape[0]
    blocked = reached[::-1] == 0
    top = np.where(blocked.any(axis=0), height - blocked.argmax(axis=0), 0)
    on_road = np.take_along_axis(free, top.clip(max=height - 1)[None], axis=0)[0] > 0
    return np.where(on_road & (top < height), top, height)


def _share_of(mask: np.ndarray, region: np.ndarray) -> float:
    total = cv2.countNonZero(region)
    return cv2.countNonZero(cv2.bitwise_and(mask, region)) / total if total else 0.0
