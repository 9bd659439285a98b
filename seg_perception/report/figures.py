# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The interactive widgets of a page: plotly figures in JSON types.

A colour is the name of a CSS variable after an at sign, ``@accent``: the page puts in the value
of its light, dark or printed scheme. One hue carries quantity, the level colours carry danger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt
from typing import Any

import numpy as np

from seg_perception.core.results import RiskLevel
from seg_perception.report.text import CONFUSION_AXES, RELIABILITY_AXES, confusion_columns
from seg_perception.report.timeline import rounded

Figure = dict[str, Any]

LEGIBLE_CLASSES = 20  # up to here the cells of a confusion matrix carry their number
_BAR_PX, _THIN_BAR_PX = 24, 17
_MANY = 30  # bars from which they are thin
_SEQUENTIAL = [[0, '@panel'], [1, '@heat']]
_STEEP = [[0, '@panel'], [0.2, '@heatlow'], [1, '@heat']]  # mistakes are small and matter
_LABELS: Figure = {  # of an axis of names, with a gap between them and the bars
    'showgrid': False,
    'showline': False,
    'ticks': 'outside',
    'ticklen': 6,
    'tickcolor': '@paper',
}
_MAP_POINTS = 4000
_MOST_BINS = 60


def histogram(values: np.ndarray, marks: Mapping[str, float], unit: str, title: str) -> Figure:
    """
    Share of the frames at each value, with marks; the 0.5 % above p99.5 are not drawn.

    :param marks: values to mark, by name.
    """
    inside = values[values <= np.percentile(values, 99.5)]
    counts, edges = np.histogram(inside, bins=min(_MOST_BINS, 2 * isqrt(len(values))))
    bars = {
        'type': 'bar',
        'x': rounded((edges[:-1] + edges[1:]) / 2, 2),
        'y': rounded(100 * counts / len(values), 3),
        'width': round(float(edges[1] - edges[0]), 4),
        'marker': {'color': '@accent'},
        **_hover(f'%{{x:.1f}} {unit}: %{{y:.2f}} % of the frames'),
    }
    return {
        'data': [bars],
        'layout': {
            'height': 300,
            'bargap': 0.05,
            'xaxis': _titled(title),
            'yaxis': _titled('% of the frames', rangemode='tozero'),
            'shapes': [_upright(value) for value in marks.values()],
            'annotations': [
                _mark(value, f'{name} {value:.1f}', 1 - 0.12 * place)
                for place, (name, value) in enumerate(marks.items())
            ],
        },
    }


def bars(names: Sequence[str], percent: Sequence[float], hover: str) -> Figure:
    """One bar per name with its value next to it, the longest first."""
    order = sorted(range(len(names)), key=lambda index: percent[index])
    values = [percent[index] for index in order]
    trace = {
        'type': 'bar',
        'orientation': 'h',
        'x': [round(value, 3) for value in values],
        'y': [names[index] for index in order],
        'text': [_percent(value) for value in values],
        'textposition': 'outside',
        'cliponaxis': False,
        'marker': {'color': '@accent'},
        **_hover(f'%{{y}}: %{{x:.2f}} % {hover}'),
    }
    return {
        'data': [trace],
        'layout': {
            'height': (_BAR_PX if len(names) <= _MANY else _THIN_BAR_PX) * len(names) + 30,
            'bargap': 0.3,
            'xaxis': {'visible': False, 'range': [0, 1.15 * max([*values, 1e-6])]},
            'yaxis': {'tickmode': 'linear', **_LABELS},
            'margin': {'t': 4, 'b': 4, 'r': 44},
        },
    }


def confusion(names: Sequence[str], shares: np.ndarray) -> Figure:
    """
    The confusion matrix in percent.

    :param shares: of each true class (row) that was predicted as each class (column), 0..1.
    """
    percent = 100 * shares
    columns = confusion_columns(names, shares)
    legible = len(names) <= LEGIBLE_CLASSES
    heat = _heatmap(
        [rounded(row, 2) for row in percent],
        '% of row',
        'true %{y}, predicted %{x}: %{z:.1f} %',
        _STEEP,
        x=columns,
        y=list(names),
        zmax=100,
        showscale=not legible,
        xgap=1,
        ygap=1,
    )
    if legible:
        heat['text'] = [[f'{cell:.0f}' if cell >= 0.5 else '' for cell in row] for row in percent]
        heat['texttemplate'] = '%{text}'
    cell = 34 if legible else 13
    side = {'tickmode': 'linear', **_LABELS, **({} if legible else {'tickfont': {'size': 10}})}
    return {
        'data': [heat],
        'min_width': 130 + cell * len(columns),
        'layout': {
            'height': 120 + cell * len(names),
            'xaxis': _titled(CONFUSION_AXES[0], side='top', tickangle=-60, **side),
            'yaxis': _titled(CONFUSION_AXES[1], autorange='reversed', **side),
            'margin': {'t': 20, 'b': 8, 'r': 8},
        },
    }


