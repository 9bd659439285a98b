# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Draws objects that stand on one foot and face the camera: trees, people, lamps, signs."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from seg_perception.synthetic.assets import Assets
from seg_perception.synthetic.canvas import Rgb
from seg_perception.synthetic.people import PHASES, Sprite
from seg_perception.synthetic.scene import Thing
from seg_perception.synthetic.surfaces import Surface
from seg_perception.synthetic.textures import level_of
from seg_perception.synthetic.view import Glow, View, warped

_TOWARDS = (-0.6, 0.0, 0.5)
_METAL: Rgb = (96.0, 100.0, 102.0)
_BRIGHT_METAL: Rgb = (150.0, 154.0, 156.0)
_LAMP_LIGHT: Rgb = (255.0, 206.0, 130.0)
_TRAFFIC_LIGHTS: tuple[Rgb, ...] = (
    (255.0, 40.0, 30.0), (255.0, 170.0, 20.0), (40.0, 235.0, 130.0),
)  # fmt: skip
# Edge colour, inner colour, number of corners.
_SIGNS: tuple[tuple[Rgb, Rgb, int], ...] = (
    ((196.0, 24.0, 30.0), (238.0, 236.0, 232.0), 18),
    ((28.0, 74.0, 160.0), (36.0, 92.0, 190.0), 18),
    ((196.0, 24.0, 30.0), (240.0, 238.0, 230.0), 3),
    ((238.0, 200.0, 40.0), (246.0, 214.0, 60.0), 4),
    ((240.0, 240.0, 240.0), (30.0, 90.0, 160.0), 4),
    ((190.0, 20.0, 26.0), (196.0, 28.0, 34.0), 8),
)


def draw_tree(view: View, assets: Assets, thing: Thing, foot: np.ndarray) -> None:
    """A tree on its foot, a camera point (3,)."""
    art = assets.trees[thing.variant]
    _sprite(view, art, foot, thing.height_m / art.height_m, Surface.TREE, thing.track % 2 == 0)


def draw_person(view: View, assets: Assets, thing: Thing, foot: np.ndarray) -> None:
    """A pedestrian."""
    sideways = bool(abs(np.cos(thing.turn_rad)) < 0.5)
    art = assets.people.walker(thing.variant, sideways, thing.phase % PHASES)
    _sprite(view, art, foot, 1.0, Surface.PERSON, flip=thing.turn_rad > 0.1)


def draw_cyclist(view: View, assets: Assets, thing: Thing, foot: np.ndarray) -> None:
    """A cyclist, seen along the way or, if close and to the side, from the side."""
    aside = bool(abs(foot[0]) > 0.8 * foot[2])
    bicycle, rider = assets.people.cyclist(thing.variant, aside, thing.phase % PHASES)
    flip = aside and thing.speed_mps < 0
    _sprite(view, bicycle, foot, 1.0, Surface.BICYCLE, flip)
    _sprite(view, rider, foot, 1.0, Surface.RIDER, flip)


def _sprite(
    view: View, art: Sprite, foot: np.ndarray, scale: float, surface: Surface, flip: bool
) -> None:
    depth = float(foot[2])
    px = view.camera.focal_px / depth * scale
    x, y = view.canvas.project_one(foot)
    width, height = art.width_m * px, art.height_m * px
    region = view.canvas.window(y - height, y, x - width / 2, x + width / 2)
    if region is None or height < 2:
        return
    top, bottom, left, right = region
    zoom = height / art.levels[0].shape[0]
    rgba = level_of(art.levels, zoom, 0.3)
    sx, sy = width / rgba.shape[1], height / rgba.shape[0]
    start, turn = (x + width / 2, -sx) if flip else (x - width / 2, sx)
    # The last row of the sprite ends at the foot; texel centres are at half steps.
    warp = np.array([[turn, 0, start - left + turn / 2], [0, sy, y - height - top + sy / 2]])
    light = view.light.matrix(view.lit(_TOWARDS), depth)
    size = (right - left, bottom - top)
    picture = warped(cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), warp, size, light, sy)
    alpha = cv2.warpAffine(cv2.extractChannel(rgba, 3), warp, size)
    mask = cv2.threshold(alpha, 127, 255, cv2.THRESH_BINARY)[1]
    view.canvas.paste(picture, mask, top, left, view.canvas.upright(surface, depth))


