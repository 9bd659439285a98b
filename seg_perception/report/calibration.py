# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How cameras calibrated themselves: estimates over time, a picture, numbers; and a page of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import degrees, isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np

from seg_perception import __version__
from seg_perception.core.draw import LEVEL_RGB
from seg_perception.evaluation.run_data import RunData
from seg_perception.io.atomic import write_text
from seg_perception.report import figures
from seg_perception.report.images import data_uri
from seg_perception.report.template import fill
from seg_perception.report.text import number, percent
from seg_perception.report.timeline import rounded

SHOWN = 12  # cameras with plot and picture in a report; the others have their numbers


@dataclass(frozen=True)
class CameraSection:
    """
    What a page says of one camera.

    :param facts: the last line of ``history``, as ``calibration_fields`` names it.
    :param history: what was known at each ``time_s``; empty where it was not followed.
    :param picture: a file with horizon, vanishing point and own vehicle drawn in.
    """

    title: str
    facts: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    picture: Path

    @property
    def uri(self) -> str:
        return data_uri(self.picture)

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """Names and values of what is known, for a table."""
        facts = self.facts
        rows = [
            ('state', f'{facts["state"]}, {facts["percent"]} %'),
            ('reason', facts['reason']),
            ('used in the answers', 'yes' if facts['applied'] else 'no'),
            ('vanishing point, column', _spread(facts, 'vanishing_column', 'px', 1.0, 1)),
            ('vanishing point, row', _spread(facts, 'vanishing_row', 'px', 1.0, 1)),
            *(
                (f'{name}, positive {way}', _spread(facts, f'{name}_rad', '°', degrees(1), 2))
                for name, way in (('pitch', 'down'), ('yaw', 'left'), ('roll', 'left side up'))
            ),
            ('height', _spread(facts, 'height_m', 'm', 1.0, 2)),
            ('height from', facts['height_source']),
        ]
        if _is_known(facts['ego_share']):
            rows.append(('own vehicle in the image', percent(facts['ego_share'])))
        return [(name, [value]) for name, value in rows if value]


def _spread(facts: Mapping[str, Any], name: str, unit: str, scale: float, digits: int) -> str:
    """A value with its standard deviation; empty when it is not known."""
    if not _is_known(facts[name]):
        return ''
    base, _, last = name.rpartition('_')
    std_name = f'{base}_std_{last}' if last in ('rad', 'm') else f'{name}_std'
    value, std = (nan if facts[key] is None else scale * facts[key] for key in (name, std_name))
    return f'{number(value, digits)} ± {number(std, digits)} {unit}'


def _is_known(value: float | None) -> bool:
    return value is not None and isfinite(value)


def sections_of(run: RunData) -> list[CameraSection]:
    """The cameras of an evaluation that calibrated themselves."""
    return [_section(run, row) for row in run.summary.get('calibrations', ())]


def _section(run: RunData, row: Mapping[str, Any]) -> CameraSection:
    title = f'{row["source"]} {row["camera"]}' if row['camera'] != row['source'] else row['source']
    files = run.folder / row['files']
    try:
        history = json.loads(files.with_name(f'{files.name}.json').read_text(encoding='utf-8'))
    except (OSError, ValueError):  # moved since, or never followed
        history = []
    return CameraSection(title, row, history, files.with_name(f'{files.name}.jpg'))


def plots_of(sections: Sequence[CameraSection]) -> dict[str, figures.Figure]:
    """The plots by the place that shows them."""
    shown = enumerate(sections[:SHOWN])
    return {f'calibration_{i}': over_time(one.history) for i, one in shown if one.history}


def over_time(history: Sequence[Mapping[str, Any]]) -> figures.Figure:
    """
    Estimates with one standard deviation, and the evidence in percent, over time.

    Pitch and yaw in degrees; without a known lens, horizon row and vanishing column in percent.
    """
    columns = {
        name: np.array([nan if row[name] is None else row[name] for row in history], float)
        for name in history[0]
        if name not in ('camera', 'reason', 'height_source', 'state', 'applied')
    }
    if np.isfinite(columns['pitch_rad']).any():
        lines = [_degrees(columns, 'pitch', 'down'), _degrees(columns, 'yaw', 'left')]
    else:
        lines = [_share(columns, 'row', 'height'), _share(columns, 'column', 'width')]
    time_s, data, layout = columns['time_s'], [], dict[str, Any]()
    domains = ([0.70, 1.0], [0.33, 0.63], [0.0, 0.26])
    for place, (title, values, std) in enumerate(lines, 1):
        known = np.isfinite(values)
        data += figures.band(time_s[known], values[known], std[known], f'y{place}')
        layout[f'yaxis{place}'] = {'domain': domains[place - 1], 'title': {'text': title}}
    evidence = {'x': rounded(time_s, 2), 'y': rounded(columns['percent'], 0)}
    style = {'type': 'scatter', 'mode': 'lines', 'line': {'color': '@accent', 'width': 1.4}}
    data.append({**style, **evidence, 'yaxis': 'y3', 'hovertemplate': '%{y} %<extra></extra>'})
    layout['yaxis3'] = {'domain': domains[2], 'range': [-4, 104], 'title': {'text': 'evidence, %'}}
    x_axis = {'title': {'text': 'seconds from the start'}, 'anchor': 'y3'}
    layout['yaxis'] = layout.pop('yaxis1')
    return {'data': data, 'layout': {'height': 460, 'xaxis': x_axis, **layout}}


_Line = tuple[str, np.ndarray, np.ndarray]


def _degrees(columns: Mapping[str, np.ndarray], name: str, way: str) -> _Line:
    values, std = (np.degrees(columns[f'{name}{part}_rad']) for part in ('', '_std'))
    return f'{name}, ° {way}', values, std


def _share(columns: Mapping[str, np.ndarray], name: str, side: str) -> _Line:
    length = columns[f'image_{side}']
    values = 100 * (columns[f'vanishing_{name}'] + 0.5) / length
    return f'{name}, % of {side}', values, 100 * columns[f'vanishing_{name}_std'] / length


def write_calibration_page(path: Path, sections: Sequence[CameraSection]) -> None:
    """
    Write a page that needs nothing else.

    :raises OutputError: when it cannot be written.
    :raises SegPerceptionError: when plotly or jinja2 is missing.
    """
    plots = plots_of(sections)
    data = {'levels': [], 'reasons': [], 'inputs': [], 'images': {}, 'figures': plots}
    page = fill(
        'calibration.html',
        data,
        cameras=sections,
        figures=plots,
        shown=SHOWN,
        version=__version__,
        level_rgb={level.name.lower(): rgb for level, rgb in LEVEL_RGB.items()},
    )
    write_text(path, page)
