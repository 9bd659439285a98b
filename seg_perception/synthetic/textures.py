# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Noise and painted textures of the synthetic street."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

Rng = np.random.Generator


def noise(rng: Rng, size: tuple[int, int], cells: tuple[float, float]) -> np.ndarray:
    """
    Smooth noise (H, W) float32 of about -1..1 that repeats along the rows.

    :param cells: height and width of one grain in pixels.
    """
    height, width = size
    rows, columns = max(2, round(height / cells[0])), max(2, round(width / cells[1]))
    grid = rng.random((rows, columns), np.float32) * 2 - 1
    grid = np.concatenate([grid[-2:], grid, grid[:2]])
    margin = round(2 * height / rows)
    tall = cv2.resize(grid, (width, height + 2 * margin), interpolation=cv2.INTER_CUBIC)
    return np.asarray(tall[margin : margin + height])


def fractal(rng: Rng, size: tuple[int, int], grain: float, octaves: int = 4) -> np.ndarray:
    """Noise (H, W) float32 of about -1..1 with detail at several scales, coarse grain first."""
    total = np.zeros(size, np.float32)
    for octave in range(octaves):
        cell = max(1.0, grain / 2**octave)
        total += noise(rng, size, (cell, cell)) / 2**octave
    return total / 1.6


def pyramid(picture: np.ndarray, smallest: int = 16) -> list[np.ndarray]:
    """The picture and its halved copies, down to a smallest side."""
    levels = [picture]
    while min(levels[-1].shape[:2]) >= 2 * smallest:
        height, width = levels[-1].shape[:2]
        half = (width // 2, height // 2)
        levels.append(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA))
    return levels


def level_of(levels: list[np.ndarray], scale: float, blur: float = 0.0) -> np.ndarray:
    """
    The level of a pyramid to draw at a scale, in image pixels per texel of the finest level.

    :param blur: in levels; 0 takes the next finer one, 0.5 the nearest.
    """
    number = np.clip(blur - np.log2(max(scale, 1e-6)), 0, len(levels) - 1)
    return levels[int(number)]


