# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the report says in words and tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from seg_perception.core.results import RiskLevel
from seg_perception.report.run_data import Input, RunData

WORST = 12
_APART_S = 2.0  # neighbours show the same scene
_DANGEROUS = (RiskLevel.HIGH, RiskLevel.CRITICAL)
_MISTAKES = 12
_LISTED = 6  # things named in a row
_SEEN_SHARE = 0.0005  # a class with fewer pixels cannot be made out in a picture


@dataclass(frozen=True)
class Tile:
    """One headline number."""

    name: str
    value: str
    unit: str = ''
    note: str = ''


@dataclass(frozen=True)
class Card:
    """One frame worth a look."""

    row: int
    picture: int | None  # row whose picture is shown
    value: str
    level: str
    reason: str
    where: str


@dataclass(frozen=True)
class Cell:
    """A number as it is read and as it is sorted."""

    text: str
    sort: float


@dataclass(frozen=True)
class InputRow:
    """One input in the table of inputs."""

    title: str
    cells: tuple[Cell, ...]


INPUT_COLUMNS = ('input', 'frames', 'score', 'lowest', 'high or critical', 'ms', 'mean IoU')


NONE = '\N{EN DASH}'  # where there is no number
_TYPESET = str.maketrans({',': '\N{NARROW NO-BREAK SPACE}', '-': '\N{MINUS SIGN}'})


def number(value: Any, digits: int = 1, unit: str = '', sign: str = '') -> str:
    """A number for people; a dash where there is none. ``sign`` '+' shows it always."""
    if value is None or not isfinite(value):
        return NONE
    shown = round(float(value), digits) + 0.0  # no minus before zero
    return f'{shown:{sign},.{digits}f}{unit}'.translate(_TYPESET)


def percent(share: Any, digits: int = 1) -> str:
    return number(None if share is None else 100 * share, digits, ' %')


def headline(run: RunData) -> list[Tile]:
    """The numbers that a reader asks for first."""
    score = run.numbers('score')
    tiles = [
        Tile('Frames', number(run.frames, 0), '', f'of {_count(len(run.inputs), "input")}'),
        Tile('Speed', number(run.summary['fps']), 'frames/s', _duration(run)),
        Tile(
            'Latency',
            number(_quantile(run.total_ms, 0.5)),
            'ms',
            f'p95 {number(_quantile(run.total_ms, 0.95))} ms, all stages',
        ),
        Tile(
            'Safety score',
            number(_quantile(score, 0.5), 0),
            'median',
            f'5 % of the frames below {number(_quantile(score, 0.05), 0)}',
        ),
        Tile('High or critical', percent(_dangerous(run.numbers('level'))), '', 'of the frames'),
    ]
    return tiles + _truth_tiles(run.truth)


def lede(run: RunData) -> str:
    """The report in one or two sentences."""
    if not run.frames:
        return 'No frame was evaluated.'
    name = run.summary['model'].get('name', 'the model')
    text = f'{name} on {_count(run.frames, "frame")} of {_count(len(run.inputs), "input")}.'
    worst = worst_rows(run, run.numbers('score'), 1)
    if worst:
        one = card(run, worst[0], None)
        reason = f' ({one.reason})' if one.reason else ''
        text += f' The least safe frame scores {one.value}{reason}: {one.where}.'
    return text


def worst_rows(run: RunData, values: np.ndarray, count: int = WORST) -> list[int]:
    """Rows of the lowest values, at least two seconds of the same input apart; no NaN."""
    stamps = run.numbers('stamp_ns')
    rows = np.argsort(values, kind='stable')[: np.count_nonzero(~np.isnan(values))]
    chosen: list[int] = []
    while len(rows) and len(chosen) < count:
        row = rows[0]
        chosen.append(int(row))
        near = np.abs(stamps[rows] - stamps[row]) < _APART_S * 1e9
        rows = rows[~(near & (run.input_of[rows] == run.input_of[row]))]
    return chosen


def card(run: RunData, row: int, picture: int | None, column: str = 'score') -> Card:
    """A frame with its value, reason and place."""
    value = float(run.table[column][row].as_py())
    return Card(
        row=row,
        picture=picture,
        value=number(value, 0) if column == 'score' else percent(value),
        level=RiskLevel(run.table['level'][row].as_py()).name.lower(),
        reason=run.text('reason', row) if column == 'score' else '',
        where=where(run, row),
    )


def where(run: RunData, row: int) -> str:
    return f'{run.text("source", row)}, frame {run.table["index"][row].as_py()}'


def levels(run: RunData) -> list[dict[str, Any]]:
    """Levels that occur, the safest first."""
    counts = {RiskLevel[name]: count for name, count in run.summary['levels'].items()}
    total = max(1, sum(counts.values()))
    order = sorted(counts, key=lambda level: level or len(RiskLevel))  # unknown last
    return [
        {
            'name': level.name.lower(),
            'count': counts[level],
            'percent': percent(counts[level] / total),
        }
        for level in order
        if counts[level]
    ]


