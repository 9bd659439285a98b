# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Light, haze and camera effects, which change the image and never the labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp

import cv2
import numpy as np

from seg_perception.core.errors import ParameterError
from seg_perception.synthetic.textures import Rng

WEATHERS = ('clear', 'fog', 'rain', 'night', 'dusk')
_DIAGONAL = ([0, 1, 2], [0, 1, 2])
_SLACK = 61  # pixels that the noise is larger than the image, to shift it about


@dataclass(frozen=True)
class Light:
    """The light of one street. Colours are factors per channel; haze and sky colours 0..255."""

    weather: str
    ambient: np.ndarray
    sun: np.ndarray
    sun_direction: np.ndarray  # towards the sun, world frame, unit
    shadow: float  # 0 none to 1 black
    haze: np.ndarray
    haze_per_m: float
    zenith: np.ndarray
    horizon: np.ndarray
    clouds: float
    noise: float  # standard deviation in grey levels
    blur_px: float  # at a focal length of 1000 px
    wet: float  # 0 dry to 1: how much the road mirrors
    lamps: bool

    def on(self, normal: np.ndarray) -> np.ndarray:
        """Light on a surface with a unit normal in the world frame, factor per channel."""
        return np.asarray(self.ambient + self.sun * max(0.0, float(normal @ self.sun_direction)))

    def on_all(self, normals: np.ndarray) -> np.ndarray:
        """Light on surfaces with unit normals (N, 3) in the world frame, (N, 3)."""
        facing = np.maximum(normals @ self.sun_direction, 0.0)
        # Share of the sky that a surface sees; more than 1 for surfaces that face up.
        sky = (0.92 + 0.18 * normals[:, 2])[:, None]
        return np.asarray(self.ambient * sky + facing[:, None] * self.sun)

    def matrix(self, factor: np.ndarray, depth_m: float) -> np.ndarray:
        """Light and haze as one (3, 4) float32 matrix for ``cv2.transform``."""
        share = 1 - exp(-self.haze_per_m * depth_m)  # of the haze in the colour
        matrix = np.zeros((3, 4), np.float32)
        matrix[_DIAGONAL] = factor * (1 - share)
        matrix[:, 3] = self.haze * share
        return matrix


def check_weather(weather: str) -> None:
    """
    Refuse a weather that does not exist.

    :raises ParameterError: with the list of those that do.
    """
    if weather not in (*WEATHERS, 'random'):
        raise ParameterError(
            'weather of the synthetic street', repr(weather), ', '.join((*WEATHERS, 'random')),
            'Choose one of these.',
        )  # fmt: skip


def random_light(rng: Rng, weather: str) -> Light:
    """The light of a weather, different for every street."""
    exposure = float(rng.uniform(0.85, 1.15))
    light = _clear(rng, exposure)
    if weather in ('fog', 'rain') or (weather == 'clear' and rng.random() < 0.3):
        light = _overcast(light, rng, exposure)
    change = {'fog': _fog, 'rain': _rain, 'night': _night, 'dusk': _dusk}.get(weather)
    return replace(change(light, rng, exposure), weather=weather) if change else light


def _towards_sun(azimuth: float, height: float) -> np.ndarray:
    flat = np.cos(height)
    return np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(height)])


def _clear(rng: Rng, exposure: float) -> Light:
    warm = rng.uniform(-0.05, 0.08)
    tint = np.array([1 + warm, 1.0, 1 - warm])
    return Light(
        weather='clear',
        ambient=exposure * np.array([0.72, 0.75, 0.81]),
        sun=exposure * 0.68 * np.array([1.0, 0.95, 0.85]) * tint,
        sun_direction=_towards_sun(rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 1.1)),
        shadow=0.48,
        haze=np.array([196.0, 206, 216]),
        haze_per_m=rng.uniform(0.0006, 0.003),
        zenith=np.array([78.0, 128, 196]) * rng.uniform(0.85, 1.1),
        horizon=np.array([196.0, 214, 230]),
        clouds=rng.uniform(0.1, 0.6),
        noise=rng.uniform(1.5, 4.0),
        blur_px=rng.uniform(0.5, 1.0),
        wet=0.0,
        lamps=False,
    )


def _overcast(light: Light, rng: Rng, exposure: float) -> Light:
    return replace(
        light,
        ambient=exposure * 0.92 * np.array([0.98, 1.0, 1.03]),
        sun=np.full(3, 0.12),
        shadow=0.2,
        zenith=np.array([190.0, 196, 202]),
        horizon=np.array([222.0, 226, 228]),
        clouds=rng.uniform(0.7, 1.0),
    )


def _fog(light: Light, rng: Rng, exposure: float) -> Light:
    grey = np.array([206.0, 210, 213]) * rng.uniform(0.85, 1.0) * min(exposure, 1.0)
    return replace(
        light,
        haze=grey,
        haze_per_m=rng.uniform(0.012, 0.035),
        zenith=grey * 0.98,
        horizon=grey,
        shadow=0.12,
        clouds=0.9,
        lamps=bool(rng.random() < 0.5),
    )


