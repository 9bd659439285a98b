# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The ground: one block of road, painted once, and the ray table that lays it under the camera.

The block repeats every ``BLOCK_M`` along the road. Its picture is kept at several lengths of a
texel along the road, since a pixel's footprint grows with the square of the distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from seg_perception.synthetic.camera import SyntheticCamera
from seg_perception.synthetic.surfaces import Surface
from seg_perception.synthetic.textures import Rng, fractal, noise

BLOCK_M = 64.0
HALF_WIDTH_M = 16.0
TEXEL_M = 0.04  # every width of the layout is a multiple of it, so labels are exact
FAR_M = 260.0
_COLUMN_STEP = 16  # between two columns of the exact ray table


@dataclass(frozen=True)
class Profile:
    """Widths across the road in metres; multiples of ``TEXEL_M``."""

    lane_m: float
    lanes: int  # in each direction
    parking_m: tuple[float, float]  # left, right
    pavement_m: tuple[float, float]
    verge_m: tuple[float, float]  # grass between kerb and pavement
    drives_left: bool
    junction_m: tuple[float, float] | None  # along the block, where a side road crosses
    crossing_m: tuple[float, float] | None  # where people cross

    def kerb_m(self, side: int) -> float:
        """Distance of the kerb from the road's centre line, side 0 left or 1 right."""
        return self.lane_m * self.lanes + self.parking_m[side]

    def front_m(self, side: int) -> float:
        """Distance of the back of the pavement from the road's centre line."""
        return self.kerb_m(side) + self.verge_m[side] + self.pavement_m[side]

    def lane_centre_m(self, lane: int, forward: bool = True) -> float:
        """Offset to the left of the centre line; lane 0 is the one next to the centre line."""
        offset = self.lane_m * (lane + 0.5)
        return offset if forward == self.drives_left else -offset


def snap(value_m: float) -> float:
    """The nearest multiple of two texels."""
    return round(value_m / (2 * TEXEL_M)) * 2 * TEXEL_M


def random_profile(rng: Rng) -> Profile:
    """A road as towns have them."""
    lane = snap(rng.uniform(2.9, 3.7))
    lanes = 2 if rng.random() < 0.25 else 1
    parking = [snap(2.16) if rng.random() < 0.55 else snap(rng.uniform(0.1, 0.6)) for _ in '12']
    pavement = [snap(rng.uniform(1.6, 4.2)) for _ in '12']
    verge = [snap(rng.uniform(0.8, 2.6)) if rng.random() < 0.3 else 0.0 for _ in '12']
    start = snap(rng.uniform(34, 46))
    junction = (start, start + snap(rng.uniform(6, 9))) if rng.random() < 0.6 else None
    crossing = (start - snap(5.0), start - snap(1.8)) if rng.random() < 0.6 else None
    return Profile(
        lane, lanes, (parking[0], parking[1]), (pavement[0], pavement[1]), (verge[0], verge[1]),
        bool(rng.random() < 0.5), junction, crossing,
    )  # fmt: skip


class _Block:
    """Painter of one block: rows along the road, columns from left to right across it."""

    def __init__(self, rng: Rng, profile: Profile, texel_m: float) -> None:
        self.rng, self.profile, self.texel_m = rng, profile, texel_m
        self.size = (round(BLOCK_M / texel_m), round(2 * HALF_WIDTH_M / texel_m))
        self.rgb = np.zeros((*self.size, 3), np.float32)
        self.surface = np.full(self.size, Surface.TERRAIN, np.uint8)
        self.coarse = fractal(rng, self.size, 3.0 / texel_m, 5)
        self.grain = noise(rng, self.size, (2.5, 2.5))

    def box(self, along: tuple[float, float], left: tuple[float, float]) -> tuple[slice, slice]:
        """Rows and columns between two distances along the block and two offsets to the left."""
        rows = slice(round(along[0] / self.texel_m), round(along[1] / self.texel_m))
        near, far = sorted(left)
        columns = slice(
            max(0, round((HALF_WIDTH_M - far) / self.texel_m)),
            max(0, round((HALF_WIDTH_M - near) / self.texel_m)),
        )
        return rows, columns

    def cover(
        self, box: tuple[slice, slice], colour: np.ndarray, surface: Surface, contrast: float
    ) -> None:
        tone = 1 + contrast * (self.coarse[box] + 0.5 * self.grain[box])
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
    """Picture (rows, columns, 3) uint8 and surfaces (rows, columns) uint8 of one block."""
    block = _Block(rng, profile, texel_m)
    whole = (0.0, BLOCK_M)
    grass = np.array(rng.uniform([78, 92, 40], [122, 118, 74]))
    block.cover(block.box(whole, (-HALF_WIDTH_M, HALF_WIDTH_M)), grass, Surface.TERRAIN, 0.22)
    for side in (0, 1):
        _paint_side(block, side)
    asphalt = np.array([1.0, 1.0, 1.02]) * rng.uniform(78, 128)
    left, right = profile.kerb_m(0), -profile.kerb_m(1)
    block.cover(block.box(whole, (left, right)), asphalt, Surface.ROAD, 0.09)
    if profile.junction_m is not None:
        across = block.box(profile.junction_m, (-HALF_WIDTH_M, HALF_WIDTH_M))
        block.cover(across, asphalt * 0.97, Surface.ROAD, 0.09)
    _paint_wear(block)
    _paint_marks(block)
    return np.clip(block.rgb, 0, 255).astype(np.uint8), block.surface


