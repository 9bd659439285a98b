# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Plots and sheets of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seg_perception.core.classes import ClassTable
from training.evaluate.plots import class_legend, save_figure


@dataclass(frozen=True)
class Tile:
    """A row of a sheet: its title, and pictures (H, W, 3) uint8 of one size."""

    title: str
    pictures: list[np.ndarray]


def pareto_plot(
    names: Sequence[str],
    milliseconds: Sequence[float],
    scores: Sequence[float],
    parameters_m: Sequence[float],
    path: Path,
) -> None:
    """Mean IoU over milliseconds; areas are parameters; a line joins what nothing beats."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout='constrained')
    axes = figure.subplots()
    front = pareto_front(milliseconds, scores)
    axes.plot(
        [milliseconds[i] for i in front], [scores[i] for i in front], '--', color='0.6', zorder=1
    )
    colours = ['tab:blue' if i in front else '0.6' for i in range(len(names))]
    axes.scatter(
        milliseconds, scores, [25 + 14 * size for size in parameters_m], c=colours, alpha=0.7
    )
    for name, x, y in zip(names, milliseconds, scores, strict=True):
        axes.annotate(name, (x, y), (6, 5), textcoords='offset points', fontsize=9)
    axes.set(xscale='log', xlabel='CPU, 2 threads [ms]', ylabel='mean IoU')
    axes.set_title('areas: parameters; blue: no other is both faster and better', fontsize=10)
    axes.xaxis.set_major_formatter('{x:g}')
    axes.xaxis.set_minor_formatter('{x:g}')
    axes.margins(x=0.12)
    axes.grid(alpha=0.3, which='both')
    save_figure(figure, path)


def pareto_front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Indices, by rising cost, of those that no other beats in both."""
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -scores[i]))
    front: list[int] = []
    for index in order:
        if not front or scores[index] > scores[front[-1]]:
            front.append(index)
    return front


def bars_plot(
    metrics: Sequence[str],
    values: Mapping[str, Sequence[Sequence[float]]],
    path: Path,
) -> None:
    """
    One group of bars a metric, one bar a variant, a dot a seed.

    :param values: for each variant, the values over the seeds of each metric.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(6.0, 2.6 * len(metrics)), 5), layout='constrained')
    axes = figure.subplots()
    wide = 0.8 / len(values)
    for number, (variant, rows) in enumerate(values.items()):
        places = np.arange(len(metrics)) + (number - (len(values) - 1) / 2) * wide
        axes.bar(places, [np.mean(row) for row in rows], 0.92 * wide, label=variant)
        for place, row in zip(places, rows, strict=True):
            axes.plot([place] * len(row), row, 'k.', ms=4)
            axes.annotate(
                f'{np.mean(row):.3f}', (place, max(row)), (0, 4), ha='center', fontsize=8,
                textcoords='offset points', rotation=90 if len(values) > 4 else 0,
            )  # fmt: skip
    axes.set_xticks(range(len(metrics)), metrics)
    axes.set_ylabel('IoU')
    axes.margins(y=0.12)
    axes.grid(alpha=0.3, axis='y')
    axes.legend(fontsize=9, loc='upper left', bbox_to_anchor=(1.01, 1))
    save_figure(figure, path)


def tile_sheet(rows: Sequence[Tile], classes: ClassTable, path: Path) -> None:
    """Rows of pictures with their titles, and the colours of the classes."""
    from matplotlib.figure import Figure

    columns = len(rows[0].pictures)
    height, width = rows[0].pictures[0].shape[:2]
    wide = 3.4
    tall = wide * height / width + 0.3
    figure = Figure(figsize=(columns * wide, len(rows) * tall + 0.8), layout='constrained')
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, row in zip(grid, rows, strict=True):
        for axes, picture in zip(line, row.pictures, strict=True):
            axes.imshow(picture)
            axes.set_axis_off()
        line[0].set_title(row.title, fontsize=11, loc='left')
    class_legend(figure, classes, range(len(classes)), columns=4)
    save_figure(figure, path)
