# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from training.errors import ConfigError
from training.models import build_model
from training.models.erfnet import Down, ERFNet, Factorised, Up
from training.transforms import normalise

BODY = {0: 'conv3x1_1', 2: 'conv1x3_1', 3: 'bn1', 5: 'conv3x1_2', 7: 'conv1x3_2', 8: 'bn2'}


def test_has_the_size_of_the_authors_network():
    # 2,066,836 for 20 classes, of which a head of the encoder's first training has 128 * 20 + 20
    assert sum(value.numel() for value in ERFNet(20).parameters()) == 2_064_256


def test_a_unit_factorises():
    unit = Factorised(4, dilation=8)
    convs = [m for m in unit.body if isinstance(m, nn.Conv2d)]
    assert [conv.kernel_size for conv in convs] == [(3, 1), (1, 3), (3, 1), (1, 3)]
    assert [conv.dilation for conv in convs] == [(1, 1), (1, 1), (8, 1), (1, 8)]
    assert sum(value.numel() for value in unit.parameters()) == 4 * (3 * 16 + 4) + 2 * 8
    assert unit(torch.randn(2, 4, 5, 9)).shape == (2, 4, 5, 9)


def test_a_unit_adds_to_what_comes_in():
    unit, features = Factorised(4).eval(), torch.randn(1, 4, 6, 6)
    unit.body[-2].weight.data.zero_()
    assert torch.equal(unit(features), features.relu())


def test_sizes_are_rounded_up_and_doubled():
    assert Down(3, 16)(torch.zeros(2, 3, 33, 47)).shape == (2, 16, 17, 24)
    assert Up(16, 8)(torch.zeros(2, 16, 17, 24)).shape == (2, 8, 34, 48)


def test_dilations_and_dropout_of_the_encoder():
    units = [m for m in ERFNet(3, width=4).encoder if isinstance(m, Factorised)]
    assert [unit.body[5].dilation[0] for unit in units] == 5 * [1] + 2 * [2, 4, 8, 16]
    assert [unit.body[-1].p for unit in units] == 5 * [0.03] + 8 * [0.3]


def released(net: ERFNet) -> dict[str, torch.Tensor]:
    """The network's weights under the names of the authors' files."""
    state = {}
    for key, value in net.state_dict().items():
        part, number, *rest = key.split('.')
        if part == 'full':
            state[f'decoder.output_conv.{number}'] = value
            continue
        if part == 'encoder':
            stem = (
                'encoder.initial_block' if number == '0' else f'encoder.layers.{int(number) - 1}'
            )
        else:
            stem = f'decoder.layers.{number}'
        if rest[0] == 'body':
            rest = [BODY[int(rest[1])], rest[2]]
        elif rest[0] in '01':
            rest = [('conv', 'bn')[int(rest[0])], rest[1]]
        elif rest[0] == 'norm':
            rest = ['bn', rest[1]]
        state['.'.join([stem, *rest])] = value
    return state


@pytest.fixture
def net() -> ERFNet:
    torch.manual_seed(0)
    net = ERFNet(3, width=4)
    with torch.no_grad():
        net.train()(torch.randn(4, 3, 64, 64))  # moves the statistics of the norms
    return net.eval()


def test_released_weights_see_the_same_through_our_normalisation(net, tmp_path, caplog):
    caplog.set_level('INFO')
    state = released(net) | {'encoder.output_conv.weight': torch.zeros(3, 32, 1, 1)}
    torch.save({f'module.{key}': value for key, value in state.items()}, tmp_path / 'erfnet.pth')
    loaded = build_model('erfnet', 3, {'width': 4}, str(tmp_path / 'erfnet.pth')).eval()
    assert 'dropped: encoder' in caplog.text
    rgb = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
    with torch.no_grad():
        expected = net.encoder[0](rgb.permute(0, 3, 1, 2) / 255)
        seen = loaded.encoder[0](normalise(rgb))
    # The zeros around the image are black there and the mean colour here.
    torch.testing.assert_close(seen[:, :, 1:, 1:], expected[:, :, 1:, 1:], rtol=1e-4, atol=1e-5)
    ours, theirs = loaded.state_dict(), net.state_dict()
    assert [k for k in theirs if not torch.equal(ours[k], theirs[k])] == [
        *('encoder.0.conv.weight', 'encoder.0.conv.bias'),
        *('encoder.0.norm.weight', 'encoder.0.norm.running_mean'),
    ]


def test_an_encoder_of_imagenet_leaves_the_decoder_fresh(net, tmp_path):
    state = {k: v for k, v in released(net).items() if k.startswith('encoder.')}
    state = {f'module.features.{key}': value for key, value in state.items()}
    state['module.classifier.linear.weight'] = torch.zeros(1000, 32)
    torch.save({'epoch': 1, 'state_dict': state}, tmp_path / 'encoder.pth.tar')
    loaded = build_model('erfnet', 5, {'width': 4}, str(tmp_path / 'encoder.pth.tar'))
    for key, value in net.encoder.state_dict().items():
        assert torch.equal(loaded.encoder.state_dict()[key], value)
    assert not torch.equal(loaded.decoder[0][0].weight, net.decoder[0][0].weight)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'width': 3}, r'erfnet.width: got 3, expected .* 4 or more'),
        ({'units': (0, 8)}, r'erfnet.units: got 0, expected .* 1 or more'),
        ({'dropout': 1.5}, r'erfnet.dropout: got 1.5, expected .* 0 to 0.99'),
    ],
)
def test_refuses_options_that_cannot_be(options, message):
    with pytest.raises(ConfigError, match=message):
        build_model('erfnet', 5, options)
