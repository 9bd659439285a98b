# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
What of its image the own vehicle covers, learned from what does not move while it drives.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from seg_perception.core.ego_contour import GRID, ContourSearch, moments
from seg_perception.core.ego_islands import IslandFinder
from seg_perception.core.errors import ImageError
from seg_perception.core.masks import resize_nearest
from seg_perception.core.results import VanishingPoint

SAMPLES = 30
"""Images of a moving vehicle before a mask is known; 10 s at three a second."""

LEAST_S = 0.25
"""Time between two images that count. What stays in place for a shorter time proves little."""

_UNKNOWN_VANISHING_POINT = VanishingPoint(0.5, 0.56)
_MEMORY = 150  # images after which what was seen has faded to 1/e
_LEAST_CHANGE = 3.0  # grey levels, mean: an image less changed than that is no new one
_FIRST_SEARCH = 12  # images before it; two searches end within ``SAMPLES``
_VOTE = 0.3  # weight of the latest search: what two in a row find is believed
_BELIEVED = 0.2, 0.5  # votes to stay in the mask, and to come into it
_REPLAY_S = 1.0  # a stamp that is older by more starts again


class EgoMaskEstimator:
    """Learns the ego mask of one camera from a few images a second of a drive."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self, size: tuple[int, int] = (1, 1)) -> None:
        self._count, self._size, self._stamp_s = 0, size, -np.inf
        self._last = np.zeros(GRID, np.float32)
        self._means = np.zeros(0, np.float32)
        self._ego_labels = np.zeros(0, np.float32)
        self._point = _UNKNOWN_VANISHING_POINT
        self._mask_size = GRID[0], max(1, round(size[1] * GRID[0] / size[0]))
        self._votes = np.zeros(self._mask_size, np.float32)
        self._mask = np.zeros(self._mask_size, bool)
        self._islands = IslandFinder(self._mask_size)
        self._search, self._is_step_due = self._searches(), False

    @property
    def percent(self) -> int:
        """0..100 of the images that a mask needs."""
        return min(100, 100 * self._count // SAMPLES)

    @property
    def mask(self) -> np.ndarray | None:
        """(360, w) uint8, 255 on the own vehicle; all 0 where none is in view; None: unknown."""
        if self._count < SAMPLES:
            return None
        return self._mask.astype(np.uint8) * 255

    def update(
        self,
        gray: np.ndarray,
        is_moving: bool,
        stamp_s: float,
        labels_ego: np.ndarray | None = None,
        vanishing_point: VanishingPoint | None = None,
    ) -> None:
        """
        Learn from an image (h, w) uint8; heights of 360 rows and more give the full accuracy.

        Images of a standing vehicle are skipped, repeated ones and those less than ``LEAST_S``
        after the last that counted. An image of another shape, or one that is over a second older
        than the last, is of another camera or drive: what was learned is forgotten.

        :param stamp_s: when the image was taken.
        :param labels_ego: (any size) uint8, 0 except where the model sees the own vehicle; None
            where it has no such class.
        :raises ImageError: when gray is no (h, w) uint8 array.
        """
        _check(gray)
        if gray.shape != self._size or stamp_s < self._stamp_s - _REPLAY_S:
            self._forget((gray.shape[0], gray.shape[1]))
        if not is_moving or not stamp_s - self._stamp_s >= LEAST_S:
            return
        grid = cv2.resize(gray, GRID[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
        if self._count and cv2.absdiff(grid, self._last).mean() < _LEAST_CHANGE:
            return
        self.proceed()
        self._last, self._stamp_s = grid, stamp_s
        self._point = vanishing_point or _UNKNOWN_VANISHING_POINT
        self._learn(gray, labels_ego)
        self._is_step_due = self._count >= _FIRST_SEARCH

    def proceed(self) -> None:
        """
        Do the step of the search that is due, in a few milliseconds; most calls do nothing.

        A caller that has time between two images calls it there, else ``update`` does it.
        """
        if self._is_step_due:
            self._is_step_due = False
            next(self._search)

    def _learn(self, gray: np.ndarray, labels_ego: np.ndarray | None) -> None:
        self._count += 1
        gain = max(1 / self._count, 1 / _MEMORY)
        self._means = _blend(self._means, moments(self._last, self._point), gain)
        size = self._mask_size[::-1]
        self._islands.add(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), gain)
        if labels_ego is not None:
            labels = resize_nearest(labels_ego, GRID) > 0
            self._ego_labels = _blend(self._ego_labels, labels.astype(np.float32), gain)

    def _searches(self) -> Iterator[None]:
        """Search again and again; each step takes some milliseconds."""
        while True:
            point = self._point
            search = ContourSearch(self._means, point, self._mask_size)
            yield
            mask = yield from search.mask()
            if self._ego_labels.size:
                labels = cv2.resize(self._ego_labels, self._mask_size[::-1])
                mask[labels > 0.5] = 255
            yield
            mask |= yield from self._islands.find(point, mask)
            self._votes = _blend(self._votes, mask.astype(np.float32) / 255, _VOTE)
            self._mask = self._votes > np.where(self._mask, *_BELIEVED)
            yield


def _check(gray: np.ndarray) -> None:
    if gray.dtype != np.uint8 or gray.ndim != 2 or gray.size == 0:
        seen = f'{gray.dtype} of shape {gray.shape}'
        raise ImageError(
            'image for the ego mask', seen, 'uint8 of shape (H, W)', 'Convert it to grey.'
        )


def _blend(mean: np.ndarray, value: np.ndarray, gain: float) -> np.ndarray:
    """The running mean; an empty one starts with the value."""
    return cv2.addWeighted(mean, 1 - gain, value, gain, 0) if mean.size else value