def draw_post(view: View, thing: Thing, foot: np.ndarray) -> None:
    """A lamp, sign, traffic light or bollard."""
    post = _Post(view, foot)
    half = {'lamp': 0.08, 'bollard': 0.09}.get(thing.kind, 0.04)
    post.plane = view.canvas.upright(Surface.POLE, post.depth_m)
    post.box((-half, half), (0.0, thing.height_m), _METAL)
    post.stripe((-half, -half * 0.3), (0.0, thing.height_m), _BRIGHT_METAL)
    if thing.kind == 'lamp':
        _draw_arm(post, thing)
    elif thing.kind == 'sign':
        _draw_sign(post, thing)
    elif thing.kind == 'traffic_light':
        _draw_traffic_light(post, thing)


class _Post:
    """Draws in metres, right and up of a foot on the ground."""

    def __init__(self, view: View, foot: np.ndarray) -> None:
        self.view, self.depth_m = view, float(foot[2])
        self.px = view.camera.focal_px / self.depth_m
        self.column, self.row = view.canvas.project_one(foot)
        self.light: list[float] = view.lit(_TOWARDS).tolist()
        self.plane = 0

    def at(self, x: float, z: float) -> np.ndarray:
        return np.array([self.column + x * self.px, self.row - z * self.px])

    def _corners(self, x: tuple[float, float], z: tuple[float, float]) -> np.ndarray:
        left, right = self.column + x[0] * self.px, self.column + x[1] * self.px
        low, high = self.row - z[0] * self.px, self.row - z[1] * self.px
        return np.array([[left, low], [right, low], [right, high], [left, high]])

    def seen(self, colour: Rgb) -> Rgb:
        return self.view.seen(colour, self.light, self.depth_m)

    def box(self, x: tuple[float, float], z: tuple[float, float], colour: Rgb) -> None:
        self.view.canvas.fill(self._corners(x, z), self.seen(colour), self.plane)

    def stripe(self, x: tuple[float, float], z: tuple[float, float], colour: Rgb) -> None:
        if (x[1] - x[0]) * self.px >= 0.5:
            self.view.canvas.fill(self._corners(x, z), self.seen(colour), None)

    def disc(self, corners: int, radius: float, z: float, colour: Rgb, solid: bool = True) -> None:
        shape = _regular(corners) * (radius * self.px) + self.at(0.0, z)
        self.view.canvas.fill(shape, colour, self.plane if solid else None)

    def glow(self, x: float, z: float, radius: float, colour: Rgb) -> None:
        column, row = self.at(x, z).tolist()
        self.view.glows.append(Glow(column, row, radius * self.px, colour, self.plane))


@lru_cache(maxsize=32)
def _regular(corners: int) -> np.ndarray:
    """A regular polygon (N, 2) of radius 1; three corners point up, four are a square."""
    start = {3: -np.pi / 2, 4: np.pi / 4, 8: np.pi / 8}.get(corners, 0.0)
    angle = np.arange(corners) * 2 * np.pi / corners + start
    return np.column_stack([np.cos(angle), np.sin(angle)])


def _draw_arm(post: _Post, thing: Thing) -> None:
    reach = 1.6 * float(np.sign(thing.left_m))  # towards the road; right is positive
    top = thing.height_m
    post.box((min(0.0, reach), max(0.0, reach)), (top - 0.1, top), _METAL)
    post.box((reach - 0.35, reach + 0.35), (top - 0.08, top + 0.1), _METAL)
    if post.view.light.lamps:
        post.glow(reach, top - 0.02, 0.7, _LAMP_LIGHT)


def _draw_sign(post: _Post, thing: Thing) -> None:
    edge, inner, corners = _SIGNS[thing.variant]
    post.plane = post.view.canvas.upright(Surface.SIGN, post.depth_m - 0.02)
    post.disc(corners, 0.38, thing.height_m, post.seen(edge))
    post.disc(corners, 0.27, thing.height_m, post.seen(inner), solid=False)
    dark: Rgb = (30.0, 30.0, 34.0) if sum(inner) > 500 else (230.0, 230.0, 230.0)
    post.stripe((-0.12, 0.12), (thing.height_m - 0.05, thing.height_m + 0.05), dark)


def _draw_traffic_light(post: _Post, thing: Thing) -> None:
    middle = thing.height_m
    post.plane = post.view.canvas.upright(Surface.TRAFFIC_LIGHT, post.depth_m - 0.02)
    post.box((-0.18, 0.18), (middle - 0.5, middle + 0.5), (24.0, 26.0, 26.0))
    for i, colour in enumerate(_TRAFFIC_LIGHTS):
        height, on = middle - (i - 1) * 0.31, i == thing.variant
        post.disc(12, 0.11, height, colour if on else (46.0, 40.0, 36.0), solid=False)
        if on:
            post.glow(0.0, height, 0.35, colour)
