# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from training.losses.boundary import boundary_loss, label_boundaries


def to_labels(rows: list[list[int]]) -> torch.Tensor:
    return torch.tensor([rows], dtype=torch.uint8)


def test_both_sides_of_a_change_are_boundary():
    labels = to_labels([[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
    expected = [[0, 1, 0, 0], [1, 1, 1, 0], [0, 1, 0, 0]]  # four neighbours, no diagonals
    assert label_boundaries(labels).tolist() == [expected]


def test_void_makes_no_boundary_and_is_none():
    labels = to_labels([[0, 255, 1], [0, 255, 1], [0, 2, 1]])
    expected = [[0, -1, 0], [0, -1, 0], [1, 1, 1]]
    assert label_boundaries(labels).tolist() == [expected]


def test_images_of_a_batch_do_not_touch():
    labels = torch.tensor([[[0, 0]], [[1, 1]]], dtype=torch.uint8)
    assert not label_boundaries(labels).any()


def test_loss_by_hand():
    # Boundary, boundary, none, void of probabilities 1/2, 3/4, 1/4, 1/2:
    # (ln 2 + ln 4/3 + ln 4/3) / 3
    labels = to_labels([[0, 1, 1, 255]])
    logits = torch.tensor([[[[0.0, 1.0986123, -1.0986123, 0.0]]]])
    assert float(boundary_loss(logits, labels)) == pytest.approx(0.4228371, abs=1e-6)


def test_a_block_with_a_boundary_is_boundary():
    # Blocks of 2 x 2: void alone, boundary beside void, none; one logit each.
    rows = [[255, 255, 255, 0, 1, 1], [255, 255, 255, 0, 1, 1]]
    labels = to_labels([row + [1, 1] for row in rows])
    logits = torch.tensor([[[[9.0, 0.0, 1.0986123, -1.0986123]]]])
    # 0 and ln 3 are boundary, -ln 3 is none: (ln 2 + ln 4/3 + ln 4/3) / 3
    assert float(boundary_loss(logits, labels, stride=2)) == pytest.approx(0.4228371, abs=1e-6)


def test_odd_sizes_have_a_last_block():
    labels = to_labels([[0, 0, 1]])
    logits = torch.tensor([[[[0.0, 0.0]]]])
    assert float(boundary_loss(logits, labels, stride=2)) == pytest.approx(0.6931472, abs=1e-6)


def test_void_alone_is_zero_without_gradient():
    logits = torch.zeros((1, 1, 2, 2), requires_grad=True)
    loss = boundary_loss(logits, torch.full((1, 8, 8), 255, dtype=torch.uint8))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not logits.grad.any()


def test_gradient():
    logits = torch.randn((1, 1, 2, 3), dtype=torch.float64, requires_grad=True)
    labels = to_labels([[0, 0, 1], [0, 255, 1]])
    assert torch.autograd.gradcheck(lambda x: boundary_loss(x, labels), logits)
