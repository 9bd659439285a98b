# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Shadows on the ground: outlines in the world, then a soft mask in the image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from seg_perception.synthetic.canvas import NEAR_M
from seg_perception.synthetic.meshes import VEHICLES, vehicle
from seg_perception.synthetic.scene import Scene, Thing
from seg_perception.synthetic.view import View
from seg_perception.synthetic.walls import building_depth_m

_PERSON_M = 1.6
_REACH_M = 75.0  # farther shadows are too flat to be seen
_CAST, _CONTACT = 190, 255

Outline = tuple[np.ndarray, int]  # world (N, 2), strength


def shadow_mask(view: View, things: Sequence[Thing], first_row: int) -> np.ndarray:
    """Share of shadow of the ground below a row, (rows / 2, W / 2) uint8."""
    height, width = view.camera.size
    mask = np.zeros(((height - first_row + 1) // 2, (width + 1) // 2), np.uint8)
    sun = view.light.sun_direction
    reach = sun[:2] / max(float(sun[2]), 0.3)
    x0 = view.pose[0]
    near = [thing for thing in things if thing.along_m < x0 + _REACH_M]
    outlines = [pair for thing in near for pair in _outlines(view.scene, thing, reach)]
    if not outlines:
        return mask
    outlines.sort(key=lambda pair: pair[1])  # the dark contact last
    world = np.concatenate([outline for outline, _ in outlines])
    points = view.camera.raised_to_camera(view.from_world(*world.T))
    depth = np.maximum(points[:, 2:], NEAR_M)
    pixels = points[:, :2] / depth * view.camera.focal_px + view.camera.K[:2, 2]
    fixed = np.rint(np.clip((pixels - (0, first_row)) * 8, -2e5, 2e5)).astype(np.int32)
    start = 0
    for outline, strength in outlines:
        part = slice(start, start + len(outline))
        start = part.stop
        if points[part, 2].max() > NEAR_M:
            cv2.fillConvexPoly(mask, fixed[part], strength, cv2.LINE_8, 4)
    return cv2.GaussianBlur(mask, (0, 0), max(0.8, view.camera.focal_px / 450))


def _outlines(scene: Scene, thing: Thing, reach: np.ndarray) -> list[Outline]:
    place = np.array([thing.along_m, float(scene.centre_m(thing.along_m)) + thing.left_m])
    if thing.kind in VEHICLES:
        return _vehicle(thing, place, scene.heading_rad(thing.along_m), reach)
    if thing.kind == 'tree':
        centre = place - reach * 0.6 * thing.height_m
        trunk = _line(place, centre, 0.12)
        return [(_ring(0.30 * thing.height_m) + centre, _CAST), (trunk, _CAST)]
    if thing.kind in ('person', 'cyclist'):
        tip = place - reach * _PERSON_M
        return [(_line(place, tip, 0.2), _CAST), (_ring(0.3) + place, _CONTACT)]
    if thing.kind in ('lamp', 'sign', 'traffic_light', 'bollard'):
        return [(_line(place, place - reach * thing.height_m, 0.06), _CAST)]
    if thing.kind == 'building':
        along = np.array([thing.along_m, thing.along_m + thing.length_m] * 2)
        depth = np.copysign(building_depth_m(thing), thing.left_m)
        left = thing.left_m + np.array([0.0, 0.0, depth, depth])
        base = np.column_stack([along, scene.centre_m(along) + left])
        base -= place
        cast = _hull(np.concatenate([base, base - reach * thing.height_m]))
        return [(cast + place, _CAST)]
    return []


def _vehicle(thing: Thing, place: np.ndarray, heading: float, reach: np.ndarray) -> list[Outline]:
    mesh = vehicle(thing.kind)
    turn = thing.turn_rad + heading
    cos, sin = np.cos(turn), np.sin(turn)
    box = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (mesh.length_m / 2, mesh.width_m / 2)
    box = box @ np.array([[cos, sin], [-sin, cos]])
    cast = _hull(np.concatenate([box, box * 0.8 - reach * mesh.height_m * 0.9]))
    return [(cast + place, _CAST), (box * 1.03 + place, _CONTACT)]


def _ring(radius: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    return np.column_stack([np.cos(angle), np.sin(angle)]) * radius


def _line(start: np.ndarray, end: np.ndarray, half_m: float) -> np.ndarray:
    """A strip from one point to another, as wide as the thing that casts it."""
    way = end - start
    side = np.array([-way[1], way[0]]) / max(float(np.hypot(*way)), 1e-6) * half_m
    return np.array([start - side, end - side, end + side, start + side])


def _hull(points: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.convexHull(points.astype(np.float32))[:, 0], np.float64)
