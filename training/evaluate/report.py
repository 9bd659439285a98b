# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores as files: JSON and CSV for programs, figures and a contact sheet for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seg_perception.core.classes import ClassTable
from seg_perception.evaluation.calibration_error import ConfidenceCalibration
from seg_perception.evaluation.metrics import Absent, ConfusionMatrix, shares_of_truth
from seg_perception.io.atomic import write_csv, write_json
from seg_perception.report import plots
from seg_perception.report.contact_sheet import contact_sheet, prediction_row
from training.data.sample import FrameSet
from training.evaluate.scores import Predictor, Scores

EACH = 2  # best, median and worst frames in a contact sheet


@dataclass(frozen=True)
class Prediction:
    """A row of a contact sheet; rgb (H, W, 3), truth and labels (H, W), all uint8."""

    title: str
    rgb: np.ndarray
    truth: np.ndarray
    labels: np.ndarray


def write_report(
    folder: Path,
    scores: Scores,
    classes: ClassTable,
    rows: Sequence[Prediction],
    absent: Absent = 'zero',
) -> None:
    """
    Write per_class.csv, per_frame.csv, confusion.png, reliability.png and predictions.png.

    :param rows: of the contact sheet, as ``best_median_worst`` gives them; no sheet without.
    """
    write_class_table(scores, classes, folder / 'per_class.csv', absent)
    write_frame_table(scores, folder / 'per_frame.csv')
    plots.write_figure(folder / 'confusion.png', confusion_figure(scores.matrix, classes))
    plots.write_figure(folder / 'reliability.png', reliability_figure(scores.calibration))
    if rows:
        plots.write_figure(folder / 'predictions.png', prediction_figure(rows, classes))


def confusion_figure(matrix: ConfusionMatrix, classes: ClassTable) -> Any:
    """The confusion matrix under its mean IoU."""
    title = f'mean IoU {matrix.mean_iou():.4f}, {matrix.truth_pixels.sum():,} pixels'
    return plots.confusion(classes.names, shares_of_truth(matrix.with_missed), title)


def reliability_figure(calibration: ConfidenceCalibration) -> Any:
    """The reliability diagram under its error."""
    title = f'expected calibration error {calibration.error():.4f}'
    return plots.reliability(calibration.reliability(), 1 / calibration.bins, title)


def prediction_figure(rows: Sequence[Prediction], classes: ClassTable) -> Any:
    """A row per frame: image, ground truth, prediction and errors; the classes that occur."""
    seen = np.unique(np.concatenate([np.unique([r.truth, r.labels]) for r in rows]))
    legend = classes, [int(label) for label in seen if label < len(classes)]
    tiles = [prediction_row(row.title, row.rgb, row.truth, row.labels, classes) for row in rows]
    return contact_sheet(tiles, 4.2, 13, legend)


def best_median_worst(
    scores: Scores, frames: FrameSet, predict: Predictor, each: int = EACH
) -> list[Prediction]:
    """The frames of the best, median and worst mean IoU, predicted once more."""
    rows = []
    for rank, index in ranked([frame.mean_iou for frame in scores.per_frame], each):
        sample, row = frames[index], scores.per_frame[index]
        title = f'{rank}: {sample.name}, mean IoU {row.mean_iou:.3f}'
        rows.append(Prediction(title, sample.rgb, sample.labels, predict(sample.rgb)[0]))
    return rows


def ranked(values: Sequence[float], each: int) -> list[tuple[str, int]]:
    """Rank and index of the highest, middle and lowest values; none twice, and no NaN."""
    order = sorted(
        (index for index, value in enumerate(values) if not math.isnan(value)),
        key=lambda index: -values[index],
    )
    middle = max(0, (len(order) - each) // 2)
    chosen: dict[int, str] = {}
    for rank, part in (
        ('best', order[:each]),
        ('worst', order[::-1][:each][::-1]),
        ('median', order[middle : middle + each]),
    ):
        for index in part:
            chosen.setdefault(index, rank)
    return [(chosen[index], index) for index in order if index in chosen]


def write_class_table(
    scores: Scores, classes: ClassTable, path: Path, absent: Absent = 'zero'
) -> None:
    """All scores, true pixels and rarity group of each class; empty where there is nothing."""
    columns = scores.per_class(absent)
    group_of = {label: row.order for row in scores.rarity(absent) for label in row.ids}
    rows = [
        [
            row.id,
            row.name,
            *(_cell(values[row.id]) for values in columns.values()),
            int(scores.matrix.truth_pixels[row.id]),
            group_of.get(row.id, ''),
        ]
        for row in classes.classes
    ]
    write_csv(path, ['id', 'name', *columns, 'pixels', 'rarity_group'], rows)


def write_frame_table(scores: Scores, path: Path) -> None:
    """Mean IoU over the classes of its truth, pixel accuracy and time of each frame."""
    rows = [
        [row.name, _cell(row.mean_iou), _cell(row.pixel_accuracy), f'{row.milliseconds:.2f}']
        for row in scores.per_frame
    ]
    write_csv(path, ['name', 'mean_iou', 'pixel_accuracy', 'milliseconds'], rows)


def write_scores(
    path: Path, named: Mapping[str, Scores], classes: ClassTable, about: Mapping[str, Any]
) -> None:
    """
    Write the scores of one or several models as JSON; null where there is nothing to score.

    :param about: what was scored and how; its ``absent`` is the rule for absent classes.
    """
    models = {
        name: _model_record(scores, classes, about['absent']) for name, scores in named.items()
    }
    write_json(path, {**about, 'class_table': classes.name, 'models': models})


def comparison_text(
    named: Mapping[str, Scores], classes: ClassTable, absent: Absent = 'zero'
) -> str:
    """A column a model, and how far each is from the first: IoU of the classes, then the means."""
    columns = [
        {
            **dict(zip(classes.names, scores.matrix.iou(absent), strict=True)),
            **{name.replace('_', ' '): value for name, value in scores.means(absent).items()},
        }
        for scores in named.values()
    ]
    first, others = columns[0], columns[1:]
    wide = max(14, *(len(name) + 2 for name in named))
    label = max(24, *(len(name) + 1 for name in first))
    heads = [*named, *(f'difference {number}' for number in range(2, len(named) + 1))]
    if len(others) == 1:
        heads[-1] = 'difference'
    lines = [' ' * label + ''.join(f'{head:>{wide}}' for head in heads)]
    for row, value in first.items():
        values = [f'{column[row]:>{wide}.4f}' for column in columns]
        changes = [f'{column[row] - value:>+{wide}.4f}' for column in others]
        lines.append(f'{row:<{label}}' + ''.join(values + changes))
    frames = next(iter(named.values())).frames
    return '\n'.join([*lines, f'{frames} frames, classes of {classes.name}'])


def _model_record(scores: Scores, classes: ClassTable, absent: Absent) -> dict[str, Any]:
    """One model of scores.json."""
    columns = scores.per_class(absent)
    groups = [
        {
            'order': group.order,
            'classes': [classes.names[label] for label in group.ids],
            'mean_iou': group.mean_iou,
            'mean_accuracy': group.mean_accuracy,
        }
        for group in scores.rarity(absent)
    ]
    return {
        **scores.means(absent),
        'classes': {
            row.name: {key: float(values[row.id]) for key, values in columns.items()}
            for row in classes.classes
        },
        'rarity_groups': groups,
        'confusion': scores.matrix.counts.tolist(),
        'missed': scores.matrix.missed.tolist(),
    }


def _cell(value: float) -> str:
    return '' if math.isnan(value) else f'{value:.6f}'
