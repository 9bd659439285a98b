# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Put the report together: words, plots and pictures in one HTML file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seg_perception import __version__
from seg_perception.core.draw import LEVEL_RGB
from seg_perception.core.errors import SourceError
from seg_perception.core.results import RiskLevel
from seg_perception.report import comparison, figures, findings
from seg_perception.report.pictures import Pictures, embed
from seg_perception.report.run_data import RunData, optional, read_run
from seg_perception.report.timeline import all_series

NAME = 'report.html'
_HERE = Path(__file__).parent
_NAMED = 3  # failed inputs by name in the notice
_OVERVIEW_FROM = 8  # fewer inputs are read from their table


def write_report(folder: Path) -> Path:
    """
    Write ``report.html`` into the folder of an evaluation and return its path.

    The file carries its pictures, plots and plotly itself; it asks no server for anything.

    :raises SourceError: when the folder lacks a file, or one is damaged, or it cannot be written.
    :raises SegPerceptionError: when plotly or another part of the extra `offline` is missing.
    """
    path = folder / NAME
    write_whole(path, render(read_run(folder)))
    return path


def write_whole(path: Path, text: str) -> None:
    """
    Write under another name and rename, so that no half file is ever seen.

    :raises SourceError: when it cannot be written.
    """
    unfinished = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        unfinished.write_text(text, encoding='utf-8')
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise SourceError(f'output {str(path)!r}', error, 'a file that can be written') from error


def render(run: RunData) -> str:
    """The whole page."""
    worst = findings.worst_rows(run, run.numbers('score'))
    worst_truth = findings.worst_rows(run, run.numbers('miou')) if run.truth else []
    record = comparison.read_comparison(run)
    lost = [one['row'] for one in record['worst']] if record else []
    first = [*worst, *worst_truth, *lost]
    pictures = embed(run, first)
    inputs = all_series(run, np.union1d(pictures.rows, np.array(first, int)))
    plots = _plots(run, inputs) | (comparison.plots(record) if record else {})
    data = {
        'levels': [level.name.lower() for level in RiskLevel],
        'reasons': run.coded('reason')[1],
        'inputs': inputs,
        'pictures': pictures.uri_of_row,
        'figures': plots,
    }
    page: str = _template().render(
        css=_as_is((_HERE / 'page.css').read_text(encoding='utf-8')),
        js=_as_is((_HERE / 'page.js').read_text(encoding='utf-8')),
        plotly=_as_is(optional('plotly.offline').get_plotlyjs()),
        data=_as_is(_script_safe(data)),
        version=__version__,
        level_rgb={level.name.lower(): rgb for level, rgb in LEVEL_RGB.items()},
        figures=plots,
        sections=_sections(run, plots, record is not None),
        comparison=comparison.section(run, record, pictures) if record else None,
        worst=_cards(run, worst, pictures, 'score'),
        worst_truth=_cards(run, worst_truth, pictures, 'miou'),
        **_words(run, inputs, pictures),
    )
    return page


def _words(run: RunData, inputs: list[dict[str, Any]], pictures: Pictures) -> dict[str, Any]:
    """What the template shows as text."""
    summary = run.summary
    return {
        'title': _title(run),
        'lede': findings.lede(run),
        'notices': _notices(run, pictures),
        'tiles': findings.headline(run) if run.frames else [],
        'levels': findings.levels(run),
        'has_frames': run.frames > 0,
        'many_inputs': len(inputs) > 1,
        'timeline_note': _timeline_note(run, inputs, pictures),
        'has_pictures': bool(pictures.uri_of_row),
        'class_colours': findings.class_colours(run),
        'inputs': findings.input_rows(run) if len(inputs) > 1 else [],
        'input_columns': findings.INPUT_COLUMNS,
        'truth': _truth(run.truth) if run.truth else None,
        'stages': [
            (name, [findings.number(values.get(key), 2) for key in ('p50', 'p95', 'p99')])
            for name, values in summary['stages_ms'].items()
        ],
        'model': findings.facts(summary['model']),
        'environment': findings.facts(summary['environment']),
        'asked': findings.facts(_asked(run.folder)),
        'failures': summary.get('failures', []),
        'skipped': findings.flat(summary.get('skipped') or {}),
    }


def _plots(run: RunData, inputs: list[dict[str, Any]]) -> dict[str, figures.Figure]:
    """The figures that the data allows, by the place that shows them."""
    if not run.frames:
        return {}
    plots = {'latency': figures.latency(run.total_ms)}
    shares = run.summary.get('class_share') or {}
    if shares:
        percent = [100 * (share or 0) for share in shares.values()]
        plots['shares'] = figures.bars(list(shares), percent, 'of the image')
    if len(inputs) >= _OVERVIEW_FROM:
        rows = findings.input_rows(run)
        plots['overview'] = figures.overview(
            [row.title for row in rows],
            [row.cells[2].sort for row in rows],
            [row.cells[1].sort for row in rows],
        )
    track = figures.track(run, np.concatenate([one['row'] for one in inputs]))
    if track:
        plots['track'] = track
    return plots | (_truth_plots(run.truth) if run.truth else {})


