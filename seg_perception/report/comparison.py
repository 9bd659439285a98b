# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The section of the report that holds the run against a baseline, from ``compare.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seg_perception.core.errors import SegPerceptionError, SourceError
from seg_perception.report import figures
from seg_perception.report.findings import number, percent, where
from seg_perception.report.pictures import Pictures, data_uri, nearest_named
from seg_perception.report.run_data import RunData, read_run

NAME = 'compare.json'
FORMAT = 1
_IOU = 'iou.'
_KEYS = (
    *('baseline', 'frames', 'run_frames', 'truth_frames', 'blocks', 'block_s', 'pixels_counted'),
    *('changes', 'fps', 'inference_ms', 'ece', 'disagreement', 'worst_by', 'worst', 'limits'),
)
_WORDS = {
    'miou': 'Mean IoU',
    'pixel_accuracy': 'Pixel accuracy',
    'drivable_iou': 'Drivable IoU',
    'boundary_f': 'Boundary F',
}
_WORST_NOTES = {
    'miou': 'Largest loss of mean IoU in a frame, baseline on the left.',
    'disagreement': 'Largest share of pixels with another label, baseline on the left.',
    'score': 'Largest fall of the safety score, baseline on the left.',
}


Row = tuple[str, tuple[str, ...]]
"""Name and cells of a row of a table."""


@dataclass(frozen=True)
class PairCard:
    """One frame that got worst, with the pictures of both runs."""

    row: int
    picture: int | None  # row whose picture is shown
    baseline_uri: str
    value: str
    where: str


@dataclass(frozen=True)
class LimitRow:
    """One limit with what it was held against."""

    name: str
    value: str
    limit: str
    crossed: bool


@dataclass(frozen=True)
class Section:
    """What the template shows of a comparison."""

    baseline: str
    note: str
    rows: tuple[Row, ...]
    limits: tuple[LimitRow, ...]
    map_note: str
    worst_note: str
    worst: tuple[PairCard, ...]


def read_comparison(run: RunData) -> Mapping[str, Any] | None:
    """
    What ``compare`` wrote beside the frames; None when there is none, or it is of other frames.

    :raises SourceError: when it is damaged or of another format.
    """
    path = run.folder / NAME
    if not path.exists():
        return None
    fix = f'Delete {NAME}, or run `seg-perception evaluate --baseline` again.'
    try:
        record = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise SourceError(f'comparison {str(path)!r}', error, 'readable JSON', fix) from error
    seen = record.get('format') if isinstance(record, dict) else type(record).__name__
    if seen != FORMAT:
        raise SourceError(f'comparison {str(path)!r}: format', repr(seen), FORMAT, fix)
    missing = [key for key in _KEYS if key not in record]
    if missing:
        raise SourceError(
            f'comparison {str(path)!r}', f'no {", ".join(missing)}', 'all of its keys', fix
        )
    return record if record['run_frames'] == run.frames else None


def section(run: RunData, record: Mapping[str, Any], pictures: Pictures) -> Section:
    """The words and pictures of a comparison."""
    found = record['disagreement']
    return Section(
        baseline=record['baseline'],
        note=_note(record),
        rows=tuple(_change_rows(record)),
        limits=tuple(
            LimitRow(one['name'], f'{one["value"]:.3g}', f'{one["limit"]:g}', one['crossed'])
            for one in record['limits']
        ),
        map_note=f'Labels differ in {percent(found["share"], 2)} of the pixels of '
        f'{number(found["frames"], 0)} frames. Where in the picture:'
        if found
        else '',
        worst_note=_WORST_NOTES[record['worst_by']],
        worst=tuple(_pair_cards(run, record, pictures)),
    )


def plots(record: Mapping[str, Any]) -> dict[str, figures.Figure]:
    """The figures of a comparison, by the place that shows them."""
    classes = [one for one in record['changes'] if one['name'].startswith(_IOU)]
    made = {}
    if classes:
        made['changes'] = figures.changes(
            [{**one, 'name': one['name'].removeprefix(_IOU)} for one in classes]
        )
    if record['disagreement']:
        made['disagreement'] = figures.picture_map(record['disagreement']['cells'])
    return made


def _note(record: Mapping[str, Any]) -> str:
    note = (
        f'{number(record["frames"], 0)} of {number(record["run_frames"], 0)} frames are in both.'
    )
    if not record['changes']:
        return f'{note} Without truth in both, scores are not compared.'
    iou = 'of all their pixels together' if record['pixels_counted'] else 'a mean of the frames'
    return (
        f'{note} {number(record["truth_frames"], 0)} of them have truth. IoU is {iou}; pixel '
        'accuracy, drivable IoU and boundary F are means of the frames. '
        'Intervals: 95 % of 2000 '
        f'draws of {record["blocks"]} blocks of {number(record["block_s"])} s, so they say how '
        'much the change varies within these drives.'
    )


def _change_rows(record: Mapping[str, Any]) -> list[Row]:
    rows: list[Row] = [
        (
            _WORDS[one['name']],
            (percent(one['before']), percent(one['after']), _points(one), _interval(one)),
        )
        for one in record['changes']
        if one['name'] in _WORDS
    ]
    for key, name in (('fps', 'Speed, frames/s'), ('inference_ms', 'Inference p50, ms')):
        before, after = record[key]
        if before and after is not None:
            times = f'{after / before:.2f} times'
            rows.append((name, (number(before), number(after), times, '')))
    before, after = record['ece']
    if before is not None and after is not None:
        change = number(100 * (after - before), 2, sign='+')
        name = 'Calibration error'
        rows.append((name, (percent(before), percent(after), change, '')))
    return rows


def _points(one: Mapping[str, Any]) -> str:
    return number(100 * (one['after'] - one['before']), 2, sign='+')


def _interval(one: Mapping[str, Any]) -> str:
    if one['low'] is None:
        return 'too few blocks'
    return ' to '.join(number(100 * one[key], 2, sign='+') for key in ('low', 'high'))


def _pair_cards(run: RunData, record: Mapping[str, Any], pictures: Pictures) -> list[PairCard]:
    try:
        baseline = read_run(run.folder / record['baseline'])
    except SegPerceptionError:  # moved since: the comparison stands, its pictures are gone
        baseline = None
    return [
        PairCard(
            row=one['row'],
            picture=pictures.of(one['row']),
            baseline_uri=_baseline_uri(baseline, one['baseline_row']),
            value=_lost(one, record['worst_by']),
            where=where(run, one['row']),
        )
        for one in record['worst']
    ]


def _baseline_uri(baseline: RunData | None, row: int) -> str:
    if baseline is None or row >= baseline.frames:
        return ''
    found = nearest_named(baseline, [row])
    return data_uri(baseline.folder / baseline.text('thumbnail', found[row])) if found else ''


def _lost(one: Mapping[str, Any], by: str) -> str:
    if by == 'disagreement':
        return f'{percent(one["after"])} differ'
    if by == 'score':
        return f'{number(one["before"], 0)} → {number(one["after"], 0)}'
    return f'{percent(one["before"])} → {percent(one["after"])}'
