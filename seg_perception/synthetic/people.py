# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Sprites of people on foot and on bicycles, in several phases of a step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from seg_perception.synthetic.textures import Rng, fractal, pyramid, shade

PHASES = 6
_PX_PER_M = 72
SKINS = ((236, 200, 172), (214, 168, 132), (160, 112, 80), (96, 66, 50))


@dataclass(frozen=True, eq=False)
class Sprite:
    """A flat sprite that faces the camera; its foot is the middle of its lower edge."""

    levels: list[np.ndarray]  # pyramid of (h, w, 4) uint8, the fourth channel is the mask
    width_m: float
    height_m: float


def sprite(rgb: np.ndarray, mask: np.ndarray, px_per_m: float) -> Sprite:
    """Make a sprite of a picture (h, w, 3) and its mask (h, w)."""
    # Colour bleeds outwards, so that a blended edge does not turn black.
    spread = cv2.dilate(rgb, np.ones((5, 5), np.uint8))
    cv2.copyTo(rgb, mask, spread)
    height, width = mask.shape
    return Sprite(pyramid(np.dstack([spread, mask]), 8), width / px_per_m, height / px_per_m)


class _Figure:
    """Painter in metres: x right of the middle, z above the ground."""

    def __init__(self, width_m: float, height_m: float) -> None:
        self.size = (round(height_m * _PX_PER_M), round(width_m * _PX_PER_M))
        self.rgba = np.zeros((*self.size, 4), np.uint8)

    def _px(self, x: float, z: float) -> tuple[int, int]:
        return round(self.size[1] / 2 + x * _PX_PER_M), round(self.size[0] - 1 - z * _PX_PER_M)

    def limb(self, path: list[tuple[float, float]], thick_m: float, colour: np.ndarray) -> None:
        points = [np.array([self._px(*point) for point in path], np.int32)]
        thickness = max(1, round(thick_m * _PX_PER_M))
        cv2.polylines(self.rgba, points, False, (*colour.tolist(), 255), thickness)

    def disc(self, x: float, z: float, radius: tuple[float, float], colour: np.ndarray) -> None:
        axes = (max(1, round(radius[0] * _PX_PER_M)), max(1, round(radius[1] * _PX_PER_M)))
        cv2.ellipse(self.rgba, self._px(x, z), axes, 0, 0, 360, (*colour.tolist(), 255), -1)

    def shape(self, outline: list[tuple[float, float]], colour: np.ndarray) -> None:
        points = np.array([self._px(*point) for point in outline], np.int32)
        cv2.fillPoly(self.rgba, [points], (*colour.tolist(), 255))

    def finish(self, looks: Looks) -> Sprite:
        top, left = looks.folds
        folds = _folds()[top : top + self.size[0], left : left + self.size[1]]
        tone = folds * np.linspace(1.12, 0.82, self.size[1], dtype=np.float32)[None]
        rgb = shade(self.rgba[..., :3].astype(np.float32), tone)
        return sprite(rgb, cv2.extractChannel(self.rgba, 3), _PX_PER_M)


@lru_cache(maxsize=1)
def _folds() -> np.ndarray:
    """Shades of cloth, larger than any figure."""
    rng = np.random.default_rng(11)
    return 1 + 0.16 * fractal(rng, (224, 224), 12)


@dataclass(frozen=True)
class Looks:
    """Clothes and build of one person."""

    height_m: float
    width: float
    skin: np.ndarray
    hair: np.ndarray
    top: np.ndarray
    legs: np.ndarray
    shoes: np.ndarray
    skirt: bool
    bag: bool
    bicycle: np.ndarray  # colour of the frame
    folds: tuple[int, int]  # where in the cloth


