# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m training sheet``: what several model files make of the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path

import cv2
import numpy as np

from seg_perception.core.masks import overlay
from seg_perception.core.results import SceneRecord
from seg_perception.inference.answer import FrameAnswerer
from seg_perception.inference.open_engine import open_engine
from training.data.decode import decode_rgb, read_file
from training.errors import ConfigError
from training.evaluate.plots import save_figure

WIDTH_PX = 360
OPACITY = 0.65


def write_sheet(models: Sequence[Path], pictures: Sequence[Path], out: Path) -> None:
    """
    A row for each picture: as it is, and overlaid by each model with what it says of the risk.

    :param out: ends in ``.png`` or ``.jpg``.
    :raises ConfigError: when there is nothing to draw, or for another ending.
    """
    from matplotlib.figure import Figure

    if not models or not pictures:
        seen = f'{len(models)} models and {len(pictures)} pictures'
        raise ConfigError('sheet', seen, 'one of each or more')
    if out.suffix not in ('.png', '.jpg'):
        raise ConfigError('--out', out, 'a name that ends in .png or .jpg')
    answerers = [FrameAnswerer(open_engine(model)) for model in models]
    rows = [_row(answerers, decode_rgb(read_file(path), str(path))) for path in pictures]
    wide = 3.4
    tall = sum(wide * row[0][1].shape[0] / WIDTH_PX + 0.3 for row in rows)
    figure = Figure(figsize=((1 + len(models)) * wide, tall + 0.3), layout='constrained')
    grid = figure.subplots(len(rows), 1 + len(models), squeeze=False)
    heads = ['', *(answerer.engine.card.name for answerer in answerers)]
    for number, (line, row) in enumerate(zip(grid, rows, strict=True)):
        for axes, head, (title, picture) in zip(line, heads, row, strict=True):
            axes.imshow(picture)
            axes.set_axis_off()
            above = f'{head}\n' if number == 0 and head else ''
            axes.set_title(f'{above}{title}', fontsize=9, loc='left')
    save_figure(figure, out)


def _row(answerers: Sequence[FrameAnswerer], rgb: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Titles and pictures."""
    cells = [('', rgb)]
    for answerer in answerers:
        record = answerer.answer(rgb)
        table = answerer.engine.card.classes
        cells.append((_title(record), overlay(rgb, record.labels, table, OPACITY)))
    size = WIDTH_PX, max(1, round(WIDTH_PX * rgb.shape[0] / rgb.shape[1]))
    return [(title, cv2.resize(cell, size, interpolation=cv2.INTER_AREA)) for title, cell in cells]


def _title(record: SceneRecord) -> str:
    strange = '' if isnan(record.strange) else f', strange {record.strange:.2f}'
    return f'{record.risk.level.name} {record.risk.score:.0f}{strange}'