def reliability(bins: Sequence[Mapping[str, Any]]) -> Figure:
    """Share of correct pixels over stated confidence; a calibrated model is on the diagonal."""
    known = [one for one in bins if one.get('count')]
    total = max(1, sum(one['count'] for one in known))
    share = [one['count'] / total for one in known]
    dots = _scatter(
        [round(100 * one['confidence'], 2) for one in known],
        [round(100 * one['accuracy'], 2) for one in known],
        'confidence %{x:.0f} %, correct %{y:.0f} %<br>%{customdata:.1f} % of the pixels',
        mode='lines+markers',
        customdata=[round(100 * value, 2) for value in share],
        line={'color': '@accent', 'width': 1.5},
        marker={'color': '@accent', 'size': [round(6 + 22 * value**0.5, 1) for value in share]},
    )
    diagonal = _scatter(
        [0, 100],
        [0, 100],
        mode='lines',
        line={'color': '@muted', 'width': 1, 'dash': 'dot'},
        hoverinfo='skip',
    )
    muted = {'showarrow': False, 'font': {'color': '@muted'}}
    return {
        'data': [diagonal, dots],
        'layout': {
            'height': 340,
            'xaxis': _titled(RELIABILITY_AXES[0], range=[0, 103]),
            'yaxis': _titled(RELIABILITY_AXES[1], range=[0, 103]),
            'annotations': [
                {'x': 22, 'y': 55, 'text': 'underconfident', **muted},
                {'x': 78, 'y': 45, 'text': 'overconfident', **muted},
            ],
        },
    }


