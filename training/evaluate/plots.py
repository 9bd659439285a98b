# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of scores: confusion matrix, reliability of the confidence, sheets of predictions."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from seg_perception.core.classes import UNLABELED, ClassTable
from seg_perception.core.masks import colourise
from seg_perception.evaluation.calibration_error import ConfidenceCalibration
from seg_perception.evaluation.metrics import ConfusionMatrix
from seg_perception.io.atomic import write_bytes

if TYPE_CHECKING:  # seconds to import
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

READABLE_CLASSES = 30  # with more, numbers in the cells are too small to read
TILE_PX = 480  # width of a picture in a sheet
_WRONG_RGB = (230, 30, 40)
_MISSED_RGB = (250, 190, 30)


@dataclass(frozen=True)
class Prediction:
    """A row of a sheet; rgb (H, W, 3), truth and labels (H, W), all uint8."""

    title: str
    rgb: np.ndarray
    truth: np.ndarray
    labels: np.ndarray


def confusion_plot(matrix: ConfusionMatrix, classes: ClassTable, path: Path) -> None:
    """Percent of the pixels of each true class that were predicted as each class."""
    from matplotlib.figure import Figure

    names = [*classes.names, 'unlabeled'] if matrix.missed.any() else classes.names
    counts = np.column_stack([matrix.counts, matrix.missed])[:, : len(names)]
    percent = 100 * counts / np.maximum(matrix.truth_pixels, 1)[:, None]
    side = 3.0 + 0.32 * min(len(classes), READABLE_CLASSES) + 0.1 * len(classes)
    figure = Figure(figsize=(side + 1, side), layout='constrained')
    axes = figure.subplots()
    # Square roots: confusions of a few percent are what one looks for.
    image = axes.imshow(np.sqrt(percent), cmap='Blues', vmin=0, vmax=10)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, label='% of the true pixels')
    bar.set_ticks([np.sqrt(value) for value in (0, 1, 5, 10, 25, 50, 100)])
    bar.set_ticklabels(['0', '1', '5', '10', '25', '50', '100'])
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(classes)), classes.names)
    axes.set(xlabel='predicted', ylabel='true')
    if len(classes) <= READABLE_CLASSES:
        _write_cells(axes, percent)
    else:
        axes.tick_params(labelsize=8)
    figure.suptitle(f'mean IoU {matrix.mean_iou():.4f}, {matrix.truth_pixels.sum():,} pixels')
    save_figure(figure, path)


def reliability_plot(calibration: ConfidenceCalibration, path: Path) -> None:
    """What share of the pixels is right at each confidence, and how many pixels have it."""
    from matplotlib.figure import Figure

    bins = calibration.reliability()
    stated, accuracy, count = (
        np.array([row[key] for row in bins], float) for key in ('confidence', 'accuracy', 'count')
    )
    wide = 1 / calibration.bins
    left = wide * np.minimum(stated // wide, calibration.bins - 1)
    figure = Figure(figsize=(5.5, 6.5), layout='constrained')
    right, pixels = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    right.plot([0, 1], [0, 1], '--', color='0.5', label='calibrated')
    right.bar(left, accuracy, wide, align='edge', alpha=0.5, edgecolor='white')
    right.plot(stated, accuracy, 'o-', label='measured')
    right.set(ylabel='share of pixels that are right', xlim=(0, 1), ylim=(0, 1))
    right.legend(loc='upper left')
    share = 100 * count / max(1, count.sum())
    pixels.bar(left, share, wide, align='edge', color='0.5', edgecolor='white')
    pixels.set(xlabel='confidence', ylabel='% of the pixels')
    if share.any():
        pixels.set_yscale('log')
    right.set_title(f'expected calibration error {calibration.error():.4f}')
    for axes in (right, pixels):
        axes.grid(alpha=0.3)
    save_figure(figure, path)


def prediction_sheet(rows: Sequence[Prediction], classes: ClassTable, path: Path) -> None:
    """One row a frame: image, truth, prediction, and where the prediction is wrong."""
    from matplotlib.figure import Figure

    height, width = rows[0].truth.shape
    tall = 4.2 * height / width + 0.35
    figure = Figure(figsize=(4 * 4.2, len(rows) * tall + 1.1), layout='constrained')
    grid = figure.subplots(len(rows), 4, squeeze=False)
    for line, row in zip(grid, rows, strict=True):
        tiles = (
            row.rgb,
            colourise(row.truth, classes),
            colourise(row.labels, classes),
            error_map(row.rgb, row.truth, row.labels),
        )
        titles = (row.title, 'truth', 'prediction', 'errors: red; void: black')
        for axes, tile, title in zip(line, tiles, titles, strict=True):
            axes.imshow(_shrunk(tile))
            axes.set_title(title, fontsize=13, loc='left')
            axes.set_axis_off()
    seen = np.unique(
        np.concatenate([np.unique(part) for r in rows for part in (r.truth, r.labels)])
    )
    class_legend(figure, classes, [int(label) for label in seen if label < len(classes)])
    save_figure(figure, path)


def error_map(rgb: np.ndarray, truth: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The image (H, W, 3) in pale grey; red where wrong, yellow where unlabeled, void black."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    picture = cv2.cvtColor(128 + grey // 2, cv2.COLOR_GRAY2RGB)
    picture[truth != labels] = _WRONG_RGB
    picture[labels == UNLABELED] = _MISSED_RGB
    picture[truth == UNLABELED] = 0
    return picture


def class_legend(
    figure: Figure, classes: ClassTable, ids: Iterable[int], columns: int = 8
) -> None:
    """The colours of some classes below a figure."""
    from matplotlib.patches import Patch

    patches = [
        Patch(color=tuple(classes.palette[label] / 255), label=classes.names[label])
        for label in ids
    ]
    figure.legend(handles=patches, loc='outside lower center', ncols=columns, fontsize=13)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format of its ending, PNG or JPEG, whole or not at all."""
    data = io.BytesIO()
    figure.savefig(data, format=path.suffix[1:], dpi=110)
    write_bytes(path, data.getbuffer())


def _write_cells(axes: Axes, percent: np.ndarray) -> None:
    """Whole percents; what would be 0 stays empty."""
    for (row, column), value in np.ndenumerate(percent):
        if value >= 0.5:
            colour = 'white' if value > 40 else 'black'
            text = f'{value:.0f}'
            axes.text(column, row, text, ha='center', va='center', color=colour, fontsize=8)


def _shrunk(picture: np.ndarray) -> np.ndarray:
    """A picture as wide as a tile at most; areas, so that thin things do not vanish."""
    height, width = picture.shape[:2]
    if width <= TILE_PX:
        return picture
    size = (TILE_PX, max(1, round(height * TILE_PX / width)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
