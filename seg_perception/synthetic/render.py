# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Draws one frame of the synthetic street, distant objects first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from seg_perception.synthetic.assets import Assets
from seg_perception.synthetic.ground import FAR_M, Ground, cast_rays
from seg_perception.synthetic.meshes import VEHICLES
from seg_perception.synthetic.posts import draw_cyclist, draw_person, draw_post, draw_tree
from seg_perception.synthetic.scene import Thing, places_of
from seg_perception.synthetic.shadows import shadow_mask
from seg_perception.synthetic.surfaces import Surface
from seg_perception.synthetic.vehicles import draw_vehicle
from seg_perception.synthetic.view import NEAREST_M, Glow, View
from seg_perception.synthetic.walls import (
    STRIPS,
    Building,
    Horizon,
    draw_building,
    draw_strip,
    feet_of_walls,
    plan_building,
)
from seg_perception.synthetic.weather import Lens

_GROUND = (Surface.ROAD, Surface.MARKING, Surface.PAVEMENT, Surface.TERRAIN)
_SPRITES = {'tree': draw_tree, 'person': draw_person, 'cyclist': draw_cyclist}
_SMALLEST_PX = 2.0


def draw(view: View, assets: Assets, ground: Ground, lens: Lens, things: Sequence[Thing]) -> None:
    """Draw everything onto the view's canvas."""
    _draw_sky(view, assets)
    _draw_ground(view, ground, things)
    _draw_things(view, assets, things)
    lens.illuminate(view.canvas.rgb)
    for glow in view.glows:
        _draw_glow(view, glow)


def _draw_sky(view: View, assets: Assets) -> None:
    """Sky down to the horizon and the skyline before it."""
    canvas, camera = view.canvas, view.camera
    canvas.add_plane(Surface.SKY, np.zeros(3))
    _add_ground_planes(view)
    width = camera.size[1]
    shift = view.pose[2] * camera.focal_px
    spare = assets.sky.shape[1] - width
    left = int(np.clip(spare / 2 - shift, 0, spare))
    base = camera.horizon_row + camera.focal_px * camera.height_m / FAR_M
    bottom = int(np.clip(np.ceil(base), 1, camera.size[0]))
    sky = assets.sky[max(0, len(assets.sky) - bottom) :, left : left + width]
    canvas.rgb[bottom - len(sky) : bottom] = sky
    canvas.rgb[: bottom - len(sky)] = sky[0]
    surface = assets.skyline_surface[-bottom:, left : left + width]
    picture = assets.skyline[-bottom:, left : left + width]
    for kind in (Surface.BUILDING, Surface.TREE):
        mask = np.equal(surface, kind).astype(np.uint8)
        canvas.paste(picture, mask, bottom - len(surface), 0, canvas.upright(kind, FAR_M))


def _add_ground_planes(view: View) -> None:
    """Gives the planes of the ground the numbers of their surfaces."""
    camera = view.camera
    sin, cos = np.sin(camera.pitch_rad), np.cos(camera.pitch_rad)
    slope = cos / camera.focal_px
    inverse = np.array([0.0, slope, sin - slope * camera.K[1, 2]]) / camera.height_m
    for kind in _GROUND:
        view.canvas.add_plane(kind, inverse)


