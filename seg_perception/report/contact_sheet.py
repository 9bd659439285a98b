# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Contact sheets: rows of titled images, with the colours of the classes below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from seg_perception.core.classes import UNLABELED, ClassTable
from seg_perception.core.masks import colourise, narrowed
from seg_perception.report.plots import subplots

_PX_PER_IN = 115  # a tile has as many pixels as the saved figure shows
_TITLE_IN = 0.33
_WRONG_RGB = (230, 30, 40)
_MISSED_RGB = (250, 190, 30)


class Tile(NamedTuple):
    """A title, which may be empty, and an image (H, W, 3) uint8."""

    title: str
    image: np.ndarray


def contact_sheet(
    rows: Sequence[Sequence[Tile]],
    wide_in: float,
    font: int,
    legend: tuple[ClassTable, Iterable[int]] | None = None,
    legend_columns: int = 8,
) -> Any:
    """
    A figure of rows of tiles; rows of one sheet may have images of different shapes.

    :param wide_in: width of a tile in inches.
    :param font: size of the titles.
    :param legend: a class table, and the ids of its classes whose colours are shown below.
    """
    tall_in = [
        wide_in * row[0].image.shape[0] / row[0].image.shape[1]
        + _TITLE_IN * any(tile.title for tile in row)
        for row in rows
    ]
    columns = max(len(row) for row in rows)
    figure, grid = subplots(
        (columns * wide_in, sum(tall_in) + (0.9 if legend else 0.1)),
        len(rows),
        columns,
        squeeze=False,
        height_ratios=tall_in,
    )
    for axes in grid.flat:
        axes.set_axis_off()
    for line, row in zip(grid, rows, strict=True):
        for axes, tile in zip(line, row, strict=False):  # the last row may be shorter
            axes.imshow(narrowed(tile.image, round(wide_in * _PX_PER_IN)))
            axes.set_title(tile.title, fontsize=font, loc='left')
    if legend:
        _draw_legend(figure, *legend, legend_columns)
    return figure


def prediction_row(
    title: str, rgb: np.ndarray, truth: np.ndarray, labels: np.ndarray, classes: ClassTable
) -> list[Tile]:
    """Tiles of the image (H, W, 3), its ground truth and labels (H, W), and the errors."""
    return [
        Tile(title, rgb),
        Tile('ground truth', colourise(truth, classes)),
        Tile('prediction', colourise(labels, classes)),
        Tile('errors: red; ignored: black', error_map(rgb, truth, labels)),
    ]


def error_map(rgb: np.ndarray, truth: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The image (H, W, 3) in pale grey; red where wrong, yellow unlabeled, black ignored."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    image: np.ndarray = cv2.cvtColor(128 + grey // 2, cv2.COLOR_GRAY2RGB)
    image[truth != labels] = _WRONG_RGB
    image[labels == UNLABELED] = _MISSED_RGB
    image[truth == UNLABELED] = 0
    return image


def fitted(image: np.ndarray, size: tuple[int, int], way: int = cv2.INTER_AREA) -> np.ndarray:
    """The image as wide or as high as (height, width), on white."""
    scale = min(size[0] / image.shape[0], size[1] / image.shape[1])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    tile = np.full((*size, 3), 255, np.uint8)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    resized = cv2.resize(image, (width, height), interpolation=way)
    tile[top : top + height, left : left + width] = resized
    return tile


def _draw_legend(figure: Any, classes: ClassTable, ids: Iterable[int], columns: int) -> None:
    from matplotlib.patches import Patch

    rows = [classes.classes[label] for label in ids]
    patches = [Patch(color=tuple(np.array(row.rgb) / 255), label=row.name) for row in rows]
    figure.legend(handles=patches, loc='outside lower center', ncols=columns, fontsize=13)
