# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The plots of the report as plotly figures in JSON types.

A colour is the name of a CSS variable after an at sign, ``@accent``: the page puts in the value
of its light, dark or printed scheme. One hue carries quantity, the level colours carry danger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt
from typing import Any

import numpy as np

from seg_perception.core.results import RiskLevel
from seg_perception.report.run_data import RunData
from seg_perception.report.timeline import rounded

Figure = dict[str, Any]

LEGIBLE_CLASSES = 20  # up to here the cells of a confusion matrix carry their number
_BAR_PX, _THIN_BAR_PX = 24, 17
_MANY = 30  # bars from which they are thin
_SEQUENTIAL = [[0, '@panel'], [1, '@heat']]
_STEEP = [[0, '@panel'], [0.2, '@heatlow'], [1, '@heat']]  # mistakes are small and matter
_GAP = {'ticks': 'outside', 'ticklen': 6, 'tickcolor': '@paper'}  # between words and bars
_MAP_POINTS = 4000
_MOST_BINS = 60


def latency(total_ms: np.ndarray) -> Figure:
    """Histogram of a frame's milliseconds; what lies above p99.5 is told, not drawn."""
    p50, p95, p99, end = np.percentile(total_ms, [50, 95, 99, 99.5])
    counts, edges = np.histogram(
        total_ms[total_ms <= end], bins=min(_MOST_BINS, 2 * isqrt(len(total_ms)))
    )
    share = 100 * counts / len(total_ms)
    bars = {
        'type': 'bar',
        'x': rounded((edges[:-1] + edges[1:]) / 2, 2),
        'y': rounded(share, 3),
        'width': round(float(edges[1] - edges[0]), 4),
        'marker': {'color': '@accent'},
        'hovertemplate': '%{x:.1f} ms: %{y:.2f} % of the frames<extra></extra>',
    }
    marks = [(p50, 'p50', 1.0), (p95, 'p95', 0.88), (p99, 'p99', 0.76)]
    return {
        'data': [bars],
        'layout': {
            'height': 300,
            'bargap': 0.05,
            'xaxis': {'title': {'text': 'milliseconds a frame, all stages'}},
            'yaxis': {'title': {'text': '% of the frames'}, 'rangemode': 'tozero'},
            'shapes': [_upright(value) for value, _, _ in marks],
            'annotations': [_mark(value, f'{name} {value:.1f}', y) for value, name, y in marks],
        },
    }


def bars(names: Sequence[str], percent: Sequence[float], hover: str) -> Figure:
    """One bar a name with its value beside it, the longest first."""
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
        'hovertemplate': f'%{{y}}: %{{x:.2f}} % {hover}<extra></extra>',
    }
    return {
        'data': [trace],
        'layout': {
            'height': (_BAR_PX if len(names) <= _MANY else _THIN_BAR_PX) * len(names) + 30,
            'bargap': 0.3,
            'xaxis': {'visible': False, 'range': [0, 1.15 * max([*values, 1e-6])]},
            'yaxis': {'showgrid': False, 'showline': False, 'tickmode': 'linear', **_GAP},
            'margin': {'t': 4, 'b': 4, 'r': 44},
        },
    }


def confusion(names: Sequence[str], counts: np.ndarray) -> Figure:
    """Share of each true class (row) that was predicted as each class (column)."""
    rows = counts.sum(axis=1, keepdims=True)
    percent = 100 * np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    columns = [*names, 'unlabeled'][: counts.shape[1]]
    legible = len(names) <= LEGIBLE_CLASSES
    heat: Figure = {
        'type': 'heatmap',
        'z': [rounded(row, 2) for row in percent],
        'x': columns,
        'y': list(names),
        'zmin': 0,
        'zmax': 100,
        'colorscale': _STEEP,
        'showscale': not legible,
        'colorbar': _colorbar('% of row'),
        'xgap': 1,
        'ygap': 1,
        'hovertemplate': 'true %{y}, predicted %{x}: %{z:.1f} %<extra></extra>',
    }
    if legible:
        heat['text'] = [[f'{cell:.0f}' if cell >= 0.5 else '' for cell in row] for row in percent]
        heat['texttemplate'] = '%{text}'
    cell = 34 if legible else 13
    side: Figure = {'showgrid': False, 'tickmode': 'linear', 'showline': False, **_GAP}
    if not legible:
        side['tickfont'] = {'size': 10}
    return {
        'data': [heat],
        'min_width': 130 + cell * len(columns),
        'layout': {
            'height': 120 + cell * len(names),
            'xaxis': {**side, 'side': 'top', 'tickangle': -60, 'title': {'text': 'predicted'}},
            'yaxis': {**side, 'autorange': 'reversed', 'title': {'text': 'true'}},
            'margin': {'t': 20, 'b': 8, 'r': 8},
        },
    }


