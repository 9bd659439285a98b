# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Masks against the truth: where it is, what its classes mean here, and the scores."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from math import inf, isnan
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from seg_perception.core.classes import UNLABELED, ClassTable, Role
from seg_perception.core.errors import ClassTableError, ImageError, SourceError
from seg_perception.core.masks import resize_nearest
from seg_perception.evaluation.boundary_f import BoundaryScore
from seg_perception.evaluation.calibration_error import ConfidenceCalibration
from seg_perception.evaluation.class_mapping import class_lut
from seg_perception.evaluation.metrics import ConfusionMatrix
from seg_perception.inference.class_file import load_table
from seg_perception.io.mask_file import decode_mask

BOUNDARY_RADIUS_PX = 3
_DRIVABLE = (Role.DRIVABLE, Role.MARKING)
_CONDITION_COLUMNS = ['source', 'start_s', 'stop_s', 'condition']


@dataclass(frozen=True)
class GroundTruth:
    """
    Where the truth is, one of ``folder`` and ``topic``, and how its values are read.

    ``lut`` (256,) uint8 gives the model's class of each value, or 255.
    """

    folder: str
    topic: str
    table: ClassTable
    lut: np.ndarray

    def mask_of(self, source: str, name: str) -> np.ndarray | None:
        """
        The mask of a frame in the folder, (H, W) uint8 of the truth's own values; None for none.

        :raises ImageError: when the file is no mask.
        """
        for file in (f'{source}/{name}.png', f'{name}.png'):
            path = Path(self.folder, file)
            if path.is_file():
                return _read_mask(path, self.table)
        return None


@dataclass(frozen=True)
class Condition:
    """Frames of sources that match a glob, taken in a span of time [s]."""

    source: str
    start_s: float
    stop_s: float
    name: str


Conditions = tuple[Condition, ...]


