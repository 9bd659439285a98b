# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""ENet's blocks, and the unpooling that it shares with DSNet."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from training.errors import ConfigError
from training.models import build_model
from training.models.enet import (
    Bottleneck,
    DownBottleneck,
    ENet,
    InitBlock,
    UpBottleneck,
    context_stage,
)
from training.models.layers import crop_to, match_size, pad_to_multiple, pool_with_choice, unpool


def few_values(*shape):
    """Rectified and rounded: windows of zeros, and windows whose largest value is there twice."""
    return torch.randn(*shape).relu().mul(2).round()


@pytest.mark.parametrize('size', [(2, 2), (6, 10), (16, 4)])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_pooling_and_unpooling_are_those_of_torch(size, layout):
    features = few_values(3, 5, *size).contiguous(memory_format=layout)
    pooled, choice = pool_with_choice(features)
    expected, indices = F.max_pool2d(features, 2, return_indices=True)
    assert torch.equal(pooled, expected)
    values = torch.randn_like(pooled)
    assert torch.equal(unpool(values, choice), F.max_unpool2d(values, indices, 2))


def test_gradients_are_those_of_torch():
    features = few_values(2, 3, 6, 8)
    ours, theirs = (features.clone().requires_grad_() for _ in range(2))
    pooled, choice = pool_with_choice(ours)
    expected, indices = F.max_pool2d(theirs, 2, return_indices=True)
    weight = torch.randn(2, 3, 6, 8)
    (unpool(pooled.square(), choice) * weight).sum().backward()
    (F.max_unpool2d(expected.square(), indices, 2) * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize(
    ('window', 'expected'),
    [
        ([[1, 2], [3, 4]], [[0, 0], [0, 9]]),
        ([[5, 5], [5, 1]], [[9, 0], [0, 0]]),
        ([[1, 5], [5, 2]], [[0, 9], [0, 0]]),
        ([[1, 2], [5, 5]], [[0, 0], [9, 0]]),
        ([[0, 0], [0, 0]], [[9, 0], [0, 0]]),
    ],
)
def test_the_first_of_equal_values_wins(window, expected):
    _, choice = pool_with_choice(torch.tensor([[window]]).float())
    assert unpool(torch.tensor([[[[9.0]]]]), choice).tolist() == [[expected]]


def test_near_ties_share_the_place_in_proportion():
    # Right leads by a quarter of 1/64 in the upper row; the lower row by a half over that.
    quarter = 2**-8
    window = [[1, 1 + quarter], [1 + 3 * quarter, 1]]
    pooled, choice = pool_with_choice(torch.tensor([[window]]))
    assert pooled.item() == 1 + 3 * quarter
    assert unpool(torch.tensor([[[[16.0]]]]), choice).tolist() == [[[[6.0, 2.0], [8.0, 0.0]]]]


def test_a_rounding_error_moves_next_to_nothing():
    features = few_values(1, 4, 64, 64)
    other = features + 1e-6 * torch.randn(features.shape)
    values = torch.randn(1, 4, 32, 32)
    places, others = (unpool(values, pool_with_choice(x)[1]) for x in (features, other))
    assert (places - others).abs().max() < 0.002


def test_padding_repeats_the_border_and_is_cropped_again():
    image = torch.arange(97 * 131.0).reshape(1, 1, 97, 131)
    padded = pad_to_multiple(image, 8)
    assert padded.shape == (1, 1, 104, 136)
    assert padded[0, 0, 103, 135] == padded[0, 0, 96, 130] == image[0, 0, 96, 130]
    assert torch.equal(crop_to(padded, image), image)


def test_a_size_that_fits_is_not_copied():
    image = torch.zeros(1, 3, 64, 96)
    assert pad_to_multiple(image, 8) is image
    assert match_size(image, torch.zeros(1, 1, 64, 96), 2) is image


def test_enlarged_features_lose_what_rounding_up_had_added():
    features = torch.arange(8.0).reshape(1, 1, 2, 4)
    cut = match_size(features, torch.zeros(1, 7, 1, 3), 16)
    assert cut.tolist() == [[[[0, 1, 2]]]]


def test_the_first_block_has_the_image_itself_in_its_last_channels():
    block, image = InitBlock(16), torch.randn(2, 3, 32, 48)
    block.norm = nn.Identity()
    features = block(image)
    assert features.shape == (2, 16, 16, 24)
    assert torch.equal(features[:, 13:], F.max_pool2d(image, 2))


def test_down_pads_channels_and_up_puts_values_back():
    down, up = DownBottleneck(16, 64, dropout=0.0), UpBottleneck(64, 16, dropout=0.0)
    down.body, up.body = nn.Sequential(Zero(64, 2)), nn.Sequential(Zero(16, 0.5))
    up.main = nn.Sequential(First(16))
    features = torch.randint(1, 64, (1, 16, 8, 12)) / 64
    small, choice = down(features)
    assert small.shape == (1, 64, 4, 6)
    assert torch.equal(small[:, :16], F.max_pool2d(features, 2))
    assert small[:, 16:].eq(0).all()
    large = up(small, choice)
    assert torch.equal(large[large > 0], features[large > 0])
    assert (large > 0).sum() == small[:, :16].numel()


class Zero(nn.Module):
    """A branch that adds nothing, with so many channels, smaller by that factor."""

    def __init__(self, channels, factor):
        super().__init__()
        self.channels, self.factor = channels, factor

    def forward(self, features):
        height, width = (int(size / self.factor) for size in features.shape[2:])
        return torch.zeros(features.shape[0], self.channels, height, width)


class First(nn.Module):
    """The first so many channels."""

    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, features):
        return features[:, : self.channels]


