# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The own vehicle at the bottom of the image: a hood that mirrors the scene, or a matt dashboard.

It is drawn over the finished scene. Light that the paint mirrors comes from above its edge: road
next to the edge, then the horizon and the sky farther down the hood.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from seg_perception.synthetic.canvas import Canvas, Rgb
from seg_perception.synthetic.scene import PAINTS
from seg_perception.synthetic.surfaces import Surface
from seg_perception.synthetic.textures import Rng, fractal

_DEPTH_M = 1.5
_PLASTIC = 26.0  # grey level of trim


@dataclass(frozen=True)
class Hood:
    """Shape and paint; places and sizes in shares of the image width and height."""

    height: float  # of the highest point above the bottom of the image
    centre: float = 0.5  # column of the highest point
    reach: float = 0.6  # from there to where the edge leaves the image at the bottom
    power: float = 2.0  # of the arc: 2 is round, more is flat with steep ends
    bumps: tuple[tuple[float, float, float], ...] = ()  # column, half width, height of a fold
    paint: Rgb = (40, 42, 46)
    mirror: float = 0.6  # share of the light that is mirrored next to the edge; 0 is matt
    zoom: float = 4.0  # rows of the scene in a row of the hood
    trim: float = 0.0  # share of the hood's height, at the bottom, that is dark trim
    ribs: float = 0.0  # level ribs from the edge to the bottom, as of a cowl or of vents

    def edge(self, size: tuple[int, int]) -> np.ndarray:
        """The row of the upper edge in each column, (W,) float; H and more where there is none."""
        height, width = size
        column = (np.arange(width) + 0.5) / width
        arc = 1 - (np.abs(column - self.centre) / self.reach) ** self.power
        for place, half, rise in self.bumps:
            arc = arc + rise / self.height * np.exp(-(((column - place) / half) ** 2))
        return np.asarray(height * (1 - self.height * arc))


def random_hood(rng: Rng) -> Hood:
    """Any hood or dashboard that cameras behind windscreens see, low ones more often."""
    height = float(rng.uniform(0.02, 0.1) if rng.random() < 0.6 else rng.uniform(0.1, 0.3))
    folds = int(rng.integers(0, 4))
    places, halves = rng.uniform(0.1, 0.9, folds), rng.uniform(0.02, 0.1, folds)
    rises = rng.uniform(-0.12, 0.12, folds) * height
    matt = rng.random() < 0.2
    return Hood(
        height,
        centre=float(rng.uniform(0.25, 0.65)),
        reach=float(rng.uniform(0.4, 1.2)),
        power=float(rng.uniform(1.8, 4)),
        bumps=tuple(zip(places.tolist(), halves.tolist(), rises.tolist(), strict=True)),
        paint=PAINTS[int(rng.integers(len(PAINTS)))],
        mirror=0.04 if matt else float(rng.uniform(0.2, 0.85)),
        zoom=float(rng.uniform(2, 6)),
        trim=float(rng.choice([0.0, 0.0, 0.3])),
    )


def random_front(rng: Rng) -> list[Hood]:
    """
    What a view close to the windscreen has at its lower end, far things first.

    A hood up to the middle of the view and, half of the time, a cowl or dashboard before it.
    """
    hood = random_hood(rng)
    if rng.random() < 0.5:
        hood = replace(hood, height=min(hood.height * rng.uniform(1.5, 5), 0.55))
    front = [hood]
    if rng.random() < 0.5:
        grey = float(rng.uniform(8, 70))
        front += [
            Hood(
                hood.height * float(rng.uniform(0.25, 0.85)),
                centre=float(rng.uniform(0.3, 0.7)),
                reach=float(rng.uniform(0.6, 3)),
                power=float(rng.uniform(2, 5)),
                paint=(grey, grey, grey),
                mirror=float(rng.choice([0.02, 0.3])),
                zoom=float(rng.uniform(1, 6)),
                ribs=float(rng.choice([0, rng.uniform(3, 15)])),
            )
        ]
    return front


class HoodPainter:
    """
    A hood, made ready for images of one size in one light.

    :param lit: light on a level surface, a factor for each channel.
    :param ambient: light in the shade, on trim.
    """

    def __init__(
        self, hood: Hood, rng: Rng, lit: np.ndarray, ambient: np.ndarray, size: tuple[int, int]
    ) -> None:
        edge = hood.edge(size)
        self._top = int(np.clip(np.floor(edge.min()), 0, size[0] - 1))
        row = np.arange(self._top, size[0], dtype=np.float32)[:, None]
        self._cover = np.clip(row + 1 - edge, 0, 1).astype(np.float32)  # share of each pixel
        self.mask = (row + 0.5 > edge).astype(np.uint8)
        depth = np.maximum(row - edge, 0) / max(hood.height * size[0], 1)  # 0 edge to 1 bottom
        self._source = _mirrored(hood, edge, row, size)
        self._mirror = (hood.mirror * (0.3 + 0.7 * np.exp(-3 * depth))).astype(np.float32)
        self._paint = _painted(hood, rng, lit, depth.astype(np.float32))
        trim = depth > 1 - hood.trim
        self._paint[trim] = _PLASTIC * ambient.astype(np.float32)
        self._mirror[trim] = 0.02

    def draw(self, canvas: Canvas) -> None:
        """Draw the hood over the scene of a canvas."""
        self.paint(canvas.rgb)
        self.mark(canvas.planes, canvas.upright(Surface.EGO, _DEPTH_M))

    def paint(self, rgb: np.ndarray) -> None:
        """Draw the hood over an image (H, W, 3) uint8, in place."""
        seen = cv2.remap(rgb, *self._source, cv2.INTER_LINEAR).astype(np.float32)
        share = self._mirror[..., None]
        hood = self._paint * (1 - share) + seen * share
        part = rgb[self._top :]
        cover = self._cover[..., None]
        part[:] = np.clip(part * (1 - cover) + hood * cover, 0, 255)

    def mark(self, labels: np.ndarray, label: int) -> None:
        """Set the pixels of the hood in labels (H, W), in place."""
        labels[self._top :][self.mask > 0] = label


def _mirrored(
    hood: Hood, edge: np.ndarray, row: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Column and row of the scene, (h, W) float32 each, that each pixel of the hood mirrors."""
    below = np.maximum(row - edge, 0)
    rows = np.clip(edge - 1 - hood.zoom * below, 0, size[0] - 1)
    middle = hood.centre * size[1]
    spread = 1 + 0.5 * below / size[0]
    columns = np.clip(middle + (np.arange(size[1]) - middle) * spread, 0, size[1] - 1)
    return columns.astype(np.float32), rows.astype(np.float32)


def _painted(hood: Hood, rng: Rng, lit: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """The lit paint (h, W, 3) float32: darker towards the driver, with dirt and two creases."""
    size = (depth.shape[0], depth.shape[1])
    shade = 1.05 - 0.35 * depth + 0.06 * fractal(rng, size, max(size) / 6)
    for place in rng.uniform(0.15, 0.85, 2):
        column = np.arange(size[1]) / size[1] - place + 0.1 * (place - 0.5) * depth
        shade -= 0.25 * np.exp(-((column / 0.006) ** 2))
    if hood.ribs:
        shade *= 1 + 0.4 * np.sin(2 * np.pi * hood.ribs * depth)
    return np.asarray(shade[..., None] * lit * np.array(hood.paint), np.float32)