def random_looks(rng: Rng) -> Looks:
    """Random clothes: mostly dark, some bright."""
    child = rng.random() < 0.12
    top = rng.uniform(20, 120, 3) if rng.random() < 0.6 else rng.uniform(60, 245, 3)
    top = top * 0.55 + top.mean() * 0.45
    legs = rng.uniform(22, 62) * rng.uniform(0.9, 1.1, 3) + (0, 0, rng.uniform(0, 40))
    return Looks(
        float(rng.uniform(1.1, 1.4) if child else rng.uniform(1.55, 1.9)),
        float(rng.uniform(0.85, 1.25)), np.array(SKINS[rng.integers(len(SKINS))]),
        rng.uniform(20, 110) * np.array([1.0, 0.85, 0.7]), top, legs, rng.uniform(15, 90, 3),
        bool(rng.random() < 0.2), bool(rng.random() < 0.4), rng.uniform(20, 220, 3),
        (int(rng.integers(60)), int(rng.integers(60))),
    )  # fmt: skip


def walker(looks: Looks, phase: int, sideways: bool) -> Sprite:
    """One phase of a walk, seen from the side or along the way."""
    scale, width = looks.height_m / 1.75, looks.width
    figure = _Figure(1.1 * scale, looks.height_m + 0.04)
    swing = np.sin(2 * np.pi * phase / PHASES) * (0.30 if sideways else 0.05)
    lift = np.cos(2 * np.pi * phase / PHASES) * 0.06
    hip, knee, shoulder = 0.86, 0.46, 1.43
    side = 0.0 if sideways else 0.09 * width
    for sign in (-1, 1):
        foot = (sign * (side + swing) * scale, (0.05 + max(0.0, sign * lift)) * scale)
        bend = (sign * (side + swing * 0.45) * scale + (0.03 if sideways else 0), knee * scale)
        leg = [(sign * side * 0.8 * scale, hip * scale), bend, foot]
        figure.limb(leg, 0.135 * width * scale, looks.legs * (0.8 if sign < 0 else 1.0))
        toe = (foot[0] + (0.1 * scale if sideways else 0.0), foot[1] - 0.01)
        figure.limb([foot, toe], 0.085 * scale, looks.shoes)
    if looks.skirt:
        hem = 0.2 * width * scale
        figure.shape([(-hem, 0.5 * scale), (hem, 0.5 * scale), (0.12 * scale, 0.95 * scale),
                      (-0.12 * scale, 0.95 * scale)], looks.legs)  # fmt: skip
    _torso(figure, looks, scale, sideways, swing, shoulder, hip)
    return figure.finish(looks)


def _torso(
    figure: _Figure, looks: Looks, scale: float, sideways: bool, swing: float,
    shoulder: float, hip: float,
) -> None:  # fmt: skip
    reach = (0.13 if sideways else 0.21) * looks.width * scale
    waist = (0.12 if sideways else 0.16) * looks.width * scale
    right = [(waist, hip * scale), (reach, 1.36 * scale), (reach * 0.6, 1.47 * scale)]
    outline = right + [(-x, z) for x, z in reversed(right)]
    if looks.bag:
        figure.disc(-reach * 0.9, 1.2 * scale, (0.13 * scale, 0.22 * scale), looks.shoes * 1.4)
    figure.shape(outline, looks.top)
    for sign in (-1, 1):
        start = (0.0 if sideways else sign * reach * 0.95, shoulder * scale * 0.97)
        aside = 0 if sideways else sign * 0.05
        hand = start[0] - sign * swing * 0.9 * scale + aside, 0.82 * scale
        elbow = ((start[0] + hand[0]) / 2, 1.12 * scale)
        figure.limb([start, elbow, hand], 0.085 * looks.width * scale, looks.top * 0.86)
        figure.disc(*hand, (0.045 * scale, 0.05 * scale), looks.skin)
    figure.limb([(0, 1.45 * scale), (0, 1.55 * scale)], 0.1 * scale, looks.skin * 0.9)
    figure.disc(0, 1.63 * scale, (0.095 * scale, 0.12 * scale), looks.skin)
    figure.disc(-0.015 if sideways else 0, 1.67 * scale, (0.1 * scale, 0.09 * scale), looks.hair)