def test_units_of_the_papers_table():
    kinds = []
    for unit in context_stage(128, 0.1):
        convs = [m for m in unit.body if isinstance(m, nn.Conv2d)]
        assert [convs[0].out_channels, convs[-1].in_channels] == [32, 32]
        kinds.append([(conv.kernel_size, conv.dilation[0]) for conv in convs[1:-1]])
    regular, asymmetric = [((3, 3), 1)], [((5, 1), 1), ((1, 5), 1)]
    assert kinds == [
        *(regular, [((3, 3), 2)], asymmetric, [((3, 3), 4)]),
        *(regular, [((3, 3), 8)], asymmetric, [((3, 3), 16)]),
    ]


def test_encoder_has_prelu_and_little_dropout_first():
    net = ENet(5)
    encoder, decoder = (net.init, net.down1, net.stage1, net.down2, net.context), net.stage4
    assert not any(isinstance(m, nn.ReLU) for part in encoder for m in part.modules())
    assert not any(isinstance(m, nn.PReLU) for m in decoder.modules())
    rates = [m.p for m in net.modules() if isinstance(m, nn.Dropout2d)]
    assert rates == 5 * [0.01] + 22 * [0.1]


def test_shapes_of_the_stages():
    net, seen = ENet(20).eval(), {}
    for name in ('init', 'stage1', 'context', 'stage4', 'stage5'):
        net.get_submodule(name).register_forward_hook(
            lambda _, __, output, key=name: seen.update({key: tuple(output.shape[1:])})
        )
    with torch.no_grad():
        assert net(torch.randn(1, 3, 64, 128)).shape == (1, 20, 64, 128)
    assert seen == {
        'init': (16, 32, 64),
        'stage1': (64, 16, 32),
        'context': (128, 8, 16),
        'stage4': (64, 16, 32),
        'stage5': (16, 32, 64),
    }


def test_a_unit_keeps_the_size():
    for options in ({'dilation': 16}, {'asymmetric': True}, {'relu': True}):
        assert Bottleneck(16, **options)(torch.randn(2, 16, 5, 7)).shape == (2, 16, 5, 7)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'width': 10}, r'width: got 10, expected a multiple of 4'),
        ({'repeats': 0}, r'enet.repeats: got 0, expected .* 1 or more'),
        ({'dropout': 1.0}, r'enet.dropout: got 1.0, expected .* 0 to 0.99'),
        ({'early_dropout': -0.1}, r'enet.early_dropout: got -0.1, expected .* 0 to 0.99'),
    ],
)
def test_refuses_options_that_cannot_be(options, message):
    with pytest.raises(ConfigError, match=message):
        build_model('enet', 5, options)