def _rain(light: Light, rng: Rng, exposure: float) -> Light:
    grey = np.array([158.0, 165, 172]) * rng.uniform(0.8, 1.05)
    return replace(
        light,
        ambient=exposure * 0.74 * np.array([0.95, 1.0, 1.06]),
        sun=np.full(3, 0.05),
        shadow=0.22,
        haze=grey,
        haze_per_m=rng.uniform(0.005, 0.012),
        zenith=grey * 0.85,
        horizon=grey * 1.1,
        clouds=0.9,
        noise=rng.uniform(2.5, 5.0),
        wet=rng.uniform(0.25, 0.5),
        lamps=True,
    )


def _night(light: Light, rng: Rng, exposure: float) -> Light:
    glow = np.array([30.0, 30, 40]) * rng.uniform(0.6, 1.3)
    return replace(
        light,
        ambient=exposure * 0.52 * np.array([1.05, 0.98, 0.92]),
        sun=np.full(3, 0.03),
        shadow=0.25,
        haze=glow,
        haze_per_m=rng.uniform(0.003, 0.008),
        zenith=glow * 0.35,
        horizon=glow * 1.2,
        clouds=0.5,
        noise=rng.uniform(5, 9),
        wet=float(rng.choice([0.0, 0.25])),
        lamps=True,
    )


def _dusk(light: Light, rng: Rng, exposure: float) -> Light:
    return replace(
        light,
        ambient=exposure * np.array([0.62, 0.55, 0.58]),
        sun=exposure * np.array([0.62, 0.42, 0.24]),
        sun_direction=_towards_sun(rng.uniform(0, 2 * np.pi), rng.uniform(0.12, 0.3)),
        haze=np.array([214.0, 166, 130]),
        haze_per_m=rng.uniform(0.002, 0.006),
        zenith=np.array([74.0, 84, 128]),
        horizon=np.array([244.0, 178, 118]),
        clouds=rng.uniform(0.2, 0.6),
        noise=rng.uniform(3, 6),
        lamps=True,
    )


class Lens:
    """Headlamps, rain, blur and sensor noise, prepared once for a street."""

    def __init__(self, rng: Rng, light: Light, size: tuple[int, int], focal_px: float) -> None:
        self.size, self.blur_sigma = size, light.blur_px * focal_px / 1000
        tile = (size[0] + _SLACK, size[1] + _SLACK)
        grain = rng.standard_normal((tile[0] // 2 + 1, tile[1] // 2 + 1, 3), np.float32)
        grain = np.tile(grain * light.noise, (2, 2, 1))
        self.brighter = np.clip(grain, 0, 255).astype(np.uint8)
        self.darker = np.clip(-grain, 0, 255).astype(np.uint8)
        self.lamp_map = _headlamps(size) if light.weather == 'night' else None
        self.streaks = _streaks(rng, tile, focal_px) if light.weather == 'rain' else None

    def illuminate(self, rgb: np.ndarray) -> None:
        """Add the light of the ego vehicle's lamps to the image (H, W, 3), in place."""
        if self.lamp_map is not None:
            cv2.multiply(rgb, self.lamp_map, rgb, 0.01)

    def expose(self, rgb: np.ndarray, rng: Rng) -> np.ndarray:
        """The image (H, W, 3) with the effects of the sensor."""
        wet_at, grain_at = rng.integers(0, _SLACK, (2, 2))
        if self.streaks is not None:
            rgb = cv2.add(rgb, self._crop(self.streaks, wet_at))
        if self.blur_sigma > 0.25:
            rgb = cv2.GaussianBlur(rgb, (3, 3), self.blur_sigma)
        rgb = cv2.add(rgb, self._crop(self.brighter, grain_at))
        return np.asarray(cv2.subtract(rgb, self._crop(self.darker, grain_at)))

    def _crop(self, tile: np.ndarray, at: np.ndarray) -> np.ndarray:
        top, left = at.tolist()
        return tile[top : top + self.size[0], left : left + self.size[1]]


def _headlamps(size: tuple[int, int]) -> np.ndarray:
    """Light of the ego vehicle's lamps, (H, W, 3) uint8; 100 means no change."""
    height, width = size
    x = (np.arange(width) / width - 0.5)[None]
    y = (np.arange(height) / height)[:, None]
    beam = np.exp(-((x / 0.30) ** 2) - ((y - 0.68) / 0.17) ** 2)
    gain = 78 + 140 * beam
    return cv2.merge([np.clip(gain * tone, 0, 255).astype(np.uint8) for tone in (1.03, 1.0, 0.9)])


def _streaks(rng: Rng, size: tuple[int, int], focal_px: float) -> np.ndarray:
    picture = np.zeros(size, np.uint8)
    for _ in range(420):
        x, y = int(rng.integers(size[1])), int(rng.integers(size[0]))
        length = round(rng.uniform(0.015, 0.06) * focal_px)
        shade, end = int(rng.integers(12, 60)), (x + length // 9, y + length)
        cv2.line(picture, (x, y), end, shade, 1, cv2.LINE_AA)
    return cv2.merge([cv2.GaussianBlur(picture, (3, 3), 0)] * 3)
