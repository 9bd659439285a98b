# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of a predictor on labelled frames, each compared at the size of its labels."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from seg_perception.core.classes import ClassTable
from seg_perception.core.masks import resize_nearest
from seg_perception.evaluation.boundary_f import BoundaryScore
from seg_perception.evaluation.calibration_error import ConfidenceCalibration
from seg_perception.evaluation.metrics import Absent, ConfusionMatrix, mean_known
from training.data.reading import read_ahead
from training.data.sample import FrameSet, Sample
from training.stats import magnitude_groups

Predictor = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Turns rgb (H, W, 3) into labels and confidence, both (H, W) uint8."""

SizeFor = Callable[[tuple[int, int]], tuple[int, int]]
"""The size at which a frame of some size is segmented, both (height, width)."""

Seen = Callable[[Sample, np.ndarray], None]
"""Is told of each frame and its predicted labels."""


@dataclass(frozen=True)
class FrameScore:
    """One frame: its mean IoU over the classes of its truth, and how long the model took."""

    name: str
    mean_iou: float
    pixel_accuracy: float
    milliseconds: float


@dataclass(frozen=True)
class RarityGroup:
    """Classes whose shares of the true pixels are of one order of magnitude; 0 is the rarest."""

    order: int
    ids: tuple[int, ...]
    mean_iou: float
    mean_accuracy: float


@dataclass(frozen=True)
class Scores:
    """Scores of a model on a set of frames."""

    matrix: ConfusionMatrix
    calibration: ConfidenceCalibration
    frames: int
    boundary: BoundaryScore
    per_frame: tuple[FrameScore, ...]

    def means(self, absent: Absent = 'zero') -> dict[str, float]:
        """The scores of the whole set by name; NaN where there is nothing to score."""
        matrix, boundary = self.matrix, self.boundary
        edges = {
            f'boundary_f_{radius}px': float(value)
            for radius, value in zip(boundary.radii_px, boundary.mean(), strict=True)
        }
        milliseconds = [frame.milliseconds for frame in self.per_frame]
        return {
            'mean_iou': matrix.mean_iou(absent),
            'frequency_weighted_iou': matrix.frequency_weighted_iou(),
            'mean_dice': matrix.mean_dice(absent),
            'mean_accuracy': matrix.mean_accuracy(),
            'pixel_accuracy': matrix.pixel_accuracy(),
            **edges,
            'calibration_error': self.calibration.error(),
            'ms_per_frame': float(np.median(milliseconds)) if milliseconds else float('nan'),
        }

    def per_class(self, absent: Absent = 'zero') -> dict[str, np.ndarray]:
        """The scores of the classes by name, each (C,); NaN where there is nothing to score."""
        matrix, boundary = self.matrix, self.boundary
        edges = zip(boundary.radii_px, boundary.f_score(), strict=True)
        return {
            'iou': matrix.iou(absent),
            'dice': matrix.dice(absent),
            'accuracy': matrix.recall(),
            'precision': matrix.precision(),
            **{f'boundary_f_{radius}px': row for radius, row in edges},
        }

    def rarity(self, absent: Absent = 'zero') -> list[RarityGroup]:
        """The classes by their rarity in the truth, the rarest first (seed 003, equation 3)."""
        iou, accuracy = self.matrix.iou(absent), self.matrix.recall()
        order_of = magnitude_groups(self.matrix.truth_pixels)
        groups = [(order, np.flatnonzero(order_of == order)) for order in np.unique(order_of)]
        return [
            RarityGroup(int(order), tuple(ids), mean_known(iou[ids]), mean_known(accuracy[ids]))
            for order, ids in groups
            if order >= 0  # -1: not in the truth
        ]

    def text(self, classes: ClassTable, absent: Absent = 'zero') -> str:
        """One line a class, then the groups by rarity, then the means."""
        columns = self.per_class(absent)
        heads = [name.replace('boundary_f_', 'BF ').replace('iou', 'IoU') for name in columns]
        width = max(24, *(len(name) + 1 for name in classes.names))
        lines = [' ' * width + ''.join(f'{head:>10}' for head in heads)]
        for name, values in zip(classes.names, zip(*columns.values(), strict=True), strict=True):
            lines.append(f'{name:<{width}}' + ''.join(f'{value:10.4f}' for value in values))
        for group in self.rarity(absent):
            names = ', '.join(classes.names[i] for i in group.ids)
            lines.append(
                f'{f"rarity group {group.order}":<{width}}{group.mean_iou:10.4f}  {names}'
            )
        for name, value in self.means(absent).items():
            lines.append(f'{name.replace("_", " "):<{width}}{value:10.4f}')
        return '\n'.join([*lines, f'{self.frames} frames, classes of {classes.name}'])


def score(
    predict: Predictor, frames: FrameSet, seen: Seen | None = None, task: str = 'evaluate'
) -> Scores:
    """
    Scores of a predictor over all frames; no frame is kept.

    :param seen: is told of each frame and its predicted labels.
    """
    num_classes = len(frames.classes)
    total, calibration = ConfusionMatrix(num_classes), ConfidenceCalibration()
    boundary, rows = BoundaryScore(num_classes), []
    for sample in read_ahead(frames, task=task):
        began_s = time.perf_counter()
        labels, confidence = predict(sample.rgb)
        milliseconds = 1e3 * (time.perf_counter() - began_s)
        matrix = ConfusionMatrix(num_classes)
        matrix.add(sample.labels, labels)
        total.merge(matrix)
        calibration.add(sample.labels, labels, confidence)
        boundary.add(sample.labels, labels)
        iou, accuracy = matrix.mean_iou('skip'), matrix.pixel_accuracy()
        rows.append(FrameScore(sample.name, iou, accuracy, milliseconds))
        if seen:
            seen(sample, labels)
    return Scores(total, calibration, len(rows), boundary, tuple(rows))


def working_frame(rgb: np.ndarray, size_for: SizeFor) -> np.ndarray:
    """A frame (H, W, 3) at the size at which it is segmented."""
    width_height = size_for((rgb.shape[0], rgb.shape[1]))[::-1]
    return cv2.resize(rgb, width_height, interpolation=cv2.INTER_LINEAR)


def at_working_size(predict: Predictor, size_for: SizeFor) -> Predictor:
    """The predictor on frames at its working size, as the pipeline gives them to a model file."""

    def predict_resized(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size = rgb.shape[0], rgb.shape[1]
        parts = predict(working_frame(rgb, size_for))
        labels, confidence = (resize_nearest(part, size) for part in parts)
        return labels, confidence

    return predict_resized
