# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The drivable area in metres: free distance ahead, left and right, outline on the ground."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan, nan

import cv2
import numpy as np

from seg_perception.core.camera import Camera
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import ClassTable, Role
from seg_perception.core.corridor import Corridor, Strips, ground_in_reach

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


@dataclass(frozen=True)
class FreeDistance:
    """Free road along the corridor and the strips beside it, as ``DrivableArea`` has it."""

    ahead_m: float
    std_m: float
    band_m: tuple[float, float]
    left_m: float
    right_m: float


def free_distance(
    strips: Strips, passed: np.ndarray, flags: np.ndarray, camera: Camera, clearance_m: float
) -> FreeDistance:
    """
    How far the road is free, from the origin of the vehicle frame.

    :param passed: (H, W) uint8, 0 where neither free road nor the own vehicle is.
    :param flags: (H, W) uint8, the bits of each pixel's class.
    :param clearance_m: of vehicles above the ground: they are nearer than their lowest pixel.
    """
    clearance = clearance_m / camera.mount.height_m
    (free, seeming), (left, _), (right, _) = _along(strips, passed, flags, camera, clearance)
    std, band = nan, (nan, nan)
    if free == 0:  # what blocks it begins before the nearest ground in sight
        nearest = float(strips.edges_m[0])
        std, band = nearest / 12**0.5, (0.0, nearest)
    elif not isnan(free):
        far = inf if free == strips.edges_m[-1] else camera.band_m(seeming)[1]
        std, band = camera.std_m(free), (camera.band_m(2 * free - seeming)[0], far)
    return FreeDistance(free, std, band, left, right)


def _along(
    strips: Strips, passed: np.ndarray, flags: np.ndarray, camera: Camera, clearance: float
) -> list[tuple[float, float]]:
    """
    Free road along each strip, and as it seems when no vehicle has a clearance.

    0 when the near end is blocked, NaN when nothing of it is known.

    :param clearance: of vehicles, in heights of the camera: they are by so much nearer to it.
    """
    blocked = np.flatnonzero(passed.ravel()[strips.pixels] == 0)
    pieces, pixels = strips.pieces[blocked], strips.pixels[blocked]
    first = _first_blocked(pieces, strips)
    vehicle = _first_blocked(pieces[(flags.ravel()[pixels] & VEHICLE) > 0], strips)
    count, free = len(strips.edges_m) - 1, []
    for strip, nearest in enumerate(strips.first_piece):
        seeming = float(strips.edges_m[first[strip]])
        if first[strip] <= nearest:
            own = strips.pixels[strips.pieces // count == strip]
            known = (flags.ravel()[own] & KNOWN).any()
            free.append((0.0, 0.0) if known else (nan, nan))
        elif vehicle[strip] == count:
            free.append((seeming, seeming))
        else:
            foot = float(strips.edges_m[vehicle[strip]])
            free.append((min(seeming, foot - clearance * (foot - camera.ahead_m)), seeming))
    return free


def _first_blocked(pieces: np.ndarray, strips: Strips) -> np.ndarray:
    """Of each strip the first piece that enough of these pieces' pixels block; B without one."""
    counts = np.bincount(pieces, minlength=strips.blocking_px.size)
    blocked = counts.reshape(strips.blocking_px.shape) >= strips.blocking_px
    return np.asarray(np.where(blocked.any(axis=1), blocked.argmax(axis=1), blocked.shape[1]))


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
