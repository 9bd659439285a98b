# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Draws flat objects along the street: buildings, fences, walls and hedges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import NamedTuple

import cv2
import numpy as np

from seg_perception.synthetic.assets import Assets
from seg_perception.synthetic.canvas import clip_near, to_fixed
from seg_perception.synthetic.scene import Thing
from seg_perception.synthetic.surfaces import SURFACE_OF, Surface
from seg_perception.synthetic.textures import Facade, level_of
from seg_perception.synthetic.view import NEAREST_M, View, warped

STRIPS = ('fence', 'rail', 'wall', 'hedge')
_STOREY_M = 3.0
_TOWARDS = (-1.0, 0.0, 0.0)
Normal = tuple[float, float, float]
_SLATES = ((112.0, 74.0, 62.0), (84.0, 82.0, 86.0), (96.0, 70.0, 58.0), (70.0, 72.0, 78.0))


class Part(NamedTuple):
    """A piece of the image: columns from and before, rows before."""

    first: int
    last: int
    bottom: int


class Horizon:
    """Row above which each image column is still free, met from near to far."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.height, self.width = size
        self.rows = np.full(size[1], float(size[0]))

    def shows(self, left: float, right: float, top: float) -> bool:
        """Whether something as high as a row between two columns can be seen."""
        first, last = max(0, floor(left)), min(self.width, ceil(right) + 1)
        return first < last and top < float(self.rows[first:last].max())

    def add(self, wall: Wall) -> Part | None:
        """Visible part of a wall, None if hidden; from now on it hides objects behind it."""
        (x0, y0), (x1, y1) = wall.pixels[:2].tolist()
        first, last = max(0, floor(x0)), min(self.width, ceil(x1) + 1)
        if first >= last:
            return None
        columns = np.arange(first, last)
        tops = y0 + (columns - x0) * ((y1 - y0) / (x1 - x0))
        part = self.rows[first:last]
        seen = np.flatnonzero(tops < part + 1)
        shown = None
        if len(seen):
            shown = Part(first + int(seen[0]), first + int(seen[-1]) + 1, ceil(part[seen].max()))
        # The first and last column may be covered in part only.
        np.minimum(part[1:-1], tops[1:-1] + 1, out=part[1:-1])
        return shown


@dataclass(frozen=True, eq=False)
class Wall:
    """An upright wall before the camera."""

    corners: np.ndarray  # (4, 3) camera points: high left, high right, low right, low left
    pixels: np.ndarray  # (4, 2)
    shares: tuple[float, float]  # of its length that lie before the camera
    extent_m: tuple[float, float]  # whole length and height
    normal: Normal


@dataclass(frozen=True, eq=False)
class Building:
    """Walls of a building that can be seen, with their columns, the gable first."""

    thing: Thing
    walls: list[tuple[Wall, Part]]


def feet_of_walls(view: View, things: Sequence[Thing]) -> np.ndarray:
    """Start at the back, start and end at the front of things, camera points (N, 3, 3)."""
    along = np.array([[t.along_m, t.along_m, t.along_m + t.length_m] for t in things])
    depth = [np.copysign(building_depth_m(t), t.left_m) for t in things]
    front = np.array([thing.left_m for thing in things])
    left = np.stack([front + depth, front, front], axis=1)
    points = view.camera_points(along.ravel(), left.ravel())
    return points.reshape(-1, 3, 3)


def plan_building(view: View, thing: Thing, feet: np.ndarray, horizon: Horizon) -> Building:
    """
    Find what can be seen of a building, given what is nearer.

    :param feet: camera points (3, 3) of ``feet_of_walls``.
    """
    right = thing.left_m < 0
    front = feet[:0:-1] if right else feet[1:]
    depth, height = building_depth_m(thing), thing.height_m
    walls = [_wall(view, front, (thing.length_m, height), (0.0, 1.0 if right else -1.0, 0.0))]
    if thing.gable:
        walls.append(_wall(view, feet[1::-1] if right else feet[:2], (depth, height), _TOWARDS))
    seen = [(wall, horizon.add(wall)) for wall in walls if wall is not None]
    return Building(thing, [(wall, part) for wall, part in seen[::-1] if part])


def _wall(
    view: View, foot: np.ndarray, extent_m: tuple[float, float], normal: Normal
) -> Wall | None:
    """A wall on two camera points (2, 3), the one seen on the left first; None if unseen."""
    shape = _standing(view, foot, extent_m[1])
    if shape is None:
        return None
    corners, shares = shape
    pixels = view.canvas.project(corners)
    if pixels[1, 0] - pixels[0, 0] < 0.5:
        return None  # seen from behind or edge-on
    return Wall(corners, pixels, shares, extent_m, normal)


def draw_building(view: View, assets: Assets, building: Building) -> None:
    """Roof where there is one, the gable that faces the camera, the front."""
    thing = building.thing
    if _is_house(thing) and thing.variant % 3 != 0:
        side = float(np.sign(thing.left_m))
        _draw_roof(view, thing, thing.left_m, thing.left_m + side * building_depth_m(thing))
    for wall, part in building.walls:
        _draw_wall(view, assets.facades[thing.variant], wall, part)


def _is_house(thing: Thing) -> bool:
    return thing.height_m <= 3 * _STOREY_M


def building_depth_m(thing: Thing) -> float:
    """How far a building reaches away from the street."""
    return 9.0 if _is_house(thing) else 18.0


def _draw_roof(view: View, thing: Thing, front: float, back: float) -> None:
    start, end = thing.along_m, thing.along_m + thing.length_m
    eaves, ridge, middle = thing.height_m, thing.height_m + 2.8, (front + back) / 2
    slope = [(start - 0.2, front, eaves), (end, front, eaves), (end, middle, ridge),
             (start - 0.2, middle, ridge)]  # fmt: skip
    gable = [(start, front, eaves), (start, back, eaves), (start, middle, ridge)]
    normal = (0.0, -float(np.sign(front)) * 0.5, 0.87)
    _draw_flat(view, gable, (158.0, 146.0, 134.0), _TOWARDS)
    _draw_flat(view, slope, _SLATES[thing.track % 4], normal)


def _draw_flat(
    view: View, corners: list[tuple[float, float, float]], colour: tuple[float, float, float],
    normal: Normal,
) -> None:  # fmt: skip
    whole = view.camera_points(*np.array(corners).T)
    facing = view.camera.T_camera_vehicle[:3, :3] @ view.turned(normal)
    points = clip_near(whole)
    if facing @ whole[0] >= 0 or len(points) < 3:
        return
    plane = view.canvas.plane_through(Surface.BUILDING, points)
    lit = view.seen(colour, view.lit(normal).tolist(), float(points[:, 2].mean()))
    view.canvas.fill(view.canvas.project(points), lit, plane)


def _draw_wall(view: View, art: Facade, wall: Wall, part: Part) -> None:
    """A textured wall, as far as it can be seen."""
    if (region := view.canvas.region(wall.pixels)) is None:
        return
    top, bottom, first, last = region
    first, last, bottom = max(first, part.first), min(last, part.last), min(bottom, part.bottom)
    if first >= last or top >= bottom:
        return
    texture, warp = _hang(view, art, wall)
    shift = np.array([[1.0, 0, -first], [0, 1, -top], [0, 0, 1]])
    size = (last - first, bottom - top)
    depth = float(wall.corners[:, 2].mean())
    light = view.light.matrix(_wall_light(view, wall.normal), depth)
    texel_px = float(wall.pixels[3, 1] - wall.pixels[0, 1]) * art.height_m
    texel_px /= wall.extent_m[1] * texture.shape[0]
    patch = warped(texture, shift @ warp, size, light, texel_px)
    mask = np.zeros(size[::-1], np.uint8)
    fixed = to_fixed(wall.pixels - (first, top))
    cv2.fillConvexPoly(mask, fixed, 255, cv2.LINE_8, 4)
    plane = view.canvas.plane_through(Surface.BUILDING, wall.corners)
    view.canvas.paste(patch, mask, top, first, plane)


def _standing(
    view: View, foot: np.ndarray, height_m: float
) -> tuple[np.ndarray, tuple[float, float]] | None:
    """Corners (4, 3) of a wall on two feet (2, 3), and the shares of its length kept."""
    points = np.empty((4, 3))
    points[2:] = foot
    points[:2] = foot + view.camera.T_camera_vehicle[:3, 2] * height_m
    z = points[:, 2].tolist()
    near, shares = (min(z[0], z[2]), min(z[1], z[3])), [0.0, 1.0]
    if max(near) <= NEAREST_M:
        return None
    for i in (0, 1):
        if near[i] < NEAREST_M:
            cut = (NEAREST_M - near[i]) / (near[1 - i] - near[i])
            shares[i] = abs(i - cut)
            points[i::2] += cut * (points[1 - i :: 2] - points[i::2])
    return points[[0, 1, 3, 2]], (shares[0], shares[1])


def _hang(view: View, art: Facade, wall: Wall) -> tuple[np.ndarray, np.ndarray]:
    """The level of the facade to use and its perspective into the image."""
    levels = art.lit if view.light.weather == 'night' else art.levels
    scale = view.camera.focal_px / float(wall.corners[:, 2].mean()) / art.px_per_m
    texture = level_of(levels, scale, 0.5)
    texel = texture.shape[1] / art.width_m, texture.shape[0] / art.height_m
    length, height = min(wall.extent_m[0], art.width_m), min(wall.extent_m[1], art.height_m)
    bottom = float(texture.shape[0])
    rows = (bottom - height * texel[1], bottom)
    return texture, _perspective(wall, wall.pixels, length * texel[0], rows)


def _perspective(
    wall: Wall, pixels: np.ndarray, width: float, rows: tuple[float, float]
) -> np.ndarray:
    """From a texture, whose whole width and rows cover the wall, to the pixels of its corners."""
    u0, u1 = (share * width for share in wall.shares)
    source = np.array([[u0, rows[0]], [u1, rows[0]], [u1, rows[1]], [u0, rows[1]]], np.float32)
    return cv2.getPerspectiveTransform(source - 0.5, pixels.astype(np.float32))


def _wall_light(view: View, normal: Normal) -> np.ndarray:
    if view.light.weather == 'night':  # the night texture has its lamps painted in
        return np.full(3, 0.85 if normal[0] == 0 else 0.4)
    return view.lit(normal)


def draw_strip(view: View, assets: Assets, thing: Thing, feet: np.ndarray) -> None:
    """
    A piece of fence, wall, rail or hedge.

    :param feet: camera points (3, 3) of ``feet_of_walls``.
    """
    front = feet[1:] if thing.left_m > 0 else feet[:0:-1]
    normal = (0.0, -float(np.sign(thing.left_m)), 0.0)
    wall = _wall(view, front, (thing.length_m, thing.height_m), normal)
    if wall is None or (region := view.canvas.region(wall.pixels)) is None:
        return
    top, bottom, first, last = region
    levels = assets.strips[thing.kind]
    scale = float(wall.pixels[2, 1] - wall.pixels[1, 1]) / levels[0].shape[0]
    texture = level_of(levels, scale)
    height, width = texture.shape[:2]
    warp = _perspective(wall, wall.pixels - (first, top), width, (0.0, height))
    patch = cv2.warpPerspective(texture, warp, (last - first, bottom - top), borderValue=0)
    light = view.light.matrix(view.lit(normal), float(wall.corners[:, 2].mean()))
    mask = cv2.threshold(cv2.extractChannel(patch, 3), 127, 255, cv2.THRESH_BINARY)[1]
    plane = view.canvas.plane_through(SURFACE_OF[thing.kind], wall.corners)
    lit = cv2.transform(cv2.cvtColor(patch, cv2.COLOR_RGBA2RGB), light)
    view.canvas.paste(lit, mask, top, first, plane)
