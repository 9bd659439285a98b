# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Sparse optical flow: points that are followed from one grey image to another.

Corners (Shi and Tomasi, Good Features to Track, 1994) are followed by pyramidal Lucas-Kanade
(Bouguet, 2000) there and back; a point that does not come back is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_LEVELS = 3  # of the pyramid: displacements up to about 80 px
_WINDOW = (15, 15)
_STEPS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 20, 0.02)
_LEAST_CORNER = 5e-5  # smallest eigenvalue, as OpenCV scales it; flatter ones slide along edges
_LEAST_SLOPE = 1e-4  # of windows that Lucas-Kanade follows
_BACK_PX = 0.5  # a point that comes back farther off was lost
_APART_PX = 7
_CELLS = (6, 8)  # rows and columns that share out the corners evenly


@dataclass(frozen=True, eq=False)
class Flow:
    """Where points (N, 2) of one image are in another; column and row, float32 pixels."""

    before: np.ndarray
    after: np.ndarray

    @property
    def median_px(self) -> float:
        """Median length; 0 without points."""
        moved = np.hypot(*(self.after - self.before).T)
        return float(np.median(moved)) if len(moved) else 0.0


def small_grey(pixels: np.ndarray, order: str, width: int) -> np.ndarray:
    """Grey (h, w) uint8 of an image (H, W, 3) uint8 in the order rgb or bgr, at most so wide."""
    height, own_width = pixels.shape[:2]
    if own_width > width:
        size = (width, max(1, round(height * width / own_width)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY if order == 'bgr' else cv2.COLOR_RGB2GRAY)


def corners(grey: np.ndarray, mask: np.ndarray, count: int) -> np.ndarray:
    """
    Points (N, 2) float32 that can be followed, spread over the image.

    :param grey: (h, w) uint8.
    :param mask: (h, w) uint8, not 0 where points may be.
    :param count: the most that are returned.
    """
    strength = cv2.cornerMinEigenVal(grey, 3)
    strength[mask == 0] = 0.0
    peaks = cv2.dilate(strength, np.ones((_APART_PX, _APART_PX), np.uint8))
    rows, columns = np.nonzero((strength == peaks) & (strength > _LEAST_CORNER))
    order = np.argsort(-strength[rows, columns], kind='stable')
    rows, columns = rows[order], columns[order]
    cell = rows * _CELLS[0] // grey.shape[0] * _CELLS[1] + columns * _CELLS[1] // grey.shape[1]
    fair = np.argsort(_rank_in_group(cell), kind='stable')[:count]
    return np.column_stack([columns[fair], rows[fair]]).astype(np.float32)


def follow(before: np.ndarray, after: np.ndarray, points: np.ndarray) -> Flow:
    """
    The flow of points (N, 2) between two grey images (h, w) uint8.

    Points that are lost, leave the image or do not come back are left out.
    """
    if not len(points):
        return Flow(points, points)
    found, there, _ = cv2.calcOpticalFlowPyrLK(
        before, after, points, points.copy(), None, None, _WINDOW, _LEVELS, _STEPS, 0, _LEAST_SLOPE
    )
    back, here, _ = cv2.calcOpticalFlowPyrLK(
        after, before, found, points.copy(), None, None, _WINDOW, 1, _STEPS,
        cv2.OPTFLOW_USE_INITIAL_FLOW, _LEAST_SLOPE,
    )  # fmt: skip
    limits = np.array(before.shape[::-1]) - 1
    kept = (there[:, 0] > 0) & (here[:, 0] > 0) & (np.abs(back - points).max(axis=1) < _BACK_PX)
    kept &= ((found >= 0) & (found <= limits)).all(axis=1)
    return Flow(points[kept], found[kept])


def _rank_in_group(groups: np.ndarray) -> np.ndarray:
    """How many earlier entries (N,) are of the same group."""
    order = np.argsort(groups, kind='stable')
    ordered = groups[order]
    firsts = np.searchsorted(ordered, ordered)
    ranks = np.empty(len(groups), int)
    ranks[order] = np.arange(len(groups)) - firsts
    return ranks
