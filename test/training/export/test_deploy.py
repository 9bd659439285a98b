# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from small_net import paint
from training.export.deploy import Deployed, stride_of


class Given(nn.Module):
    """Answers with the same logits whatever it sees."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.as_tensor(logits)

    def forward(self, image):
        return self.logits


def test_confidence_by_hand():
    """Logits ln 3 and 0 make shares of 3/4 and 1/4; half the temperature squares their ratio."""
    net = Given([[[[1.0986123]], [[0.0]]]])
    image = torch.zeros(1, 8, 8, 3, dtype=torch.uint8)
    labels, confidence, ood_score = Deployed(net, 1.0)(image)
    assert labels.shape == confidence.shape == (1, 8, 8)
    assert labels.dtype == confidence.dtype == torch.uint8
    assert labels.unique().tolist() == [0]
    assert confidence.unique().tolist() == [191]  # 0.75 * 255 = 191.25
    assert Deployed(net, 0.5)(image)[1].unique().tolist() == [230]  # 0.9 * 255 = 229.5
    assert ood_score.tolist() == pytest.approx([-1.3862944])  # ln(3 + 1)


def test_sure_and_unsure_are_the_ends_of_the_scale():
    sure, unsure = Given([[[[1e4]], [[0.0]]]]), Given([[[[0.0]]] * 2])
    image = torch.zeros(1, 8, 8, 3, dtype=torch.uint8)
    assert Deployed(sure, 1.0)(image)[1].unique().tolist() == [255]
    assert Deployed(unsure, 1.0)(image)[1].unique().tolist() == [128]


@torch.no_grad()
def test_cells_change_nothing(light):
    images = torch.stack([torch.from_numpy(paint(seed, (72, 136))[0]) for seed in (20, 21)])
    plain, cells = (Deployed(light, 0.7, 8, by_cells)(images) for by_cells in (False, True))
    assert torch.equal(plain[0], cells[0]) and torch.equal(plain[1], cells[1])
    assert plain[0].unique().tolist() == [0, 3, 8]


def test_logits_of_full_size_are_not_resized():
    logits = torch.randn(1, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    image = torch.zeros(1, 16, 24, 3, dtype=torch.uint8)
    labels, _, _ = Deployed(Given(logits), 1.0, stride=1, by_cells=True)(image)
    assert torch.equal(labels.long(), logits.argmax(1))


@pytest.mark.parametrize(
    ('kernel', 'stride', 'size', 'expected'),
    [
        (1, 1, (40, 56), 1),
        (3, 4, (40, 56), 4),
        (3, 4, (42, 56), 0),  # 11 rows for 42
        (2, 3, (40, 56), 0),
    ],
)
def test_stride_is_measured(kernel, stride, size, expected):
    net = nn.Conv2d(3, 2, kernel, stride, padding=kernel // 2)
    assert stride_of(net, size) == expected