def shade(picture: np.ndarray, factor: np.ndarray | float) -> np.ndarray:
    """Picture (H, W, 3) times a factor (H, W) or number, uint8."""
    factor = factor[..., None] if isinstance(factor, np.ndarray) else factor
    return np.clip(picture * factor, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Facade:
    """A building front: storeys of 3 m and bays of 3 m, row 0 at the top."""

    levels: list[np.ndarray]  # pyramid of (H, W, 3) uint8
    lit: list[np.ndarray]  # the same at night
    px_per_m: float
    width_m: float
    height_m: float


WALL_COLOURS = (
    (150, 88, 70), (128, 72, 58), (176, 120, 92), (205, 196, 178), (222, 214, 200),
    (188, 182, 170), (168, 172, 176), (214, 190, 150), (232, 226, 214), (120, 118, 116),
    (196, 160, 140), (160, 150, 130), (140, 96, 84), (200, 204, 206), (182, 170, 120),
)  # fmt: skip


def facade(rng: Rng, px_per_m: float, storeys: int, bays: int) -> Facade:
    """A random building front."""
    style = rng.choice(['brick', 'plaster', 'panel', 'glass'], p=[0.35, 0.35, 0.18, 0.12])
    storey, bay = round(3.0 * px_per_m), round(float(rng.choice([2.4, 3.0, 3.6])) * px_per_m)
    size = (storeys * storey, bays * bay)
    wall = _wall(rng, str(style), size, px_per_m)
    lit = shade(wall, 0.35)
    for floor in range(storeys):
        rows = slice(size[0] - (floor + 1) * storey, size[0] - floor * storey)
        if floor == 0 and rng.random() < 0.45:
            _shop(rng, wall[rows], lit[rows], px_per_m)
        else:
            _windows(rng, wall[rows], lit[rows], bay, str(style))
    _cornice(rng, wall, lit, px_per_m)
    return Facade(pyramid(wall), pyramid(lit), px_per_m, size[1] / px_per_m, size[0] / px_per_m)


def _wall(rng: Rng, style: str, size: tuple[int, int], px_per_m: float) -> np.ndarray:
    base = np.array(WALL_COLOURS[rng.integers(len(WALL_COLOURS))], np.float32)
    if style == 'glass':
        base = np.array([92, 112, 124], np.float32) * rng.uniform(0.7, 1.2)
    tone = 1 + 0.06 * fractal(rng, size, 2.5 * px_per_m)
    if style == 'brick':
        course, length = max(2, round(0.16 * px_per_m)), max(3, round(0.4 * px_per_m))
        rows, columns = size[0] // course + 1, size[1] // length + 2
        bricks = rng.random((rows, columns), np.float32) * 0.24 - 0.12
        bricks = np.repeat(np.repeat(bricks, course, 0), length, 1)
        bricks[:, ::length] += 0.10
        bricks[::course] += 0.12
        tone += bricks[: size[0], : size[1]]
    elif style == 'panel':
        step = max(4, round(1.5 * px_per_m))
        tone[::step] -= 0.16
        tone[:, ::step] -= 0.16
    # Rain streaks and soot: darker towards the ground.
    tone += 0.05 * noise(rng, size, (size[0], max(2, 0.3 * px_per_m)))
    tone -= np.linspace(0, 0.08, size[0], dtype=np.float32)[:, None]
    return shade(base, tone)


def _glass(rng: Rng, height: int, width: int) -> np.ndarray:
    top = (rng.uniform(60, 165) * np.array([0.88, 0.98, 1.06])).astype(np.float32)
    bottom = top * rng.uniform(0.35, 0.75)
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    pane = np.repeat(top * (1 - ramp) + bottom * ramp, width, 1)
    if rng.random() < 0.4:  # a curtain or a blind
        rows = int(height * rng.uniform(0.2, 0.9))
        pane[:rows] = pane[:rows] * 0.3 + rng.uniform(110, 200) * 0.7
    return np.asarray(pane, np.float32)


def _windows(rng: Rng, wall: np.ndarray, lit: np.ndarray, bay: int, style: str) -> None:
    """Windows of one storey, painted into the wall (h, w, 3) and its night version."""
    storey = wall.shape[0]
    if style == 'glass':
        share, top, bottom = 0.92, 0.04, 0.82
    else:
        share, top, bottom = rng.uniform(0.35, 0.62), 0.16, rng.uniform(0.6, 0.82)
    frame = rng.choice([235.0, 225.0, 90.0, 60.0])
    y0, y1 = round(top * storey), round(bottom * storey)
    x0, x1 = round((1 - share) / 2 * bay), round((1 + share) / 2 * bay)
    edge = max(1, round(0.03 * bay))
    for left in range(0, wall.shape[1] - bay + 1, bay):
        height, width = y1 - y0, x1 - x0
        pane = _glass(rng, height, width)
        pane[:edge] = pane[-edge:] = pane[:, :edge] = pane[:, -edge:] = frame
        middle = width // 2
        pane[:, middle : middle + max(1, edge // 2)] = frame
        pane[edge : 2 * edge, edge:-edge] *= 0.5  # the lintel's shadow
        wall[y0:y1, left + x0 : left + x1] = pane
        warm = np.array([255, 214, 140]) * rng.uniform(0.6, 1.0) if rng.random() < 0.35 else 0.0
        night = pane * (0.25 if np.any(warm) else 0.5) + warm * 0.75
        lit[y0:y1, left + x0 : left + x1] = np.clip(night, 0, 255)
        sill = slice(y1, min(storey, y1 + edge))
        wall[sill, left + x0 - edge : left + x1 + edge] = 200


def _shop(rng: Rng, wall: np.ndarray, lit: np.ndarray, px_per_m: float) -> None:
    """A row of shop windows with a sign board above."""
    height, width = wall.shape[:2]
    board = (round(0.05 * height), round(0.24 * height))
    window = (round(0.27 * height), round(0.9 * height))
    left = 0
    while left < width - px_per_m:
        right = min(width, left + round(rng.uniform(3.5, 7.0) * px_per_m))
        colour = rng.uniform(20, 220, 3)
        part = slice(left + 2, right - 2)
        for picture, glow in ((wall, 1.0), (lit, 1.3)):
            picture[board[0] : board[1], part] = np.clip(colour * glow, 0, 255)
        wall[window[0] :, part] = np.clip(colour * 0.45, 0, 255)
        gap = max(1, round(0.12 * px_per_m))
        inner = slice(left + gap, max(left + gap + 1, right - gap))
        pane = _glass(rng, window[1] - window[0], inner.stop - inner.start) * 0.9
        pane += 18 * fractal(rng, pane.shape[:2], 0.8 * px_per_m)[..., None]
        wall[window[0] : window[1], inner] = np.clip(pane, 0, 255)
        lit[window[0] : window[1], inner] = np.clip(pane * 0.5 + (150, 125, 80), 0, 255)
        letters = np.clip(255 - colour, 60, 255)
        y = (board[0] + board[1]) // 2
        for x in range(part.start + 4, part.stop - 6, max(3, round(0.3 * px_per_m))):
            if rng.random() < 0.8:
                corner = x + max(1, round(0.12 * px_per_m)), y + 2
                cv2.rectangle(wall, (x, y - 2), corner, letters.tolist(), -1)
        left = right


def _cornice(rng: Rng, wall: np.ndarray, lit: np.ndarray, px_per_m: float) -> None:
    rows = max(2, round(rng.uniform(0.2, 0.5) * px_per_m))
    tone = rng.uniform(0.6, 1.25)
    for picture in (wall, lit):
        picture[:rows] = np.clip(picture[:rows] * tone, 0, 255)
        picture[rows : rows + max(1, rows // 3)] = picture[rows : rows + max(1, rows // 3)] * 0.55


def tree(rng: Rng, size_px: int, light: float) -> tuple[np.ndarray, np.ndarray]:
    """
    A tree as a picture (h, h * 3 / 4, 3) uint8 and its mask (h, w) uint8.

    :param light: where the sun is, -1 left to 1 right.
    """
    height, width = size_px, size_px * 3 // 4
    mask = np.zeros((height, width), np.uint8)
    tone = np.full((height, width), 0.45, np.float32)
    crown_bottom = rng.uniform(0.62, 0.78)
    spread = rng.uniform(0.26, 0.36)
    conifer = rng.random() < 0.2
    for _ in range(90):
        level = rng.uniform(0.06, crown_bottom)
        middle = 1 - abs(level / crown_bottom - 0.5) * 1.2
        reach = spread * (level / crown_bottom if conifer else middle)
        x, y = 0.5 + rng.uniform(-reach, reach) * 1.3, level
        radius = rng.uniform(0.035, 0.10) * (0.7 if conifer else 1.0)
        radius = min(radius, x - 0.02, 0.98 - x) if 0.06 < x < 0.94 else 0.02
        centre = (round(x * width), round(y * height))
        cv2.circle(mask, centre, max(1, round(radius * width * 1.3)), 255, -1)
        lit = 0.62 + 0.55 * (0.5 - level / crown_bottom) + 0.3 * light * (x - 0.5) * 2
        cv2.circle(tone, centre, max(1, round(radius * width)), lit + rng.uniform(-0.12, 0.12), -1)
    ragged = fractal(rng, mask.shape, size_px / 14, 4)
    leaves = fractal(rng, mask.shape, size_px / 40, 3)
    soft = cv2.GaussianBlur(mask, (0, 0), size_px / 60).astype(np.float32)
    solid = ((soft + ragged * 120 + leaves * 70) > 128).astype(np.uint8) * np.uint8(255)
    mask = _largest_part(cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)))
    blurred = np.asarray(cv2.GaussianBlur(tone, (0, 0), size_px / 90))
    green = np.array(rng.uniform([62, 88, 30], [120, 132, 62]), np.float32)
    picture = shade(green, np.clip(blurred + 0.18 * ragged + 0.34 * leaves, 0.12, 1.5))
    _trunk(rng, picture, mask, crown_bottom)
    return picture, mask


def _largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest connected part of a mask (H, W) uint8."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    return np.asarray(np.where(parts == largest, 255, 0), np.uint8)


def _trunk(rng: Rng, picture: np.ndarray, mask: np.ndarray, crown_bottom: float) -> None:
    height, width = mask.shape
    half = rng.uniform(0.014, 0.028) * width
    top = round((crown_bottom - 0.12) * height)
    outline = np.array(
        [[width / 2 - half, top], [width / 2 + half, top], [width / 2 + half * 1.5, height],
         [width / 2 - half * 1.5, height]]
    )  # fmt: skip
    trunk = np.zeros_like(mask)
    cv2.fillConvexPoly(trunk, np.rint(outline).astype(np.int32), 255)
    trunk[mask > 0] = 0
    grain = 1 + 0.3 * fractal(rng, mask.shape, height / 40)
    bark = shade(np.array([88, 74, 60], np.float32), grain)
    cv2.copyTo(bark, trunk, picture)
    mask |= trunk


def sky(
    rng: Rng, size: tuple[int, int], zenith: np.ndarray, horizon: np.ndarray, clouds: float
) -> np.ndarray:
    """
    Sky panorama (H, W, 3) uint8, horizon in the last row.

    :param clouds: 0 none to 1 overcast.
    """
    height, width = small = (size[0] // 3, size[1] // 3)
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None] ** 1.5
    clear = zenith * (1 - ramp) + horizon * ramp
    cover = noise(rng, small, (height / 2.5, width / 5))
    cover += 0.5 * noise(rng, small, (height / 6, width / 14))
    cover += 0.3 * noise(rng, small, (height / 14, width / 36))
    cover = np.clip((cover + clouds * 2.4 - 1.2) * 1.1, 0, 1)[..., None]
    bright = float(horizon.max())
    white = (0.5 + 0.5 * horizon / max(bright, 1.0)) * bright * 0.985
    dark = 1 - 0.22 * np.clip(noise(rng, small, (height / 5, width / 12)), 0, 1)[..., None]
    picture = np.clip(clear * (1 - cover) + white * dark * cover, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_LINEAR))
