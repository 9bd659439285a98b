# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import pytest
import torch
from torch import nn

from training.config import OptimConfig
from training.errors import ConfigError
from training.optimizer import (
    build_optimizer,
    freeze,
    learning_rate_factor,
    load_optimizer,
    parameter_groups,
    set_learning_rate,
)

OPTIM = OptimConfig(learning_rate=0.5, backbone_factor=0.1, weight_decay=0.3)


def net():
    return nn.ModuleDict(
        {
            'stem': nn.Conv2d(3, 4, 1),
            'stem2': nn.Conv2d(4, 4, 1, bias=False),
            'head': nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)),
        }
    )


def table(groups):
    return [
        (group['factor'], group['weight_decay'], [tuple(v.shape) for v in group['params']])
        for group in groups
    ]


def test_four_groups_backbone_and_head_decayed_and_not():
    groups = parameter_groups(net().named_parameters(), ['stem'], OPTIM)
    assert table(groups) == [
        (1.0, 0.0, [(4,), (4,), (2,)]),  # norm and bias of the head
        (1.0, 0.3, [(4, 4, 1, 1), (2, 4, 1, 1)]),  # stem2 is no part of stem
        (0.1, 0.0, [(4,)]),
        (0.1, 0.3, [(4, 3, 1, 1)]),
    ]


def test_frozen_parameters_are_left_out():
    frozen = net()
    frozen['stem'].requires_grad_(False)
    optim = dataclasses.replace(OPTIM, backbone_factor=1.0)
    groups = parameter_groups(frozen.named_parameters(), ['stem'], optim)
    assert [group['factor'] for group in groups] == [1.0, 1.0]


def test_freezes_modules_by_name():
    part = net()
    frozen = freeze(part, ['stem', 'head.0'])
    assert frozen == [part['stem'], part['head'][0]]
    learning = [name for name, value in part.named_parameters() if value.requires_grad]
    assert learning == ['stem2.weight', 'head.1.weight', 'head.1.bias']


def test_freezing_what_is_not_there_is_refused():
    message = r'optim.freeze: got stm, expected stem, stem2, head.*mean stem'
    with pytest.raises(ConfigError, match=message):
        freeze(net(), ['stm'])


def test_backbone_rate_without_backbone_is_refused():
    with pytest.raises(ConfigError, match=r'optim.backbone_factor: got 0.1, expected 1.*no back'):
        parameter_groups(net().named_parameters(), [], OPTIM)


def test_rate_is_shared_out_by_factor():
    optimizer = build_optimizer(net().named_parameters(), ['stem'], OPTIM)
    set_learning_rate(optimizer, 0.2)
    assert [group['lr'] for group in optimizer.param_groups] == pytest.approx(
        [0.2, 0.2, 0.02, 0.02]
    )


def step(name, **changes):
    """A weight of 1 whose gradient is 2 takes one step of rate 0.5."""
    optim = dataclasses.replace(OPTIM, name=name, backbone_factor=1.0, **changes)
    weight = nn.Parameter(torch.ones(1, 1))
    optimizer = build_optimizer([('w', weight)], [], optim)
    for _ in range(2):
        weight.grad = torch.full((1, 1), 2.0)
        optimizer.step()
    return weight.item()


def test_sgd_has_plain_momentum_and_decay_in_the_gradient():
    # 1 - 0.5 * 2 = 0, where Nesterov would be at -0.9; then 0.9 * 2 + 2 = 3.8: 0 - 1.9.
    assert step('sgd', momentum=0.9, weight_decay=0.0) == pytest.approx(-1.9)
    # 1 - 0.5 * (2 + 0.3) = -0.15, then -0.15 - 0.5 * (2 - 0.045).
    assert step('sgd', momentum=0.0) == pytest.approx(-1.1275)


def test_adam_and_adamw_steps_are_of_the_rate():
    assert step('adam', weight_decay=0.0) == pytest.approx(0.0, abs=1e-6)
    # Decay beside the gradient: 1 * 0.85 - 0.5 = 0.35; 0.35 * 0.85 - 0.5.
    assert step('adamw') == pytest.approx(-0.2025, abs=1e-6)


def test_loaded_state_keeps_decays_that_were_changed_since():
    weight = nn.Parameter(torch.ones(1, 1))
    old = build_optimizer([('w', weight)], [], dataclasses.replace(OPTIM, backbone_factor=1.0))
    weight.grad = torch.ones(1, 1)
    old.step()
    milder = dataclasses.replace(OPTIM, backbone_factor=1.0, weight_decay=0.01)
    new = build_optimizer([('w', weight)], [], milder)
    load_optimizer(new, old.state_dict())
    assert new.param_groups[0]['weight_decay'] == 0.01
    assert float(new.state[weight]['exp_avg']) == pytest.approx(0.1)


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
