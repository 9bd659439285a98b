# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m training sheet``: what several model files make of the same images."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path

from seg_perception.core.masks import overlay
from seg_perception.core.results import SceneRecord
from seg_perception.inference.answer import FrameAnswerer
from seg_perception.inference.open_engine import open_engine
from seg_perception.report.contact_sheet import Tile, contact_sheet
from seg_perception.report.plots import write_figure
from training.data.decode import decode_rgb, read_file
from training.errors import ConfigError

OPACITY = 0.65


def write_sheet(models: Sequence[Path], images: Sequence[Path], out: Path) -> None:
    """
    A row per image: as it is, and overlaid by each model with what it says of the risk.

    :param out: ends in ``.png`` or ``.jpg``.
    :raises ConfigError: when there is nothing to draw, or for another ending.
    """
    if not models or not images:
        seen = f'{len(models)} models and {len(images)} images'
        raise ConfigError('sheet', seen, 'one of each or more')
    if out.suffix not in ('.png', '.jpg'):
        raise ConfigError('--out', out, 'a name that ends in .png or .jpg')
    answerers = [FrameAnswerer(open_engine(model)) for model in models]
    rows = []
    for number, path in enumerate(images):
        rgb = decode_rgb(read_file(path), str(path))
        row = [Tile('', rgb)]
        for answerer in answerers:
            record, card = answerer.answer(rgb), answerer.engine.card
            head = f'{card.name}\n' if number == 0 else ''
            image = overlay(rgb, record.labels, card.classes, OPACITY)
            row.append(Tile(f'{head}{_title(record)}', image))
        rows.append(row)
    write_figure(out, contact_sheet(rows, 3.4, 9))


def _title(record: SceneRecord) -> str:
    score = (
        '' if isnan(record.ood_score) else f', out-of-distribution score {record.ood_score:.2f}'
    )
    return f'{record.risk.level.name} {record.risk.score:.0f}{score}'
