# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from training.schedule import poly_factor


@pytest.mark.parametrize(
    ('step', 'progress', 'factor'),
    [
        (0, 0.0, 0.1),
        (4, 0.0, 0.5),
        (9, 0.0, 1.0),
        (100, 0.25, 0.771894),
        (100, 0.5, 0.535887),
        (100, 0.9, 0.125893),
        (100, 1.0, 0.0),
        (100, 1.2, 0.0),
    ],
)
def test_poly_with_ten_steps_of_warm_up(step, progress, factor):
    seen = poly_factor(step, progress, warmup_steps=10, power=0.9)
    assert seen == pytest.approx(factor, abs=1e-5)


def test_no_warm_up():
    assert poly_factor(0, 0.0, warmup_steps=0, power=0.9) == 1.0