def reliability(bins: Sequence[Mapping[str, Any]]) -> Figure:
    """Share of right pixels over stated confidence; the diagonal is what is honest."""
    known = [one for one in bins if one.get('count')]
    total = max(1, sum(one['count'] for one in known))
    share = [one['count'] / total for one in known]
    dots = {
        'type': 'scatter',
        'mode': 'lines+markers',
        'x': [round(100 * one['confidence'], 2) for one in known],
        'y': [round(100 * one['accuracy'], 2) for one in known],
        'customdata': [round(100 * value, 2) for value in share],
        'line': {'color': '@accent', 'width': 1.5},
        'marker': {'color': '@accent', 'size': [round(6 + 22 * value**0.5, 1) for value in share]},
        'hovertemplate': 'stated %{x:.0f} %, right %{y:.0f} %<br>'
        '%{customdata:.1f} % of the pixels<extra></extra>',
    }
    honest = {
        'type': 'scatter',
        'mode': 'lines',
        'x': [0, 100],
        'y': [0, 100],
        'line': {'color': '@muted', 'width': 1, 'dash': 'dot'},
        'hoverinfo': 'skip',
    }
    words = [
        {'x': 22, 'y': 55, 'text': 'too modest', 'showarrow': False, 'font': {'color': '@muted'}},
        {'x': 78, 'y': 45, 'text': 'too sure', 'showarrow': False, 'font': {'color': '@muted'}},
    ]
    return {
        'data': [honest, dots],
        'layout': {
            'height': 340,
            'xaxis': {'title': {'text': 'stated confidence, %'}, 'range': [0, 103]},
            'yaxis': {'title': {'text': 'right pixels, %'}, 'range': [0, 103]},
            'annotations': words,
        },
    }


