# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Plots of a run: its curves, and the sweep of the learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.evaluate.plots import save_figure
from training.record import Row

if TYPE_CHECKING:  # seconds to import
    from matplotlib.axes import Axes


def curves_plot(rows: Sequence[Row], path: Path) -> None:
    """Losses, validation scores and learning rate over the epochs, from the rows of log.csv."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    figure = Figure(figsize=(8, 8), layout='constrained')
    losses, scores, rates = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.5))
    names = [name for name in rows[-1] if name == 'loss' or name.startswith('loss_')]
    for name in names if len(names) > 2 else names[:1]:
        is_sum = name == 'loss'
        label = 'loss' if is_sum else name.removeprefix('loss_').replace('_', ' ')
        losses.plot(*_series(rows, name), '-' if is_sum else '--', lw=1 + is_sum, label=label)
    losses.set(ylabel='training loss', yscale='log')
    losses.yaxis.set_major_formatter(ScalarFormatter())
    losses.yaxis.set_minor_formatter(ScalarFormatter())
    scores.plot(*_series(rows, 'pixel_accuracy'), '.:', color='0.5', label='pixel accuracy')
    scores.plot(*_series(rows, 'mean_iou'), '.-', label='mean IoU')
    _mark_best(scores, *_series(rows, 'mean_iou'))
    scores.set(ylabel='validation')
    rates.plot(*_series(rows, 'learning_rate'))
    rates.set(ylabel='learning rate', xlabel='epoch', ylim=(0, None))
    rates.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (losses, scores, rates):
        axes.grid(alpha=0.3)
    losses.legend()
    scores.legend(loc='lower right')
    save_figure(figure, path)


def sweep_plot(
    rates: np.ndarray, losses: np.ndarray, smooth: np.ndarray, suggestion: float, path: Path
) -> None:
    """Loss over the learning rate, both (K,), as measured and smoothed; the suggestion marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout='constrained')
    axes = figure.subplots()
    axes.plot(rates, losses, '.', color='0.7', label='loss of a step')
    axes.plot(rates, smooth, label='smoothed')
    axes.axvline(suggestion, color='tab:red', ls='--', label=f'suggested: {suggestion:.2g}')
    top = 1.5 * smooth[0] - 0.5 * smooth.min()
    bottom = min(smooth.min(), losses.min())
    axes.set(xscale='log', xlabel='learning rate', ylabel='loss', ylim=(0.95 * bottom, top))
    axes.grid(alpha=0.3)
    axes.legend()
    save_figure(figure, path)


def _series(rows: Sequence[Row], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs and values of the rows that have a value; those of a file are text."""
    pairs = [(float(row['epoch']), float(row[name])) for row in rows if row.get(name)]
    epochs, values = np.array(pairs).reshape(-1, 2).T
    return epochs, values


def _mark_best(axes: Axes, epochs: np.ndarray, values: np.ndarray) -> None:
    if not len(values):
        return
    best = int(np.argmax(values))
    where = epochs[best], values[best]
    axes.plot(*where, 'o', color='tab:red', ms=8)
    axes.annotate(f'{values[best]:.3f}', where, (0, 7), textcoords='offset points', ha='center')
