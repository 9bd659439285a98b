# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The grid where range is measured: cells lie on the terrain, and things are where they are measured.

A cell asks the pixel that sees it on the terrain. Its ground counts where the pixel is measured in
the cell, or not at all; a thing blocks where it is measured, and hides what is behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import ClassTable
from seg_perception.core.grid import (
    ANSWERS,
    BLOCKED,
    UNKNOWN,
    UPRIGHT,
    GridParams,
    drivable_grid,
    pixel_states,
    unknown_grid,
)
from seg_perception.core.range_image import UPRIGHT_ROLES, points_in_image
from seg_perception.core.results import Grid
from seg_perception.core.terrain import Surface

_LEAST_PX = 2  # of a thing in a cell
_SLACK_M = 0.3  # by which the ground of a pixel may be off its cell


def measured_grid(
    mask: np.ndarray,
    labels: np.ndarray,
    confidence: np.ndarray,
    table: ClassTable,
    geometry: CameraGeometry,
    params: GridParams,
    surface: Surface,
) -> Grid:
    """
    The grid of a frame with measured range; arguments as of ``drivable_grid``.

    Things that are not measured are where flat ground has them.
    """
    frame = mask, labels, confidence, table, geometry, params
    states = pixel_states(*frame)
    asked = _ask(geometry, params, surface)
    state, coarse_m = states.ravel()[asked.pixels], asked.coarse_m
    answers = ANSWERS[state]
    behind_m = np.nan_to_num(asked.cell_m - asked.measured_m, nan=0.0)
    elsewhere = np.abs(behind_m) > _SLACK_M + coarse_m
    answers[elsewhere | ~(coarse_m <= params.coarse_m)] = UNKNOWN
    upright, unmeasured = state == UPRIGHT, np.isnan(asked.measured_m)
    near = (behind_m > -params.resolution_m) & (behind_m <= params.foot_m) & ~unmeasured
    answers[upright & near] = BLOCKED
    if (untold := upright & unmeasured).any():
        flat = drivable_grid(*frame)
        answers[untold & (flat.cells.ravel()[asked.cells] == BLOCKED)] = BLOCKED
    grid = unknown_grid(params)
    cells = grid.cells.ravel()
    cells[asked.cells] = answers
    cells[_things(table, surface, params)] = BLOCKED
    return grid


@dataclass(frozen=True, eq=False)
class _Asked:
    """The N cells whose ground is in the image, and the pixels that see them."""

    cells: np.ndarray  # (N,) int, flat indices of the grid
    pixels: np.ndarray  # (N,) int, flat indices of the image
    cell_m: np.ndarray  # (N,) float32, from below the camera
    measured_m: np.ndarray  # (N,) float32, the same of what the pixel shows; NaN: not measured
    coarse_m: np.ndarray  # (N,) float32, length of ground in the pixel


def _ask(geometry: CameraGeometry, params: GridParams, surface: Surface) -> _Asked:
    places = geometry.part(_centres, params).copy()
    places[:, 2] = np.nan_to_num(surface.terrain.at(places[:, 0], places[:, 1]))
    seen = points_in_image(places, geometry.camera)
    pose, width = geometry.camera.extrinsics, geometry.size[1]
    cell = np.hypot(
        places[seen.numbers, 0] - pose.forward_m, places[seen.numbers, 1] - pose.left_m
    )
    x, y = (plane.ravel() for plane in surface.ranges.xyz_m[:2])
    above = np.maximum(seen.pixels - width, 0)
    measured, farther = (
        np.hypot(x[pixels] - pose.forward_m, y[pixels] - pose.left_m)
        for pixels in (seen.pixels, above)
    )
    # Of level ground, where the pixel above does not tell.
    level = (cell**2 / pose.height_m + pose.height_m) * geometry.camera.pixel_rad
    step = np.abs(farther - measured)
    coarse = np.where(np.isnan(step), level, step)
    return _Asked(seen.numbers, seen.pixels, cell, measured, coarse)


def _centres(_: CameraGeometry, params: GridParams) -> np.ndarray:
    """Middles of all cells on level ground, (N, 3) float32."""
    rows, columns = params.shape
    x = (np.arange(columns) + 0.5) * params.resolution_m - params.behind_m
    y = (np.arange(rows) + 0.5) * params.resolution_m - params.side_m
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return np.column_stack([places, np.zeros(len(places))]).astype(np.float32)


def _things(table: ClassTable, surface: Surface, params: GridParams) -> np.ndarray:
    """The cells, flat indices, in which things are measured that stand on the ground."""
    solid = cv2.LUT(surface.labels, table.role_mask(*UPRIGHT_ROLES))
    solid = cv2.subtract(cv2.bitwise_or(solid, surface.raised), surface.overhead)
    chosen = np.flatnonzero(solid)
    x, y = (plane.ravel()[chosen] for plane in surface.ranges.xyz_m[:2])
    rows, columns = params.shape
    column = (x + params.behind_m) * (1 / params.resolution_m)
    row = (y + params.side_m) * (1 / params.resolution_m)
    inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    cells = row[inside].astype(np.intp) * columns + column[inside].astype(np.intp)
    return np.flatnonzero(np.bincount(cells, minlength=rows * columns) >= _LEAST_PX)
