# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import Tensor

from training.config import TermConfig
from training.errors import ConfigError
from training.losses.inputs import Target, loss_inputs
from training.losses.total import TERMS, build_term

OPTIONS = {'iou': {'foreground': ['a', 'd'], 'smooth': 0.0}}
SMOOTH = [name for name in TERMS if name != 'ohem']  # which pixels are hard jumps


def loss_of(name: str, class_weights, logits: Tensor, labels: Tensor) -> Tensor:
    term = build_term(TermConfig(name, options=OPTIONS.get(name, {})), class_weights)
    return term(loss_inputs(logits, Target(labels), with_predicted=True))


@pytest.mark.parametrize('name', TERMS)
def test_nothing_but_void_is_zero_without_gradient(name, four_class_weights):
    logits = torch.randn((2, 4, 3, 3)).requires_grad_()
    loss = loss_of(name, four_class_weights, logits, torch.full((2, 5, 5), 255, dtype=torch.uint8))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not logits.grad.any()


@pytest.mark.parametrize('name', SMOOTH)
def test_gradient(name, four_class_weights, random_case):
    logits, labels = random_case
    logits = logits[:, :, :3, :4].double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: loss_of(name, four_class_weights, x, labels[:, :4, :5]), logits
    )


@pytest.mark.parametrize('name', TERMS)
def test_void_pixels_have_no_say(name, four_class_weights, random_case):
    logits, labels = random_case
    changed = logits + 5 * torch.randn(logits.shape) * (labels == 255)[:, None]
    before, after = (loss_of(name, four_class_weights, x, labels) for x in (logits, changed))
    assert float(after) == pytest.approx(float(before), abs=1e-6)


@pytest.mark.parametrize('name', TERMS)
def test_descent_finds_the_labels(name, four_class_weights, random_case):
    logits, labels = torch.zeros(random_case[0].shape).requires_grad_(), random_case[1]
    optimizer = torch.optim.Adam([logits], 0.3)
    for _ in range(60):
        optimizer.zero_grad()
        loss_of(name, four_class_weights, logits, labels).backward()
        optimizer.step()
    known = labels != 255
    if name == 'iou':  # sees a and d against b and c only
        hits = (logits.softmax(1)[:, [0, 3]].sum(1) > 0.5) == ((labels == 0) | (labels == 3))
    else:
        hits = logits.argmax(1) == labels
    assert float(hits[known].float().mean()) > (0.99 if name != 'edge' else 0.9)


def test_unknown_term(four_class_weights):
    with pytest.raises(ConfigError, match=r"term: got 'focl', expected .*mean focal\?"):
        build_term(TermConfig('focl'), four_class_weights)


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        (
            'focal',
            {'gama': 2},
            r"loss.terms, focal: got 'gama', expected gamma, weighted.*mean gamma",
        ),
        ('focal', {'gamma': 'two'}, r"focal.gamma: got 'two', expected a number"),
        ('focal', {'gamma': True}, r'focal.gamma: got true, expected a number'),
        ('focal', {'gamma': -1}, r'loss.terms, focal.gamma: got -1, .* 0 to 10'),
        ('focal', {'weighted': 1}, r'focal.weighted: got 1, expected true or false'),
        ('edge', {'radius_px': 1.5}, r'edge.radius_px: got 1.5, expected a whole number'),
        ('ohem', {'threshold': 7}, r'ohem.threshold: got 7, expected a number from 0.001 to 1'),
        ('iou', {'foreground': 'a'}, r"iou.foreground: got 'a', expected a list of strings"),
        ('dice', {'class_weights': 1}, r"loss.terms, dice: got 'class_weights', expected smooth"),
    ],
)
def test_wrong_options(four_class_weights, name, options, message):
    with pytest.raises(ConfigError, match=message):
        build_term(TermConfig(name, options=options), four_class_weights)


def test_weights_are_above_zero(four_class_weights):
    with pytest.raises(ConfigError, match=r'weight of loss term dice: got -1.0'):
        build_term(TermConfig('dice', weight=-1.0), four_class_weights)
