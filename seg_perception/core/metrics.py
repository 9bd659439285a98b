# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Scores of masks against the truth, from one integer confusion matrix over a whole set.

One matrix for the set and not a mean over images or batches: the latter depends on the batch size.
"""

from __future__ import annotations

import numpy as np

from seg_perception.core.classes import UNLABELED
from seg_perception.core.errors import ClassTableError, ImageError


class ConfusionMatrix:
    """
    Counts of (true class, predicted class) over all pixels that have a true class.

    ``counts`` is (C, C) int64 with the truth in rows; ``missed`` is (C,) int64, the pixels of each
    true class that were predicted as unlabeled. A missed pixel is wrong for its class only.

    :param num_classes: C, 1 to 255.
    :raises ClassTableError: when C is outside that range.
    """

    def __init__(self, num_classes: int) -> None:
        if not 1 <= num_classes <= UNLABELED:
            raise ClassTableError('number of classes', num_classes, f'1 to {UNLABELED}')
        self.num_classes = num_classes
        self.counts = np.zeros((num_classes, num_classes), np.int64)
        self.missed = np.zeros(num_classes, np.int64)

    def add(self, truth: np.ndarray, prediction: np.ndarray) -> None:
        """
        Count one image or batch, two uint8 arrays of one shape.

        :param truth: class ids; 255 is ignored.
        :param prediction: class ids; 255 is a miss.
        :raises ImageError: when type, shape or a value is wrong; nothing is counted then.
        """
        _check_pair(truth, prediction)
        width = self.num_classes
        pairs = (truth.astype(np.uint16) << 8) | prediction
        table = np.bincount(pairs.ravel(), minlength=1 << 16).reshape(256, 256)
        _check_values('truth', table.sum(axis=1), width)
        _check_values('prediction', table.sum(axis=0), width)
        self.counts += table[:width, :width]
        self.missed += table[:width, UNLABELED]

    def merge(self, other: ConfusionMatrix) -> None:
        """
        Add the counts of another matrix, such as that of another process.

        :raises ClassTableError: when it has another number of classes.
        """
        if other.num_classes != self.num_classes:
            raise ClassTableError(
                'confusion matrix to merge',
                f'{other.num_classes} classes',
                f'{self.num_classes} classes',
                'Score both with the same class table.',
            )
        self.counts += other.counts
        self.missed += other.missed

    def iou(self) -> np.ndarray:
        """Intersection over union per class, (C,) float64; NaN where the class is absent."""
        return _ratio(self._hits(), self._true() + self._predicted() - self._hits())

    def dice(self) -> np.ndarray:
        """Dice (F1) per class, (C,) float64; NaN where the class is absent."""
        return _ratio(2 * self._hits(), self._true() + self._predicted())

    def pixel_accuracy(self) -> float:
        """Share of the pixels with a true class that are right; NaN when there are none."""
        return float(_ratio(self._hits().sum(keepdims=True), self._true().sum(keepdims=True))[0])

    def mean_iou(self) -> float:
        """Mean IoU over the classes that occur; NaN when none does."""
        return _mean(self.iou())

    def mean_dice(self) -> float:
        """Mean Dice over the classes that occur; NaN when none does."""
        return _mean(self.dice())

    def _hits(self) -> np.ndarray:
        hits: np.ndarray = np.diagonal(self.counts)
        return hits

    def _true(self) -> np.ndarray:
        true: np.ndarray = self.counts.sum(axis=1) + self.missed
        return true

    def _predicted(self) -> np.ndarray:
        predicted: np.ndarray = self.counts.sum(axis=0)
        return predicted


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    ratio: np.ndarray = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio


def _mean(scores: np.ndarray) -> float:
    present = scores[~np.isnan(scores)]
    return float(present.mean()) if present.size else float('nan')


def _check_pair(truth: np.ndarray, prediction: np.ndarray) -> None:
    for name, mask in (('truth', truth), ('prediction', prediction)):
        if mask.dtype != np.uint8:
            raise ImageError(
                f'type of {name}', mask.dtype, 'uint8', 'Convert class ids with astype(np.uint8).'
            )
    if truth.shape != prediction.shape:
        raise ImageError(
            'shape of prediction',
            prediction.shape,
            f'{truth.shape}, that of truth',
            'Resize the prediction with resize_nearest.',
        )


def _check_values(name: str, pixels_per_value: np.ndarray, num_classes: int) -> None:
    """Refuse values that are neither a class nor unlabeled."""
    outside = np.flatnonzero(pixels_per_value[num_classes:UNLABELED]) + num_classes
    if outside.size:
        value = int(outside[0])
        raise ImageError(
            f'value in {name}',
            f'{value} in {int(pixels_per_value[value])} pixels',
            f'0 to {num_classes - 1}, or {UNLABELED} for unlabeled',
            'Map the labels to the class table first.',
        )
