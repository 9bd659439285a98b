# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""All textures of one street, painted once."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from seg_perception.synthetic.people import Sprite, Wardrobe, sprite
from seg_perception.synthetic.scene import FACADES, PEOPLE, TREES
from seg_perception.synthetic.surfaces import Surface
from seg_perception.synthetic.textures import (
    Facade,
    Rng,
    facade,
    fractal,
    noise,
    pyramid,
    shade,
    sky,
    tree,
)
from seg_perception.synthetic.weather import Light

_STRIP_M = (1.6, 4.0)  # height and length of the texture of a fence
_STRIP_TONES = {
    'fence': (120, 92, 66), 'wall': (150, 118, 98), 'hedge': (62, 84, 38), 'rail': (70, 74, 76),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Assets:
    """Textures in daylight; light and haze are added when they are drawn."""

    facades: list[Facade]
    trees: list[Sprite]
    people: Wardrobe
    strips: dict[str, list[np.ndarray]]  # pyramids of (h, w, 4), the fourth channel is the mask
    sky: np.ndarray  # (h, w, 3), the horizon below
    skyline: np.ndarray  # (h, w, 3), lit, what is seen far away above the ground
    skyline_surface: np.ndarray  # (h, w) uint8


def paint_assets(
    rng: Rng, light: Light, size: tuple[int, int], focal_px: float, far_m: float
) -> Assets:
    """
    Paint all textures, finer for larger images.

    :param far_m: distance of the skyline.
    """
    px_per_m = float(np.clip(focal_px / 42, 12, 26))
    facades = [
        facade(rng, px_per_m, int(rng.integers(4, 7)), int(rng.integers(4, 7)))
        for _ in range(FACADES)
    ]
    tree_px = int(np.clip(focal_px / 3, 128, 320))
    sun_side = -float(light.sun_direction[1])
    trees = [sprite(*tree(rng, tree_px, sun_side), px_per_m=tree_px) for _ in range(TREES)]
    wide = round(size[1] * 2)
    heaven = sky(rng, (size[0] * 2 // 3, wide), light.zenith, light.horizon, light.clouds)
    skyline, surface = _skyline(rng, light, wide, focal_px / far_m, far_m)
    return Assets(
        facades, trees, Wardrobe(rng, PEOPLE), _strips(rng, px_per_m), heaven, skyline, surface
    )


def _skyline(
    rng: Rng, light: Light, width: int, px_per_m: float, far_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Distant roofs and trees with their surfaces; empty pixels are SKY."""
    height = round(26 * px_per_m) + 4
    rgb, surface = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.uint8)
    left = 0
    while left < width:
        right = left + max(3, round(rng.uniform(6, 22) * px_per_m))
        top = height - round(rng.uniform(6, 22) * px_per_m)
        rgb[top:, left:right] = rng.uniform(90, 160) * np.array([1.04, 0.98, 0.94])
        step = max(2, round(3 * px_per_m))
        rgb[top + 1 :: step, left + 1 : right - 1 : 2] *= 0.75
        surface[top:, left:right] = Surface.BUILDING
        left = right + (0 if rng.random() < 0.6 else round(rng.uniform(2, 12) * px_per_m))
    crowns = noise(rng, (2, width), (2, 14 * px_per_m))[0] * 7 + 4
    crowns += 2.5 * noise(rng, (2, width), (2, 3 * px_per_m))[0]
    tops = height - crowns * px_per_m
    green = np.arange(height)[:, None] >= tops[None]
    leaves = 1 + 0.3 * fractal(rng, (height, width), max(2.0, 2 * px_per_m), 2)
    rgb[green] = (np.array([66.0, 82, 46]) * leaves[..., None])[green]
    surface[green] = Surface.TREE
    matrix = light.matrix(light.ambient + 0.3 * light.sun, 0.7 * far_m)
    return cv2.transform(np.clip(rgb, 0, 255).astype(np.uint8), matrix), surface


def _strips(rng: Rng, px_per_m: float) -> dict[str, list[np.ndarray]]:
    """Textures of fence, wall, hedge and rail."""
    size = (round(_STRIP_M[0] * px_per_m), round(_STRIP_M[1] * px_per_m))
    step = max(3, round(0.16 * px_per_m))
    strips = {}
    for kind, tone in _STRIP_TONES.items():
        texture = 1 + {'hedge': 0.5}.get(kind, 0.15) * fractal(rng, size, 0.5 * px_per_m)
        rgb = shade(np.array(tone, np.float32) * rng.uniform(0.8, 1.3, 3), texture)
        mask = np.full(size, 255, np.uint8)
        if kind == 'fence':
            rgb[:, ::step] //= 2
            mask[: max(1, step // 3), :: step * 2] = 0
        elif kind == 'wall':
            rgb[:: max(2, step // 2)] = rgb[:: max(2, step // 2)] * 0.8
        elif kind == 'rail':
            mask[:] = 0
            mask[:, ::step] = 255
            mask[: max(2, step // 2)] = mask[-max(2, step // 2) :] = 255
        else:
            ragged = noise(rng, (size[0] // 6, size[1]), (4, 4)) > 0
            mask[: size[0] // 6] = ragged * np.uint8(255)
        strips[kind] = pyramid(np.dstack([rgb, mask]), 8)
    return strips