def track(lat: np.ndarray, lon: np.ndarray, level: np.ndarray, rows: np.ndarray) -> Figure | None:
    """
    Where the frames were taken, a dot in the colour of its level; None without positions.

    :param rows: of the frames, (n,) as the others, which a click goes to.
    """
    known = np.flatnonzero(np.isfinite(lat) & np.isfinite(lon))
    if not len(known):
        return None
    known = known[:: 1 + len(known) // _MAP_POINTS]
    traces = []
    for one in RiskLevel:
        name, at = one.name.lower(), known[level[known] == one]
        if len(at):
            traces.append(
                _scatter(
                    rounded(lon[at], 7),
                    rounded(lat[at], 7),
                    f'{name}<br>%{{y:.6f}}, %{{x:.6f}}',
                    name=name,
                    marker={'color': f'@{name}', 'size': 6 + int(one)},
                    customdata=rows[at].tolist(),
                )
            )
    stretch = 1 / max(0.02, float(np.cos(np.radians(lat[known].mean()))))
    side = {'tickformat': '.4f', 'constrain': 'domain'}
    return {
        'data': traces,
        'layout': {
            'height': 420,
            'xaxis': _titled('longitude, °', nticks=4, **side),
            'yaxis': _titled('latitude, °', scaleanchor='x', scaleratio=stretch, **side),
            **_legend(1.08),
        },
    }


def overview(titles: Sequence[str], low: Sequence[float], median: Sequence[float]) -> Figure:
    """Median and lowest score of each input, the least safe first; NaN counts as the least."""
    order = sorted(range(len(titles)), key=lambda index: np.nan_to_num(median[index], nan=-1))
    traces = [
        _scatter(
            list(range(1, len(order) + 1)),
            rounded(np.array(values, float)[order], 1),
            f'{name}: %{{text}}<br>%{{y:.0f}}',
            name=name,
            customdata=order,
            text=[titles[index] for index in order],
            marker={'color': colour, 'size': size},
        )
        for name, values, colour, size in (
            ('lowest', low, '@muted', 4),
            ('median', median, '@accent', 7),
        )
    ]
    return {
        'data': traces,
        'layout': {
            'height': 260,
            'xaxis': _titled('inputs, the least safe first', tickformat='d'),
            'yaxis': _titled('safety score', range=[-4, 104]),
            **_legend(1.15),
        },
    }


def changes(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Change of each class in points with its interval, the largest loss on top."""
    ordered = sorted(rows, key=lambda row: row['before'] - row['after'])
    before, after = (np.array([100 * row[key] for row in ordered]) for key in ('before', 'after'))
    points = after - before
    # Without bounds the interval is as wide as it can be.
    low, high = (
        np.array([bound if row[key] is None else 100 * row[key] for row in ordered], float)
        for key, bound in (('low', -100), ('high', 100))
    )
    trace = _scatter(
        rounded(points, 2),
        [
            f'{row["name"]}  {start:.1f} → {end:.1f}'
            for row, start, end in zip(ordered, before, after, strict=True)
        ],
        '%{y}<br>%{x:+.2f} points',
        error_x={
            'type': 'data',
            'symmetric': False,
            'array': rounded(np.maximum(0, high - points), 2),
            'arrayminus': rounded(np.maximum(0, points - low), 2),
            'color': '@muted',
            'thickness': 1.5,
            'width': 0,
        },
        marker={
            'size': 9,
            'color': np.select([low > 0, high < 0], ['@good', '@bad'], '@muted').tolist(),
        },
    )
    return {
        'data': [trace],
        'layout': {
            'height': _BAR_PX * len(rows) + 70,
            'xaxis': _titled('change of IoU, points'),
            'yaxis': _LABELS,
            'shapes': [_upright(0)],
        },
    }


def band(x: np.ndarray, y: np.ndarray, std: np.ndarray, axis: str) -> list[Figure]:
    """A line (n,) with one standard deviation to both sides, on an axis such as y2."""
    area = _scatter(
        rounded(np.concatenate([x, x[::-1]]), 2),
        rounded(np.concatenate([y + std, (y - std)[::-1]]), 4),
        mode='lines',
        fill='toself',
        fillcolor='@heatlow',
        line={'width': 0},
        hoverinfo='skip',
        yaxis=axis,
    )
    line = _scatter(
        rounded(x, 2),
        rounded(y, 4),
        '%{y:.2f} ± %{customdata:.2f}',
        mode='lines',
        customdata=rounded(std, 4),
        line={'color': '@accent', 'width': 1.6},
        yaxis=axis,
    )
    return [area, line]


def image_map(cells: Sequence[Sequence[float]]) -> Figure:
    """Shares 0..1 over the image, row 0 on top."""
    rows, columns = len(cells), len(cells[0])
    percent = [[round(100 * cell, 2) for cell in row] for row in cells]
    side = {'visible': False, 'constrain': 'domain'}
    return {
        'data': [_heatmap(percent, '% of frames', '%{z:.1f} % of the frames', _SEQUENTIAL)],
        'layout': {
            'height': 260,
            'xaxis': {**side, 'range': [-0.5, columns - 0.5]},
            'yaxis': {**side, 'scaleanchor': 'x', 'range': [rows - 0.5, -0.5]},
        },
    }


def _scatter(x: Sequence[Any], y: Sequence[Any], hover: str = '', **more: Any) -> Figure:
    told = _hover(hover) if hover else {}
    return {'type': 'scatter', 'mode': 'markers', 'x': x, 'y': y, **told, **more}


def _heatmap(z: Sequence[Any], unit: str, hover: str, colours: Any, **more: Any) -> Figure:
    title = {'text': unit, 'font': {'size': 12}}
    bar = {'colorbar': {'title': title, 'thickness': 10, 'outlinewidth': 0}}
    scale = {'zmin': 0, 'colorscale': colours}
    return {'type': 'heatmap', 'z': z, **scale, **bar, **_hover(hover), **more}


def _hover(template: str) -> Figure:
    return {'hovertemplate': f'{template}<extra></extra>'}


def _titled(title: str, **more: Any) -> Figure:
    return {'title': {'text': title}, **more}


def _legend(y: float) -> Figure:
    return {'showlegend': True, 'legend': {'orientation': 'h', 'y': y, 'x': 0}}


def _upright(x: float) -> Figure:
    line = {'color': '@ink', 'width': 1, 'dash': 'dot'}
    return {'type': 'line', 'x0': x, 'x1': x, 'y0': 0, 'y1': 1, 'yref': 'paper', 'line': line}


def _mark(x: float, text: str, y: float) -> Figure:
    place = {'x': x, 'y': y, 'yref': 'paper', 'xanchor': 'left', 'yanchor': 'top', 'xshift': 4}
    return {**place, 'text': text, 'showarrow': False, 'bgcolor': '@paper'}


def _percent(value: float) -> str:
    """Two significant digits: 41 %, 4.1 %, 0.41 %."""
    digits = 0 if value >= 9.95 or value == 0 else 1 if value >= 0.95 else 2
    return f'{value:.{digits}f} %'
