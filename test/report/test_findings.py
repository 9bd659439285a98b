# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The words and tables of the report."""

from math import nan
from pathlib import Path

import numpy as np
import pytest

from seg_perception.report import findings
from seg_perception.report.run_data import read_run
from tiny_run import BAD, BAD_REASON, FRONT, write_run


@pytest.mark.parametrize(
    ('value', 'arguments', 'text'),
    [
        (1234567, {'digits': 0}, '1\u202f234\u202f567'),
        (-2.345, {'digits': 2}, '\N{MINUS SIGN}2.35'),
        (0.5, {'digits': 2, 'sign': '+'}, '+0.50'),
        (12.34, {'unit': ' %'}, '12.3 %'),
        (-0.001, {'sign': '+'}, '+0.0'),
        (None, {}, '\N{EN DASH}'),
        (nan, {}, '\N{EN DASH}'),
    ],
)
def test_numbers_for_people(value: object, arguments: dict, text: str) -> None:
    assert findings.number(value, **arguments) == text


def test_headline(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, 12, [('a.mcap', FRONT), ('b.mcap', FRONT)]))
    tiles = {one.name: (one.value, one.note) for one in findings.headline(run)}
    assert tiles['Frames'] == ('24', 'of 2 inputs')
    assert tiles['Speed'] == ('25.0', '5 s of work')
    assert tiles['Latency'] == ('22.0', 'p95 31.0 ms, all stages')
    assert tiles['Safety score'][0] == '80'
    assert tiles['High or critical'][0] == '8.3 %'  # 2 of 24
    # road 60/70, pole 10/20, car 20/20; 90 of 100 pixels right
    assert tiles['Mean IoU'] == ('78.6 %', 'pixel accuracy 90.0 %')
    assert tiles['Drivable IoU'] == ('85.7 %', '24 frames with truth')


def test_lede_names_the_worst_frame(tmp_path: Path) -> None:
    assert findings.lede(read_run(write_run(tmp_path))) == (
        f'tiny on 12 frames of 1 input. The least safe frame scores 20 ({BAD_REASON}): '
        f'drive.mcap, frame {BAD}.'
    )


def test_worst_frames_are_two_seconds_apart(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, 40, [('a', ''), ('b', '')], with_thumbs=False))
    values = np.full(80, nan)
    values[[5, 6, 24, 25, 45, 60]] = [1, 2, 3, 4, 5, 6]
    # 6 and 24 are less than 2 s from 5, 60 less than 2 s from 45; 45 is row 5 of the other input.
    assert findings.worst_rows(run, values) == [5, 25, 45]
    assert findings.worst_rows(run, values, count=2) == [5, 25]
    assert findings.worst_rows(run, np.full(80, nan)) == []


def test_levels_from_safe_to_unknown(tmp_path: Path) -> None:
    counts = {'UNKNOWN': 1, 'CRITICAL': 2, 'LOW': 5, 'HIGH': 0, 'MODERATE': 2}
    run = read_run(write_run(tmp_path, summary={'levels': counts}))
    assert [(one['name'], one['percent']) for one in findings.levels(run)] == [
        ('low', '50.0 %'),
        ('moderate', '20.0 %'),
        ('critical', '20.0 %'),
        ('unknown', '10.0 %'),
    ]


def test_input_rows(tmp_path: Path) -> None:
    run = read_run(
        write_run(tmp_path, 10, [('a.mcap', FRONT), ('clip.mp4', '')], with_truth=False)
    )
    rows = findings.input_rows(run)
    assert [row.title for row in rows] == [f'a.mcap {FRONT}', 'clip.mp4']
    assert [cell.text for cell in rows[0].cells] == ['10', '80', '20', '10.0 %', '16.7', '–']  # noqa: RUF001
    assert rows[0].cells[1].sort == 80


def test_mistakes_by_pixels() -> None:
    counts = np.array([[90, 0, 10], [30, 70, 0], [0, 0, 200]])
    assert findings.class_mistakes(['road', 'pole', 'car'], counts) == [
        'pole taken for road: 30.0 % of its pixels, 7.50 % of all',
        'road taken for car: 10.0 % of its pixels, 2.50 % of all',
    ]
    assert counts[0, 0] == 90  # the caller's


def test_facts() -> None:
    given = {'input_size': [384, 640], 'scores': {'a_b': 0.123456789}, 'note': None}
    assert findings.facts(given) == [
        ('input size', '384, 640'),
        ('scores', [('a b', '0.123457')]),
        ('note', '\N{EN DASH}'),
    ]


def test_conditions() -> None:
    given = {'night': {'frames': 3, 'miou': 0.5, 'iou': {}}, 'day': {'frames': 4, 'ece': None}}
    assert findings.conditions({'conditions': given}) == (
        ['condition', 'frames', 'miou', 'ece'],
        [
            ('night', ['3', '50.0 %', '\N{EN DASH}']),
            ('day', ['4', '\N{EN DASH}', '\N{EN DASH}']),
        ],
    )