def _draw_ground(view: View, ground: Ground, things: Sequence[Thing]) -> None:
    """Ground, then shadow and haze on it."""
    canvas = view.canvas
    rays = cast_rays(view.camera, view.pose, view.scene.centre_m)
    ground.draw(rays, canvas.rgb, canvas.planes)
    floor = canvas.rgb[rays.first_row :]
    shade = shadow_mask(view, things, rays.first_row)
    if view.light.wet:
        _mirror(view, floor, rays.depth_m)
    clear = np.exp(-view.light.haze_per_m * rays.depth_m)
    rows, width = floor.shape[:2]
    factor = (255 - view.light.shadow * shade.astype(np.float32)) * clear[::2, None].astype('f4')
    factor = cv2.resize(factor.astype(np.uint8), (width, rows), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(floor, cv2.cvtColor(factor, cv2.COLOR_GRAY2RGB), floor, 1 / 255)
    haze = (view.light.haze * (1 - clear[:, None])).astype(np.uint8)[:, None]
    cv2.add(floor, cv2.resize(haze, (width, rows), interpolation=cv2.INTER_NEAREST), floor)


def _mirror(view: View, floor: np.ndarray, depth_m: np.ndarray) -> None:
    """A wet road mirrors the sky, most at a flat angle."""
    share = view.light.wet * (0.25 + 0.75 * np.exp(-depth_m / 25)) * np.clip(depth_m / 14, 0, 1)
    share = share[:, None, None].astype(np.float32)
    floor[:] = floor * (1 - share) + view.light.horizon.astype(np.float32) * share


def _draw_things(view: View, assets: Assets, things: Sequence[Thing]) -> None:
    along, left = places_of(things)
    feet = view.camera_points(along, left)
    order = np.argsort(along + [thing.length_m for thing in things], kind='stable').tolist()
    horizon = Horizon(view.camera.size)
    flat = [thing for thing in things if thing.length_m]
    walls = dict(zip(map(id, flat), feet_of_walls(view, flat), strict=True))
    jobs: list[tuple[Thing | Building, np.ndarray]] = []
    for number in order:  # near ones first, to find what they hide
        thing, foot = things[number], feet[number]
        if thing.kind == 'building':
            jobs.append((plan_building(view, thing, walls[id(thing)], horizon), foot))
        elif thing.length_m:
            jobs.append((thing, walls[id(thing)]))
        elif thing.kind in VEHICLES or _in_sight(view, thing, foot, horizon):
            jobs.append((thing, foot))
    for job, feet_m in reversed(jobs):
        _draw_one(view, assets, job, feet_m)


def _draw_one(view: View, assets: Assets, job: Thing | Building, feet: np.ndarray) -> None:
    if isinstance(job, Building):
        draw_building(view, assets, job)
    elif job.kind in STRIPS:
        draw_strip(view, assets, job, feet)
    elif job.kind in VEHICLES:
        draw_vehicle(view, job, feet)
    elif job.kind in _SPRITES:
        _SPRITES[job.kind](view, assets, job, feet)
    else:
        draw_post(view, job, feet)


def _in_sight(view: View, thing: Thing, foot: np.ndarray, horizon: Horizon) -> bool:
    z = float(foot[2])
    if z < NEAREST_M:
        return False
    px, height_m = view.camera.focal_px / z, thing.height_m or 1.9
    if height_m * px < _SMALLEST_PX:
        return False
    column, row = view.canvas.project_one(foot)
    reach = max(2.0, 0.5 * height_m) * px
    return horizon.shows(column - reach, column + reach, row - 1.1 * height_m * px)


def _draw_glow(view: View, glow: Glow) -> None:
    """Light that spills round a lamp, unless something stands before it."""
    height, width = view.camera.size
    column, row = round(glow.column), round(glow.row)
    if not (0 <= column < width and 0 <= row < height):
        return
    if view.canvas.planes[row, column] != glow.plane:
        return
    reach = int(np.clip(glow.radius_px * 2, 2, 160))
    top, left = max(0, row - reach), max(0, column - reach)
    bottom, right = min(height, row + reach + 1), min(width, column + reach + 1)
    disc = _disc(reach)[top - row + reach : bottom - row + reach]
    disc = np.ascontiguousarray(disc[:, left - column + reach : right - column + reach])
    spill = cv2.transform(disc[..., None], np.array(glow.colour)[:, None] / 255)
    part = view.canvas.rgb[top:bottom, left:right]
    cv2.add(part, spill, part)


@lru_cache(maxsize=256)
def _disc(reach: int) -> np.ndarray:
    """A soft spot (2 reach + 1,) squared, uint8."""
    place = np.arange(-reach, reach + 1) / (reach / 2)
    fall = np.exp(-1.4 * (place[:, None] ** 2 + place[None] ** 2))
    return (fall * 230).astype(np.uint8)
