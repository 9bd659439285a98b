# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Draws what is flat and stands along the street: buildings, fences, walls and hedges."""

from __future__ import annotations

import cv2
import numpy as np

from seg_perception.synthetic.assets import Assets
from seg_perception.synthetic.canvas import clip_near
from seg_perception.synthetic.scene import Thing
from seg_perception.synthetic.surfaces import Surface
from seg_perception.synthetic.textures import Facade
from seg_perception.synthetic.view import NEAREST_M, View

STRIPS = {
    'fence': Surface.FENCE, 'rail': Surface.FENCE, 'wall': Surface.WALL, 'hedge': Surface.TREE,
}  # fmt: skip
_STOREY_M = 3.0
_TOWARDS = np.array([-1.0, 0.0, 0.0])
_SLATES = ((112.0, 74.0, 62.0), (84.0, 82.0, 86.0), (96.0, 70.0, 58.0), (70.0, 72.0, 78.0))


def draw_building(view: View, assets: Assets, thing: Thing) -> None:
    """Roof where there is one, the gable that faces the camera, the front."""
    art = assets.facades[thing.variant]
    side = float(np.sign(thing.left_m))
    start, end = thing.along_m, thing.along_m + thing.length_m
    front, back = thing.left_m, thing.left_m + side * building_depth_m(thing)
    pitched = _is_house(thing) and thing.variant % 3 != 0
    if pitched:
        _draw_roof(view, thing, front, back)
    corners = ((start, back), (start, front), (end, front))
    gable, face = corners[:2], corners[1:]
    if side < 0:
        gable, face = gable[::-1], face
    else:
        face = face[::-1]
    if thing.gable:
        _draw_wall(view, art, gable, thing.height_m, _TOWARDS)
    _draw_wall(view, art, face, thing.height_m, np.array([0.0, -side, 0.0]))


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
    normal = np.array([0.0, -np.sign(front) * 0.5, 0.87])
    _draw_flat(view, gable, (158.0, 146.0, 134.0), _TOWARDS)
    _draw_flat(view, slope, _SLATES[thing.track % 4], normal)


def _draw_flat(
    view: View, corners: list[tuple[float, float, float]], colour: tuple[float, float, float],
    normal: np.ndarray,
) -> None:  # fmt: skip
    whole = view.camera_points(*np.array(corners).T)
    facing = view.camera.T_camera_vehicle[:3, :3] @ view.turned(normal)
    points = clip_near(whole)
    if facing @ whole[0] >= 0 or len(points) < 3:
        return
    plane = view.canvas.plane_through(Surface.BUILDING, points)
    lit = view.seen(colour, view.light.on(normal), float(points[:, 2].mean()))
    view.canvas.fill(view.canvas.project(points), lit, plane)


def _draw_wall(
    view: View, art: Facade, ends: tuple[tuple[float, float], ...], height: float,
    normal: np.ndarray,
) -> None:  # fmt: skip
    """A textured wall between two (along, left) ends, the one seen on the left first."""
    along, left = np.array(ends).T
    shape = _standing(view, along, left, height)
    if shape is None:
        return
    corners, shares = shape
    pixels = view.canvas.project(corners)
    if pixels[1, 0] - pixels[0, 0] < 0.5:
        return  # seen from behind or edge-on
    region = view.canvas.region(pixels)
    if region is None:
        return
    length = float(np.hypot(along[1] - along[0], left[1] - left[0]))
    texture, warp = _hang(view, art, corners, pixels, (length, height), shares)
    top, bottom, first, last = region
    shift = np.array([[1.0, 0, -first], [0, 1, -top], [0, 0, 1]])
    size = (last - first, bottom - top)
    patch = cv2.warpPerspective(texture, shift @ warp, size, borderMode=cv2.BORDER_REPLICATE)
    depth = float(corners[:, 2].mean())
    patch = cv2.transform(patch, view.light.matrix(_wall_light(view, normal), depth))
    mask = np.zeros(size[::-1], np.uint8)
    fixed = np.rint((pixels - (first, top)) * 16).astype(np.int32)
    cv2.fillConvexPoly(mask, fixed, 255, cv2.LINE_8, 4)
    plane = view.canvas.plane_through(Surface.BUILDING, corners)
    view.canvas.paste(patch, mask, top, first, plane)


