# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Put the report together: text, figures and images in one HTML file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from seg_perception import __version__
from seg_perception.core.draw import LEVEL_RGB
from seg_perception.core.errors import SegPerceptionError
from seg_perception.core.results import RiskLevel
from seg_perception.evaluation.metrics import largest_confusions, shares_of_truth
from seg_perception.evaluation.run_data import RunData, read_run
from seg_perception.io.atomic import write_text
from seg_perception.report import figures
from seg_perception.report.calibration import SHOWN, plots_of, sections_of
from seg_perception.report.images import data_uri, embed
from seg_perception.report.template import fill
from seg_perception.report.timeline import all_series

NAME = 'report.html'
_OVERVIEW_FROM = 8  # fewer inputs are read from their table
_CONFUSIONS = 12
_SEEN_SHARE = 0.0005  # a class with fewer pixels cannot be made out in an image
_IOU = 'iou.'  # before the name of a class in the changes of a comparison


def write_report(folder: Path) -> Path:
    """
    Write ``report.html`` into the folder of an evaluation and return its path.

    The file carries its images, figures and plotly itself; it makes no request to any server.

    :raises SourceError: when the folder lacks a file, or one is damaged, or it cannot be written.
    :raises SegPerceptionError: when plotly or another part of the extra `offline` is missing.
    """
    path = folder / NAME
    write_text(path, render(read_run(folder)))
    return path


def render(run: RunData) -> str:
    """The whole page."""
    worst = run.worst_rows(run.numbers('score'))
    worst_truth = run.worst_rows(run.numbers('miou')) if run.truth else []
    lost = [one['row'] for one in run.comparison['worst']] if run.comparison else []
    first = [*worst, *worst_truth, *lost]
    images = embed(run, first)
    series = all_series(run, np.union1d(images.rows, np.array(first, int)))
    steady = {one['source']: one.get('stability') or {} for one in run.summary['inputs']}
    unknown = {'consistency': nan, 'flips_per_s': nan}
    inputs = [
        (one.title, run.statistics(one.rows) | unknown | steady.get(one.source, {}))
        for one in run.inputs
    ]
    cameras = sections_of(run)
    plots = _figures(run, series, inputs) | plots_of(cameras)
    levels = [level.name.lower() for level in RiskLevel]
    data = {
        'levels': levels,
        'reasons': run.coded('reason')[1],
        'inputs': series,
        'images': images.uri_of_row,
        'figures': plots,
    }
    truth = run.truth or {}
    counts = np.array(truth.get('confusion') or np.zeros((0, 0)))
    conditions = (truth.get('conditions') or {}).values()
    return fill(
        'page.html',
        data,
        version=__version__,
        level_rgb={level.name.lower(): rgb for level, rgb in LEVEL_RGB.items()},
        run=run,
        summary={'failures': [], 'warnings': [], 'skipped': {}, 'stability': None, **run.summary},
        options=_options(run.folder),
        all=run.statistics(),
        figures=plots,
        images=images,
        levels=levels,
        level_counts=_level_counts(run),
        class_colours=_class_colours(run),
        inputs=inputs,
        sources=list(dict.fromkeys(one.source for one in run.inputs)),
        drawn=sum(len(one['row']) for one in series),
        is_metric=not np.isnan(run.numbers('free_distance_m')).all(),
        worst=worst,
        worst_truth=worst_truth,
        baseline_uris=_baseline_uris(run),
        condition_scores=[*dict.fromkeys(key for one in conditions for key in _scalars(one))],
        confusions=largest_confusions(counts, _CONFUSIONS),
        cameras=cameras,
        shown=SHOWN,
    )


