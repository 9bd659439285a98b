# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Class statistics as a table for the terminal, as CSV and JSON, and as a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from seg_perception.io.atomic import write_csv, write_json
from seg_perception.report import plots
from training.config import DataConfig
from training.data import open_frames
from training.errors import ConfigError
from training.stats import ClassStatistics, count_labels, summarise

WEIGHTS = ('enet', 'inverse_frequency', 'median_frequency')


def statistics_of(data: DataConfig) -> ClassStatistics:
    """
    The statistics of what a configuration trains on.

    :raises ConfigError: when it names no data set.
    """
    train = open_frames(data).train
    if not train:
        raise ConfigError('config key data.train', 'nothing', 'a list of data sets')
    return summarise(train, [count_labels(frames, data.workers) for frames, _ in train])


def class_rows(statistics: ClassStatistics, offset: float) -> list[dict[str, Any]]:
    """One row a class; ``offset`` is that of the ENet weights."""
    weights = {kind: statistics.weights(kind, offset) for kind in WEIGHTS}
    groups, share = statistics.groups, statistics.share
    return [
        {
            'id': row.id,
            'name': row.name,
            'pixels': int(statistics.pixels[row.id]),
            'pixel_share': float(share[row.id]),
            'frames': int(statistics.frames[row.id]),
            'frame_share': float(statistics.frames[row.id] / statistics.total_frames),
            **{kind: round(float(values[row.id]), 4) for kind, values in weights.items()},
            'magnitude_group': int(groups[row.id]),
        }
        for row in statistics.classes.classes
    ]


def statistics_text(statistics: ClassStatistics, offset: float) -> str:
    """A table; group is the order of magnitude of the pixels above the rarest class."""
    lines = [
        f'{statistics.total_frames} frames, {statistics.void_share:.2%} of the pixels have the '
        'ignore label',
        f'{"class":<24}{"pixels %":>10}{"frames":>8}{"frames %":>10}'
        f'{"enet":>8}{"inverse":>9}{"median":>8}{"group":>7}',
    ]
    for row in class_rows(statistics, offset):
        group = row['magnitude_group'] if row['pixels'] else '-'
        lines.append(
            f'{row["name"]:<24}{100 * row["pixel_share"]:>10.3f}{row["frames"]:>8}'
            f'{100 * row["frame_share"]:>10.1f}{row["enet"]:>8.2f}'
            f'{row["inverse_frequency"]:>9.3f}{row["median_frequency"]:>8.3f}{group:>7}'
        )
    return '\n'.join(lines)


def write_statistics(statistics: ClassStatistics, offset: float, folder: Path) -> None:
    """Write stats.csv, stats.json and stats.png."""
    rows = class_rows(statistics, offset)
    whole = {
        'class_table': statistics.classes.name,
        'frames': statistics.total_frames,
        'void_share': statistics.void_share,
        'enet_offset': offset,
        'classes': rows,
    }
    write_csv(folder / 'stats.csv', list(rows[0]), [list(row.values()) for row in rows])
    write_json(folder / 'stats.json', whole)
    plots.write_figure(folder / 'stats.png', _figure(statistics, offset, rows))


def _figure(statistics: ClassStatistics, offset: float, rows: list[dict[str, Any]]) -> Any:
    """Shares of pixels and frames, and the weights; the most frequent class on top."""
    order = np.argsort(-statistics.pixels, kind='stable')
    groups = [str(row['magnitude_group']) if row['pixels'] else 'none' for row in rows]
    return plots.class_statistics(
        [f'{rows[label]["name"]} ({groups[label]})' for label in order],
        statistics.classes.palette[order],
        100 * statistics.share[order],
        100 * statistics.frames[order] / statistics.total_frames,
        {kind: statistics.weights(kind, offset)[order] for kind in WEIGHTS},
        f'{statistics.classes.name}: {statistics.total_frames} frames, '
        f'{statistics.void_share:.2%} ignored; in brackets the order of magnitude',
    )
