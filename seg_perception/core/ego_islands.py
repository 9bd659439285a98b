# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
What else in the image is no scene: bars of a camera border, burnt-in text, stickers, arms.

All of them have edges that stay in place while the vehicle drives. So do edges of the scene that
point at the vanishing point, and whatever is far ahead. An island is therefore an area with such
edges nearly all around it, some of them across the flow, that keeps away from the vanishing point
and stays the same while the scene around it changes.
"""

from __future__ import annotations

from collections.abc import Generator

import cv2
import numpy as np

from seg_perception.core.results import VanishingPoint

_LEAST_GRADIENT = 4.0  # grey levels a pixel, of the mean image
_LASTING = 0.8  # gradient of the mean image relative to the mean gradient of the images
_MOST_LASTING = 0.3  # of all edges of the image; more, and the scene itself did not change
_DARK, _STEADY = 48.0, 4.0  # grey levels: of a bar, and its change from image to image
_WHOLE = 0.8  # of a row of a bar that must be dark
_MOST_BAR = 0.25  # of the image height or width
_EDGE_OF_BAR = 0.5  # of its length that must show
_FAR = (0.3, 0.28)  # half axes of the area around the vanishing point, image widths and heights
_LEAST_PX, _MOST_SHARE = 50, 0.1  # area of an island
_CLOSED = 0.7  # of the outline that must be edges that stay
_ACROSS = 0.08  # of the squared gradient of these edges, the part across the flow
_CALM, _STILL, _BUSY = 0.35, 0.45, 0.6  # change of pixels relative to that around them: these
# are an island with or without edges; the mean of an island; these are none
_CHANGE = 4.0  # grey levels from image to image, around an island
_AROUND = 15  # pixels around an island that are compared with it
_BLUR = (61, 61)
_THREE, _FIVE, _SEVEN = (np.ones((size, size), np.uint8) for size in (3, 5, 7))


class IslandFinder:
    """Averages the images of one camera and finds bars and islands in these means."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._level, self._gradient, self._change = np.zeros((3, *size), np.float32)
        self._last = np.zeros(0, np.uint8)

    def add(self, gray: np.ndarray, gain: float) -> None:
        """Learn from an image (h, w) uint8, which has this weight in the running means."""
        last, self._last = self._last if self._last.size else gray, gray
        dx, dy = (cv2.convertScaleAbs(d, alpha=1 / 8) for d in cv2.spatialGradient(gray))
        cv2.accumulateWeighted(gray, self._level, gain)
        cv2.accumulateWeighted(cv2.add(dx, dy), self._gradient, gain)
        cv2.accumulateWeighted(cv2.absdiff(gray, last), self._change, gain)

    def find(self, point: VanishingPoint, own: np.ndarray) -> Generator[None, None, np.ndarray]:
        """
        Return the mask (h, w) uint8, 255 on bars and islands, after steps of some milliseconds.

        :param own: (h, w) uint8, not 0 on the vehicle that is known already.
        """
        dx, dy = (cv2.Sobel(self._level, cv2.CV_32F, *o, scale=1 / 8) for o in ((1, 0), (0, 1)))
        size = np.abs(dx) + np.abs(dy)
        lasting = (size >= _LEAST_GRADIENT) & (size >= _LASTING * self._gradient)
        bars = self._bars(lasting)
        yield
        is_scene = cv2.dilate(bars | own, _SEVEN) == 0
        lasting &= is_scene
        edges = np.count_nonzero(is_scene & (self._gradient >= _LEAST_GRADIENT))
        if np.count_nonzero(lasting) > _MOST_LASTING * edges:
            return bars
        islands = _Islands(lasting.astype(np.uint8), dx, dy, self._change, point)
        yield
        return np.asarray(bars | islands.mask())

    def _bars(self, lasting: np.ndarray) -> np.ndarray:
        """Dark rows and columns at the border that end at a straight edge, as a mask."""
        is_dark = (self._level < _DARK) & (self._change < _STEADY)
        mask = np.zeros(lasting.shape, np.uint8)
        for bars, dark, edges in ((mask, is_dark, lasting), (mask.T, is_dark.T, lasting.T)):
            bars[: _bar(dark, edges)] = 255
            bars[len(bars) - _bar(dark[::-1], edges[::-1]) :] = 255
        return mask


