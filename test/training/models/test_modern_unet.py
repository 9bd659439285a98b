# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from training.errors import ConfigError
from training.models import build_model
from training.models.modern_unet import Attention, ModernUNet, Residual

SMALL = {'width': 8, 'groups': 4, 'blocks': 1}


def test_attention_is_that_of_torch():
    ours = Attention(8, groups=2).eval()
    theirs = nn.MultiheadAttention(8, num_heads=1, batch_first=True).eval()
    theirs.in_proj_weight.data = ours.project.weight.data.flatten(1)
    theirs.in_proj_bias.data = ours.project.bias.data
    theirs.out_proj.weight.data = ours.out.weight.data.flatten(1)
    theirs.out_proj.bias.data = ours.out.bias.data
    features = 3 * torch.randn(2, 8, 4, 6)
    tokens = ours.norm(features).flatten(2).mT
    seen, _ = theirs(tokens, tokens, tokens)
    torch.testing.assert_close(ours(features), features + seen.mT.reshape(2, 8, 4, 6))


def test_a_unit_adds_to_what_comes_in():
    unit, features = Residual(8, 8, groups=4, dropout=0.0), torch.randn(2, 8, 5, 7)
    unit.body[-1].weight.data.zero_()
    unit.body[-1].bias.data.zero_()
    assert torch.equal(unit(features), features)
    assert Residual(8, 4, groups=4, dropout=0.0)(features).shape == (2, 4, 5, 7)


def test_parameters_counted_by_hand():
    net = ModernUNet(3, 2, (1,), (False,), middle_attention=False, blocks=1, groups=2)
    # first; three units of 2 channels; two of 2 + 2 to 2 with a 1x1 beside; norm; head
    unit, joining = 2 * 4 + 2 * 38, (8 + 74) + (4 + 38) + 10
    assert sum(v.numel() for v in net.parameters()) == 56 + 3 * unit + 2 * joining + 4 + 57


def test_attention_is_left_to_the_smallest_level():
    net = ModernUNet(3, width=32)
    names = [name for name, module in net.named_modules() if isinstance(module, Attention)]
    assert names == [
        *('encoder.3.units.0.1', 'encoder.3.units.1.1', 'middle.0.1'),
        *('decoder.0.units.0.1', 'decoder.0.units.1.1', 'decoder.0.units.2.1'),
    ]
    plain = ModernUNet(3, 32, attention=(False,) * 4, middle_attention=False)
    assert not any(isinstance(module, Attention) for module in plain.modules())


def test_what_the_decoder_takes_in_again():
    net = ModernUNet(3, width=64, attention=(False,) * 4)
    inputs = [[unit.body[1].in_channels for unit in level.units] for level in net.decoder]
    assert inputs == [
        [256 + 256, 256 + 256, 256 + 128],
        [256 + 128, 128 + 128, 128 + 128],
        [128 + 128, 128 + 128, 128 + 64],
        [128 + 64, 64 + 64, 64 + 64],
    ]


@pytest.mark.parametrize(
    'options',
    [
        SMALL,
        {**SMALL, 'blocks': 2, 'middle_attention': False},
        {**SMALL, 'multipliers': (1,), 'attention': (False,)},
        {**SMALL, 'multipliers': (1, 1, 1, 1, 1, 2), 'attention': (False,) * 5 + (True,)},
    ],
)
def test_gives_logits_of_the_images_size(options):
    torch.manual_seed(0)
    net = ModernUNet(4, **options).train()
    for size in ((32, 32), (33, 47), (65, 70)):
        (logits,) = net(torch.randn(1, 3, *size))
        assert logits.shape == (1, 4, *size)
        assert 0.05 < logits.std() < 5


def test_side_heads_read_the_middle_and_the_end():
    net = ModernUNet(3, **SMALL).eval()
    shapes = []
    for name in (net.encoding_feature, net.boundary_feature):
        net.get_submodule(name).register_forward_hook(
            lambda _, __, output: shapes.append(tuple(output.shape))
        )
    with torch.no_grad():
        net(torch.randn(1, 3, 64, 96))
    assert shapes == [(1, 32, 8, 12), (1, 8, 64, 96)]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'multipliers': ()}, r'multipliers: got \(\), expected 1 to 6 numbers'),
        ({'multipliers': [1, 0, 2, 4]}, r'multipliers: got 0, expected .* 1 or more'),
        ({'attention': [True]}, r'attention: got \(True,\), expected 4 values'),
        ({'width': 40}, r'width: got 40, expected a multiple of 32'),
        ({'groups': 0}, r'groups: got 0, expected .* 1 or more'),
        ({'blocks': 0}, r'blocks: got 0, expected .* 1 or more'),
        ({'dropout': 1}, r'dropout: got 1, expected .* 0 to 0.99'),
    ],
)
def test_refuses_options_that_cannot_be(options, message):
    with pytest.raises(ConfigError, match=f'model.options.*{message}'):
        build_model('modern_unet', 5, options)