class Score:
    """
    Agreement of labels and confidence with the truth, over frames.

    All counts are integers, and frames are added in their order, so that the sum is the same
    whoever counted which shard.

    :param num_classes: C of the model's table.
    """

    def __init__(self, num_classes: int) -> None:
        self.frames = np.zeros((), np.int64)
        self.confusion = ConfusionMatrix(num_classes)
        self.boundary = BoundaryScore(num_classes, (BOUNDARY_RADIUS_PX,))
        self.drivable = np.zeros(2, np.int64)  # pixels in both, pixels in either
        self.calibration = ConfidenceCalibration()

    def merge(self, other: Score) -> None:
        """
        Add the frames of another score.

        :raises ClassTableError: when it has another number of classes.
        """
        self._add(other.arrays())

    def arrays(self) -> dict[str, np.ndarray]:
        """All that it has counted, to be stored."""
        return {
            'frames': self.frames,
            'counts': self.confusion.counts,
            'missed': self.confusion.missed,
            'boundary_sums': self.boundary.sums,
            'boundary_frames': self.boundary.frames,
            'drivable': self.drivable,
            'confidence': self.calibration.pixels,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Score:
        score = cls(len(arrays['missed']))
        score._add(arrays)
        return score

    def _add(self, arrays: Mapping[str, np.ndarray]) -> None:
        seen, expected = len(arrays['missed']), len(self.confusion.missed)
        if seen != expected:
            raise ClassTableError('score to add', f'{seen} classes', f'{expected} classes')
        for name, total in self.arrays().items():
            total += arrays[name]

    @property
    def drivable_iou(self) -> float:
        both, either = self.drivable
        return float(both / either) if either else float('nan')

    def summary(self, table: ClassTable) -> dict[str, Any]:
        """As ``summary.json`` has it; None for what has no value."""
        return {
            'frames': int(self.frames),
            'miou': _known(self.confusion.mean_iou()),
            'pixel_accuracy': _known(self.confusion.pixel_accuracy()),
            'iou': _by_class(table, self.confusion.iou()),
            'dice': _by_class(table, self.confusion.dice()),
            'boundary_f': _known(float(self.boundary.mean()[0])),
            'drivable_iou': _known(self.drivable_iou),
            'ece': _known(self.calibration.error()),
            'confusion': self.confusion.counts.tolist(),
            'reliability': self.calibration.reliability(),
        }


def score_frame(
    truth: GroundTruth,
    table: ClassTable,
    ids: np.ndarray,
    labels: np.ndarray,
    confidence: np.ndarray,
) -> Score:
    """
    Score one frame at the size of its truth.

    :param ids: (H, W) uint8, the truth's own values.
    :raises ImageError: when a value of the truth is none of its classes.
    """
    _check_ids(ids, truth.table)
    labels, confidence = (_sized(mask, ids.shape) for mask in (labels, confidence))
    expected = cv2.LUT(ids, truth.lut)
    score = Score(len(table))
    score.frames += 1
    score.confusion.add(expected, labels)
    score.boundary.add(expected, labels)
    known = ids < len(truth.table)
    free, found = _drivable(truth.table)[ids], _drivable(table)[labels] & known
    score.drivable[:] = np.count_nonzero(free & found), np.count_nonzero(free | found)
    score.calibration.add(expected, labels, confidence)
    return score


def row_of(score: Score | None, table: ClassTable) -> dict[str, float]:
    """The columns of one frame, NaN where there is no truth."""
    score = score or Score(len(table))
    values = {
        'pixel_accuracy': score.confusion.pixel_accuracy(),
        'miou': score.confusion.mean_iou(),
        'drivable_iou': score.drivable_iou,
        'boundary_f': float(score.boundary.mean()[0]),
    }
    hits = np.diagonal(score.confusion.counts)
    columns = {
        'iou': score.confusion.iou(),
        'tp': hits,  # pixels, from which scores of any set of frames follow
        'fp': score.confusion.predicted_pixels - hits,
        'fn': score.confusion.truth_pixels - hits,
    }
    return values | {
        f'{kind}_{name}': float(value)
        for kind, row in columns.items()
        for name, value in zip(table.names, row, strict=True)
    }


def read_ground_truth(where: str, classes: str, table: ClassTable) -> GroundTruth | None:
    """
    What ``--truth`` and ``--truth-classes`` say; None for no truth.

    :param where: a folder, or a topic, which begins with a slash and is no folder.
    :param classes: name of a class table or a class file; the model's own when empty.
    :param table: of the model.
    :raises SegPerceptionError: when there is no such folder or table, or no way from its classes
        to those of the model.
    """
    if not where:
        return None
    own = load_table(classes) if classes else table
    if Path(where).is_dir():
        return GroundTruth(where, '', own, class_lut(own, table))
    if not where.startswith('/'):
        raise SourceError(
            f'truth {where!r}', 'no folder', 'a folder of masks, or a topic such as /camera/labels'
        )
    return GroundTruth('', where, own, class_lut(own, table))


def read_conditions(path: Path | None) -> Conditions:
    """
    Rows of a CSV file with the columns source (a glob), start_s, stop_s and condition.

    Empty cells hold for all. The first row that fits a frame counts.

    :raises SourceError: when the file cannot be read or a row is wrong.
    """
    if path is None:
        return ()
    thing = f'conditions {str(path)!r}'
    try:
        with path.open(newline='', encoding='utf-8') as file:
            reader = csv.DictReader(file)
            if reader.fieldnames != _CONDITION_COLUMNS:
                raise SourceError(thing, f'columns {reader.fieldnames}', _CONDITION_COLUMNS)
            return tuple(
                Condition(
                    row['source'] or '*',
                    float(row['start_s'] or -inf),
                    float(row['stop_s'] or inf),
                    row['condition'],
                )
                for row in reader
            )
    except (OSError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise SourceError(thing, error, 'a CSV file with times in seconds') from error


def condition_of(conditions: Conditions, source: str, stamp_ns: int) -> str:
    """Under which condition a frame was taken; empty for none."""
    stamp_s = stamp_ns / 1e9
    for row in conditions:
        if fnmatch(source, row.source) and row.start_s <= stamp_s < row.stop_s:
            return row.name
    return ''


def _read_mask(path: Path, table: ClassTable) -> np.ndarray:
    thing = f'mask {str(path)!r}'
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(thing, error, 'a file that can be read') from error
    return decode_mask(data, thing, table)


def _check_ids(ids: np.ndarray, table: ClassTable) -> None:
    present = np.flatnonzero(np.bincount(ids.ravel(), minlength=256))
    wrong = [int(value) for value in present if len(table) <= value != UNLABELED]
    # CamVid and others write the number after the last class for what has none.
    if [value for value in wrong if value != len(table)]:
        raise ImageError(
            'truth',
            f'value {wrong[-1]}',
            f'classes of {table.name}, 0 to {len(table) - 1}, or 255',
        )


def _sized(mask: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    return mask if mask.shape == size else resize_nearest(mask, (size[0], size[1]))


def _drivable(table: ClassTable) -> np.ndarray:
    return table.role_mask(*_DRIVABLE) > 0


def _by_class(table: ClassTable, scores: np.ndarray) -> dict[str, float | None]:
    return {name: _known(float(x)) for name, x in zip(table.names, scores, strict=True)}


def _known(value: float) -> float | None:
    return None if isnan(value) else value
