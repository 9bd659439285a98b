# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers, facts and tables as text."""

from math import nan

import pytest

from seg_perception.report import text


@pytest.mark.parametrize(
    ('value', 'arguments', 'shown'),
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
def test_numbers_for_people(value: object, arguments: dict, shown: str) -> None:
    assert text.number(value, **arguments) == shown


def test_counts_have_a_plural() -> None:
    assert [text.counted(count, 'frame') for count in (0, 1, 2)] == [
        '0 frames',
        '1 frame',
        '2 frames',
    ]


@pytest.mark.parametrize(
    ('value', 'shown'),
    [
        ([384, 640], '384, 640'),
        (list(range(8)), '0, 1, 2, 3, 4, 5 and 2 more'),
        ([{'id': 0}, {'id': 1}], 'list of 2'),
        (0.123456789, '0.123457'),
        (True, 'true'),
        ('text', 'text'),
        (None, '\N{EN DASH}'),
        ([], '\N{EN DASH}'),
        ({}, '\N{EN DASH}'),
    ],
)
def test_values_of_any_type(value: object, shown: str) -> None:
    assert text.worded(value) == shown


def test_markdown_table() -> None:
    rows = [['a', '1'], ['b', '2']]
    assert text.markdown_table(['name', 'score'], rows, 'lr').splitlines() == [
        '| name | score |',
        '| --- | ---: |',
        '| a | 1 |',
        '| b | 2 |',
    ]
    assert '---:' not in text.markdown_table(['name'], [['a']])
