# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The static widgets: matplotlib figures, for image files and for pages in Markdown.

matplotlib takes seconds to import and only training requires it, so functions import it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seg_perception.io.atomic import write_bytes
from seg_perception.report.text import CONFUSION_AXES, RELIABILITY_AXES, confusion_columns, spaced

READABLE_CLASSES = 30  # with more, numbers in the cells are too small to read
_TICKS = (0, 1, 5, 10, 25, 50, 100)  # percent, on the scale of a confusion matrix

Curve = tuple[Any, Any]
"""Values of x and of y, each (n,)."""


def subplots(size_in: tuple[float, float], *grid: int, **options: Any) -> tuple[Any, Any]:
    """A figure of a width and height in inches, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size_in, layout='constrained')
    return figure, figure.subplots(*grid, **options)


def write_figure(path: Path, figure: Any) -> None:
    """
    Write a figure in the format of the path's ending, PNG or JPEG.

    :raises OutputError: when it cannot be written; the old file stays.
    """
    data = io.BytesIO()
    figure.savefig(data, format=path.suffix[1:], dpi=110)
    write_bytes(path, data.getbuffer())


def confusion(names: Sequence[str], shares: np.ndarray, title: str) -> Any:
    """
    The confusion matrix in percent.

    :param shares: of each true class (row) that was predicted as each class (column), 0..1.
    """
    percent, columns = 100 * shares, confusion_columns(names, shares)
    side = 3.0 + 0.32 * min(len(names), READABLE_CLASSES) + 0.1 * len(names)
    figure, axes = subplots((side + 1, side))
    # Square roots: confusions of a few percent are what one looks for.
    image = axes.imshow(np.sqrt(percent), cmap='Blues', vmin=0, vmax=10)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, label='% of the true pixels')
    bar.set_ticks(np.sqrt(_TICKS), labels=list(map(str, _TICKS)))
    axes.set_xticks(range(len(columns)), columns, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel=CONFUSION_AXES[0], ylabel=CONFUSION_AXES[1])
    if len(names) > READABLE_CLASSES:
        axes.tick_params(labelsize=8)
    else:
        style: Any = {'ha': 'center', 'va': 'center', 'fontsize': 8}
        for row, column in np.argwhere(percent >= 0.5):
            value = percent[row, column]
            colour = 'white' if value > 40 else 'black'
            axes.text(column, row, f'{value:.0f}', color=colour, **style)
    figure.suptitle(title)
    return figure


def reliability(bins: Sequence[Mapping[str, Any]], wide: float, title: str) -> Any:
    """
    Share of correct pixels over stated confidence, and how many pixels each bin has.

    :param wide: width of a bin, 0..1.
    """
    stated, accuracy, count = (
        np.array([row[key] for row in bins], float) for key in ('confidence', 'accuracy', 'count')
    )
    left = 100 * wide * np.minimum(stated // wide, round(1 / wide) - 1)
    place: Any = {'width': 100 * wide, 'align': 'edge', 'edgecolor': 'white'}
    figure, (upper, lower) = subplots((5.5, 6.5), 2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 100], [0, 100], '--', color='0.5', label='calibrated')
    upper.bar(left, 100 * accuracy, alpha=0.5, **place)
    upper.plot(100 * stated, 100 * accuracy, 'o-', label='measured')
    upper.set(title=title, ylabel=RELIABILITY_AXES[1], xlim=(0, 100), ylim=(0, 100))
    upper.legend(loc='upper left')
    lower.bar(left, 100 * count / max(1, count.sum()), color='0.5', **place)
    lower.set(xlabel=RELIABILITY_AXES[0], ylabel='% of the pixels')
    if len(bins):
        lower.set_yscale('log')
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
    return figure


def training_curves(series: Mapping[str, Curve]) -> Any:
    """
    Losses, validation scores and learning rate over the epochs.

    :param series: epochs and values by the column of ``log.csv``; losses begin with ``loss``.
    """
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    figure, (losses, scores, rates) = subplots(
        (8, 8), 3, 1, sharex=True, height_ratios=(3, 3, 1.5)
    )
    names = [name for name in series if name == 'loss' or name.startswith('loss_')]
    for name in names if len(names) > 2 else names[:1]:
        is_sum = name == 'loss'
        style: Any = {'ls': '-' if is_sum else '--', 'lw': 1 + is_sum}
        losses.plot(*series[name], label=spaced(name.removeprefix('loss_')), **style)
    losses.set(ylabel='training loss', yscale='log')
    losses.yaxis.set_major_formatter(ScalarFormatter())
    losses.yaxis.set_minor_formatter(ScalarFormatter())
    scores.plot(*series['pixel_accuracy'], '.:', color='0.5', label='pixel accuracy')
    epochs, values = series['mean_iou']
    scores.plot(epochs, values, '.-', label='mean IoU')
    if len(values):
        best = epochs[values.argmax()], values.max()
        scores.plot(*best, 'o', color='tab:red', ms=8)
        note: Any = {'textcoords': 'offset points', 'ha': 'center'}
        scores.annotate(f'{best[1]:.3f}', best, (0, 7), **note)
    scores.set(ylabel='validation')
    rates.plot(*series['learning_rate'])
    rates.set(ylabel='learning rate', xlabel='epoch', ylim=(0, None))
    rates.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (losses, scores, rates):
        axes.grid(alpha=0.3)
    losses.legend()
    scores.legend(loc='lower right')
    return figure


def learning_rate_sweep(measured: Curve, smooth: Curve, suggestion: float) -> Any:
    """Loss over the learning rate, as measured and smoothed; the suggestion is marked."""
    figure, axes = subplots((8, 4.5))
    axes.plot(*measured, '.', color='0.7', label='loss of a step')
    axes.plot(*smooth, label='smoothed')
    axes.axvline(suggestion, color='tab:red', ls='--', label=f'suggested: {suggestion:.2g}')
    top = 1.5 * smooth[1][0] - 0.5 * smooth[1].min()
    bottom = 0.95 * min(smooth[1].min(), measured[1].min())
    axes.set(xscale='log', xlabel='learning rate', ylabel='loss', ylim=(bottom, top))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def class_statistics(
    names: Sequence[str],
    rgb: np.ndarray,
    pixel_percent: np.ndarray,
    frame_percent: np.ndarray,
    weights: Mapping[str, np.ndarray],
    title: str,
) -> Any:
    """Shares of pixels and of frames, and the weights of each class, the first class on top."""
    places = np.arange(len(names))
    size_in = (11, 1.6 + 0.28 * len(names))
    figure, (shares, factors) = subplots(size_in, 1, 2, sharey=True, width_ratios=(3, 2))
    shares.barh(places, pixel_percent, color=rgb / 255, edgecolor='0.4')
    shares.plot(frame_percent, places, 'k|', ms=9, label='% of frames that have the class')
    shares.set(xscale='log', xlabel='% of labelled pixels (bars)')
    shares.set_xlim(left=pixel_percent[pixel_percent > 0].min(initial=100) / 2)
    shares.set_yticks(places, names)
    shares.invert_yaxis()
    for (name, values), marker in zip(weights.items(), 'os^', strict=True):
        factors.plot(values, places, marker, label=spaced(name))
    factors.set(xscale='log', xlabel='weight')
    for axes in (shares, factors):
        axes.grid(axis='x', alpha=0.3)
    figure.legend(loc='outside lower center', ncols=4)
    figure.suptitle(title)
    return figure


def pareto(
    names: Sequence[str],
    milliseconds: Sequence[float],
    scores: Sequence[float],
    parameters_m: Sequence[float],
    front: Sequence[int],
) -> Any:
    """Mean IoU over milliseconds; areas are parameters; a line joins the Pareto front."""
    figure, axes = subplots((9, 6))
    x, y = np.array(milliseconds), np.array(scores)
    axes.plot(x[front], y[front], '--', color='0.6', zorder=1)
    colours = ['tab:blue' if index in front else '0.6' for index in range(len(names))]
    axes.scatter(x, y, 25 + 14 * np.array(parameters_m), c=colours, alpha=0.7)
    for place in zip(names, zip(x, y, strict=True), strict=True):
        axes.annotate(*place, (6, 5), textcoords='offset points', fontsize=9)
    axes.set(xscale='log', xlabel='CPU, 2 threads [ms]', ylabel='mean IoU')
    axes.set_title('area: parameters; blue: no other is both faster and better', fontsize=10)
    axes.xaxis.set_major_formatter('{x:g}')
    axes.xaxis.set_minor_formatter('{x:g}')
    axes.margins(x=0.12)
    axes.grid(alpha=0.3, which='both')
    return figure


def grouped_bars(groups: Sequence[str], values: Mapping[str, Sequence[Sequence[float]]]) -> Any:
    """
    A bar per variant in each group, the mean of its values, and a dot per value.

    :param values: of each variant, for each group one or several values.
    """
    figure, axes = subplots((max(6.0, 2.6 * len(groups)), 5))
    wide = 0.8 / len(values)
    note: Any = {'textcoords': 'offset points', 'ha': 'center', 'fontsize': 8}
    for number, (variant, rows) in enumerate(values.items()):
        places = np.arange(len(groups)) + (number - (len(values) - 1) / 2) * wide
        axes.bar(places, [np.mean(row) for row in rows], 0.92 * wide, label=variant)
        for place, row in zip(places, rows, strict=True):
            axes.plot([place] * len(row), row, 'k.', ms=4)
            turn = 90 if len(values) > 4 else 0
            top = place, max(row)
            axes.annotate(f'{np.mean(row):.3f}', top, (0, 4), rotation=turn, **note)
    axes.set_xticks(range(len(groups)), groups)
    axes.set_ylabel('IoU')
    axes.margins(y=0.12)
    axes.grid(alpha=0.3, axis='y')
    axes.legend(fontsize=9, loc='upper left', bbox_to_anchor=(1.01, 1))
    return figure


def histograms(axes: Any, known: Mapping[str, Any], unknown: Mapping[str, Any]) -> None:
    """Shares of the values of several sets, those of the known ones filled."""
    edges = np.histogram_bin_edges(np.concatenate([*known.values(), *unknown.values()]), 30)
    for sets, style in (
        (known, {'histtype': 'stepfilled', 'alpha': 0.4}),
        (unknown, {'histtype': 'step'}),
    ):
        for name, values in sets.items():
            weights = np.full(len(values), 1 / len(values))
            axes.hist(values, edges, weights=weights, label=name, lw=1.6, **style)


def roc_curves(axes: Any, curves: Sequence[Curve], first_colour: int) -> None:
    """Receiver operating characteristics, with the diagonal and 5 % false alarms marked."""
    for number, curve in enumerate(curves, start=first_colour):
        axes.plot(*curve, color=f'C{number}')
    axes.plot([0, 1], [0, 1], '--', color='0.7')
    axes.axvline(0.05, color='0.7', lw=1)
    axes.set(xlim=(-0.02, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
