# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The ground: one block of road, painted once and laid under the camera by a ray table.

The texture of the block is kept at several texel lengths along the road, because the length of
road in one pixel grows with the square of the distance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from seg_perception.synthetic.camera import SyntheticCamera
from seg_perception.synthetic.layout import BLOCK_M, HALF_WIDTH_M, Profile, snap
from seg_perception.synthetic.surfaces import Surface
from seg_perception.synthetic.textures import Rng, fractal

FAR_M = 260.0  # the end of the drawn ground


class _Block:
    """Painter of one block: rows along the road, columns from left to right across it."""

    def __init__(self, rng: Rng, profile: Profile, texel_m: float) -> None:
        self.rng, self.profile, self.texel_m = rng, profile, texel_m
        self.size = (round(BLOCK_M / texel_m), round(2 * HALF_WIDTH_M / texel_m))
        self.rgb = np.zeros((*self.size, 3), np.float32)
        self.surface = np.full(self.size, Surface.TERRAIN, np.uint8)
        self.coarse = fractal(rng, self.size, 3.0 / texel_m, 5)
        self.grain = rng.random(self.size, np.float32) * 2 - 1

    def box(self, along: tuple[float, float], left: tuple[float, float]) -> tuple[slice, slice]:
        """Rows and columns between two distances along the block and two offsets to the left."""
        rows = slice(round(along[0] / self.texel_m), round(along[1] / self.texel_m))
        near, far = sorted(left)
        first, last = (max(0, round((HALF_WIDTH_M - m) / self.texel_m)) for m in (far, near))
        return rows, slice(first, last)

    def cover(
        self, box: tuple[slice, slice], colour: np.ndarray, surface: Surface, contrast: float
    ) -> None:
        tone = 1 + contrast * (self.coarse[box] + 0.9 * self.grain[box])
        self.rgb[box] = colour * tone[..., None]
        self.surface[box] = surface

    def mark(self, along: tuple[float, float], left: tuple[float, float], colour: float) -> None:
        """Worn paint on the road."""
        box = self.box(along, left)
        worn = np.clip(0.9 + 0.45 * self.coarse[box] + 0.25 * self.grain[box], 0.15, 1)[..., None]
        paint = np.array([colour, colour, colour * 0.97])
        self.rgb[box] = self.rgb[box] * (1 - worn) + paint * worn
        self.surface[box] = Surface.MARKING


