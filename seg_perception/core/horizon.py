# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Pitch of the camera from the edges of the road, with its uncertainty.

Parallel edges on flat ground meet at the horizon, also when both bend. With u to
the left and v downwards on the plane one metre ahead, an edge y0 aside of a camera h high is
u = y0 / h (v + d) + heading + bend / (v + d); d is what the pitch is off. The heading and the bend
are those of the road, the same for both edges. One edge alone tells nothing about d.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import hypot

import numpy as np

from seg_perception.core.camera import Camera
from seg_perception.core.classes import ClassTable, Role
from seg_perception.core.results import PitchEstimate
from seg_perception.core.settings import Settings, ratio, setting

_ROUNDS, _WIDEST = 16, 16.0  # from a wide tolerance to the true one, past false fits
_LONGEST_STEP = 0.02  # rad; longer ones overshoot
_LEAST_SLOPE = 1e-3  # keeps points at the horizon in bounds


@dataclass(frozen=True)
class HorizonParams(Settings, name='horizon'):
    """When the edges of the road tell the pitch."""

    reach_m: float = setting(35.0, 'distance up to which the road edges are used', 'm', 5, 200)
    least_rows: int = setting(
        25, 'minimum number of rows of each road edge that fit', 'px', 5, 2000
    )
    least_share: float = ratio(0.6, 'minimum share of the visible rows that fit', 0.1)
    fit_px: float = setting(
        1.5, 'distance from the fitted edge at which a row has half weight', 'px', 0.2, 20
    )
    most_off_rad: float = setting(
        0.08, 'largest correction of the pitch that is accepted', 'rad', 0.001, 0.5
    )
    most_std_rad: float = setting(
        0.01, 'largest standard deviation of an accepted estimate', 'rad', 0.0005, 0.1
    )


def pitch_difference(off_rad: float) -> str:
    """How a pitch differs from another, such as "0.020 rad below"; positive looks down."""
    return f'{abs(off_rad):.3f} rad {"below" if off_rad > 0 else "above"}'


def estimate_pitch(
    mask: np.ndarray,
    labels: np.ndarray,
    table: ClassTable,
    camera: Camera,
    params: HorizonParams = HorizonParams(),
) -> PitchEstimate:
    """
    The pitch from the edges of a drivable mask (H, W) uint8.

    An edge counts where ground that is not for vehicles ends the road; vehicles and people and the
    image's own edges are no edges of the road.

    :param labels: (H, W) uint8 of the same frame.
    :param camera: of images of that size.
    """
    left, right = _edges(mask, labels, table, camera, params)
    if min(len(left), len(right)) < params.least_rows:
        return PitchEstimate()
    off_rad, std_rad, fits = _fit(left, right, params.fit_px * camera.pixel_rad)
    std_rad = hypot(std_rad, camera.pixel_rad)  # a whole edge may be a pixel off
    rows = [int(edge.sum()) for edge in np.split(fits, [len(left)])]
    sure = (
        min(rows) >= params.least_rows
        and sum(rows) >= params.least_share * len(fits)
        and abs(off_rad) <= params.most_off_rad
        and std_rad <= params.most_std_rad
    )
    if not sure:
        return PitchEstimate()
    pitch_rad = camera.extrinsics.pitch_rad + off_rad
    turned = Camera(camera.calibration, replace(camera.extrinsics, pitch_rad=pitch_rad))
    return PitchEstimate(pitch_rad, std_rad, turned.horizon)


def _edges(
    mask: np.ndarray, labels: np.ndarray, table: ClassTable, camera: Camera, params: HorizonParams
) -> list[np.ndarray]:
    """Points (N, 2) of u and v on the left and on the right edge of the road, one a row."""
    height, width = mask.shape
    shoulder = table.role_mask(Role.WALKABLE, Role.NATURE) > 0
    rows, edges = np.arange(height), []
    for side in (1, -1):  # the right edge is the left one of the mirrored image
        road, classes = mask[:, ::side] > 0, labels[:, ::side]
        columns = road.argmax(axis=1)
        ends = road.any(axis=1) & (columns > 0) & shoulder[classes[rows, columns - 1]]
        places = columns - 0.5 if side > 0 else width - 0.5 - columns
        rays = camera.calibration.rays(np.column_stack([places, rows])[ends])
        ahead, aside, up = camera.extrinsics.rotation @ rays.T
        near = (ahead > 0) & (-up * params.reach_m > camera.extrinsics.height_m * ahead)
        edges.append(np.column_stack([aside[near], -up[near]]) / ahead[near, None])
    return edges


def _fit(left: np.ndarray, right: np.ndarray, tolerance: float) -> tuple[float, float, np.ndarray]:
    """
    Robust fit of both edges: Gauss-Newton, points weighed down by how far they are off.

    :param tolerance: of a point in v where its weight is a quarter.
    :returns: what the pitch is off and its standard deviation, rad, and the points that fit, (N,)
        bool of the left and then the right ones.
    """
    u, v = np.concatenate([left, right]).T
    sides = np.repeat(np.eye(2), [len(left), len(right)], axis=0)  # (N, 2)
    weights, off = np.ones_like(u), 0.0
    for widening in np.geomspace(_WIDEST, 1.0, _ROUNDS):
        below = np.maximum(v + off, _LEAST_SLOPE)[:, None]
        linear = np.hstack([sides * below, np.ones_like(below), 1.0 / below])
        root = np.sqrt(weights)
        terms = np.linalg.lstsq(linear * root[:, None], u * root, rcond=None)[0]
        wrong, slopes = u - linear @ terms, sides @ terms[:2]
        jacobian = np.column_stack([linear, slopes - terms[3] / below[:, 0] ** 2])
        steps = np.linalg.lstsq(jacobian * root[:, None], wrong * root, rcond=None)[0]
        off += float(np.clip(steps[4], -_LONGEST_STEP, _LONGEST_STEP))
        misfit = wrong / (widening * tolerance * np.hypot(1.0, slopes))
        weights = 1.0 / (1.0 + misfit**2) ** 2
    return off, _std(jacobian, wrong, weights), np.abs(misfit) < 2.0


def _std(jacobian: np.ndarray, wrong: np.ndarray, weights: np.ndarray) -> float:
    """Standard deviation of the last parameter."""
    squares = weights * wrong**2
    spread = squares.sum() / max(1.0, weights.sum() - jacobian.shape[1])
    inverse = np.linalg.pinv(jacobian.T @ (jacobian * weights[:, None]))
    # Errors of neighbouring rows correlate: this many rows count as one (an AR(1) process).
    scaled = np.sqrt(weights) * wrong
    alike = float((scaled[1:] * scaled[:-1]).sum() / max(squares.sum(), 1e-30))
    alike = min(max(alike, 0.0), 0.99)
    count = (1.0 + alike) / (1.0 - alike)
    return float(np.sqrt(spread * inverse[-1, -1] * count))
