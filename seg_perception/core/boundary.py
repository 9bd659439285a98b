# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The free-space boundary: for each strip of pixel columns, the row where the free road ends.

The nearest thing of two pixels' width ends a strip, so thin obstacles between the sampled columns
count. Patches lower than any real obstacle at their place are bridged, and so is the own vehicle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from seg_perception.core.classes import UNLABELED
from seg_perception.core.free_distance import KNOWN, ROAD, SOLID
from seg_perception.core.results import BoundaryFlag

_EGO_MARGIN_SHARE = 0.02  # of the image height: that much the own vehicle may reach farther up
_RAGGED_SHARE = 0.01  # of the image height: less than that is the raggedness of an edge
_SOLID_SHARE = 0.5  # people and vehicles are bridged up to half the height of other patches


@dataclass(frozen=True, eq=False)
class RoadFrame:
    """What a boundary is found in, all (H, W) uint8."""

    mask: np.ndarray  # 255 where the road is free and reached
    own: np.ndarray  # 255 on the own vehicle
    flags: np.ndarray  # bits of each pixel's class, as in free_distance
    labels: np.ndarray  # class ids; unlabeled on the own vehicle

    @cached_property
    def top(self) -> int:
        """The first row with free road; nothing above it counts."""
        return min(int(cv2.boundingRect(self.mask)[1]), len(self.mask) - 1)

    def classes(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """
        What is at pixels (K,), or first above them where that is road: below a vehicle, or unsure.

        Unlabeled above the image.
        """
        labels = self.labels
        classes = np.where(rows >= 0, labels[rows, columns], UNLABELED).astype(np.uint8)
        hidden = np.flatnonzero((self.flags[rows, columns] & ROAD) * (rows >= 0))
        if len(hidden):
            other = (self.flags[:, columns[hidden]] & ROAD) == 0
            other &= np.arange(len(labels))[:, None] <= rows[hidden]
            last = len(labels) - 1 - other[::-1].argmax(axis=0)
            found = labels[last, columns[hidden]]
            classes[hidden] = np.where(other.any(axis=0), found, UNLABELED)
        return classes


def find_boundary(
    frame: RoadFrame, columns: np.ndarray, patch_px: np.ndarray, far_row: int, unsure: np.ndarray
) -> dict[str, Any]:
    """
    The boundary in the strips around columns (K,): fields of ``DrivableArea``.

    :param patch_px: (H,), the height below which a patch whose foot is in a row is bridged.
    :param far_row: first row that may show ground; where the own vehicle reaches farther up,
        and no road is above it, the column counts as blocked at the bottom.
    :param unsure: (H, W) uint8, not 0 where the label is too uncertain to count.
    """
    top = frame.top
    passed = cv2.bitwise_or(frame.mask, with_margin(frame.own, len(frame.own)))[top:]
    whole = _bridged(passed, frame.flags[top:], patch_px[top:])
    strips, ends = _Strips(columns, frame.mask.shape), _Ends(frame, whole, far_row)
    rows = strips.rows(ends.rows)
    chosen = ends.rows == rows[strips.of]
    # The first and the last of the columns that end there, so that mirrored frames say the same.
    places = [(ends.above(rows, at), at) for at in strips.outermost(chosen)]
    first, last = (frame.classes(*place) for place in places)
    known = [_known(frame, unsure, *place) for place in places]
    is_ego = [ends.is_ego[at] for _, at in places]
    flags = np.full(len(columns), BoundaryFlag.SEEN, np.uint8)
    if whole is not passed:
        bridged = len(frame.mask) - _run_from_bottom(passed) > ends.tops
        flags[strips.of[bridged & chosen]] = BoundaryFlag.BRIDGED
    flags[~np.logical_or(*known)] = BoundaryFlag.UNKNOWN
    flags[np.logical_and(*is_ego)] = BoundaryFlag.EGO
    return {
        'boundary_columns': columns,
        'boundary_rows': rows.astype(np.int32),
        'boundary_class_ids': np.minimum(first, last),
        'boundary_flags': flags,
    }


def boundary_of_all_columns(frame: RoadFrame) -> tuple[np.ndarray, np.ndarray]:
    """Boundary rows (W,) and class ids (W,) of every pixel column; no patch is bridged."""
    passed = cv2.bitwise_or(frame.mask, frame.own)[frame.top :]
    ends, columns = _Ends(frame, passed, len(frame.mask)), np.arange(frame.mask.shape[1])
    return ends.rows, frame.classes(ends.above(ends.rows, columns), columns)


def with_margin(own: np.ndarray, height: int) -> np.ndarray:
    """
    The own vehicle (R, W) as far up as it may reach: its outline is learned, not exact.

    :param height: of the whole image.
    """
    margin = round(_EGO_MARGIN_SHARE * height)
    return cv2.dilate(own, np.ones((margin + 1, 1), np.uint8), anchor=(0, 0))


def _bridged(passed: np.ndarray, flags: np.ndarray, patch_px: np.ndarray) -> np.ndarray:
    """The passed pixels (R, W), and the patches between them that are too low to be obstacles."""
    blocked = cv2.inRange(passed, 0, 0)
    outlines, nesting = cv2.findContours(blocked, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    low = []
    for outline, (*_, parent) in zip(outlines, nesting[0] if outlines else (), strict=True):
        left, top, width, height = cv2.boundingRect(outline)
        most = patch_px[top + height - 1]
        # What reaches the top may go on there; what has a parent is a hole in a patch.
        if top > 0 and height < most and parent < 0:
            solid = (flags[top : top + height, left : left + width] & SOLID).any()
            if height < (_SOLID_SHARE * most if solid else most):
                low.append(outline)
    return cv2.drawContours(passed.copy(), low, -1, 255, cv2.FILLED) if low else passed


class _Ends:
    """Where the unbroken run of passed pixels from the bottom ends in each pixel column."""

    def __init__(self, frame: RoadFrame, passed: np.ndarray, far_row: int) -> None:
        """``passed`` (R, W): not 0 where the run may lead; from row ``frame.top`` down."""
        height, columns = len(frame.mask), np.arange(passed.shape[1])
        self.tops = height - _run_from_bottom(passed)
        rows = self.tops.copy()
        off = np.flatnonzero(frame.mask[np.minimum(rows, height - 1), columns] == 0)
        rows[off] = _down_to_road(frame.mask, rows[off], off)
        without = np.flatnonzero(rows == height)
        edges = height - _run_from_bottom(frame.own[:, without])
        self.is_ego = np.zeros(len(rows), bool)  # (W,), a run over the own vehicle without road
        self.is_ego[without] = edges < height
        rows[without] = np.where(edges >= far_row, edges, height)
        self.rows = _median_of_three(rows)  # (W,), on the road; H: blocked at the bottom

    def above(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """The rows (K,) of the pixels that end columns (K,) at rows (K,)."""
        return np.where(self.is_ego[columns], self.tops[columns], rows) - 1


def _run_from_bottom(passed: np.ndarray) -> np.ndarray:
    """How many pixels from the bottom up are not 0 without a break, (W,)."""
    if not passed.size:
        return np.zeros(passed.shape[1], np.intp)
    upwards = cv2.rotate(passed, cv2.ROTATE_90_CLOCKWISE)  # (W, R), each column from below
    blocked = upwards == 0
    return np.where(blocked.any(axis=1), blocked.argmax(axis=1), len(passed))


def _down_to_road(mask: np.ndarray, tops: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The first rows (N,) with road in columns, from tops on the own vehicle down; H without."""
    height = len(mask)
    road = (mask[:, columns] > 0) & (np.arange(height)[:, None] >= tops)
    return np.where(road.any(axis=0), road.argmax(axis=0), height)


def _known(
    frame: RoadFrame, unsure: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Whether it is known what is at pixels (K,): labelled with a class, and surely so."""
    inside = (rows >= 0) & ((frame.flags[rows, columns] & KNOWN) > 0)
    return np.asarray(inside & (unsure[rows, columns] == 0))


class _Strips:
    """The strips of about equal width, side by side, around columns (K,) of an image."""

    def __init__(self, columns: np.ndarray, size: tuple[int, ...]) -> None:
        self._columns, count, (height, width) = columns, len(columns), size
        self.of = np.arange(width) * count // width  # (W,), the strip of each column
        self._starts = np.searchsorted(self.of, np.arange(count))
        self._thin = np.ones((1, -(-width // count) | 1), np.uint8)
        self._ragged_px = _RAGGED_SHARE * height

    def rows(self, ends: np.ndarray) -> np.ndarray:
        """
        The rows (K,) where the strips end, from those of all columns (W,).

        That of the middle column, or nearer where something thinner than a strip is nearer.
        """
        values = ends.astype(np.float32)[None]
        wide = cv2.morphologyEx(values, cv2.MORPH_OPEN, self._thin)[0]
        thin = np.maximum.reduceat(np.where(ends > wide + self._ragged_px, ends, 0), self._starts)
        return np.asarray(np.maximum(ends[self._columns], thin))

    def outermost(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The first and the last of the chosen columns (W,) bool in each strip, (K,)."""
        columns = np.arange(len(chosen))
        first = np.minimum.reduceat(np.where(chosen, columns, len(columns) - 1), self._starts)
        last = np.maximum.reduceat(np.where(chosen, columns, 0), self._starts)
        return first, last


def _median_of_three(rows: np.ndarray) -> np.ndarray:
    """Each of (W,) values with its neighbours: no thing of one column's width stays."""
    left, right = np.r_[rows[:1], rows[:-1]], np.r_[rows[1:], rows[-1:]]
    median: np.ndarray = np.maximum(
        np.minimum(rows, np.maximum(left, right)), np.minimum(left, right)
    )
    return median
