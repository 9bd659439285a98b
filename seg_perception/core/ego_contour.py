# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The upper edge of the own vehicle in its own image, that of the hood or the dashboard.

Under forward motion everything moves away from the vanishing point. An edge that points at it, as
lane marks and kerbs do, stays in place and proves nothing. An edge across that direction stays in
place only where it belongs to the own vehicle, however much the paint mirrors the scene. So the
edge of the hood is a line across the image along which brightness or texture changes in nearly
every image, and the region below it has no edges that point at the vanishing point alone.
"""

from __future__ import annotations

from collections.abc import Generator

import cv2
import numpy as np

from seg_perception.core.results import VanishingPoint

GRID = (360, 160)
"""Rows and columns that images are looked at in: a hood is wide, its upper edge must be exact."""

_ROWS, _COLUMNS = GRID
_TOP = 224  # first row of the grid that is looked at; no hood comes near the horizon
_FAST = 0.2  # image heights below the horizon, from which on all ground moves fast
_STEP = 4  # rows above and below an edge that are compared
_NOISE = np.array([1.5, 1.5, 0.2, 0.2], np.float32)[:, None, None]
_REACH = 7  # rows along the flow within which the road looks alike
_BRIGHTNESS = 100.0  # grey level that the mean of the ground is brought to
_MOST_GRADIENT = 6.0  # grey levels a cell; stronger edges count as this
_GRADUAL = 25  # rows: a change over more of them, as of the headlamps' light, is no edge


def moments(grid: np.ndarray, point: VanishingPoint) -> np.ndarray:
    """
    What to average over images: of the lower part (h, w) of a grid, (18, h, w) float32.

    :param grid: an image at the size ``GRID``, float32 grey levels.

    Four steps from above to below a row: of brightness and of texture, each to the rows next to
    it and to the rows after those. A thin line changes the first alone, a hood both. Then the
    squares of these four, the gradient (2) and its squares (2) and product, the brightness above
    and its square. Last, of what the flow brings to a row and what it carries away, the product
    and the squares.
    """
    grid = grid * (_BRIGHTNESS / (grid[_TOP:].mean() + 5))  # whatever the exposure
    flow = _along_flow(grid, point)
    grid = grid[_TOP:]
    dx, dy = (cv2.Sobel(grid, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    texture = np.log1p((np.abs(dx) + np.abs(dy)) / 2)
    texture[-1] = texture[-2]  # the border has no gradient down
    steps = [step for layer in (grid, texture) for step in _steps(layer)]
    squares = [step * step for step in steps]
    weaken = np.minimum(1, _MOST_GRADIENT / (np.hypot(dx, dy) + 1e-6))
    dx, dy, above = dx * weaken, dy * weaken, _above(grid)
    gradient = dx, dy, dx * dx, dy * dy, dx * dy
    return np.stack([*steps, *squares, *gradient, above, above * above, *flow])


def _along_flow(grid: np.ndarray, point: VanishingPoint) -> tuple[np.ndarray, ...]:
    """Product and squares of the contrast within a row, above and below along the flow."""
    contrast = np.log(grid + 8)
    contrast = cv2.blur(contrast, (1, 3)) - cv2.blur(contrast, (25, 3))
    above, below = (_carried(contrast, point, rows) for rows in (-_REACH, _REACH))
    return above * below, above * above, below * below


def _carried(contrast: np.ndarray, point: VanishingPoint, rows: int) -> np.ndarray:
    """The contrast that is so many rows farther along the flow, of the lower rows (h, w)."""
    row = np.arange(_TOP, _ROWS, dtype=np.float32)[:, None]
    column = np.arange(_COLUMNS, dtype=np.float32)
    scale = 1 + rows / (row + 0.5 - point.row * _ROWS)
    x = (column + 0.5 - point.column * _COLUMNS) * scale + point.column * _COLUMNS - 0.5
    y = np.broadcast_to(np.minimum(row + rows, _ROWS - 1), x.shape)
    border = cv2.BORDER_REPLICATE
    return np.asarray(cv2.remap(contrast, x, np.array(y), cv2.INTER_LINEAR, borderMode=border))


def _steps(layer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the next rows, and of the ones after, minus that of the rows above."""
    above, below = _above(layer), _box(layer, 0)
    return below - above, np.vstack([below[_STEP:], *[below[-1:]] * _STEP]) - above


def _above(layer: np.ndarray) -> np.ndarray:
    """Mean of the rows above each row."""
    return _box(np.vstack([layer[:1], layer[:-1]]), _STEP - 1)


