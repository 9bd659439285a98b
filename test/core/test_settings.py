# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest

from seg_perception.core.errors import ClassTableError, ParameterError, did_you_mean
from seg_perception.core.settings import (
    HIDDEN,
    Setting,
    Settings,
    items,
    load,
    merged,
    nested,
    ratio,
    setting,
    unknown_key,
)


@dataclass(frozen=True)
class Inner(Settings, name='inner'):
    width_m: Annotated[float, Setting('width of the path', 'm', 0.5, 4.0)] = 2.0
    height_m: float = 1.0


@dataclass(frozen=True)
class Outer(Settings):
    name: str
    weight: float = ratio(0.5, 'weight of the path')
    rows: int = setting(4, 'number of rows', 'px', 1, 9)
    mode: str = setting('slow', 'how to look', choices=('slow', 'fast'))
    crop: Annotated[tuple[int, int], Setting('size of the view', 'px', 32, 64)] = (32, 32)
    inner: Inner = field(default_factory=lambda: Inner(3.0))
    parts: tuple[Inner, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    file: Path | None = None
    flag: bool = False
    made: Annotated[str, HIDDEN] = 'by code'


def test_items_are_every_setting_with_its_path_and_present_value():
    found = {item.path: item for item in items(Outer('a', weight=0.25), 'outer.')}
    assert list(found) == [
        'outer.weight', 'outer.rows', 'outer.mode', 'outer.crop', 'outer.inner.width_m',
    ]  # fmt: skip
    width = found['outer.inner.width_m']
    assert (width.default, width.kind, width.setting.unit) == (3.0, float, 'm')
    assert (width.setting.low, width.setting.high) == (0.5, 4.0)
    assert found['outer.weight'].default == 0.25


def test_a_mapping_becomes_a_record_of_the_right_types():
    record = load(
        Outer,
        {
            'name': 'b',
            'weight': 1,
            'crop': [32, 64],
            'inner': {'width_m': 2},
            'parts': [{'width_m': 1.5}],
            'options': {'any': [1]},
            'factors': {'car': 2},
            'file': 'a.txt',
            'flag': True,
        },
    )
    assert record == Outer(
        'b', 1.0, 4, 'slow', (32, 64), Inner(2.0), (Inner(1.5),), {'any': [1]}, {'car': 2.0},
        Path('a.txt'), True,
    )  # fmt: skip
    assert type(record.weight) is type(record.inner.width_m) is float


def test_a_partial_group_keeps_the_rest_of_its_default():
    assert load(Outer, {'name': 'c', 'inner': {'height_m': 2}}).inner == Inner(3.0, 2.0)


def test_a_base_keeps_what_is_not_named():
    base = Outer('d', rows=7, inner=Inner(1.0, 5.0))
    changed = load(Outer, {'inner': {'width_m': 2.0}}, base=base)
    assert changed == Outer('d', rows=7, inner=Inner(2.0, 5.0))
    assert load(Outer, {}, base=base) == base


def test_numbers_that_yaml_takes_for_text():
    assert load(Inner, {'height_m': '1e-4'}).height_m == 1e-4


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'weigth': 1}, r"setting 'weigth': got an unknown name, .* Did you mean weight"),
        ({'inner': {'widht_m': 1}}, r"'inner\.widht_m': .*Did you mean inner\.width_m"),
        ({'made': 'by hand'}, r"'made': got an unknown name"),
        ({'name': 3}, r"setting 'name': got 3, expected a string"),
        ({'weight': 'much'}, r"'weight': got 'much', expected a number from 0 to 1"),
        ({'weight': 1.5}, r"'weight': got 1\.5, expected a number from 0 to 1"),
        ({'weight': float('nan')}, r"'weight': got nan, expected a number from 0 to 1"),
        ({'weight': True}, r"'weight': got true, expected a number"),
        ({'rows': 1.5}, r"'rows': got 1\.5, expected a whole number from 1 to 9"),
        ({'rows': True}, r"'rows': got true, expected a whole number"),
        ({'flag': 1}, r"'flag': got 1, expected true or false"),
        ({'mode': 'fats'}, r"'mode': got 'fats', expected one of slow, fast. Did you mean fast"),
        ({'crop': [32]}, r"'crop': got \[32\], expected 2 values"),
        ({'crop': [32, 99]}, r"'crop': got .*99.*, expected .*32 to 64"),
        ({'inner': 3}, r"'inner': got 3, expected a group of keys"),
        ({'inner': {'width_m': 9}}, r"'inner\.width_m': got 9, expected .*0\.5 to 4"),
        ({'parts': [{'width_m': 9}]}, r"'parts\.width_m': got 9, expected .*0\.5 to 4"),
        ({'factors': {'car': 'x'}}, r"'factors\.car': got 'x', expected a number"),
        ({'factors': 1}, r"'factors': got 1, expected a group"),
        ({'file': 1}, r"'file': got 1"),
    ],
)
def test_wrong_values_are_refused(change, text):
    with pytest.raises(ParameterError, match=text):
        load(Outer, {'name': 'e'} | change)


def test_a_missing_value_is_refused():
    with pytest.raises(ParameterError, match="key 'name': got nothing, expected a value"):
        load(Outer, {}, 'key')


def test_errors_are_of_the_class_asked_for():
    with pytest.raises(ClassTableError, match=r'got 9, expected .*0\.5 to 4'):
        load(Inner, {'width_m': 9}, error=ClassTableError)


@pytest.mark.parametrize('width', [0.4, 4.1, float('nan')])
def test_a_record_made_by_hand_is_checked(width):
    with pytest.raises(ParameterError, match=rf'inner width_m: got {width}, expected 0\.5 to 4'):
        Inner(width)


def test_dotted_names_are_groups():
    assert nested({'a.b.c': 1, 'a.b.d': 2, 'e': 3}) == {'a': {'b': {'c': 1, 'd': 2}}, 'e': 3}
    with pytest.raises(ParameterError, match=r"key 'a\.b': got a = 1, expected a group of keys"):
        nested({'a': 1, 'a.b': 2})


def test_merged_keeps_both_arguments_as_they_are():
    below = {'a': {'b': 1, 'c': 2}, 'd': [1]}
    assert merged(below, {'a': {'b': 3}, 'd': [2]}) == {'a': {'b': 3, 'c': 2}, 'd': [2]}
    assert below == {'a': {'b': 1, 'c': 2}, 'd': [1]}


def test_close_names_whatever_the_case():
    assert did_you_mean('Camvid', ['camvid_11', 'bdd']) == 'Did you mean camvid_11?'
    assert did_you_mean('xyz', ['camvid_11', 'bdd']) == ''


def test_of_many_names_a_few_are_listed():
    text = str(unknown_key('key', 'zzz', [f'name_{number}' for number in range(30)]))
    assert 'name_0' in text and 'name_29' not in text and 'another of 30 names' in text