def _figures(
    run: RunData, series: list[dict[str, Any]], inputs: list[tuple[str, dict[str, float]]]
) -> dict[str, figures.Figure]:
    """The figures that the data allows, by the place that shows them."""
    if not run.frames:
        return {}
    every = run.statistics()
    marks = {name: every[f'ms_{name}'] for name in ('p50', 'p95', 'p99')}
    title = 'milliseconds per frame, all stages'
    plots = {'latency': figures.histogram(run.total_ms, marks, 'ms', title)}
    if shares := run.summary.get('class_share'):
        percent = [100 * (share or 0) for share in shares.values()]
        plots['shares'] = figures.bars(list(shares), percent, 'of the image')
    if len(inputs) >= _OVERVIEW_FROM:
        scores = [[one[f'score_{key}'] for _, one in inputs] for key in ('lowest', 'median')]
        plots['overview'] = figures.overview([title for title, _ in inputs], *scores)
    rows = np.concatenate([one['row'] for one in series])
    lat, lon, level = (run.numbers(name)[rows] for name in ('lat', 'lon', 'level'))
    if track := figures.track(lat, lon, level, rows):
        plots['track'] = track
    return plots | _truth_figures(run.truth or {}) | _comparison_figures(run.comparison or {})


def _truth_figures(truth: Mapping[str, Any]) -> dict[str, figures.Figure]:
    plots = {}
    if truth:
        known = {name: 100 * value for name, value in truth['iou'].items() if value is not None}
        plots['iou'] = figures.bars(list(known), list(known.values()), 'IoU')
    if truth.get('confusion'):
        shares = shares_of_truth(np.array(truth['confusion']))
        plots['confusion'] = figures.confusion(list(truth['iou']), shares)
    if truth.get('reliability'):
        plots['reliability'] = figures.reliability(truth['reliability'])
    return plots


def _comparison_figures(record: Mapping[str, Any]) -> dict[str, figures.Figure]:
    classes = [
        {**one, 'name': one['name'].removeprefix(_IOU)}
        for one in record.get('changes', ())
        if one['name'].startswith(_IOU)
    ]
    plots = {'changes': figures.changes(classes)} if classes else {}
    if found := record.get('disagreement'):
        plots['disagreement'] = figures.image_map(found['cells'])
    return plots


def _level_counts(run: RunData) -> dict[str, int]:
    """Frames of each level that occurs, the safest first and unknown last."""
    counts = run.summary['levels']
    order = sorted(counts, key=lambda name: RiskLevel[name] or len(RiskLevel))
    return {name.lower(): counts[name] for name in order if counts[name]}


def _class_colours(run: RunData) -> list[tuple[str, str]]:
    """Names and CSS colours of the classes that occur, for reading the images."""
    table = run.summary['model'].get('class_table')
    rows = table.get('classes', []) if isinstance(table, Mapping) else []
    shares = run.summary.get('class_share') or {}
    return [
        (row['name'], 'rgb({}, {}, {})'.format(*row['rgb']))
        for row in rows
        if (shares.get(row['name']) or 0) >= _SEEN_SHARE
    ]


def _baseline_uris(run: RunData) -> list[str]:
    """An image of the baseline for each frame with the largest regression; empty for none."""
    worst = run.comparison['worst'] if run.comparison else []
    try:
        baseline = read_run(run.folder / run.comparison['baseline']) if run.comparison else run
    except SegPerceptionError:  # moved since: the comparison is still valid, without its images
        return [''] * len(worst)
    rows = [one['baseline_row'] for one in worst if one['baseline_row'] < baseline.frames]
    near = baseline.nearest_images(rows)
    named = {row: baseline.folder / baseline.text('thumbnail', at) for row, at in near.items()}
    return [data_uri(named.get(one['baseline_row'], Path())) for one in worst]


def _scalars(given: Mapping[str, Any]) -> list[str]:
    return [key for key, value in given.items() if not isinstance(value, (dict, list))]


def _options(folder: Path) -> Mapping[str, Any]:
    """The options of the run; empty when the folder does not have them."""
    try:
        options = json.loads((folder / 'run.json').read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return options if isinstance(options, dict) else {}
