# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from training.errors import ConfigError
from training.models import build_model
from training.models.espnet import ESPNet, Pyramid
from training.transforms import normalise


def test_has_the_size_of_the_authors_network():
    # Counted in the authors' code, for 20 classes and depths 2 and 8.
    assert sum(value.numel() for value in ESPNet(20).parameters()) == 364_569


def test_outputs_of_larger_dilations_are_sums():
    unit = Pyramid(5, 5).eval()  # one channel for each dilation
    unit.reduce.weight.data = torch.tensor([1.0, 0, 0, 0, 0]).reshape(1, 5, 1, 1)
    for factor, conv in enumerate(unit.parts, 1):
        conv.weight.data.zero_()
        conv.weight.data[0, 0, 1, 1] = factor
    features = torch.zeros(1, 5, 3, 3)
    features[0, 0] = 10
    # 1, 2, 2 + 3, 2 + 3 + 4, 2 + 3 + 4 + 5 times the first channel, added to what came in;
    # the fresh norm divides by sqrt(1 + 0.001)
    seen = unit(features)[0, :, 1, 1]
    torch.testing.assert_close(seen * 1.001**0.5, torch.tensor([20.0, 20, 50, 90, 140]))


def test_the_rest_of_a_division_by_five_goes_to_the_undilated_part():
    parts = Pyramid(19, 64, stride=2).parts
    assert [conv.out_channels for conv in parts] == [16, 12, 12, 12, 12]
    assert [conv.dilation[0] for conv in parts] == [1, 2, 4, 8, 16]


@pytest.mark.parametrize(('stride', 'expected'), [(1, (2, 20, 7, 9)), (2, (2, 20, 4, 5))])
def test_shapes_of_a_unit(stride, expected):
    assert Pyramid(20, 20, stride)(torch.randn(2, 20, 7, 9)).shape == expected


@pytest.mark.parametrize('num_classes', [1, 3, 4, 5, 6])
def test_few_classes_get_a_decoder_of_five_channels(num_classes):
    net = ESPNet(num_classes, depths=(1, 1), width=4).eval()
    assert net.score2.out_channels == max(5, num_classes)
    with torch.no_grad():
        assert net(torch.randn(1, 3, 41, 50)).shape == (1, num_classes, 41, 50)


RELEASED = {
    'level1': {'0': 'conv', '1': 'bn', '2': 'act'},
    'join1': {'0': 'b1.bn', '1': 'b1.act'},
    'join2': {'0': 'b2.bn', '1': 'b2.act'},
    'join3': {'0': 'b3.bn', '1': 'b3.act'},
}
PARTS = ('d1', 'd2', 'd4', 'd8', 'd16')


def released(net: ESPNet) -> dict[str, torch.Tensor]:
    """The encoder's weights under the names of the authors' files."""
    state = {}
    for key, value in net.state_dict().items():
        part, *rest = key.split('.')
        if part == 'level1':
            name = ['level1', RELEASED[part][rest[0]], *rest[1:]]
        elif part in RELEASED:
            name = [RELEASED[part][rest[0]], *rest[1:]]
        elif part in ('level2', 'level3'):
            down = rest.pop(0) == 'down'
            stem = [f'{part}_0'] if down else [part, rest.pop(0)]
            if rest[0] == 'reduce':
                inner = ['c1', 'conv', rest[1]]
            elif rest[0] == 'parts':
                inner = [PARTS[int(rest[1])], 'conv', rest[2]]
            else:
                norm = ('bn', 'act')[int(rest[1])]
                inner = [norm, rest[2]] if down else ['bn', norm, rest[2]]
            name = stem + inner
        else:
            continue
        state['.'.join(name)] = value
    return state


@pytest.mark.parametrize('prefix', ['', 'encoder.'])
def test_released_weights_see_the_same_through_our_normalisation(prefix, tmp_path):
    torch.manual_seed(0)
    options = {'depths': (1, 2), 'width': 4}
    net = ESPNet(20, **options)
    with torch.no_grad():
        net.train()(torch.randn(4, 3, 64, 64))  # moves the statistics of the norms
    file = tmp_path / 'espnet.pth'
    state = {f'{prefix}{key}': value for key, value in released(net).items()}
    torch.save(state | {f'{prefix}classifier.conv.weight': torch.zeros(20, 64, 1, 1)}, file)
    loaded = build_model('espnet', 5, options, str(file)).eval()
    rgb = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
    mean = torch.tensor([72.3923111, 82.90893555, 73.15840149])  # of the authors' evaluation
    std = torch.tensor([45.3192215, 46.15289307, 44.91483307])
    bgr = ((rgb.flip(3) - mean) / std / 255).permute(0, 3, 1, 2)
    expected, seen = outputs(net.eval(), bgr), outputs(loaded, normalise(rgb))
    # Both joins hold the image in their last channels. Borders differ: zeros are other colours.
    for name, inside in (('join1', 2), ('join2', 14)):
        expected[name][:, -3:] = expected[name][:, -3:].flip(1)
        part = slice(inside, -inside if inside < 8 else None)
        torch.testing.assert_close(
            seen[name][:, -3:, part, part], expected[name][:, -3:, part, part], atol=1e-5, rtol=0
        )
    torch.testing.assert_close(seen['join1'][:, :, 2:, 2:], expected['join1'][:, :, 2:, 2:])


def outputs(net: nn.Module, image: torch.Tensor) -> dict[str, torch.Tensor]:
    """What comes out of the joins."""
    seen: dict[str, torch.Tensor] = {}
    for name in ('join1', 'join2'):
        net.get_submodule(name).register_forward_hook(
            lambda _, __, output, key=name: seen.update({key: output.clone()})
        )
    with torch.no_grad():
        net(image)
    return seen


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'depths': (0, 3)}, r'espnet.depths: got 0, expected .* 1 or more'),
        ({'width': 1}, r'espnet.width: got 1, expected .* 2 or more'),
    ],
)
def test_refuses_options_that_cannot_be(options, message):
    with pytest.raises(ConfigError, match=message):
        build_model('espnet', 5, options)
