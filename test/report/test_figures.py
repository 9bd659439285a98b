# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The numbers in the plots."""

import re
from math import cos, nan, radians
from pathlib import Path

import numpy as np
import pytest

from seg_perception.report import figures

SHARES = np.array([[0.75, 0.25], [0, 0]])


def test_confusion_is_in_percent_of_the_true_class() -> None:
    (heat,) = figures.confusion(['road', 'car'], SHARES)['data']
    assert heat['z'] == [[75, 25], [0, 0]]
    assert heat['text'] == [['75', '25'], ['', '']]
    assert (heat['x'], heat['y']) == (['road', 'car'], ['road', 'car'])


def test_confusion_may_have_a_column_for_unlabeled() -> None:
    (heat,) = figures.confusion(['road', 'car'], np.array([[0.6, 0.2, 0.2], [0, 1, 0]]))['data']
    assert heat['x'] == ['road', 'car', 'unlabeled']
    assert heat['z'][0] == [60, 20, 20]


@pytest.mark.parametrize(('classes', 'is_told'), [(11, True), (19, True), (66, False)])
def test_many_classes_drop_the_numbers_of_the_cells(classes: int, is_told: bool) -> None:
    figure = figures.confusion([f'class {i}' for i in range(classes)], np.eye(classes))
    assert ('text' in figure['data'][0]) == is_told
    assert figure['min_width'] < 1100


def test_histogram_marks_its_quantiles() -> None:
    marks = {'p50': 500.0, 'p95': 950.0}
    figure = figures.histogram(np.arange(1001, dtype=float), marks, 'ms', 'time')
    texts = [mark['text'] for mark in figure['layout']['annotations']]
    assert texts == ['p50 500.0', 'p95 950.0']
    assert [shape['x0'] for shape in figure['layout']['shapes']] == [500, 950]
    assert sum(figure['data'][0]['y']) == pytest.approx(100 * 996 / 1001, abs=0.1)


def test_bars_are_sorted_and_told() -> None:
    (trace,) = figures.bars(['a', 'b', 'c'], [0.5, 41.2, 4.13], 'IoU')['data']
    assert trace['y'] == ['a', 'c', 'b']  # plotly draws the last on top
    assert trace['text'] == ['0.50 %', '4.1 %', '41 %']


def test_reliability_leaves_out_empty_bins() -> None:
    bins = [
        {'confidence': None, 'accuracy': None, 'count': 0},
        {'confidence': 0.5, 'accuracy': 0.25, 'count': 25},
        {'confidence': 0.9, 'accuracy': 0.8, 'count': 75},
    ]
    _, dots = figures.reliability(bins)['data']
    assert (dots['x'], dots['y'], dots['customdata']) == ([50, 90], [25, 80], [25, 75])


def test_map_has_one_scale_both_ways() -> None:
    lat, lon = np.array([47.0, 47.001, nan]), np.array([8.0, 8.001, nan])
    figure = figures.track(lat, lon, np.array([1, 4, 4]), np.array([10, 11, 12]))
    assert figure is not None
    assert figure['layout']['yaxis']['scaleratio'] == pytest.approx(1 / cos(radians(47)), rel=1e-3)
    names = {trace['name']: trace['customdata'] for trace in figure['data']}
    assert names == {'low': [10], 'critical': [11]}


def test_no_map_without_positions() -> None:
    unknown = np.full(3, nan)
    assert figures.track(unknown, unknown, np.ones(3), np.arange(3)) is None


def test_overview_puts_the_least_safe_first() -> None:
    lows, dots = figures.overview(['a', 'b', 'c'], [10, 5, 20], [60, 70, 50])['data']
    assert dots['text'] == ['c', 'a', 'b']
    assert (dots['y'], lows['y']) == ([50, 60, 70], [20, 10, 5])
    assert dots['customdata'] == [2, 0, 1]


def test_changes_are_coloured_only_when_the_interval_leaves_zero() -> None:
    rows = [
        {'name': 'up', 'before': 0.5, 'after': 0.6, 'low': 0.05, 'high': 0.2},
        {'name': 'down', 'before': 0.5, 'after': 0.3, 'low': -0.3, 'high': -0.1},
        {'name': 'maybe', 'before': 0.5, 'after': 0.49, 'low': -0.03, 'high': 0.01},
        {'name': 'unsure', 'before': 0.5, 'after': 0.49, 'low': None, 'high': None},
    ]
    (trace,) = figures.changes(rows)['data']
    colour = dict(
        zip([name.split()[0] for name in trace['y']], trace['marker']['color'], strict=True)
    )
    assert colour == {'up': '@good', 'down': '@bad', 'maybe': '@muted', 'unsure': '@muted'}
    assert trace['y'][-1] == 'down  50.0 → 30.0'
    assert trace['error_x']['arrayminus'][-1] == pytest.approx(10)
    assert trace['error_x']['array'][-1] == pytest.approx(10)


def test_every_colour_is_a_variable_of_the_style() -> None:
    package = Path(figures.__file__).parent
    style = (package / 'page.css').read_text()
    used = set()
    for file in ('figures.py', 'page.js'):
        used |= set(re.findall(r"'@(\w+)'", (package / file).read_text()))
    assert used
    assert [name for name in used if f'--{name}:' not in style] == []
