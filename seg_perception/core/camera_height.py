# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Height of a camera above the road, from things of known size and from a known speed.

On flat ground a width W that meets the ground dv rows below the horizon spans W / h * dv pixels,
whatever the focal length. Cars seen from behind or in front are about 1.8 m wide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, nan, sqrt

import cv2
import numpy as np

from seg_perception.core.classes import ClassTable, Role
from seg_perception.core.results import VanishingPoint

_CAR_M = 1.8
_CAR_SPREAD = 0.18  # of the width: from small cars to lorries
_SPEED_SPREAD = 0.05  # of wheel odometry, and of the ground that is not flat
_ASPECT = (0.9, 1.7)  # width / height of a car from behind
_LEAST_BELOW = 0.04  # share of the height; nearer to the horizon a pixel means too much
_LEAST_PX = 12
_LEAST_SAMPLES, _MOST_SAMPLES, _ALIKE = 8, 200, 4  # samples; so many in a row see the same
_RANGE_M = (0.3, 4.0)


class HeightEvidence:
    """Gathers heights of one camera."""

    def __init__(self, samples: Mapping[str, Sequence[float]] | None = None) -> None:
        """:param samples: heights in metres by source, to start from."""
        given = samples or {}
        self.samples = {name: list(given.get(name, ())) for name in ('speed', 'vehicle width')}

    def add(self, source: str, heights_m: list[float]) -> None:
        """Add heights from a source: speed, or vehicle width."""
        sane = [height for height in heights_m if _RANGE_M[0] < height < _RANGE_M[1]]
        self.samples[source] = [*self.samples[source], *sane][-_MOST_SAMPLES:]

    def estimate(self) -> tuple[float, float, str]:
        """Height, its standard deviation in metres, and the source; NaN, NaN, '' if unknown."""
        found = [
            _estimate(self.samples[source], spread, source)
            for source, spread in (('speed', _SPEED_SPREAD), ('vehicle width', _CAR_SPREAD))
        ]
        best = min(found, key=lambda row: row[1])
        return best if best[1] < inf else (nan, nan, '')


def _estimate(samples: list[float], spread: float, source: str) -> tuple[float, float, str]:
    if len(samples) < _LEAST_SAMPLES:
        return nan, inf, source
    height = float(np.median(samples))
    scatter = 1.4826 * float(np.median(np.abs(np.array(samples) - height)))
    return height, sqrt((spread * height) ** 2 + scatter**2 * _ALIKE / len(samples)), source


def heights_from_vehicles(
    labels: np.ndarray, table: ClassTable, point: VanishingPoint, size: tuple[int, int]
) -> list[float]:
    """
    Heights in metres, one for each vehicle ahead that stands on visible road.

    :param labels: (h, w) uint8.
    :param size: (height, width) of the image: labels may be squeezed.
    """
    height, width = labels.shape
    square = (size[1] / width) / (size[0] / height)  # width of a label's pixel / its height
    mask = cv2.LUT(labels, table.role_mask(Role.VEHICLE))
    count, _, boxes, _ = cv2.connectedComponentsWithStats(mask)
    road = cv2.LUT(labels, table.role_mask(Role.DRIVABLE, Role.MARKING)) > 0
    heights = []
    for left, top, across, down, _ in boxes[1:count]:
        bottom, middle = top + down, point.column * width
        below = bottom - point.row * height
        ahead = left < middle < left + across  # farther aside its side shows, too
        shaped = _ASPECT[0] < across * square / down < _ASPECT[1]
        if not ahead or not shaped or across < _LEAST_PX or below < _LEAST_BELOW * height:
            continue
        if bottom + 2 < height and road[bottom + 2, left : left + across].mean() > 0.8:
            heights.append(_CAR_M * below / (across * square))
    return heights
