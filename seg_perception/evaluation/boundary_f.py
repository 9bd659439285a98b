# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
How well the outlines of the classes are met: the boundary F-score.

After Csurka et al., "What is a good evaluation measure for semantic segmentation?", BMVC 2013.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seg_perception.core.classes import UNLABELED
from seg_perception.core.errors import ClassTableError, ImageError, ParameterError
from seg_perception.evaluation.metrics import check_pair, mean_known

RADII_PX = (1, 3, 5)


class BoundaryScore:
    """
    Boundary F-score of each class at each tolerance, the mean over frames.

    The boundary of a class are its pixels with another label above, below, left or right. Pixels
    that are void in the truth are cut out of both masks, and an edge to void or to the border of
    the image is no boundary. Precision is the share of the predicted boundary of a class with true
    boundary of that class within the tolerance (Euclidean, inclusive), recall the same the other
    way round, F their harmonic mean. A frame counts for a class that has a boundary in its truth
    or prediction, with 0 where it has one in only one of them.

    :param num_classes: C, 1 to 255.
    :param radii_px: R tolerances in pixels, 0 or more, ascending.
    :raises ParameterError: when a number cannot be.
    """

    def __init__(self, num_classes: int, radii_px: Sequence[int] = RADII_PX) -> None:
        if not 1 <= num_classes <= UNLABELED:
            raise ClassTableError('number of classes', num_classes, f'1 to {UNLABELED}')
        if not radii_px or list(radii_px) != sorted(set(radii_px)) or radii_px[0] < 0:
            raise ParameterError('radii of the boundary score', radii_px, '0 or more, ascending')
        self.num_classes, self.radii_px = num_classes, tuple(radii_px)
        self.sums = np.zeros((len(radii_px), num_classes))  # of the F-scores of the frames
        self.frames = np.zeros(num_classes, np.int64)  # that count for each class
        self._offsets = _disc(max(radii_px))

    def add(self, truth: np.ndarray, prediction: np.ndarray) -> None:
        """
        Count one frame, two (H, W) uint8 arrays; 255 is void in truth, no class in prediction.

        :raises ImageError: when type, shape or a value on a boundary is wrong.
        """
        check_pair(truth, prediction)
        known = truth != UNLABELED
        margin = max(self.radii_px)
        true, predicted = (_boundary(mask, known, margin) for mask in (truth, prediction))
        true_pixels, true_met = self._matched(true, predicted)
        predicted_pixels, predicted_met = self._matched(predicted, true)
        # F = 2 P R / (P + R), with P = p / a and R = r / b, is 2 p r / (p b + r a).
        part = 2.0 * predicted_met * true_met
        whole = predicted_met * true_pixels + true_met * predicted_pixels
        self.sums += np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
        self.frames += (true_pixels > 0) | (predicted_pixels > 0)

    def merge(self, other: BoundaryScore) -> None:
        """
        Add the frames of another score, such as that of another process.

        :raises ClassTableError: when it has other classes or radii.
        """
        seen, expected = ((s.num_classes, s.radii_px) for s in (other, self))
        if seen != expected:
            raise ClassTableError('classes and radii of a boundary score', seen, expected)
        self.sums += other.sums
        self.frames += other.frames

    def f_score(self) -> np.ndarray:
        """F-score per tolerance and class, (R, C) float64; NaN for a class without boundary."""
        frames = np.broadcast_to(self.frames, self.sums.shape)
        scores: np.ndarray = np.full(self.sums.shape, np.nan)
        np.divide(self.sums, frames, out=scores, where=frames > 0)
        return scores

    def mean(self) -> np.ndarray:
        """Mean F-score over the classes, (R,) float64; NaN when none has a boundary."""
        return np.array([mean_known(row) for row in self.f_score()])

    def _matched(self, mine: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """
        Boundary pixels of each class, (C,), and those within each radius of the other's, (R, C).

        Boundaries are thin: looking up the neighbours of their pixels one distance after the
        other, for those not met so far, costs less than one distance transform.
        """
        open_at = np.flatnonzero(mine != UNLABELED)
        labels = mine.ravel()[open_at]
        if labels.max(initial=0) >= self.num_classes:
            expected = f'0 to {self.num_classes - 1}, or {UNLABELED}'
            raise ImageError('value in mask', labels.max(), expected, 'Map the labels first.')
        pixels = np.bincount(labels, minlength=self.num_classes)
        met, counts, begin = other.ravel(), [], 0
        for radius in self.radii_px:
            end = int(np.searchsorted(self._offsets[:, 2], radius**2, side='right'))
            for row, column, _ in self._offsets[begin:end]:
                missing = met[open_at + row * mine.shape[1] + column] != labels
                open_at, labels = open_at[missing], labels[missing]
            counts.append(pixels - np.bincount(labels, minlength=self.num_classes))
            begin = end
        return pixels, np.stack(counts)


def _boundary(labels: np.ndarray, known: np.ndarray, margin: int) -> np.ndarray:
    """Labels (H, W) on the boundaries and 255 elsewhere, in a frame of 255 of that width."""
    edge = np.zeros(labels.shape, bool)
    for one, neighbour in (
        (np.s_[:-1], np.s_[1:]),  # the row below
        (np.s_[:, :-1], np.s_[:, 1:]),  # the column to the right
    ):
        changed = (labels[one] != labels[neighbour]) & known[one] & known[neighbour]
        edge[one] |= changed
        edge[neighbour] |= changed
    return np.pad(np.where(edge, labels, np.uint8(UNLABELED)), margin, constant_values=UNLABELED)


def _disc(radius: int) -> np.ndarray:
    """Rows (dy, dx, squared length) of the offsets within a radius, the nearest first."""
    steps = np.arange(-radius, radius + 1)
    dy, dx = (part.ravel() for part in np.meshgrid(steps, steps, indexing='ij'))
    length = dy**2 + dx**2
    order = np.argsort(length, kind='stable')
    return np.stack([dy, dx, length], axis=1)[order][: int((length <= radius**2).sum())]