def _box(layer: np.ndarray, anchor: int) -> np.ndarray:
    """Mean over three columns and over rows of which ``anchor`` are above."""
    border = cv2.BORDER_REPLICATE
    return cv2.boxFilter(layer, -1, (3, _STEP), anchor=(1, anchor), borderType=border)


_SLOPES = np.arange(-3, 4)  # rows a column that the contour may rise or fall
_ROUNDS = 3  # of two contours that are tried
_THRESHOLD = 0.3  # evidence that a column must have to count for a contour
_MOST_EVIDENCE = 1.5
_SLOPE_COST = 0.12  # for a row a column
_LEAST_GAIN = 4.0  # of a contour over none
_LEAST_CERTAINTY = 0.12  # gain of a column, in the mean
_SURE = 1.0  # mean evidence from which what lies below need not be looked at
_NEAR = 6  # rows within which the edge is where its step is largest
_ALIKE = 0.3  # correlation of a road along the flow
_SAME_ROAD = 0.58  # change below relative to that above, from which it is the same road
_UNLIKE = 0.25
_CONTRAST = np.array([25.0, 0.5])  # steps of brightness and of texture
_WEAK = 0.88  # contrast of a reflection in the windscreen or a shadow
_APART = 4  # rows between two contours
_ALONG_WEIGHT = 0.35  # of an edge along the flow: a contour may follow it, but gains nothing
_SMALL_REGION = 60  # cells that tell nothing about the flow
_LEAST_ACROSS = 0.48  # of edges across the flow to those along it: what changes, against the
# root of what persists. Hoods have 0.6 and more, roads of real drives 0.4 and less.
_ROAD_ACROSS = 0.35  # below this, all of it is road however clear its edge is
_STANDING = 0.5  # persistence of edges that are on the own vehicle whatever else
_AROUND = 21  # columns that are judged together
_CLEAR = 0.95  # mean evidence that no shadow or light gives
_CERTAIN = 1.1  # nor what the windscreen reflects
_GAP = 9  # columns without evidence within a contour


