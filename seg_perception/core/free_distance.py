# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The drivable area in metres: free distance ahead, left and right, outline on the ground."""

from __future__ import annotations

from math import inf, isnan, nan
from typing import Any

import cv2
import numpy as np

from seg_perception.core.camera import Camera
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import ClassTable, Role
from seg_perception.core.corridor import AHEAD, LEFT, RIGHT, Corridor, Strips, ground_in_reach

ROAD, OWN, SOLID, STATIC, VEHICLE, KNOWN = 1, 2, 4, 8, 16, 32
"""What a class is to the drivable area, a bit each, so that one lookup sorts every pixel."""


def area_bits(table: ClassTable) -> np.ndarray:
    """Lookup table from class id to its bits, (256,) uint8."""
    bits = np.zeros(256, np.uint8)
    for bit, roles in (
        (ROAD, (Role.DRIVABLE, Role.MARKING)),
        (OWN, (Role.EGO,)),
        (SOLID, (Role.VULNERABLE, Role.VEHICLE)),  # always cuts the road off
        (STATIC, (Role.OBSTACLE,)),  # may be a pole
        (VEHICLE, (Role.VEHICLE,)),
        (KNOWN, tuple(role for role in Role if role not in (Role.EGO, Role.OTHER))),
    ):
        bits[table.role_mask(*roles) > 0] |= bit
    bits.setflags(write=False)
    return bits


def free_distance(
    strips: Strips, passed: np.ndarray, flags: np.ndarray, camera: Camera, clearance_m: float
) -> dict[str, Any]:
    """
    How far the road is free, from the origin of the vehicle frame: fields of ``DrivableArea``.

    :param passed: (H, W) uint8, 0 where neither free road nor the own vehicle is.
    :param flags: (H, W) uint8, the bits of each pixel's class.
    :param clearance_m: of vehicles above the ground: they are nearer than their lowest pixel.
    """
    rows = slice(strips.first, strips.first + len(strips.strip))
    ends = _Ends(strips, passed[rows], flags[rows])
    clearance, ahead_m = clearance_m / camera.extrinsics.height_m, camera.ahead_m
    (free, seeming), (left, _), (right, _) = (
        ends.free_m(strip, ahead_m, clearance) for strip in (AHEAD, LEFT, RIGHT)
    )
    std, band = nan, (nan, nan)
    if free == 0:  # what blocks it begins before the nearest ground in sight
        nearest = float(strips.edges_m[0])
        std, band = nearest / 12**0.5, (0.0, nearest)
    elif not isnan(free):
        far = inf if free == strips.edges_m[-1] else camera.band_m(seeming)[1]
        std, band = camera.std_m(free), (camera.band_m(2 * free - seeming)[0], far)
    return {
        'free_distance_m': free,
        'free_distance_std_m': std,
        'free_distance_band_m': band,
        'free_left_m': left,
        'free_right_m': right,
    }


class _Ends:
    """Where the free road along the strips of a frame ends, (R, W) as the strips have it."""

    def __init__(self, strips: Strips, passed: np.ndarray, flags: np.ndarray) -> None:
        blocked = np.asarray(cv2.inRange(passed, 0, 0))
        vehicles = cv2.bitwise_and(blocked, cv2.inRange(flags & VEHICLE, 1, 255))
        self._strips, self._flags = strips, flags
        self._first = _first_pieces(strips, blocked)
        self._first_vehicle = _first_pieces(strips, vehicles)

    def free_m(self, strip: int, ahead_m: float, clearance: float) -> tuple[float, float]:
        """
        Free road along a strip, and as it seems when no vehicle has a clearance.

        0 when the near end is blocked, NaN when nothing of it is known.

        :param ahead_m: of the camera before the origin.
        :param clearance: of vehicles above the ground, in heights of the camera.
        """
        strips, first = self._strips, int(self._first[strip])
        own = np.asarray(cv2.inRange(strips.strip, strip, strip))
        if not own.any():
            return nan, nan
        nearest = np.float32(cv2.minMaxLoc(strips.tangent, own)[0])
        if first <= np.searchsorted(strips.edges, nearest, side='right') - 1 or not first:
            known = cv2.bitwise_and(self._flags & KNOWN, own).any()
            return (0.0, 0.0) if known else (nan, nan)
        seeming, vehicle = float(strips.edges_m[first]), int(self._first_vehicle[strip])
        if vehicle == len(strips.blocking_px):
            return seeming, seeming
        contact_m = float(strips.edges_m[vehicle])
        return min(seeming, contact_m - clearance * (contact_m - ahead_m)), seeming


def _first_pieces(strips: Strips, blocked: np.ndarray) -> np.ndarray:
    """
    Of each strip, by its number, the first piece that enough blocked pixels end; B without one.

    Fewer than are asked for do where they fill their piece.

    :param blocked: (R, W) uint8 of 0 or 255.
    """
    count = len(strips.blocking_px)
    counts = _counts(strips, blocked)
    first = _first_of(counts >= strips.blocking_px)
    few = (counts > 0) & (np.arange(count) < first[:, None])
    if few.any():
        pieces = np.flatnonzero(few.any(axis=0))
        low, high = strips.edges[pieces[0]], strips.edges[pieces[-1] + 1]
        near = cv2.inRange(strips.tangent, float(low) if pieces[0] else 0.0, float(high))
        others = _counts(strips, cv2.subtract(near, blocked))
        first = np.minimum(first, _first_of(few & (others == 0)))
    return first


def _counts(strips: Strips, chosen: np.ndarray) -> np.ndarray:
    """How many of the chosen pixels (R, W) are in each piece of each strip, (4, B)."""
    strip, count = cv2.bitwise_and(strips.strip, chosen), len(strips.blocking_px)
    pixels = np.flatnonzero(strip > 0)
    if not len(pixels):
        return np.zeros((4, count), np.intp)
    places = strips.pieces_of(pixels) + count * strip.ravel()[pixels].astype(np.intp)
    return np.bincount(places, minlength=4 * count).reshape(4, count)


def _first_of(ends: np.ndarray) -> np.ndarray:
    """The first column (N,) that is true in each row (N, B); B without one."""
    return np.asarray(np.where(ends.any(axis=1), ends.argmax(axis=1), ends.shape[1]))


def ground_polygon(
    mask: np.ndarray, geometry: CameraGeometry, corridor: Corridor, tolerance_m: float
) -> np.ndarray:
    """Outline (M, 2) float32 of the largest piece of ground in reach, counter-clockwise."""
    near = cv2.bitwise_and(mask, ground_in_reach(geometry, corridor))
    outlines, _ = cv2.findContours(near, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    ground, outlines_m = geometry.ground, []
    for outline in outlines:
        places = outline[:, 0, 1] * near.shape[1] + outline[:, 0, 0]
        x_m, y_m = (values.ravel()[places] for values in (ground.x_m, ground.y_m))
        outlines_m.append(np.column_stack([x_m, y_m]))
    largest = max(outlines_m, key=cv2.contourArea, default=np.zeros((0, 2), np.float32))
    if len(largest) < 3:
        return np.zeros((0, 2), np.float32)
    corners = np.asarray(cv2.approxPolyDP(largest, tolerance_m, True))[:, 0]
    return corners[::-1] if cv2.contourArea(corners, oriented=True) < 0 else corners