def cyclist(looks: Looks, phase: int) -> tuple[Sprite, Sprite]:
    """Bicycle and rider, seen along the way."""
    dark = np.array([28.0, 28.0, 30.0])
    bicycle, rider = _Figure(0.9, 1.9), _Figure(0.9, 1.9)
    bicycle.limb([(0, 0.03), (0, 0.66)], 0.06, dark)
    bicycle.limb([(0, 0.5), (0, 1.0)], 0.05, looks.bicycle)
    bicycle.limb([(-0.28, 1.02), (0.28, 1.02)], 0.04, dark)
    bicycle.disc(0, 0.78, (0.035, 0.035), np.array([190.0, 30.0, 30.0]))
    angle = 2 * np.pi * phase / PHASES
    for sign in (-1, 1):
        drop = 0.16 * np.sin(angle) * sign
        knee = (sign * 0.15, 0.66 + drop)
        rider.limb([(sign * 0.10, 0.98), knee, (sign * 0.11, 0.3 + drop)], 0.13, looks.legs)
        rider.limb([(sign * 0.11, 0.28 + drop), (sign * 0.13, 0.26 + drop)], 0.08, looks.shoes)
        arm = [(sign * 0.2, 1.42), (sign * 0.3, 1.22), (sign * 0.26, 1.05)]
        rider.limb(arm, 0.09, looks.top * 0.85)
    right = [(0.16, 0.92), (0.22, 1.38), (0.12, 1.5)]
    rider.shape(right + [(-x, z) for x, z in reversed(right)], looks.top)
    rider.disc(0, 1.64, (0.09, 0.12), looks.skin)
    rider.disc(0, 1.69, (0.105, 0.09), looks.hair if looks.bag else looks.bicycle)
    return bicycle.finish(looks), rider.finish(looks)


def cyclist_sideways(looks: Looks, phase: int) -> tuple[Sprite, Sprite]:
    """Bicycle and rider, seen from the side."""
    dark = np.array([28.0, 28.0, 30.0])
    bicycle, rider = _Figure(1.9, 1.85), _Figure(1.9, 1.85)
    for x in (-0.52, 0.52):
        around = np.linspace(0, 2 * np.pi, 20)
        bicycle.limb([(x + 0.32 * np.cos(a), 0.35 + 0.32 * np.sin(a)) for a in around], 0.05, dark)
    frame = [(-0.52, 0.35), (-0.15, 0.85), (0.38, 0.85), (-0.05, 0.35), (-0.52, 0.35)]
    bicycle.limb(frame, 0.05, looks.bicycle)
    bicycle.limb([(0.52, 0.35), (0.38, 0.95), (0.5, 1.02)], 0.045, looks.bicycle)
    angle = 2 * np.pi * phase / PHASES
    for turn in (0.0, np.pi):
        foot = (-0.02 + 0.17 * np.cos(angle + turn), 0.35 + 0.17 * np.sin(angle + turn))
        rider.limb([(-0.18, 0.95), (0.12, foot[1] * 0.4 + 0.52), foot], 0.13, looks.legs)
        rider.limb([foot, (foot[0] + 0.12, foot[1])], 0.07, looks.shoes)
    rider.limb([(-0.18, 0.96), (0.12, 1.42)], 0.26, looks.top)
    rider.limb([(0.14, 1.4), (0.34, 1.18), (0.46, 1.05)], 0.09, looks.top * 0.85)
    rider.disc(0.2, 1.62, (0.09, 0.115), looks.skin)
    rider.disc(0.19, 1.68, (0.11, 0.08), looks.hair if looks.bag else looks.bicycle)
    return bicycle.finish(looks), rider.finish(looks)


class Wardrobe:
    """The people of a street; a sprite is painted when it is first used."""

    def __init__(self, rng: Rng, people: int) -> None:
        looks = [random_looks(rng) for _ in range(people)]
        self.heights_m = [each.height_m for each in looks]
        self.walker = lru_cache(maxsize=None)(
            lambda number, sideways, phase: walker(looks[number], phase, sideways)
        )
        self.cyclist = lru_cache(maxsize=None)(
            lambda number, sideways, phase: (cyclist_sideways if sideways else cyclist)(
                looks[number], phase
            )
        )
