# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
import torch.nn.functional as F

from training.models.layers import BnConv, ConvBn, pool_bins, pool_mean, resize_to


@pytest.mark.parametrize('size', [(1, 1), (2, 9), (3, 3), (7, 5), (8, 12)])
@pytest.mark.parametrize('bins', [1, 2, 3, 4, 6])
def test_pooling_into_bins_is_that_of_torch(size, bins):
    features = torch.randn(2, 3, *size)
    torch.testing.assert_close(pool_bins(features, bins), F.adaptive_avg_pool2d(features, bins))


def test_pooling_into_bins_keeps_the_type():
    assert pool_bins(torch.ones(1, 1, 5, 5, dtype=torch.bfloat16), 2).dtype == torch.bfloat16


def test_mean_over_positions():
    assert pool_mean(torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])).tolist() == [[[[3.0]]]]


def test_convolutions_round_sizes_up():
    assert ConvBn(3, 4, stride=2)(torch.zeros(1, 3, 33, 48)).shape == (1, 4, 17, 24)
    assert ConvBn(4, 4, groups=4, dilation=4)(torch.zeros(1, 4, 9, 9)).shape == (1, 4, 9, 9)
    assert BnConv(3, 4, 3)(torch.zeros(1, 3, 9, 9)).shape == (1, 4, 9, 9)


def test_the_order_of_norm_and_convolution():
    image = torch.full((1, 1, 2, 2), -3.0)
    after, before = ConvBn(1, 1, 1).eval(), BnConv(1, 1).eval()
    after[0].weight.data.fill_(-2)
    before[2].weight.data.fill_(-2)
    assert after(image).allclose(torch.tensor(6.0), atol=1e-4)  # -2 * -3, then ReLU
    assert before(image).eq(0).all()  # the ReLU comes first


def test_resizes_to_another_tensor():
    assert resize_to(torch.zeros(1, 2, 3, 3), torch.zeros(1, 5, 7, 9)).shape == (1, 2, 7, 9)
