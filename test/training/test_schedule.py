# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from training.config import OptimConfig
from training.schedule import learning_rate_factor


@pytest.mark.parametrize(
    ('step', 'progress', 'factor'),
    [
        (0, 0.0, 0.1),
        (4, 0.0, 0.5),
        (9, 0.0, 1.0),
        (4, 0.25, 0.385947),
        (100, 0.25, 0.771894),
        (100, 0.5, 0.535887),
        (100, 0.9, 0.125893),
        (100, 1.0, 0.0),
        (100, 1.2, 0.0),
    ],
)
def test_poly_with_ten_steps_of_warm_up(step, progress, factor):
    optim = OptimConfig(schedule='poly', power=0.9, warmup_steps=10)
    assert learning_rate_factor(optim, step, progress, 0) == pytest.approx(factor, abs=1e-5)


@pytest.mark.parametrize(
    ('optim', 'progress', 'epoch', 'factor'),
    [
        (OptimConfig(schedule='poly', power=0.9), 0.0, 0, 1.0),
        (OptimConfig(schedule='cosine'), 0.0, 0, 1.0),
        (OptimConfig(schedule='cosine'), 1 / 3, 0, 0.75),
        (OptimConfig(schedule='cosine'), 1.0, 0, 0.0),
        (OptimConfig(schedule='step', milestones=(0.5, 0.75), gamma=0.1), 0.49, 0, 1.0),
        (OptimConfig(schedule='step', milestones=(0.5, 0.75), gamma=0.1), 0.5, 0, 0.1),
        (OptimConfig(schedule='step', milestones=(0.5, 0.75), gamma=0.1), 0.8, 0, 0.01),
        (OptimConfig(schedule='halving', halve_every=10), 0.5, 9, 1.0),
        (OptimConfig(schedule='halving', halve_every=10), 0.5, 10, 0.5),
        (OptimConfig(schedule='halving', halve_every=10), 0.5, 39, 0.125),
        (OptimConfig(schedule='constant'), 0.99, 99, 1.0),
    ],
)
def test_schedules_without_warm_up(optim, progress, epoch, factor):
    assert learning_rate_factor(optim, 1000, progress, epoch) == pytest.approx(factor)


@pytest.mark.parametrize(
    ('epoch', 'factor'),
    [(0, 1.0), (1, 0.9), (2, 0.72), (3, 0.504), (9, 0.00036288)],  # 0.9, 0.9 x 0.8, ...
)
def test_product_of_poly_factors(epoch, factor):
    optim = OptimConfig(schedule='poly_product', power=1.0, epochs=10)
    assert learning_rate_factor(optim, 1000, epoch / 10, epoch) == pytest.approx(factor)


def test_product_of_poly_factors_with_power():
    optim = OptimConfig(schedule='poly_product', power=0.5, epochs=4)
    assert learning_rate_factor(optim, 1000, 0.5, 2) == pytest.approx(0.375**0.5)
