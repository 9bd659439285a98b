# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The own vehicle in its own image: hood and dashboard, learned from what does not move.

Under forward motion everything moves away from the vanishing point. An edge that points at it, as
lane marks and kerbs do, stays in place and proves nothing. An edge across that direction stays in
place only where it belongs to the own vehicle, however much the paint mirrors the scene. So the
edge of the hood is a line across the image along which brightness or texture changes in nearly
every image, and the region below it has no edges that point at the vanishing point alone.
"""

from __future__ import annotations

import cv2
import numpy as np

from seg_perception.core.errors import ImageError
from seg_perception.core.masks import resize_nearest
from seg_perception.core.results import VanishingPoint

SAMPLES = 30
"""Images of a moving vehicle before a mask is known; 10 s at three a second."""

_ROWS, _COLUMNS = 360, 160  # of the grid: a hood is wide and its upper edge must be exact
_TOP = 224  # first row of the grid that is looked at; no hood comes near the horizon
_UNKNOWN_VANISHING_POINT = VanishingPoint(0.5, 0.56)
_FAST = 0.2  # image heights below the horizon, from which on all ground moves fast
_MEMORY = 150  # images after which what was seen has faded to 1/e
_STEP = 4  # rows above and below an edge that are compared
_LEAST_CHANGE = 3.0  # grey levels, mean: an image less changed than that is no new one
_NOISE = np.array([1.5, 1.5, 0.2, 0.2], np.float32)[:, None, None]
_REACH = 7  # rows along the flow within which the road looks alike
_BRIGHTNESS = 100.0  # grey level that the mean of the ground is brought to
_MOST_GRADIENT = 6.0  # grey levels a cell; stronger edges count as this
_GRADUAL = 25  # rows: a change over more of them, as of the headlamps' light, is no edge
_VOTE = 0.3  # weight of the latest search: what two in a row find is believed
_EVERY = 6  # images between two searches


class EgoMaskEstimator:
    """Learns the ego mask of one camera from a few images a second of a drive."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._count, self._size = 0, (0, 0)
        self._last = np.zeros((_ROWS, _COLUMNS), np.float32)
        self._means = np.zeros(0, np.float32)
        self._ego_labels = np.zeros(0, np.float32)
        self._votes = np.zeros(0, np.float32)

    @property
    def percent(self) -> int:
        """0..100 of the images that a mask needs."""
        return min(100, 100 * self._count // SAMPLES)

    @property
    def mask(self) -> np.ndarray | None:
        """(360, w) uint8, 255 on the own vehicle; all 0 where none is in view; None: unknown."""
        if self._count < SAMPLES:
            return None
        return (self._votes > 0.5).astype(np.uint8) * 255

    def update(
        self,
        gray: np.ndarray,
        is_moving: bool,
        labels_ego: np.ndarray | None = None,
        vanishing_point: VanishingPoint | None = None,
    ) -> None:
        """
        Learn from an image (h, w) uint8; heights of 360 rows and more give the full accuracy.

        Images of a standing vehicle and repeated ones are skipped. An image of another shape is
        of another camera: what was learned is forgotten.

        :param labels_ego: (any size) uint8, 0 except where the model sees the own vehicle; None
            where it has no such class.
        :raises ImageError: when gray is no (h, w) uint8 array.
        """
        _check(gray)
        if gray.shape != self._size:
            self._forget()
            self._size = (gray.shape[0], gray.shape[1])
        if not is_moving:
            return
        grid = cv2.resize(gray, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA).astype(np.float32)
        if self._count and cv2.absdiff(grid, self._last).mean() < _LEAST_CHANGE:
            return
        self._last = grid
        self._count += 1
        gain = max(1 / self._count, 1 / _MEMORY)
        point = vanishing_point or _UNKNOWN_VANISHING_POINT
        grid = grid * (_BRIGHTNESS / (grid[_TOP:].mean() + 5))  # whatever the exposure
        self._means = _blend(self._means, _moments(grid, point), gain)
        if labels_ego is not None:
            labels = resize_nearest(labels_ego, (_ROWS, _COLUMNS)) > 0
            self._ego_labels = _blend(self._ego_labels, labels.astype(np.float32), gain)
        if self._count >= SAMPLES // 2 and self._count % _EVERY == 0:
            found = self._search(point).astype(np.float32) / 255
            self._votes = _blend(self._votes if self._votes.size else 0 * found, found, _VOTE)

    def _search(self, vanishing_point: VanishingPoint) -> np.ndarray:
        """The mask of what was learned so far."""
        height, width = self._size
        size = (_ROWS, max(1, round(width * _ROWS / height)))
        contour = _Search(self._means, vanishing_point, size).contour()
        mask = _below(contour, size)
        if self._ego_labels.size:
            labels = cv2.resize(self._ego_labels, (size[1], size[0]))
            mask[labels > 0.5] = 255
        return mask


def _check(gray: np.ndarray) -> None:
    if gray.dtype != np.uint8 or gray.ndim != 2 or gray.size == 0:
        seen = f'{gray.dtype} of shape {gray.shape}'
        raise ImageError(
            'image for the ego mask', seen, 'uint8 of shape (H, W)', 'Convert it to grey.'
        )


def _blend(mean: np.ndarray, value: np.ndarray, gain: float) -> np.ndarray:
    """The running mean; an empty one starts with the value."""
    return cv2.addWeighted(mean, 1 - gain, value, gain, 0) if mean.size else value


def _moments(grid: np.ndarray, point: VanishingPoint) -> np.ndarray:
    """
    What is averaged over the images, of the lower part (h, w) of one grid, (18, h, w) float32.

    Four steps from above to below a row: of brightness and of texture, each to the rows next to
    it and to the rows after those. A thin line changes the first alone, a hood both. Then the
    squares of these four, the gradient (2) and its squares (2) and product, the brightness above
    and its square. Last, of what the flow brings to a row and what it carries away, the product
    and the squares.
    """
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
_ROUNDS = 6  # contours that are tried
_THRESHOLD = 0.3  # evidence that a column must have to count for a contour
_MOST_EVIDENCE = 1.5
_SLOPE_COST = 0.12  # for a row a column
_LEAST_GAIN = 4.0  # of a contour over none
_LEAST_CERTAINTY = 0.12  # gain of a column, in the mean
_SURE = 1.0  # mean evidence from which what lies below need not be looked at
_NEAR = 6  # rows within which the edge is where its step is largest
_ALIKE = 0.3  # correlation of a road along the flow
_SAME_ROAD = 0.58  # change below relative to that above, from which it is the same road
_APART = 4  # rows between two contours
_ALONG_WEIGHT = 0.35  # of an edge along the flow: a contour may follow it, but gains nothing
_SMALL_REGION = 60  # cells that tell nothing about the flow
_LEAST_ACROSS = 0.48  # of edges across the flow to those along it: what changes, against the
# root of what persists. Hoods have 0.6 and more, roads of real drives 0.4 and less.
_STANDING = 0.5  # persistence of edges that are on the own vehicle whatever else
_AROUND = 21  # columns that are judged together
_CLEAR = 0.95  # mean evidence that no shadow or light gives
_GAP = 9  # columns without evidence within a contour


class _Search:
    """Looks for the upper edge of the own vehicle, from the lowest persistent line upwards."""

    def __init__(self, means: np.ndarray, point: VanishingPoint, size: tuple[int, int]) -> None:
        self._cell = size[1] / _COLUMNS, size[0] / _ROWS  # pixels, width and height
        rows = means.shape[1]
        x = (np.arange(_COLUMNS) + 0.5 - point.column * _COLUMNS) * self._cell[0]
        y = (np.arange(_TOP, _TOP + rows) + 0.5 - point.row * _ROWS) * self._cell[1]
        self._x, self._y = np.broadcast_arrays(x.astype(np.float32), y[:, None].astype(np.float32))
        steps = np.abs(means[:4])
        persistence = steps / np.sqrt(np.maximum(means[4:8] - steps**2, 0) + _NOISE**2)
        persistence[2:] = _lowered(persistence[2:])
        self.evidence = _evidence(persistence) * _break(*means[15:])
        self._brightness = _brightness(means)
        self._places = [
            np.stack([steps[0], persistence[0]]),
            np.stack([_lowered(steps[2:3])[0], persistence[2] / 2]),
        ]
        # Ground far away moves so little that what persists there proves little.
        self.evidence *= np.clip(self._y / (_FAST * size[0]), 0, 1)
        self._flow = self._persistence(*means[8:13])
        self._weights = self._across()

    def contour(self) -> np.ndarray:
        """First row of the own vehicle in each column of the grid, (160,); 360 where none is."""
        rows = len(self.evidence)
        found, top = np.full(_COLUMNS, rows + _APART), np.zeros(_COLUMNS, int)
        for _ in range(_ROUNDS):
            path, gain = self._best_path(found, top)
            if gain < _LEAST_GAIN:
                break
            new = path < np.minimum(found - 2, rows)
            certain = gain >= _LEAST_CERTAINTY * new.sum()
            believed = new & self._believed(path, found) if certain else np.zeros_like(new)
            found = np.where(believed, path, found)
            top = np.where(new & ~believed, np.maximum(top, path + 3), top)
        return _TOP + self._refined(found)

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
        whole = _is_static(flow[:, has].sum(axis=1))
        around = _is_static(cv2.blur(flow, (_AROUND, 1)) * _AROUND)
        clear = evidence[has].sum() >= _CLEAR * has.sum()
        return np.asarray(
            has & (sure | (whole | around) & (clear or ~self._is_same_road(at, has)))
        )

    def _is_same_road(self, path: np.ndarray, columns: np.ndarray) -> np.bool_:
        """
        Whether the brightness below a path changes as that above does, from image to image.

        It does so across the edge of the own vehicle's shadow or light, where the road goes on.
        Paint changes less, also where it mirrors the road.
        """
        covariance, variance, above, below = (
            self._brightness[:, path, np.arange(_COLUMNS)] * columns
        )
        same = covariance.sum() * above.sum() > _SAME_ROAD * variance.sum() * below.sum()
        return np.bool_(same)

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


def _is_static(flow: np.ndarray) -> np.ndarray:
    """Whether a region does not flow like road, given its ``_flow_below`` (5, ...)."""
    cells, mean_across, across, mean_along, along = flow + 1e-3
    standing = mean_across >= _STANDING * across
    # Motion blurs edges across the flow, and only edges along it persist.
    changing = np.maximum(across - mean_across, 0) / np.maximum(along - mean_along, 1e-3)
    static = changing >= _LEAST_ACROSS * np.sqrt(mean_along / mean_across)
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
    for column, gain in enumerate(gains):
        before = np.lib.stride_tricks.sliding_window_view(padded[column], rows)[::-1]
        padded[column + 1, reach:-reach] = (before + gain).max(axis=0)
    row = int(padded[-1].argmax()) - reach
    total, path = float(padded[-1, row + reach]), np.zeros(columns, int)
    for column in range(columns - 1, -1, -1):
        path[column] = row
        before = padded[column, row : row + slopes][::-1]
        row -= int((before + gains[column, :, row]).argmax()) - reach
    return path, total


def _below(contour: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The mask (H, W) uint8 of what is below a contour in rows of the grid."""
    height, width = size
    columns = (np.arange(width) + 0.5) * _COLUMNS / width - 0.5
    first = np.interp(columns, np.arange(_COLUMNS), contour) * height / _ROWS
    below = np.arange(height)[:, None] + 0.5 > first
    return np.asarray(below, np.uint8) * 255
