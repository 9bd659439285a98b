# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import copy
from itertools import product
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from training import distributed
from training.config import LossConfig, TermConfig
from training.errors import ConfigError
from training.losses import Outputs, build_loss, needs_counts
from training.losses.inputs import Sampling
from training.losses.total import SegmentationLoss


@pytest.fixture
def counts(two_classes, counted):
    """One pixel of road and three of car."""
    return counted(two_classes, [1, 3])


def value_of(loss: SegmentationLoss, outputs: Outputs, labels: Tensor, step: int = 0) -> float:
    return float(loss(outputs, labels, step).detach())


def test_terms_add_up(counts, logits, labels, make_config):
    config = make_config('cross_entropy', 'dice')
    loss = build_loss(config, counts)
    # 0.7890412 + 0.5625
    assert value_of(loss, Outputs(logits), labels) == pytest.approx(1.3515412, abs=1e-6)
    assert {k: float(v) for k, v in loss.parts.items()} == pytest.approx(
        {'cross_entropy': 0.7890412, 'dice': 0.5625}, abs=1e-6
    )


def test_focal_and_a_little_dice(counts, logits, labels):
    terms = (TermConfig('focal', options={'gamma': 3.0}), TermConfig('dice', weight=0.3))
    loss = build_loss(LossConfig(terms=terms), counts)
    # 0.2253271 + 0.3 * 0.5625
    assert value_of(loss, Outputs(logits), labels) == pytest.approx(0.3940771, abs=1e-6)


def test_class_weights_reach_the_terms(counts, logits, labels):
    config = LossConfig(class_weights='enet', weight_offset=1.1, boost={'car': 3.0})
    loss = build_loss(config, counts)
    # Weights 3.3321721 and 4.8765768: (3.332 (ln 2 + ln 4/3) + 4.877 ln 4) / 11.541
    assert value_of(loss, Outputs(logits), labels) == pytest.approx(0.8689656, abs=1e-5)


def test_auxiliary_logits_have_the_first_term(counts, logits, labels, make_config):
    loss = build_loss(make_config('cross_entropy', 'dice'), counts)
    outputs = Outputs(logits, (torch.zeros(1, 2, 1, 1), torch.zeros(1, 2, 4, 4)))
    # 1.3515412 + 2 * 0.4 ln 2
    assert value_of(loss, outputs, labels) == pytest.approx(1.9060589, abs=1e-6)
    assert float(loss.parts['aux']) == pytest.approx(0.5545177, abs=1e-6)


def test_auxiliary_logits_have_terms_of_their_own(counts, logits, labels, make_config):
    config = make_config('dice', aux_weight=0.5, aux_terms=(TermConfig('focal', weight=3.0),))
    loss = build_loss(config, counts)
    # 0.5625 + 0.5 * 3 * 1/4 ln 2
    outputs = Outputs(logits, (torch.zeros(1, 2, 2, 2),))
    assert value_of(loss, outputs, labels) == pytest.approx(0.8224302, abs=1e-6)


def test_auxiliary_parameters_take_part_at_weight_zero(counts, logits, labels, make_config):
    auxiliary = torch.randn(1, 2, 2, 2, requires_grad=True)
    loss = build_loss(make_config('dice', aux_weight=0.0), counts)
    loss(Outputs(logits, (auxiliary,)), labels).backward()
    assert auxiliary.grad is not None and not auxiliary.grad.any()


def test_side_heads_have_their_weights(counts, logits, labels, make_config):
    config = make_config('dice', boundary_weight=0.2, encoding_weight=0.5)
    loss = build_loss(config, counts)
    side = {'boundary': torch.zeros(1, 1, 1, 1), 'encoding': torch.zeros(1, 2)}
    # 0.5625 + 0.2 ln 2 + 0.5 ln 2
    value = value_of(loss, Outputs(logits, (), side), labels)
    assert value == pytest.approx(1.0477030, abs=1e-6)
    assert list(loss.parts) == ['dice', 'boundary', 'encoding']


def test_stride_visits_every_pixel_in_turn(counts, make_config):
    loss = build_loss(make_config('cross_entropy', stride=2), counts)
    labels = torch.full((1, 2, 2), 255, dtype=torch.uint8)
    labels[0, 1, 0] = 1
    outputs = Outputs(torch.zeros((1, 2, 1, 1)))
    values = [value_of(loss, outputs, labels, step) for step in range(5)]
    assert values == pytest.approx([0, 0, 0.6931472, 0, 0], abs=1e-6)


def test_stride_gives_every_logit_of_full_size_a_gradient(counts, make_config):
    """Once in four steps, as often as its label is scored."""
    loss = build_loss(make_config('cross_entropy', stride=2), counts)
    labels = torch.tensor([[[0, 1, 0, 1], [1, 0, 1, 0]]], dtype=torch.uint8)
    touched = torch.zeros(2, 4)
    for step in range(4):
        logits = torch.zeros((1, 2, 2, 4), requires_grad=True)
        loss(Outputs(logits), labels, step).backward()
        touched += logits.grad.abs().sum((0, 1)) > 0
    assert touched.tolist() == [[1, 1, 1, 1], [1, 1, 1, 1]]