def track(run: RunData, shown: np.ndarray) -> Figure | None:
    """
    Where the frames were taken, a dot in the colour of its level; None without positions.

    :param shown: rows of the timeline, which a click can go to.
    """
    lat, lon = run.numbers('lat')[shown], run.numbers('lon')[shown]
    known = np.flatnonzero(np.isfinite(lat) & np.isfinite(lon))
    if not len(known):
        return None
    known = known[:: 1 + len(known) // _MAP_POINTS]
    levels = run.numbers('level')[shown][known].astype(int)
    traces = [
        _places(level, lat[known[levels == level]], lon[known[levels == level]])
        | {'customdata': shown[known[levels == level]].tolist()}
        for level in RiskLevel
        if (levels == level).any()
    ]
    stretch = 1 / max(0.02, float(np.cos(np.radians(lat[known].mean()))))
    return {
        'data': traces,
        'layout': {
            'height': 420,
            'xaxis': {
                'title': {'text': 'longitude, °'},
                'tickformat': '.4f',
                'nticks': 4,
                'constrain': 'domain',
            },
            'yaxis': {
                'title': {'text': 'latitude, °'},
                'tickformat': '.4f',
                'scaleanchor': 'x',
                'scaleratio': stretch,
                'constrain': 'domain',
            },
            'showlegend': True,
            'legend': {'orientation': 'h', 'y': 1.08, 'x': 0},
        },
    }


def overview(titles: Sequence[str], low: Sequence[float], median: Sequence[float]) -> Figure:
    """Median and lowest score of each input, the least safe first."""
    order = sorted(range(len(titles)), key=lambda index: median[index])
    x = list(range(1, len(order) + 1))
    names = [titles[index] for index in order]
    common = {'type': 'scatter', 'mode': 'markers', 'x': x, 'customdata': order, 'text': names}
    hover = '%{text}<br>%{y:.0f}<extra></extra>'
    dots = {
        **common,
        'name': 'median',
        'y': [round(median[index], 1) for index in order],
        'marker': {'color': '@accent', 'size': 7},
        'hovertemplate': f'median: {hover}',
    }
    lows = {
        **common,
        'name': 'lowest',
        'y': [round(low[index], 1) for index in order],
        'marker': {'color': '@muted', 'size': 4},
        'hovertemplate': f'lowest: {hover}',
    }
    return {
        'data': [lows, dots],
        'layout': {
            'height': 260,
            'xaxis': {'title': {'text': 'inputs, the least safe first'}, 'tickformat': 'd'},
            'yaxis': {'title': {'text': 'safety score'}, 'range': [-4, 104]},
            'showlegend': True,
            'legend': {'orientation': 'h', 'y': 1.15, 'x': 0},
        },
    }


def changes(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Change of each class in points with its interval, the largest loss on top."""
    ordered = sorted(rows, key=lambda row: row['before'] - row['after'])
    points = [100 * (row['after'] - row['before']) for row in ordered]
    low, high = ([_bound(row, key) for row in ordered] for key in ('low', 'high'))
    names = [
        f'{row["name"]}  {100 * row["before"]:.1f} → {100 * row["after"]:.1f}' for row in ordered
    ]
    trace = {
        'type': 'scatter',
        'mode': 'markers',
        'x': [round(value, 2) for value in points],
        'y': names,
        'error_x': {
            'type': 'data',
            'symmetric': False,
            'array': _lengths(points, high),
            'arrayminus': _lengths(low, points),
            'color': '@muted',
            'thickness': 1.5,
            'width': 0,
        },
        'marker': {
            'size': 9,
            'color': [
                '@good' if down > 0 else '@bad' if up < 0 else '@muted'
                for down, up in zip(low, high, strict=True)
            ],
        },
        'hovertemplate': '%{y}<br>%{x:+.2f} points<extra></extra>',
    }
    return {
        'data': [trace],
        'layout': {
            'height': _BAR_PX * len(rows) + 70,
            'xaxis': {'title': {'text': 'change of IoU, points'}},
            'yaxis': {'showgrid': False, 'showline': False, **_GAP},
            'shapes': [_upright(0)],
        },
    }


def picture_map(cells: Sequence[Sequence[float]]) -> Figure:
    """Shares 0..1 over the picture, row 0 on top."""
    rows, columns = len(cells), len(cells[0])
    heat = {
        'type': 'heatmap',
        'z': [[round(100 * cell, 2) for cell in row] for row in cells],
        'zmin': 0,
        'colorscale': _SEQUENTIAL,
        'colorbar': _colorbar('% of frames'),
        'hovertemplate': '%{z:.1f} % of the frames<extra></extra>',
    }
    return {
        'data': [heat],
        'layout': {
            'height': 260,
            'xaxis': {'visible': False, 'constrain': 'domain', 'range': [-0.5, columns - 0.5]},
            'yaxis': {
                'visible': False,
                'scaleanchor': 'x',
                'constrain': 'domain',
                'range': [rows - 0.5, -0.5],
            },
        },
    }


def _lengths(low: Sequence[float], high: Sequence[float]) -> list[float]:
    return [round(max(0.0, end - start), 2) for start, end in zip(low, high, strict=True)]


def _bound(row: Mapping[str, Any], key: str) -> float:
    """A bound in points; where there is none, the interval is as wide as can be for its colour."""
    if row[key] is None:
        return -100.0 if key == 'low' else 100.0
    return 100 * float(row[key])


def _places(level: RiskLevel, lat: np.ndarray, lon: np.ndarray) -> Figure:
    return {
        'type': 'scatter',
        'mode': 'markers',
        'name': level.name.lower(),
        'x': rounded(lon, 7),
        'y': rounded(lat, 7),
        'marker': {'color': f'@{level.name.lower()}', 'size': 6 + int(level)},
        'hovertemplate': f'{level.name.lower()}<br>%{{y:.6f}}, %{{x:.6f}}<extra></extra>',
    }


def _upright(x: float) -> Figure:
    line = {'color': '@ink', 'width': 1, 'dash': 'dot'}
    return {'type': 'line', 'x0': x, 'x1': x, 'y0': 0, 'y1': 1, 'yref': 'paper', 'line': line}


def _mark(x: float, text: str, y: float) -> Figure:
    place = {'x': x, 'y': y, 'yref': 'paper', 'xanchor': 'left', 'yanchor': 'top', 'xshift': 4}
    return {**place, 'text': text, 'showarrow': False, 'bgcolor': '@paper'}


def _colorbar(title: str) -> Figure:
    return {'title': {'text': title, 'font': {'size': 12}}, 'thickness': 10, 'outlinewidth': 0}


def _percent(value: float) -> str:
    """Two figures that count: 41 %, 4.1 %, 0.41 %."""
    digits = 0 if value >= 9.95 or value == 0 else 1 if value >= 0.95 else 2
    return f'{value:.{digits}f} %'