def class_colours(run: RunData) -> list[tuple[str, str]]:
    """Names and CSS colours of the classes that occur, for reading the pictures."""
    table = run.summary['model'].get('class_table')
    rows = table.get('classes', []) if isinstance(table, Mapping) else []
    shares = run.summary.get('class_share') or {}
    return [
        (row['name'], 'rgb({}, {}, {})'.format(*row['rgb']))
        for row in rows
        if (shares.get(row['name']) or 0) >= _SEEN_SHARE
    ]


def input_rows(run: RunData) -> list[InputRow]:
    """One row an input with its own numbers."""
    columns = {name: run.numbers(name) for name in ('score', 'level', 'miou')}
    columns['ms'] = run.total_ms
    return [_input_row(one, {k: v[one.rows] for k, v in columns.items()}) for one in run.inputs]


def class_mistakes(names: Sequence[str], counts: np.ndarray) -> list[str]:
    """The most frequent confusions in words, those of the most pixels first."""
    wrong = counts.astype(np.int64)
    np.fill_diagonal(wrong, 0)
    labels = [*names, 'unlabeled']
    total, per_class = max(1, counts.sum()), np.maximum(1, counts.sum(axis=1))
    order = np.argsort(wrong, axis=None)[::-1][:_MISTAKES]
    pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [
        f'{labels[true]} taken for {labels[taken]}: '
        f'{percent(wrong[true, taken] / per_class[true])} of its pixels, '
        f'{percent(wrong[true, taken] / total, 2)} of all'
        for true, taken in pairs
        if wrong[true, taken]
    ]


def facts(given: Mapping[str, Any]) -> list[tuple[str, str | list[tuple[str, str]]]]:
    """Names and values of facts; a nested one has a list of its own."""
    return [
        (_spaced(key), flat(value) if isinstance(value, Mapping) else _words(value))
        for key, value in given.items()
    ]


def flat(given: Mapping[str, Any], prefix: str = '') -> list[tuple[str, str]]:
    """Nested facts as lines of name and value."""
    lines: list[tuple[str, str]] = []
    for key, value in given.items():
        if isinstance(value, Mapping):
            lines += flat(value, f'{prefix}{_spaced(key)} · ')
        else:
            lines.append((f'{prefix}{_spaced(key)}', _words(value)))
    return lines


def conditions(truth: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Columns and rows of the scores by condition."""
    given = truth.get('conditions') or {}
    names = list(dict.fromkeys(key for one in given.values() for key in _scalars(one)))
    rows = [
        (name, [_score(key, _scalars(one).get(key)) for key in names])
        for name, one in given.items()
    ]
    return ['condition', *map(_spaced, names)], rows


def _truth_tiles(truth: Mapping[str, Any] | None) -> list[Tile]:
    if not truth:
        return []
    tiles = [
        Tile(
            'Mean IoU',
            percent(truth['miou']),
            '',
            f'pixel accuracy {percent(truth.get("pixel_accuracy"))}',
        )
    ]
    if truth.get('drivable_iou') is not None:
        note = f'{_count(truth["frames"], "frame")} with truth'
        tiles.append(Tile('Drivable IoU', percent(truth['drivable_iou']), '', note))
    return tiles


def _input_row(one: Input, columns: Mapping[str, np.ndarray]) -> InputRow:
    score, miou = columns['score'], _mean(columns['miou'])
    danger = _dangerous(columns['level'])
    median, low, ms = _quantile(score, 0.5), _quantile(score, 0), _quantile(columns['ms'], 0.5)
    cells = (
        Cell(number(len(one.rows), 0), len(one.rows)),
        Cell(number(median, 0), _sortable(median)),
        Cell(number(low, 0), _sortable(low)),
        Cell(percent(danger), danger),
        Cell(number(ms), _sortable(ms)),
        Cell(percent(miou), _sortable(miou)),
    )
    return InputRow(one.title, cells)


def _sortable(value: float) -> float:
    return value if isfinite(value) else -1.0


def _dangerous(level: np.ndarray) -> float:
    return float(np.isin(level, _DANGEROUS).mean()) if len(level) else float('nan')


def _quantile(values: np.ndarray, share: float) -> float:
    known = values[~np.isnan(values)]
    return float(np.quantile(known, share)) if len(known) else float('nan')


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float('nan')


def _count(count: int, noun: str) -> str:
    return f'{number(count, 0)} {noun}{"" if count == 1 else "s"}'


def _duration(run: RunData) -> str:
    seconds = run.summary.get('seconds')
    return f'{number(seconds, 0)} s of work' if seconds else ''


def _spaced(name: str) -> str:
    return name.replace('_', ' ')


def _words(value: Any) -> str:
    if value is None:
        return NONE
    if isinstance(value, float):
        return f'{value:.6g}'
    if isinstance(value, list):
        nested = any(isinstance(one, (list, dict)) for one in value)
        more = f' and {len(value) - _LISTED} more' if len(value) > _LISTED else ''
        listed = ', '.join(map(_words, value[:_LISTED])) + more
        return f'{len(value)} of them' if nested else listed or NONE
    return value if isinstance(value, str) else json.dumps(value)


def _scalars(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if not isinstance(value, (dict, list))}


def _score(name: str, value: Any) -> str:
    if not isinstance(value, (int, float)):
        return NONE if value is None else str(value)
    return number(value, 0) if isinstance(value, int) else percent(value)