def _paint_side(block: _Block, side: int) -> None:
    profile, rng, whole = block.profile, block.rng, (0.0, BLOCK_M)
    sign = 1 - 2 * side
    kerb, verge = profile.kerb_m(side), profile.verge_m[side]
    inner, outer = sign * (kerb + verge), sign * (kerb + verge + profile.pavement_m[side])
    slab = np.array(rng.uniform([120, 116, 108], [176, 170, 162]))
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
        spot = (round((HALF_WIDTH_M - rng.uniform(*kerbs)) / texel), round(rng.uniform(3, BLOCK_M - 3) / texel))
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


def _without(cuts: list[tuple[float, float]], piece: tuple[float, float]) -> list[tuple[float, float]]:
    pieces = [piece]
    for start, end in cuts:
        split = [((a, min(b, start)), (max(a, end), b)) for a, b in pieces]
        pieces = [part for pair in split for part in pair if part[1] - part[0] > 0.3]
    return pieces


@dataclass(frozen=True)
class _Level:
    """The block for one band of distances, repeated along the road as far as the band needs."""

    rgb: np.ndarray
    surface: np.ndarray
    texel_m: tuple[float, float]  # along, across
    from_m: float
    to_m: float


class Ground:
    """The block at all distances."""

    def __init__(
        self, rng: Rng, profile: Profile, camera_px_m: float, texel_m: float, light: np.ndarray
    ) -> None:
        """
        Paint the block.

        :param camera_px_m: focal length in pixels times camera height in metres: a pixel at
            distance r covers r * r / camera_px_m metres along the road.
        """
        self.profile = profile
        rgb, self.surface = paint_block(rng, profile, texel_m)
        rgb = np.clip(rgb * light, 0, 255).astype(np.uint8)
        self.texel_m = texel_m
        self.levels: list[_Level] = []
        near = 0.0
        while near < FAR_M:
            texel = texel_m * 2 ** len(self.levels)
            far = min(np.sqrt(camera_px_m * texel), FAR_M) if texel < 4.0 else FAR_M
            self.levels.append(self._level(rgb, len(self.levels), near, float(far)))
            near = float(far)

    def _level(self, rgb: np.ndarray, number: int, near: float, far: float) -> _Level:
        across = 2 ** max(0, number - 4)
        size = (self.surface.shape[1] // across, self.surface.shape[0] >> number)
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        step = (BLOCK_M / small.shape[0], 2 * HALF_WIDTH_M / small.shape[1])
        spare = BLOCK_M + (far - near) * 1.2 + 12.0  # metres of road that the band may touch
        rows = np.arange(round(spare / step[0])) % small.shape[0]
        return _Level(small[rows], self.surface, step, near, far)

    def draw(
        self,
        camera: SyntheticCamera,
        road_offset: np.ndarray,
        along: np.ndarray,
        rgb: np.ndarray,
        surface: np.ndarray,
        first_row: int,
    ) -> None:
        """
        Paint the ground below ``first_row`` into rgb (H, W, 3) and surface (H, W) uint8.

        :param road_offset: (rows, W) metres to the left of the centre line, per pixel.
        :param along: (rows, W) metres along the street, per pixel.
        """
        forward, _ = camera.ground_ray(
            (np.arange(first_row, camera.size[0]) - camera.K[1, 2]) / camera.focal_px
        )
        for level in self.levels:
            rows = np.flatnonzero((forward >= level.from_m) & (forward < level.to_m))
            if len(rows):
                part = slice(int(rows[0]), int(rows[-1]) + 1)
                target = slice(part.start + first_row, part.stop + first_row)
                self._draw_band(level, road_offset[part], along[part], rgb[target], surface[target])

    def _draw_band(
        self, level: _Level, road_offset: np.ndarray, along: np.ndarray,
        rgb: np.ndarray, surface: np.ndarray,
    ) -> None:  # fmt: skip
        base = np.floor((along.min() - 1e-3) / BLOCK_M) * BLOCK_M
        step_along, step_across = level.texel_m
        map_y = ((along - base) / step_along - 0.5).astype(np.float32)
        map_x = ((HALF_WIDTH_M - road_offset) / step_across - 0.5).astype(np.float32)
        border = cv2.BORDER_REPLICATE
        rgb[:] = cv2.remap(level.rgb, map_x, map_y, cv2.INTER_LINEAR, borderMode=border)
        surface[:] = self.lookup(along, road_offset)

    def lookup(self, along: np.ndarray, road_offset: np.ndarray) -> np.ndarray:
        """Surface of ground points, uint8, by distance along and offset from the centre line."""
        rows = np.floor(along / self.texel_m).astype(np.int32) % self.surface.shape[0]
        columns = np.floor((HALF_WIDTH_M - road_offset) / self.texel_m).astype(np.int32)
        return np.asarray(self.surface[rows, np.clip(columns, 0, self.surface.shape[1] - 1)])
