# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from training.data.label_sets import LabelSets
from training.losses.inputs import Target, loss_inputs


def log_truth_by_torch(logits: Tensor, labels: Tensor) -> Tensor:
    return -F.cross_entropy(logits, labels.long(), ignore_index=255, reduction='none')


def test_views_of_four_pixels(inputs):
    expected = [-0.6931472, -0.2876821, -1.3862944, 0.0]
    assert inputs.log_truth.flatten().tolist() == pytest.approx(expected, abs=1e-6)
    assert inputs.truth.flatten().tolist() == pytest.approx([0.5, 0.75, 0.25, 0.0], abs=1e-6)
    assert inputs.predicted.tolist() == pytest.approx([2.0, 1.0], abs=1e-6)


def test_log_truth_and_its_gradient_equal_those_of_torch(random_case):
    logits, labels = random_case
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    weights = torch.rand(labels.shape)
    (loss_inputs(ours, Target(labels)).log_truth * weights).sum().backward()
    (log_truth_by_torch(theirs, labels) * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(
        loss_inputs(logits, Target(labels)).log_truth, log_truth_by_torch(logits, labels)
    )


@pytest.mark.parametrize('size', [(6, 7), (3, 4)])
def test_gradients_of_both_views(random_case, size):
    logits, labels = random_case
    logits = F.interpolate(logits, size).double().requires_grad_()

    def views(values: Tensor) -> tuple[Tensor, Tensor]:
        inputs = loss_inputs(values, Target(labels), with_predicted=True)
        return inputs.log_truth, inputs.predicted

    assert torch.autograd.gradcheck(views, logits)


def test_logits_are_resized_without_corner_alignment():
    # Between pixel centres at 1/4 and 3/4 of the width, 0 and 4 become 0, 1, 3, 4.
    logits = torch.zeros(1, 2, 1, 2)
    logits[0, 0, 0, 1] = 4
    inputs = loss_inputs(logits, Target(torch.zeros((1, 1, 4), dtype=torch.uint8)))
    assert inputs.logits[0, 0, 0].tolist() == [0, 1, 3, 4]


def test_a_share_below_what_float32_holds_still_has_a_gradient():
    logits = torch.tensor([[[[0.0]], [[200.0]]]], requires_grad=True)
    inputs = loss_inputs(logits, Target(torch.zeros((1, 1, 1), dtype=torch.uint8)))
    inputs.log_truth.sum().backward()
    assert logits.grad.flatten().tolist() == [1, -1]
    assert -90 < float(inputs.log_truth.detach()) < -80


def test_half_precision_is_widened(logits, labels):
    assert loss_inputs(logits.bfloat16(), Target(labels)).log_truth.dtype == torch.float32


def test_sums_by_class_leave_void_out(random_case):
    _, labels = random_case
    target = Target(labels)
    counted = target.by_class(target.known.float(), 4)
    assert counted.tolist() == [float((labels == label).sum()) for label in range(4)]


def test_tables_are_read_by_label(labels):
    table = torch.zeros(256)
    table[:2] = torch.tensor([5.0, 7.0])
    assert Target(labels).look_up(table).tolist() == [[[5, 5], [7, 0]]]


def in_sets(labels: Tensor, sets: LabelSets, num_classes: int) -> Target:
    return Target(labels, allowed=torch.from_numpy(sets.allowed(num_classes)))


def test_a_set_has_the_shares_of_its_classes(random_case):
    logits, labels = random_case
    mixed = labels.clone()
    mixed[:, 0] = 4  # class 1 or 2
    inputs = loss_inputs(logits, in_sets(mixed, LabelSets([(1, 2)]), 4))
    shares = logits.softmax(1)
    torch.testing.assert_close(inputs.log_truth[:, 0], (shares[:, 1, 0] + shares[:, 2, 0]).log())
    torch.testing.assert_close(inputs.log_truth[:, 1:], log_truth_by_torch(logits, labels)[:, 1:])


def test_a_set_teaches_no_difference_between_its_classes(random_case):
    logits, labels = random_case
    logits = logits.clone().requires_grad_()
    target = in_sets(torch.full_like(labels, 4), LabelSets([(1, 2)]), 4)
    loss_inputs(logits, target).log_truth.sum().backward()
    within = logits.grad[:, 1] / logits.grad[:, 2]
    shares = logits.detach().softmax(1)
    torch.testing.assert_close(within, shares[:, 1] / shares[:, 2], rtol=1e-4, atol=1e-4)
    assert (logits.grad[:, 1:3] >= 0).all() and (logits.grad[:, [0, 3]] <= 0).all()


def test_ignored_pixels_have_no_gradient_among_sets(random_case):
    logits, labels = random_case
    logits = logits.clone().requires_grad_()
    target = in_sets(torch.full_like(labels, 255), LabelSets([(1, 2)]), 4)
    inputs = loss_inputs(logits, target, with_predicted=True)
    (inputs.log_truth.sum() + inputs.predicted.sum()).backward()
    assert not inputs.log_truth.any() and not logits.grad.any()


def test_shares_count_where_the_label_tells(random_case):
    logits, labels = random_case
    target = in_sets(torch.full_like(labels, 4), LabelSets([(1, 2)]), 4)
    predicted = loss_inputs(logits, target, with_predicted=True).predicted
    assert predicted[1] == predicted[2] == 0 and predicted[0] > 0 and predicted[3] > 0


def test_without_sets_the_log_shares_are_those_of_one_class_a_label(random_case):
    logits, labels = random_case
    plain = loss_inputs(logits, Target(labels), True)
    same = loss_inputs(logits, in_sets(labels, LabelSets([(0, 1)]), 4), True)
    torch.testing.assert_close(same.log_truth, plain.log_truth)
    torch.testing.assert_close(same.predicted, plain.predicted)