def _standing(
    view: View, along: np.ndarray, left: np.ndarray, height: float
) -> tuple[np.ndarray, tuple[float, float]] | None:
    """Corners (4, 3) of an upright wall before the camera and the shares of its length kept."""
    points = view.camera_points(
        np.tile(along, 2), np.tile(left, 2), np.array([height, height, 0, 0])
    )
    near = np.minimum(points[:2, 2], points[2:, 2])
    if near.max() <= NEAREST_M:
        return None
    shares = [0.0, 1.0]
    for i in (0, 1):
        if near[i] < NEAREST_M:
            cut = float((NEAREST_M - near[i]) / (near[1 - i] - near[i]))
            shares[i] = abs(i - cut)
            points[i::2] += cut * (points[1 - i :: 2] - points[i::2])
    return points[[0, 1, 3, 2]], (shares[0], shares[1])


def _hang(
    view: View, art: Facade, corners: np.ndarray, pixels: np.ndarray,
    extent_m: tuple[float, float], shares: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The level of the facade to use and its perspective into the image."""
    levels = art.lit if view.light.weather == 'night' else art.levels
    scale = view.camera.focal_px / float(corners[:, 2].mean()) / art.px_per_m
    number = int(np.clip(np.floor(-np.log2(max(scale, 1e-6)) + 0.5), 0, len(levels) - 1))
    texture = levels[number]
    texel = texture.shape[1] / art.width_m, texture.shape[0] / art.height_m
    stretch = min(1.0, art.width_m / extent_m[0])
    u0, u1 = (share * extent_m[0] * stretch * texel[0] for share in shares)
    bottom = float(texture.shape[0])
    top = bottom - min(extent_m[1], art.height_m) * texel[1]
    source = np.array([[u0, top], [u1, top], [u1, bottom], [u0, bottom]], np.float32) - 0.5
    return texture, cv2.getPerspectiveTransform(source, pixels.astype(np.float32))


def _wall_light(view: View, normal: np.ndarray) -> np.ndarray:
    if view.light.weather == 'night':  # the picture of the night has its lamps painted in
        return np.full(3, 0.85 if normal[0] == 0 else 0.4)
    return view.light.on(normal)


def draw_strip(view: View, assets: Assets, thing: Thing) -> None:
    """A piece of fence, wall, rail or hedge."""
    along = np.array([thing.along_m, thing.along_m + thing.length_m])
    if thing.left_m > 0:
        along = along[::-1]
    shape = _standing(view, along, np.full(2, thing.left_m), thing.height_m)
    if shape is None:
        return
    corners, (u0, u1) = shape
    pixels = view.canvas.project(corners)
    region = view.canvas.region(pixels)
    if region is None or pixels[1, 0] - pixels[0, 0] < 0.5:
        return
    top, bottom, first, last = region
    levels = assets.strips[thing.kind]
    scale = float(pixels[2, 1] - pixels[1, 1]) / levels[0].shape[0]
    texture = levels[int(np.clip(-np.log2(max(scale, 1e-3)), 0, len(levels) - 1))]
    height, width = texture.shape[:2]
    u0, u1 = u0 * width, u1 * width
    source = np.array([[u0, 0], [u1, 0], [u1, height], [u0, height]], np.float32) - 0.5
    warp = cv2.getPerspectiveTransform(source, (pixels - (first, top)).astype(np.float32))
    patch = cv2.warpPerspective(texture, warp, (last - first, bottom - top), borderValue=0)
    normal = np.array([0.0, -np.sign(thing.left_m), 0.0])
    light = view.light.matrix(view.light.on(normal), float(corners[:, 2].mean()))
    mask = cv2.compare(cv2.extractChannel(patch, 3), 127, cv2.CMP_GT)
    plane = view.canvas.plane_through(STRIPS[thing.kind], corners)
    lit = cv2.transform(cv2.cvtColor(patch, cv2.COLOR_RGBA2RGB), light)
    view.canvas.paste(lit, mask, top, first, plane)
