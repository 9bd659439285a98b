# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import dataclass, field

import pytest

from seg_perception.core.errors import ParameterError
from seg_perception.core.settings import Tunable, check_tunables, tunable, tunables, tuned


@dataclass(frozen=True)
class Inner:
    width_m: float = tunable(2.0, 0.5, 4.0, 'm', 'of the path')

    def __post_init__(self):
        check_tunables(self, 'inner')


@dataclass(frozen=True)
class Outer:
    name: str = 'not a number to set'
    weight: float = tunable(0.5, 0.0, 1.0, '0..1', 'how much it counts')
    rows: int = tunable(4, 1, 9, 'px', 'how many')
    inner: Inner = field(default_factory=lambda: Inner(3.0))


def test_every_number_with_its_path_and_present_value():
    assert list(tunables(Outer(weight=0.25))) == [
        Tunable('weight', 0.25, 0.0, 1.0, '0..1', 'how much it counts'),
        Tunable('rows', 4, 1, 9, 'px', 'how many', is_whole=True),
        Tunable('inner.width_m', 3.0, 0.5, 4.0, 'm', 'of the path'),
    ]


def test_tuned_changes_what_is_named_and_keeps_the_rest():
    changed = tuned(Outer(name='mine'), {'inner.width_m': 1.5})
    assert changed == Outer('mine', inner=Inner(1.5))
    assert tuned(changed, {}) == changed
    both = tuned(Outer(), {'weight': 1.0, 'inner.width_m': 4.0})
    assert both == Outer(weight=1.0, inner=Inner(4.0))


def test_unknown_paths_are_refused_with_those_that_exist():
    with pytest.raises(
        ParameterError, match=r'Outer: got depth, expected weight, rows, inner\.width_m'
    ):
        tuned(Outer(), {'depth': 1.0})


@pytest.mark.parametrize('width', [0.4, 4.1, float('nan')])
def test_ranges(width):
    with pytest.raises(ParameterError, match=rf'inner width_m: got {width}, expected 0\.5 to 4'):
        Inner(width)
