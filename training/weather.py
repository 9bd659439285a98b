# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What weather, lamps, motion and compression do to an image (H, W, 3) uint8; a new one each."""

from __future__ import annotations

import cv2
import numpy as np


def add_night(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Little light but for the pool of the own headlamps on what lies ahead."""
    height, width = rgb.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    centre = rng.uniform((0.3, 0.5), (0.7, 0.9)) * (width, height)
    reach = rng.uniform((0.15, 0.1), (0.6, 0.35)) * (width, height)
    away = ((columns - centre[0]) / reach[0]) ** 2 + ((rows - centre[1]) / reach[1]) ** 2
    gain = rng.uniform(0.02, 0.2) + rng.uniform(0.15, 0.9) * np.exp(-away)
    return cv2.multiply(rgb, cv2.merge([gain.astype(np.float32)] * 3), dtype=cv2.CV_8U)


def add_glare(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Up to four lamps or the sun with their halos, and the veil that they lay over the image."""
    height, width = rgb.shape[:2]
    light = np.zeros((height // 4, width // 4, 3), np.float32)
    for _ in range(rng.integers(1, 5)):
        centre = rng.integers(0, (width // 4, height * 5 // 32)).tolist()
        colour = (255 * np.array([1, *rng.uniform(0.6, 1, 2)])).tolist()
        cv2.circle(light, centre, int(rng.uniform(0.004, 0.025) * width), colour, -1)
    halo = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.01, 0.05) * width)
    light = cv2.resize(light + rng.uniform(1, 4) * halo, (width, height))
    veil = rng.uniform(0, 25)
    return cv2.add(rgb, light + veil, dtype=cv2.CV_8U)


def add_rain(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Haze, streaks in the air, and drops on the glass that blur what lies behind them."""
    height, width = rgb.shape[:2]
    haze, grey = rng.uniform(0, 0.35), rng.uniform(90, 190)
    out = cv2.addWeighted(rgb, 1 - haze, np.full_like(rgb, grey), haze, 0)
    streaks, drops = np.zeros((2, height, width), np.uint8)
    slant = rng.uniform(-0.3, 0.3)
    for x, y in rng.integers(0, (width, height), (rng.integers(0, 250), 2)).tolist():
        length = int(rng.uniform(4, 18))
        cv2.line(streaks, (x, y), (x + round(slant * length), y + length), 60, 1)
    for x, y in rng.integers(0, (width, height), (rng.integers(0, 40), 2)).tolist():
        cv2.circle(drops, (x, y), int(rng.uniform(1, 9)), 255, -1)
    out = cv2.add(out, cv2.merge([streaks] * 3))
    blurred = cv2.GaussianBlur(out, (0, 0), 6)
    out[drops > 0] = blurred[drops > 0]
    return out


def blur_along(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Motion blur along a random line of up to 13 pixels."""
    reach = int(rng.integers(2, 7))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    angle = rng.uniform(0, np.pi)
    step = np.array([np.cos(angle), np.sin(angle)]) * reach
    ends = [np.rint(reach + sign * step).astype(int).tolist() for sign in (-1, 1)]
    cv2.line(kernel, *ends, 1, 1)
    return cv2.filter2D(rgb, -1, kernel / kernel.sum())


def compress(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Few grey levels or the blocks of strong JPEG compression."""
    if rng.random() < 0.25:
        bits = int(rng.integers(4, 7))
        step = 1 << (8 - bits)
        return rgb // step * step + step // 2
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(8, 60))]
    return cv2.imdecode(cv2.imencode('.jpg', rgb, quality)[1], cv2.IMREAD_COLOR)