def paint_block(rng: Rng, profile: Profile, texel_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Texture (rows, columns, 3) uint8 and surfaces (rows, columns) uint8 of one block."""
    block = _Block(rng, profile, texel_m)
    whole = (0.0, BLOCK_M)
    grass = rng.uniform(0.8, 1.25) * rng.uniform([76, 90, 42], [104, 100, 62])
    block.cover(block.box(whole, (-HALF_WIDTH_M, HALF_WIDTH_M)), grass, Surface.TERRAIN, 0.22)
    for side in (0, 1):
        _paint_side(block, side)
    asphalt = np.array([1.0, 1.0, 1.02]) * rng.uniform(92, 138)
    left, right = profile.kerb_m(0), -profile.kerb_m(1)
    block.cover(block.box(whole, (left, right)), asphalt, Surface.ROAD, 0.10)
    if profile.junction_m is not None:
        across = block.box(profile.junction_m, (-HALF_WIDTH_M, HALF_WIDTH_M))
        block.cover(across, asphalt * 0.97, Surface.ROAD, 0.10)
    _paint_wear(block)
    _paint_marks(block)
    return np.clip(block.rgb, 0, 255).astype(np.uint8), block.surface


def _paint_side(block: _Block, side: int) -> None:
    profile, rng, whole = block.profile, block.rng, (0.0, BLOCK_M)
    sign = 1 - 2 * side
    kerb, verge = profile.kerb_m(side), profile.verge_m[side]
    inner, outer = sign * (kerb + verge), sign * (kerb + verge + profile.pavement_m[side])
    slab = rng.uniform(112, 172) * rng.uniform([0.98, 0.96, 0.88], [1.05, 1.0, 0.98])
    box = block.box(whole, (inner, outer))
    block.cover(box, slab, Surface.PAVEMENT, 0.10)
    step = max(3, round(float(rng.choice([0.4, 0.64, 0.96])) / block.texel_m))
    block.rgb[box][::step] *= 0.82
    block.rgb[box][:, ::step] *= 0.84
    edge = block.box(whole, (sign * kerb, sign * (kerb + 0.16)))
    block.cover(edge, slab * 1.12, Surface.PAVEMENT, 0.08)
    joint = max(4, round(1.0 / block.texel_m))
    block.rgb[edge][::joint] *= 0.7
    gutter = block.box(whole, (sign * (kerb + 0.16), sign * (kerb + 0.24)))
    block.rgb[gutter] *= 0.8


def _paint_wear(block: _Block) -> None:
    """Tyre tracks, patches, cracks and covers of the road."""
    profile, rng, texel = block.profile, block.rng, block.texel_m
    for lane in range(profile.lanes):
        for forward in (True, False):
            centre = profile.lane_centre_m(lane, forward)
            for track in (-0.75, 0.75):
                box = block.box((0, BLOCK_M), (centre + track - 0.24, centre + track + 0.24))
                block.rgb[box] *= rng.uniform(0.90, 0.98)
    kerbs = -profile.kerb_m(1) + 0.5, profile.kerb_m(0) - 0.5
    for _ in range(rng.integers(2, 9)):
        start, left = rng.uniform(0, BLOCK_M - 6), rng.uniform(*kerbs)
        box = block.box((start, start + rng.uniform(0.6, 6)), (left, left - rng.uniform(0.4, 1.6)))
        block.rgb[box] *= rng.uniform(0.78, 1.12)
    for _ in range(rng.integers(3, 12)):
        steps = rng.normal(0, 0.12, (24, 2)) + (rng.uniform(-0.3, 0.3), rng.uniform(-0.25, 0.25))
        path = np.cumsum(steps, 0) + (rng.uniform(*kerbs), rng.uniform(4, BLOCK_M - 4))
        pixels = np.column_stack([(HALF_WIDTH_M - path[:, 0]) / texel, path[:, 1] / texel])
        cv2.polylines(block.rgb, [np.rint(pixels).astype(np.int32)], False, (52, 52, 52), 1)
    for _ in range(rng.integers(1, 4)):
        left, along = rng.uniform(*kerbs), rng.uniform(3, BLOCK_M - 3)
        spot = round((HALF_WIDTH_M - left) / texel), round(along / texel)
        cv2.circle(block.rgb, spot, round(0.33 / texel), (58, 56, 54), -1)
        cv2.circle(block.rgb, spot, round(0.36 / texel), (96, 94, 92), 1)


def _paint_marks(block: _Block) -> None:
    profile, rng = block.profile, block.rng
    white = rng.uniform(185, 240)
    dash, gap = ((2.0, 2.0), (4.0, 4.0), (3.2, 4.8), (BLOCK_M, 0.0))[rng.integers(4)]
    lines = [(0.0, dash, gap)]
    for lane in range(1, profile.lanes):
        lines += [(sign * lane * profile.lane_m, 2.0, 6.0) for sign in (-1, 1)]
    if rng.random() < 0.5:
        edge = profile.lane_m * profile.lanes - 0.12
        lines += [(sign * edge, BLOCK_M, 0.0) for sign in (-1, 1)]
    cuts = [cut for cut in (profile.junction_m, profile.crossing_m) if cut is not None]
    for left, length, space in lines:
        for start in np.arange(0.0, BLOCK_M - 1e-6, length + space):
            for piece in _without(cuts, (float(start), float(min(start + length, BLOCK_M)))):
                block.mark(piece, (left - 0.08, left + 0.08), white)
    if profile.crossing_m is not None:
        start, end = profile.crossing_m
        for left in np.arange(-profile.kerb_m(1) + 0.32, profile.kerb_m(0) - 0.5, 0.96):
            block.mark((start + 0.4, end - 0.4), (snap(left), snap(left) + 0.48), white)
        sign = 1 if profile.drives_left else -1
        reach = sign * 0.24, sign * (profile.lane_m * profile.lanes)
        block.mark((start - 0.72, start - 0.4), reach, white)


def _without(
    cuts: list[tuple[float, float]], piece: tuple[float, float]
) -> list[tuple[float, float]]:
    pieces = [piece]
    for start, end in cuts:
        split = [((a, min(b, start)), (max(a, end), b)) for a, b in pieces]
        pieces = [part for pair in split for part in pair if part[1] - part[0] > 0.3]
    return pieces


@dataclass(frozen=True, eq=False)
class _Level:
    """The block twice in a row, at one length of a texel along the road."""

    rgb: np.ndarray
    along: int  # texels of the finest level in one of this
    across: int
    to_m: float  # for the ground up to this distance


@dataclass(frozen=True, eq=False)
class Rays:
    """Where the rows of an image meet the road."""

    first_row: int
    forward_m: np.ndarray  # (rows,)
    depth_m: np.ndarray  # (rows,)
    along_m: np.ndarray  # (rows, 3) along the street at the left, middle and right of the image
    offset_m: np.ndarray  # (rows, 3) to the left of the centre line


class Ground:
    """The block at all distances."""

    def __init__(
        self, rng: Rng, profile: Profile, camera_px_m: float, texel_m: float, light: np.ndarray
    ) -> None:
        """
        Paint the block.

        :param camera_px_m: focal length in pixels times camera height in metres: a pixel at
            distance r covers r * r / camera_px_m metres along the road.
        :param light: on the ground, factor per channel (3,).
        """
        rgb, surface = paint_block(rng, profile, texel_m)
        rgb = cv2.transform(rgb, np.diag(light))
        # Numbers of planes are uint16; those of the ground equal its surfaces.
        self.surface = np.concatenate([surface, surface]).astype(np.uint16)
        self.texel_m = texel_m
        self.levels: list[_Level] = []
        far = 0.0
        while far < FAR_M:
            number = len(self.levels)
            far = float(np.sqrt(camera_px_m * texel_m * 2**number))
            far = FAR_M if number == 7 else min(far, FAR_M)
            across = 2 ** max(0, number - 4)
            size = (surface.shape[1] // across, surface.shape[0] >> number)
            small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
            self.levels.append(_Level(np.concatenate([small, small]), 2**number, across, far))

    def draw(self, rays: Rays, rgb: np.ndarray, planes: np.ndarray) -> None:
        """Paint the ground into rgb (H, W, 3) uint8 and planes (H, W) uint16."""
        ends = np.searchsorted(-rays.forward_m, [-level.to_m for level in self.levels])
        base = np.floor(rays.along_m.min(1) / BLOCK_M)[:, None] * BLOCK_M
        along = (rays.along_m - base) / self.texel_m
        across = (HALF_WIDTH_M - rays.offset_m) / self.texel_m
        stop = len(along)
        for level, start in zip(self.levels, ends.tolist(), strict=True):
            if start < stop:
                target = slice(rays.first_row + start, rays.first_row + stop)
                part = slice(start, stop)
                self._band(level, along[part], across[part], rgb[target], planes[target])
                stop = start

    def _band(
        self, level: _Level, along: np.ndarray, across: np.ndarray,
        rgb: np.ndarray, planes: np.ndarray,
    ) -> None:  # fmt: skip
        """One band of rows; along and across are in texels at three places of each row."""
        rows = _spread(along - 0.5, rgb.shape[1])
        columns = _spread(across - 0.5, rgb.shape[1])
        edge = cv2.BORDER_REPLICATE
        cv2.remap(self.surface, columns, rows, cv2.INTER_NEAREST, planes, edge)
        if level.along > 1:
            rows = (rows + 0.5) / level.along - 0.5
        if level.across > 1:
            columns = (columns + 0.5) / level.across - 0.5
        cv2.remap(level.rgb, columns, rows, cv2.INTER_LINEAR, rgb, edge)


def _spread(ends: np.ndarray, width: int) -> np.ndarray:
    """Rows (N, width) float32 through values (N, 3) at the left, middle and right of each row."""
    left, middle, right = ends.T.astype(np.float32)
    place = np.linspace(-1, 1, width, dtype=np.float32)
    rows = np.multiply.outer((left + right) / 2 - middle, place)
    rows += ((right - left) / 2)[:, None]
    rows *= place
    rows += middle[:, None]
    return np.asarray(rows)


def cast_rays(
    camera: SyntheticCamera, pose: tuple[float, float, float], centre_m: Callable[..., np.ndarray]
) -> Rays:
    """
    Where the ground is in the image.

    :param pose: world X and Y in metres and heading in radians of the vehicle.
    :param centre_m: offset of the street's centre line at distances along it.
    """
    height, width = camera.size
    first = max(0, int(np.ceil(camera.horizon_row + camera.focal_px * camera.height_m / FAR_M)))
    slope = (np.arange(first, height) - camera.K[1, 2]) / camera.focal_px
    forward, depth = camera.ground_ray(slope)
    columns = np.array([0.0, (width - 1) / 2, width - 1.0])
    left = -(columns - camera.K[0, 2]) / camera.focal_px * depth[:, None]
    x0, y0, heading = pose
    cos, sin = np.cos(heading), np.sin(heading)
    along = x0 + forward[:, None] * cos - left * sin
    offset = y0 + forward[:, None] * sin + left * cos - centre_m(along)
    return Rays(first, forward, depth, along, offset)
