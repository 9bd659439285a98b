# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
import torch.nn.functional as F

from training.export.cells import CellLabels


def test_third_class_wins_between_two_corners():
    """Logits 10 - 10 f, 10 f and 6 at share f of the way: class 2 is largest from 0.4 to 0.6."""
    logits = torch.tensor([[10.0, 0.0], [0.0, 10.0], [6.0, 6.0]]).reshape(1, 3, 1, 2)
    row = [0] * 4 + [0, 0, 0, 2, 2, 1, 1, 1] + [1] * 4  # f = 1/16, 3/16, ... 15/16
    labels = CellLabels(8)(logits)
    assert labels.dtype == torch.uint8
    assert labels[0].tolist() == [row] * 8


@pytest.mark.parametrize('stride', [2, 4, 8])
@pytest.mark.parametrize('shape', [(1, 11, 6, 10), (3, 2, 5, 7), (2, 5, 1, 1)])
def test_equals_resize_and_argmax(stride, shape):
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    size = (shape[2] * stride, shape[3] * stride)
    expected = F.interpolate(logits, size, mode='bilinear', align_corners=False).argmax(1)
    torch.testing.assert_close(CellLabels(stride)(logits).long(), expected, rtol=0, atol=0)


def test_one_class_all_over_has_no_cells_to_work_out():
    logits = torch.zeros(2, 4, 3, 5)
    logits[:, 2] = 1
    assert CellLabels(8)(logits).unique().tolist() == [2]