def _truth_plots(truth: Mapping[str, Any]) -> dict[str, figures.Figure]:
    known = {name: value for name, value in truth['iou'].items() if value is not None}
    plots = {'iou': figures.bars(list(known), [100 * value for value in known.values()], 'IoU')}
    if truth.get('confusion'):
        plots['confusion'] = figures.confusion(list(truth['iou']), np.array(truth['confusion']))
    if truth.get('reliability'):
        plots['reliability'] = figures.reliability(truth['reliability'])
    return plots


def _truth(truth: Mapping[str, Any]) -> dict[str, Any]:
    columns, rows = findings.conditions(truth)
    counts = np.array(truth.get('confusion') or np.zeros((0, 0)))
    ece = truth.get('ece')
    return {
        'note': f'{findings.number(truth["frames"], 0)} frames with truth, classes of '
        f'{truth.get("table", "the model")}. One confusion matrix over all of them.',
        'absent': ', '.join(name for name, value in truth['iou'].items() if value is None),
        'ece': f'Expected calibration error {findings.percent(ece)}.' if ece is not None else '',
        'condition_columns': columns,
        'conditions': rows,
        'mistakes': findings.class_mistakes(list(truth['iou']), counts),
    }


def _cards(run: RunData, rows: list[int], pictures: Pictures, column: str) -> list[findings.Card]:
    return [findings.card(run, row, pictures.of(row), column) for row in rows]


def _title(run: RunData) -> str:
    sources = list(dict.fromkeys(one.source for one in run.inputs))
    if not sources:
        return run.folder.name
    return sources[0] if len(sources) == 1 else f'{sources[0]} and {len(sources) - 1} more'


def _notices(run: RunData, pictures: Pictures) -> list[str]:
    """What a reader has to know before the numbers."""
    notices = []
    failed = list(dict.fromkeys(str(one['source']) for one in run.summary.get('failures', [])))
    if failed:
        more = f' and {len(failed) - _NAMED} more' if len(failed) > _NAMED else ''
        names = ', '.join(failed[:_NAMED])
        notices.append(f'Not read to the end: {names}{more}. See Failures below.')
    notices += [f'{one["source"]}: {one["what"]}.' for one in run.summary.get('warnings', [])]
    if pictures.missing:
        notices.append(
            f'{pictures.missing} pictures that frames.parquet names are not in '
            f'{run.folder.name}/thumbs or are no pictures; their frames show none.'
        )
    return notices


def _timeline_note(run: RunData, inputs: list[dict[str, Any]], pictures: Pictures) -> str:
    shown = sum(len(one['row']) for one in inputs)
    notes = []
    if np.isnan(run.numbers('free_distance_m')).all():
        notes.append('Without calibration there are no metres, so the free share is shown.')
    if shown < run.frames:
        notes.append(
            f'{findings.number(shown, 0)} of {findings.number(run.frames, 0)} frames are drawn: '
            'the lowest and the highest score of each short span, so no alarm is lost.'
        )
    if len(pictures.uri_of_row) < pictures.offered:
        notes.append(
            f'{findings.number(len(pictures.uri_of_row), 0)} of '
            f'{findings.number(pictures.offered, 0)} pictures are in this file, to keep it small.'
        )
    return ' '.join(notes)


def _sections(run: RunData, plots: Mapping[str, Any], is_compared: bool) -> list[tuple[str, str]]:
    sections = [
        ('timeline', 'Timeline', run.frames > 0),
        ('worst', 'Worst frames', run.frames > 0),
        ('compare', 'Against the baseline', is_compared),
        ('inputs', 'Inputs', len(run.inputs) > 1),
        ('truth', 'Against the truth', bool(run.truth)),
        ('speed', 'Time and classes', run.frames > 0),
        ('map', 'Map', 'track' in plots),
        ('facts', 'Model and machine', True),
        ('failures', 'Failures', True),
    ]
    return [(key, name) for key, name, there in sections if there]


def _asked(folder: Path) -> Mapping[str, Any]:
    """What the run was asked for; nothing when the folder does not say."""
    try:
        asked = json.loads((folder / 'run.json').read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return asked if isinstance(asked, dict) else {}


def _template() -> Any:
    jinja2 = optional('jinja2')
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.undefined = jinja2.StrictUndefined
    return environment.from_string((_HERE / 'page.html').read_text(encoding='utf-8'))


def _as_is(text: str) -> Any:
    """Text that the template does not escape."""
    return optional('markupsafe').Markup(text)


def _script_safe(data: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element that holds it."""
    return json.dumps(data, separators=(',', ':'), allow_nan=False).replace('<', '\\u003c')