class _Islands:
    """The islands among edges that stay, (h, w) uint8."""

    def __init__(
        self,
        lasting: np.ndarray,
        dx: np.ndarray,
        dy: np.ndarray,
        change: np.ndarray,
        point: VanishingPoint,
    ) -> None:
        self._dx, self._dy, self._lasting = dx, dy, lasting
        height, width = lasting.shape
        self._x = np.arange(width, dtype=np.float32) + 0.5 - point.column * width
        self._y = (np.arange(height, dtype=np.float32) + 0.5 - point.row * height)[:, None]
        self._change = cv2.erode(change, _FIVE)  # text changes between its strokes
        around = cv2.blur(change, _BLUR)
        calm, busy = self._change < _CALM * around, self._change > _BUSY * around
        areas = ((_filled(lasting) > 0) & ~busy | calm).astype(np.uint8)
        self._areas = cv2.morphologyEx(areas, cv2.MORPH_OPEN, _FIVE)

    def mask(self) -> np.ndarray:
        """255 on islands, (h, w) uint8."""
        count, marks, stats, _ = cv2.connectedComponentsWithStats(self._areas)
        mask = np.zeros_like(self._lasting)
        for mark in range(1, count):
            left, top, width, height, area = stats[mark].tolist()
            if _LEAST_PX <= area <= _MOST_SHARE * mask.size:
                rows = slice(max(top - _AROUND, 0), top + height + _AROUND)
                place = rows, slice(max(left - _AROUND, 0), left + width + _AROUND)
                area = (marks[place] == mark).astype(np.uint8)
                if self._is_island(area, place):
                    mask[place] |= cv2.erode(area, _THREE) * 255  # an edge is as wide as that
        return mask

    def _is_island(self, area: np.ndarray, place: tuple[slice, slice]) -> bool:
        """Whether an area (h, w) uint8, 1 inside, of this part of the image is an island."""
        inside, rest = area > 0, self._areas[place] == 0
        x, y, lasting = self._x[place[1]], self._y[place[0]], self._lasting[place]
        height, width = self._lasting.shape
        is_far = (x / (_FAR[0] * width)) ** 2 + (y / (_FAR[1] * height)) ** 2 < 1
        change = cv2.mean(self._change[place], rest.astype(np.uint8))[0]
        calm = cv2.mean(self._change[place], area)[0] <= _STILL * change
        if change < _CHANGE or not calm or (is_far & inside).any():
            return False
        outline = (area - cv2.erode(area, _THREE, borderType=cv2.BORDER_REPLICATE)) > 0
        closed = cv2.dilate(lasting, _FIVE)[outline].mean() if outline.any() else 0
        dx, dy = self._dx[place] * lasting * inside, self._dy[place] * lasting * inside
        across = ((x * dx + y * dy) ** 2 / (x * x + y * y + 1)).sum()
        return bool(closed >= _CLOSED and across >= _ACROSS * (dx * dx + dy * dy).sum())


def _bar(dark: np.ndarray, edges: np.ndarray) -> int:
    """How many of the first rows are a bar."""
    is_light = dark.mean(axis=1) < _WHOLE
    count = int(np.argmax(is_light))  # 0 where all rows are dark
    if not 0 < count <= _MOST_BAR * len(dark):
        return 0
    return count if edges[max(count - 2, 0) : count + 2].any(axis=0).mean() >= _EDGE_OF_BAR else 0


def _filled(edges: np.ndarray) -> np.ndarray:
    """Edges (h, w) uint8 joined across gaps, and the small areas that they enclose."""
    joined = cv2.morphologyEx(edges, cv2.MORPH_CLOSE, _FIVE)
    _, marks, stats, _ = cv2.connectedComponentsWithStats(1 - joined, connectivity=4)
    is_small = stats[:, cv2.CC_STAT_AREA] <= _MOST_SHARE * edges.size
    is_small[0] = True  # the edges themselves
    return np.asarray(is_small[marks], np.uint8)