class ContourSearch:
    """
    Looks for the upper edge of the own vehicle, from the lowest persistent line upwards.

    :param means: averaged ``moments``.
    :param size: (H, W) of the mask.
    """

    def __init__(self, means: np.ndarray, point: VanishingPoint, size: tuple[int, int]) -> None:
        self._size = size
        self._cell = size[1] / _COLUMNS, size[0] / _ROWS  # pixels, width and height
        rows = means.shape[1]
        x = (np.arange(_COLUMNS) + 0.5 - point.column * _COLUMNS) * self._cell[0]
        y = (np.arange(_TOP, _TOP + rows) + 0.5 - point.row * _ROWS) * self._cell[1]
        self._x, self._y = np.broadcast_arrays(x.astype(np.float32), y[:, None].astype(np.float32))
        steps = np.abs(means[:4])
        persistence = steps / np.sqrt(np.maximum(means[4:8] - steps**2, 0) + _NOISE**2)
        persistence[2:] = _lowered(persistence[2:])
        self.evidence = _evidence(persistence) * _break(*means[15:])
        self._brightness, self._steps = _brightness(means), steps[1::2]
        self._places = [
            np.stack([steps[0], persistence[0]]),
            np.stack([_lowered(steps[2:3])[0], persistence[2] / 2]),
        ]
        # Ground far away moves so little that what persists there proves little.
        self.evidence *= np.clip(self._y / (_FAST * size[0]), 0, 1)
        self._flow = self._persistence(*means[8:13])
        self._weights = self._across()

    def mask(self) -> Generator[None, None, np.ndarray]:
        """Return the mask (H, W) uint8, 255 below the edge, after steps of some milliseconds."""
        rows = len(self.evidence)
        found, top = np.full(_COLUMNS, rows + _APART), np.zeros(_COLUMNS, int)
        for is_odd in _ROUNDS * (False, True):
            path, gain = self._best_path(found, top)
            if gain < _LEAST_GAIN:
                break
            new = path < np.minimum(found - 2, rows)
            certain = gain >= _LEAST_CERTAINTY * new.sum()
            believed = new & self._believed(path, found) if certain else np.zeros_like(new)
            found = np.where(believed, path, found)
            top = np.where(new & ~believed, np.maximum(top, path + 3), top)
            if is_odd:
                yield
        return _below(_TOP + self._refined(found), self._size)

    def _best_path(self, found: np.ndarray, top: np.ndarray) -> tuple[np.ndarray, float]:
        """The path (160,) of most evidence above the one found and below ``top``, and its gain."""
        rows = len(self.evidence)
        row = np.arange(rows + 1)[:, None]
        known = row >= np.minimum(
            found - 2, rows
        )  # following what is known neither gains nor costs
        gain = np.where((row[:rows] >= found - _APART) | (row[:rows] < top), 0, self.evidence)
        gains = np.zeros((_COLUMNS, len(_SLOPES), rows + 1), np.float32)
        gains[:, :, :rows] = (self._weights * gain).transpose(2, 0, 1)
        gains -= np.where(known, 0, _THRESHOLD).T[:, None]
        gains -= (_SLOPE_COST * np.abs(_SLOPES))[:, None]
        return _longest_path(gains)

    def _believed(self, path: np.ndarray, found: np.ndarray) -> np.ndarray:
        """The columns (160,) where a path has evidence and what lies below does not flow."""
        at = np.minimum(path, len(self.evidence) - 1)
        evidence = self.evidence[at, np.arange(_COLUMNS)]
        has = (evidence > _THRESHOLD).astype(np.uint8)
        has = np.asarray(cv2.morphologyEx(has, cv2.MORPH_CLOSE, np.ones((_GAP, 1))))[:, 0] > 0
        sure = cv2.blur(evidence[None], (_AROUND, 1))[0] >= _SURE
        flow = self._flow_below(path, found)
        whole, likeness = flow[:, has].sum(axis=1), self._likeness(at, has)
        clear = evidence[has].sum() / max(has.sum(), 1)
        if clear < _CERTAIN:
            if not _is_static(whole, _ROAD_ACROSS):
                return np.zeros_like(has)
            high = has & (at < len(self.evidence) - 2 * _STEP)
            if self._likeness(at, high) > _UNLIKE and self._contrast(at, high) < _WEAK:
                has &= ~high
        static = _is_static(whole) | _is_static(cv2.blur(flow, (_AROUND, 1)) * _AROUND)
        return np.asarray(has & (sure | static & (clear >= _CLEAR or likeness <= _SAME_ROAD)))

    def _likeness(self, path: np.ndarray, columns: np.ndarray) -> float:
        """
        How much the brightness below a path changes as that above does, from image to image.

        It does so across the edge of the own vehicle's shadow or light, where the road goes on,
        and of what the windscreen reflects. Paint changes less, also where it mirrors the road.
        """
        covariance, variance, above, below = (
            self._brightness[:, path, np.arange(_COLUMNS)] * columns
        ).sum(axis=1)
        return float(covariance * above / max(variance * below, 1e-6))

    def _contrast(self, path: np.ndarray, columns: np.ndarray) -> float:
        """Of brightness and texture across a path; 1 is what most hoods have at least."""
        steps = self._steps[:, path[columns], np.arange(_COLUMNS)[columns]]
        return float(np.hypot(*(steps.mean(axis=1) / _CONTRAST))) if columns.any() else 0.0

    def _flow_below(self, path: np.ndarray, found: np.ndarray) -> np.ndarray:
        """Cells between two contours in each column, and sums of ``_persistence``, (5, 160)."""
        row = np.arange(len(self.evidence))[:, None]
        region = (row >= path + 3) & (row < found - 2)
        parts = np.stack([region, *(np.where(region, part, 0) for part in self._flow)])
        return np.asarray(parts.sum(axis=1), np.float32)

    def _persistence(
        self, dx: np.ndarray, dy: np.ndarray, xx: np.ndarray, yy: np.ndarray, xy: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """Of edges across the flow and along it: squared mean and mean square of the gradient."""
        distance = np.hypot(self._x, self._y)
        x, y = self._x / distance, self._y / distance
        a, b = self._cell
        dx, dy, xx, yy, xy = dx / a, dy / b, xx / a**2, yy / b**2, xy / (a * b)
        across = x * x * xx + y * y * yy + 2 * x * y * xy
        along = y * y * xx + x * x * yy - 2 * x * y * xy
        return (x * dx + y * dy) ** 2, across, (y * dx - x * dy) ** 2, along

    def _across(self) -> np.ndarray:
        """Weight of an edge of each slope in each cell, least along the flow, (7, h, w)."""
        a, b = self._cell
        slopes = (_SLOPES * b)[:, None, None]
        sine = np.abs(a * self._y - slopes * self._x)
        sine = sine / (np.hypot(a, slopes) * np.hypot(self._x, self._y))
        return np.asarray(np.clip((sine - 0.15) / 0.35, _ALONG_WEIGHT, 1), np.float32)

    def _refined(self, found: np.ndarray) -> np.ndarray:
        """The contour (160,) where the steps near it are largest, between the rows, float."""
        rows, row = len(self.evidence), np.arange(len(self.evidence))[:, None]
        near = (np.abs(row - found) <= _NEAR) & (found < rows)
        place = np.add(*(_normalised(step, near) for step in self._places))
        gains = np.where(near, place, -1.0).T[:, None] - _SLOPE_COST * np.abs(_SLOPES)[:, None]
        path, _ = _longest_path(np.asarray(gains, np.float32))
        path = np.clip(path, 1, rows - 2)
        above, here, below = (place[path + i, np.arange(_COLUMNS)] for i in (-1, 0, 1))
        bend = np.minimum(above - 2 * here + below, -1e-3)
        return np.where(found < rows, path + np.clip((above - below) / 2 / bend, -0.5, 0.5), found)


def _is_static(flow: np.ndarray, least_across: float = _LEAST_ACROSS) -> np.ndarray:
    """Whether a region does not flow like road, given its ``_flow_below`` (5, ...)."""
    cells, mean_across, across, mean_along, along = flow + 1e-3
    standing = mean_across >= _STANDING * across
    # Motion blurs edges across the flow, and only edges along it persist.
    changing = np.maximum(across - mean_across, 0) / np.maximum(along - mean_along, 1e-3)
    static = changing >= least_across * np.sqrt(mean_along / mean_across)
    return np.asarray(standing | static | (cells < _SMALL_REGION))


def _normalised(step: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Steps (2, h, w), size and persistence, as a size up to the persistence in each column."""
    size, persistence = np.where(near, step, 0)
    most = np.maximum(size.max(axis=0), 1e-6)
    return np.asarray(size / most * persistence.max(axis=0))


def _break(product: np.ndarray, above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """0..1 in each cell: 1 where what is above does not go on below, as it does on a road."""
    product, above, below = (cv2.blur(part, (31, 5)) for part in (product, above, below))
    correlation = product / np.sqrt(above * below + 1e-9)
    return np.asarray(np.clip(1.5 - correlation / _ALIKE, 0, 1))


def _brightness(means: np.ndarray) -> np.ndarray:
    """Of the brightness above and below: covariance, variance above, both means, (4, h, w)."""
    step, squared_step, above, squared_above = means[[1, 5, 13, 14]]
    variance = squared_above - above * above
    below = np.vstack([variance[2 * _STEP :], *[variance[-1:]] * 2 * _STEP])
    covariance = (variance + below - squared_step + step * step) / 2
    return np.stack([covariance, variance, above, above + step])


def _lowered(steps: np.ndarray) -> np.ndarray:
    """Steps of texture (n, h, w) two rows lower: a line is found when all its rows are below."""
    return np.concatenate([steps[:, :1], steps[:, :1], steps[:, :-2]], axis=1)


def _evidence(persistence: np.ndarray) -> np.ndarray:
    """How persistent the step at each row is, (h, w) float32, kept at its peaks in each column."""
    brightness = np.minimum(persistence[0], persistence[1])
    texture = np.minimum(persistence[2], persistence[3])
    both = np.hypot(brightness, texture)
    both = cv2.morphologyEx(both, cv2.MORPH_TOPHAT, np.ones((_GRADUAL, 1)))
    peaks = np.where(both >= cv2.dilate(both, np.ones((9, 1))), both, 0)
    return np.asarray(np.minimum(cv2.dilate(peaks, np.ones((3, 1))), _MOST_EVIDENCE))


def _longest_path(gains: np.ndarray) -> tuple[np.ndarray, float]:
    """
    The row of each column on the path of most gain, and that gain.

    :param gains: (columns, slopes, rows) of reaching a row by each slope.
    """
    columns, slopes, rows = gains.shape
    reach = slopes // 2
    padded = np.full((columns + 1, rows + 2 * reach), -1e9, np.float32)
    padded[:, reach:-reach] = 0
    before = np.lib.stride_tricks.sliding_window_view(padded, rows, axis=1)[:, ::-1]
    for column, gain in enumerate(gains):
        (before[column] + gain).max(axis=0, out=padded[column + 1, reach:-reach])
    row = int(padded[-1].argmax()) - reach
    total, path = float(padded[-1, row + reach]), np.zeros(columns, int)
    for column in range(columns - 1, -1, -1):
        path[column] = row
        row -= int((before[column, :, row] + gains[column, :, row]).argmax()) - reach
    return path, total


def _below(contour: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The mask (H, W) uint8 of what is below a contour in rows of the grid."""
    height, width = size
    columns = (np.arange(width) + 0.5) * _COLUMNS / width - 0.5
    first = np.interp(columns, np.arange(_COLUMNS), contour) * height / _ROWS
    below = np.arange(height)[:, None] + 0.5 > first
    return np.asarray(below, np.uint8) * 255
