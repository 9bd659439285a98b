# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The ground around the vehicle as a grid of free, blocked and unknown cells.

Inverse perspective: each cell asks the pixel that sees it. Flat ground is where it seems to be;
what stands up hides the ground behind it, so its ground contact is blocked and the rest unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np

from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import ClassTable, Role
from seg_perception.core.drivable import CLEARANCE, MIN_CONFIDENCE, under_vehicles
from seg_perception.core.errors import ParameterError
from seg_perception.core.results import Grid
from seg_perception.core.settings import HIDDEN, Settings, setting

FREE, BLOCKED, UNKNOWN = 0, 100, -1  # as in nav_msgs/OccupancyGrid
_MOST_CELLS = 4_000_000
# What a class is to the grid. Nature may be grass and may be a tree: only its near edge is sure.
_FREE, _FLAT, UPRIGHT, _UNTOLD = 0, 1, 2, 3
ANSWERS = np.array([FREE, BLOCKED, UNKNOWN, UNKNOWN], np.int8)
_VEHICLE_M = 2.5  # room that a vehicle takes across


@dataclass(frozen=True)
class GridParams(Settings, name='grid'):
    """Extent of the grid in the vehicle frame, and what counts as seen."""

    resolution_m: float = setting(0.2, 'side length of a grid cell', 'm', 0.02, 5)
    ahead_m: float = setting(40.0, 'extent of the grid ahead of base_frame', 'm', 0.1, 200)
    behind_m: float = setting(
        0.0, 'extent of the grid behind base_frame, for rear cameras', 'm', 0, 200
    )
    side_m: float = setting(12.0, 'extent of the grid to each side of base_frame', 'm', 0.1, 200)
    clearance_m: Annotated[float, CLEARANCE, HIDDEN] = 0.06
    coarse_m: float = setting(
        1.0,
        'length of ground in one pixel above which the pixel says nothing about its cells',
        'm',
        0.01,
        50,
    )
    foot_m: float = setting(
        0.5,
        'depth of the blocked cells behind the line where an object meets the ground',
        'm',
        0,
        20,
    )
    min_confidence: Annotated[float, MIN_CONFIDENCE, HIDDEN] = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        rows, columns = self.shape
        if rows * columns > _MOST_CELLS:
            expected = f'{_MOST_CELLS} at most'
            raise ParameterError(
                'grid cells', f'{rows} x {columns}', expected, 'Raise resolution_m.'
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows (right to left) and columns (back to front)."""
        extents = 2 * self.side_m, self.ahead_m + self.behind_m
        rows, columns = (max(1, round(extent / self.resolution_m)) for extent in extents)
        return rows, columns


def drivable_grid(
    mask: np.ndarray,
    labels: np.ndarray,
    confidence: np.ndarray,
    table: ClassTable,
    geometry: CameraGeometry,
    params: GridParams = GridParams(),
) -> Grid:
    """
    The grid of a frame.

    Road that is not connected to the vehicle is unknown: no way to it is seen.

    :param mask: (H, W) uint8, 255 in the drivable area.
    :param labels: (H, W) uint8 class ids.
    :param confidence: (H, W) uint8, 0..255 for 0..1.
    """
    sight = geometry.part(_sight, params)
    seen = pixel_states(mask, labels, confidence, table, geometry, params)
    states = seen.ravel()[sight.pixels]
    answers = ANSWERS[states]
    upright = np.flatnonzero(states == UPRIGHT)
    behind_m = sight.away_m[upright] - _contact_m(seen, sight, upright)
    answers[upright[behind_m <= params.foot_m]] = BLOCKED
    grid = unknown_grid(params)
    grid.cells.ravel()[sight.cells] = answers
    return grid


def pixel_states(
    mask: np.ndarray,
    labels: np.ndarray,
    confidence: np.ndarray,
    table: ClassTable,
    geometry: CameraGeometry,
    params: GridParams,
) -> np.ndarray:
    """What each pixel is to the grid, (H, W) uint8; arguments as of ``drivable_grid``."""
    seen = geometry.with_ego_body(cv2.LUT(labels, table.lookup(_states)), _UNTOLD)
    seen[mask > 0] = _FREE
    vehicles = geometry.with_ego_body(cv2.LUT(labels, table.role_mask(Role.VEHICLE)), 0)
    share = params.clearance_m / _VEHICLE_M
    vehicle_px = geometry.part(_sight, params).vehicle_px
    seen[under_vehicles(vehicles, vehicle_px, share) > 0] = UPRIGHT
    seen[confidence < round(255 * params.min_confidence)] = _UNTOLD
    return seen


def unknown_grid(params: GridParams) -> Grid:
    """A grid in which every cell is unknown."""
    cells = np.full(params.shape, UNKNOWN, np.int8)
    return Grid(cells, params.resolution_m, -params.behind_m, -params.side_m)


@dataclass(frozen=True, eq=False)
class _Sight:
    """The N cells that a camera sees well enough."""

    cells: np.ndarray  # (N,) int64, flat indices of the grid
    pixels: np.ndarray  # (N,) int64, flat indices of the image
    away_m: np.ndarray  # (N,) float32, from below the camera
    edges_m: np.ndarray  # (H + 1, W) float32, the same for the upper edges of rows
    vehicle_px: np.ndarray  # (H,) float32, room that a vehicle takes in a row


def _sight(geometry: CameraGeometry, params: GridParams) -> _Sight:
    camera, ground, (rows, columns) = geometry.camera, geometry.ground, params.shape
    below = camera.extrinsics.ground_point_m
    x = (np.arange(columns) + 0.5) * params.resolution_m - params.behind_m
    y = (np.arange(rows) + 0.5) * params.resolution_m - params.side_m
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    height, width = camera.size
    pixels = camera.ground_to_pixel(places)
    inside = (np.abs(2 * pixels - (width - 1, height - 1)) < (width, height)).all(axis=1)
    cells = np.flatnonzero(inside)
    column, row = np.rint(pixels[cells]).astype(np.int64).T
    fine = ground.coarse_m[row, column] <= params.coarse_m
    cells, flat = cells[fine], (row * width + column)[fine]
    return _Sight(
        cells,
        flat,
        np.linalg.norm(places[cells] - below, axis=1).astype(np.float32),
        np.linalg.norm(ground.edges_m - below, axis=-1).astype(np.float32),
        _widths_px(_VEHICLE_M, geometry),
    )


def _widths_px(width_m: float, geometry: CameraGeometry) -> np.ndarray:
    """Pixels (H,) float32 that a width on the ground takes in each row; 0 in the sky."""
    ground, middle = geometry.ground, slice((geometry.size[1] - 1) // 2, None)
    places = np.stack([ground.x_m[:, middle], ground.y_m[:, middle]])[:, :, :2]
    pixel_m = np.linalg.norm(np.diff(places, axis=2), axis=0).sum(axis=1)
    widths = np.where(pixel_m > 0, width_m / np.maximum(pixel_m, 1e-6), 0.0)
    return np.asarray(widths, np.float32)


def _states(table: ClassTable) -> np.ndarray:
    """Lookup table from class id to what it is to the grid, (256,) uint8."""
    upright = Role.VULNERABLE, Role.VEHICLE, Role.OBSTACLE, Role.NATURE
    states = np.full(256, _UNTOLD, np.uint8)
    states[table.role_mask(Role.WALKABLE) > 0] = _FLAT
    states[table.role_mask(*upright) > 0] = UPRIGHT
    return states


def _contact_m(seen: np.ndarray, sight: _Sight, upright: np.ndarray) -> np.ndarray:
    """How far away the things in cells meet the ground, or the lower edge of the image."""
    height, width = seen.shape
    row, column = np.divmod(sight.pixels[upright], width)
    first = int(row.min(initial=height))
    below = np.where(seen[first:] != UPRIGHT, np.arange(first, height)[:, None], height)
    nearest = np.minimum.accumulate(below[::-1].astype(np.int16), axis=0)[::-1]
    return np.asarray(sight.edges_m[nearest[row - first, column], column])