def test_descent_at_stride_2_finds_single_pixels(counts, make_config):
    """A checkerboard: averages over blocks of 2x2 could not tell its classes."""
    loss = build_loss(make_config('cross_entropy', stride=2), counts)
    labels = (torch.arange(8)[:, None] + torch.arange(8)).remainder(2)[None].to(torch.uint8)
    logits = torch.zeros((1, 2, 8, 8), requires_grad=True)
    optimiser = torch.optim.SGD([logits], lr=5.0)
    for step in range(16):
        optimiser.zero_grad()
        loss(Outputs(logits), labels, step).backward()
        optimiser.step()
    assert torch.equal(logits.argmax(1), labels.long())


@pytest.mark.parametrize('size', [(3, 4), (6, 8), (5, 3), (12, 16), (13, 20)])
@pytest.mark.parametrize('stride', [2, 3])
def test_sampled_logits_are_those_of_the_resized_frame(size, stride):
    logits = torch.randn((2, 3, *size), generator=torch.Generator().manual_seed(1))
    whole = F.interpolate(logits, size=(12, 16), mode='bilinear', align_corners=False)
    for row, column in product(range(stride), repeat=2):
        sampled = Sampling((12, 16), stride, row, column).of_logits(logits)
        torch.testing.assert_close(sampled, whole[:, :, row::stride, column::stride])


def test_equal_names_are_told_apart(counts, logits, labels, make_config):
    loss = build_loss(make_config('focal', 'dice', 'focal'), counts)
    loss(Outputs(logits), labels)
    assert list(loss.parts) == ['focal', 'dice', 'focal_2']


def test_half_precision_under_autocast(counts, logits, labels, make_config):
    loss = build_loss(make_config('cross_entropy', 'dice'), counts)
    with torch.autocast('cpu', torch.bfloat16):
        value = loss(Outputs(logits.bfloat16()), labels)
    assert value.dtype == torch.float32
    assert float(value) == pytest.approx(1.3515412, abs=2e-3)


def test_no_terms(counts):
    with pytest.raises(ConfigError, match=r'loss.terms: got an empty list'):
        build_loss(LossConfig(terms=()), counts)


def test_counts_are_needed_for_weights(make_config):
    assert not needs_counts(make_config('cross_entropy'))
    assert needs_counts(make_config('cross_entropy', class_weights='enet'))
    assert needs_counts(make_config('owfl'))
    assert needs_counts(make_config('dice', aux_terms=(TermConfig('owfl'),)))


class TwoProcesses:
    """
    Stands in for two processes that share their numbers, one after the other.

    In a first round each tells what it would send, in a second it gets the mean.
    """

    def __init__(self) -> None:
        self.sent: list[list[Tensor]] = []
        self.round = 0

    def start(self) -> None:
        self.sent.append([])

    def mean(self, value: Tensor) -> Tensor:
        value = value.detach()
        self.sent[-1].append(value.clone())
        if self.round == 0:
            return value
        index = len(self.sent[-1]) - 1
        return (self.sent[0][index] + self.sent[1][index]) / 2


EVERYTHING = LossConfig(
    terms=(
        TermConfig('cross_entropy'),
        TermConfig('focal'),
        TermConfig('owfl'),
        TermConfig('edge'),
        TermConfig('dice'),
        TermConfig('jaccard', options={'smooth': 2.0}),
        TermConfig('iou', options={'foreground': ['b']}),
    ),
    boundary_weight=0.2,
    encoding_weight=1.0,
)


def test_two_processes_train_as_one(monkeypatch, four_class_weights, random_case):
    logits, labels = random_case
    labels = labels.clone()
    labels[0, :4] = 255  # an unequal share of the pixels
    whole = Outputs(
        logits.double(),
        (-logits.double(),),
        {'boundary': logits[:, :1].double(), 'encoding': logits[:, :, 0, 0].double()},
    )
    loss = SegmentationLoss(EVERYTHING, four_class_weights)

    def gradients(part: slice) -> list[Tensor]:
        leaves = [x.detach()[part].clone().requires_grad_() for x in (whole.logits, *whole.aux)]
        sides = {k: x.detach()[part].clone().requires_grad_() for k, x in whole.side.items()}
        loss(Outputs(leaves[0], (leaves[1],), sides), labels[part]).backward()
        return [x.grad for x in (*leaves, *sides.values())]

    together = gradients(slice(0, 2))
    others = TwoProcesses()
    monkeypatch.setattr(distributed, 'mean_over_processes', others.mean)
    monkeypatch.setattr(
        distributed, 'dist', SimpleNamespace(is_initialized=lambda: True, get_world_size=lambda: 2)
    )
    for others.round in (0, 1):
        parts = []
        for number in range(2):
            others.start()
            parts.append(gradients(slice(number, number + 1)))
    for one, first, second in zip(together, *parts, strict=True):
        # What is averaged over processes is the gradient of shared weights.
        torch.testing.assert_close(torch.cat([first, second]) / 2, one, rtol=1e-5, atol=1e-8)


def test_moves_with_its_tables(counts, make_config):
    loss = build_loss(make_config('cross_entropy', 'owfl'), counts)
    assert loss.state_dict() == {}
    names = {name for name, _ in copy.deepcopy(loss).to('meta').named_buffers()}
    assert {'main.terms.0.weights', 'main.terms.1.alpha', 'main.terms.1.gamma'} <= names
