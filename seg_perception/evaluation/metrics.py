# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Scores of masks against the truth, from one integer confusion matrix over a whole set.

One matrix for the set and not a mean over images or batches: the latter depends on the batch size.
"""

from __future__ import annotations

from typing import Literal, get_args

import cv2
import numpy as np

from seg_perception.core.classes import UNLABELED
from seg_perception.core.errors import ClassTableError, ImageError, ParameterError

Absent = Literal['zero', 'skip']
"""
What a class scores that is predicted but has no pixel in the truth.

``zero``: 0, as in cityscapesScripts and mmsegmentation. ``skip``: NaN, so that means leave it out,
as in BDD100K's evaluation and detectron2. A class that is in neither is NaN under both.
"""
ABSENT_RULES: tuple[Absent, ...] = get_args(Absent)

# cv2.calcHist answers in float32, which counts exactly up to here.
_EXACT_PIXELS = 1 << 24


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
        check_pair(truth, prediction)
        width = self.num_classes
        table = count_pairs(truth, prediction)
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

    def iou(self, absent: Absent = 'zero') -> np.ndarray:
        """Intersection over union per class, (C,) float64; NaN where the class is absent."""
        union = self.truth_pixels + self.predicted_pixels - self._hits
        return self._left_out(_ratio(self._hits, union), absent)

    def dice(self, absent: Absent = 'zero') -> np.ndarray:
        """Dice (F1) per class, (C,) float64; NaN where the class is absent."""
        both = self.truth_pixels + self.predicted_pixels
        return self._left_out(_ratio(2 * self._hits, both), absent)

    def recall(self) -> np.ndarray:
        """Share of each class's true pixels that are right, (C,); NaN where there are none."""
        return _ratio(self._hits, self.truth_pixels)

    def precision(self) -> np.ndarray:
        """Share of the pixels predicted as each class that are right, (C,); NaN for none."""
        return _ratio(self._hits, self.predicted_pixels)

    def pixel_accuracy(self) -> float:
        """Share of the pixels with a true class that are right; NaN when there are none."""
        return float(_ratio(self._hits.sum(), self.truth_pixels.sum()))

    def mean_accuracy(self) -> float:
        """
        Mean recall over the classes of the truth; NaN when there are none.

        What BDD100K's evaluation calls ``Acc`` is the precision instead.
        """
        return mean_known(self.recall())

    def mean_iou(self, absent: Absent = 'zero') -> float:
        """Mean IoU over the classes that occur; NaN when none does."""
        return mean_known(self.iou(absent))

    def mean_dice(self, absent: Absent = 'zero') -> float:
        """Mean Dice over the classes that occur; NaN when none does."""
        return mean_known(self.dice(absent))

    def frequency_weighted_iou(self) -> float:
        """IoU weighted by the share of each class in the truth; NaN when there is none."""
        weighted = np.nansum(self.iou() * self.truth_pixels)
        return float(_ratio(weighted, self.truth_pixels.sum()))

    @property
    def truth_pixels(self) -> np.ndarray:
        """Pixels of each class in the truth, (C,) int64."""
        truth: np.ndarray = self.counts.sum(axis=1) + self.missed
        return truth

    @property
    def predicted_pixels(self) -> np.ndarray:
        """Pixels predicted as each class where the truth has one, (C,) int64."""
        predicted: np.ndarray = self.counts.sum(axis=0)
        return predicted

    @property
    def with_missed(self) -> np.ndarray:
        """``counts`` (C, C); with ``missed`` as one more column where a pixel was missed."""
        return np.column_stack([self.counts, self.missed]) if self.missed.any() else self.counts

    @property
    def _hits(self) -> np.ndarray:
        hits: np.ndarray = np.diagonal(self.counts)
        return hits

    def _left_out(self, scores: np.ndarray, absent: Absent) -> np.ndarray:
        if absent not in ABSENT_RULES:
            rules = ' or '.join(ABSENT_RULES)
            raise ParameterError('rule for absent classes', repr(absent), rules)
        if absent == 'skip':
            scores[self.truth_pixels == 0] = np.nan
        return scores


def mean_known(scores: np.ndarray) -> float:
    """Mean of the scores that are numbers; NaN when none is."""
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if known.size else float('nan')


def check_pair(truth: np.ndarray, prediction: np.ndarray) -> None:
    """
    Refuse what are no two uint8 masks of one shape.

    :raises ImageError: when type or shape is wrong.
    """
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


def count_pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """
    How often each pair of values occurs in two uint8 arrays of one shape, (256, 256) int64.

    OpenCV's histogram takes a quarter of the time of NumPy's bincount.
    """
    table = np.zeros((256, 256), np.int64)
    masks = [first.reshape(1, -1), second.reshape(1, -1)]
    for start in range(0, first.size, _EXACT_PIXELS):
        parts = [np.ascontiguousarray(mask[:, start : start + _EXACT_PIXELS]) for mask in masks]
        counts = cv2.calcHist(parts, [0, 1], None, [256, 256], [0, 256, 0, 256])
        table += counts.astype(np.int64)
    return table


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    ratio: np.ndarray = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio


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


def shares_of_truth(counts: np.ndarray) -> np.ndarray:
    """
    Share of each true class that was predicted as each class, 0 where a class has no pixels.

    :param counts: pixels (C, P), the true class in rows; a last column may count the unlabeled.
    """
    pixels = counts.sum(axis=1, keepdims=True)
    shares: np.ndarray = np.divide(counts, pixels, out=np.zeros(counts.shape), where=pixels > 0)
    return shares


def largest_confusions(counts: np.ndarray, most: int) -> list[tuple[int, int, float, float]]:
    """
    The confusions of the most pixels first, at most ``most`` of them.

    :param counts: as for ``shares_of_truth``.
    :returns: true class, predicted class, share of the true class, share of all pixels.
    """
    wrong, shares = counts.astype(np.int64), shares_of_truth(counts)
    np.fill_diagonal(wrong, 0)
    order = np.argsort(wrong, axis=None)[::-1][:most]
    pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
    total = max(1, int(counts.sum()))
    return [
        (int(true), int(taken), float(shares[true, taken]), float(wrong[true, taken] / total))
        for true, taken in pairs
        if wrong[true, taken]
    ]
