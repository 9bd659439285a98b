# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from training.errors import ConfigError
from training.models import build_model
from training.models.dsnet import AddDownUnit, BasicUnit, DownUnit, DSNet, UpUnit, join
from training.models.layers import InvertedResidual

UNITS = ('dsnet', 'no_shuffle', 'add', 'depthwise', 'mobilenet_v2', 'enet')


def millions(**options):
    return sum(value.numel() for value in DSNet(19, **options).parameters()) / 1e6


@pytest.mark.parametrize(('size', 'published'), [(0.5, 0.45), (1, 0.91), (1.5, 1.36), (2, 1.81)])
def test_sizes_of_table_2(size, published):
    assert millions(size=size) == pytest.approx(published, rel=0.015)


@pytest.mark.parametrize(
    ('options', 'published'),
    [
        ({'unit': 'no_shuffle'}, 0.91),
        ({'unit': 'add'}, 1.15),
        ({'unit': 'mobilenet_v2'}, 1.17),
        ({'init': 'conv'}, 0.91),
        ({'pyramid': True}, 1.22),
        ({'skip': True}, 0.91),
        ({'dilation': 'doubling'}, 0.91),
    ],
)
def test_ablations_of_table_5(options, published):
    assert millions(**options) == pytest.approx(published, rel=0.05)


@pytest.mark.parametrize(
    ('options', 'counts'),
    [
        ({}, (4, 16)),
        ({'size': 0.5}, (4, 6)),
        ({'size': 1.5}, (4, 26)),
        ({'size': 2.0}, (4, 36)),
        ({'unit': 'add'}, (2, 4)),
        ({'unit': 'mobilenet_v2'}, (2, 4)),
        ({'unit': 'depthwise'}, (8, 34)),  # "22 more deeper"
        ({'unit': 'enet'}, (8, 34)),
    ],
)
def test_numbers_of_units(options, counts):
    net = DSNet(3, width=8, **options)
    assert (len(net.stage1), len(net.stage2)) == counts


@pytest.mark.parametrize(
    ('options', 'dilations'),
    [
        ({}, [1, 2, 5, 9, 1, 2, 5, 9, 2, 5, 9, 17, 2, 5, 9, 17]),
        ({'size': 0.5}, [2, 5, 9, 5, 9, 17]),
        ({'dilation': 'doubling'}, [2, 4, 8, 16] * 4),
        ({'unit': 'add'}, [2, 5, 9, 17]),
        ({'unit': 'mobilenet_v2', 'dilation': 'doubling'}, [2, 4, 8, 16]),
    ],
)
def test_dilations(options, dilations):
    net = DSNet(3, width=8, **options)
    convs = [m for m in net.stage2.modules() if isinstance(m, nn.Conv2d) and m.kernel_size[0] == 3]
    assert [conv.dilation[0] for conv in convs] == dilations
    assert all(m.dilation == (1, 1) for m in net.stage1.modules() if isinstance(m, nn.Conv2d))


def test_shapes_of_table_3():
    net, seen = DSNet(19).eval(), {}
    for name in ('init', 'stage1', 'stage2', 'context', 'up4', 'stage4', 'up5', 'stage5'):
        net.get_submodule(name).register_forward_hook(
            lambda _, __, output, key=name: seen.update({key: tuple(output.shape[1:])})
        )
    with torch.no_grad():
        assert net(torch.randn(1, 3, 80, 80)).shape == (1, 19, 80, 80)
    assert seen == {
        'init': (16, 40, 40),
        'stage1': (64, 20, 20),
        'stage2': (128, 10, 10),
        'context': (128, 10, 10),
        'up4': (64, 20, 20),
        'stage4': (64, 20, 20),
        'up5': (16, 40, 40),
        'stage5': (16, 40, 40),
    }


def test_shuffled_channels_alternate():
    left, right = (torch.randn(2, 6, 3, 5) for _ in range(2))
    expected = nn.ChannelShuffle(2)(torch.cat([left, right], dim=1))
    assert torch.equal(join(left, right, shuffle=True), expected)
    assert torch.equal(join(left, right, shuffle=False), torch.cat([left, right], dim=1))


@pytest.mark.parametrize(('shuffle', 'passed'), [(True, slice(0, None, 2)), (False, slice(0, 4))])
def test_half_of_the_channels_pass_a_unit_as_they_are(shuffle, passed):
    features = torch.randn(2, 8, 9, 9)
    outputs = BasicUnit(8, dilation=2, shuffle=shuffle)(features)
    assert torch.equal(outputs[:, passed], features[:, :4])
    assert not torch.equal(outputs, features)


def test_down_pools_beside_its_convolutions_and_up_puts_back():
    features = torch.randint(64, (2, 16, 8, 12)) / 64  # no near ties
    down, up = DownUnit(16, 32), UpUnit(32, 16)
    down.pooled, up.body = nn.Identity(), nn.Sequential(Zeros())
    small, choice = down.eval()(features)
    pooled, indices = F.max_pool2d(features, 2, return_indices=True)
    assert small.shape == (2, 32, 4, 6)
    assert torch.equal(small[:, ::2], pooled)
    up.unpooled = nn.Identity()
    values = torch.rand(2, 16, 4, 6)
    assert torch.equal(up(values, choice), F.max_unpool2d(values, indices, 2))


class Zeros(nn.Module):
    def forward(self, features):
        return features.new_zeros(()).expand(2, 16, 8, 12)


def test_ablation_add_sums_its_branches():
    features = torch.rand(2, 4, 8, 8)
    down = AddDownUnit(4, 8).eval()
    with torch.no_grad():
        outputs, _ = down(features)
        expected = down.pooled(F.max_pool2d(features, 2)) + down.body(features)
    assert outputs.shape == (2, 8, 4, 4)
    assert torch.equal(outputs, expected)


def test_ablation_mobilenet_widens_six_times():
    convs = [m for m in InvertedResidual(8, 8, dilation=5).modules() if isinstance(m, nn.Conv2d)]
    seen = [(m.in_channels, m.out_channels, m.groups, m.dilation[0]) for m in convs]
    assert seen == [(8, 48, 1, 1), (48, 48, 48, 5), (48, 8, 1, 1)]


def test_ablation_skip_adds_features_of_the_encoder():
    plain, skipping = DSNet(3, 0.5, width=8).eval(), DSNet(3, 0.5, width=8, skip=True).eval()
    skipping.load_state_dict(plain.state_dict())
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        plain.up4.register_forward_hook(lambda _, inputs, output: output + kept['stage1'])
        plain.up5.register_forward_hook(lambda _, inputs, output: output + kept['init'])
        kept = {}
        for name in ('stage1', 'init'):
            plain.get_submodule(name).register_forward_hook(
                lambda _, __, output, key=name: kept.update({key: output})
            )
        assert torch.equal(plain(image), skipping(image))


@pytest.mark.parametrize(
    'options',
    [
        *({'unit': unit} for unit in UNITS),
        {'init': 'conv', 'pyramid': True, 'skip': True, 'dilation': 'doubling', 'size': 0.5},
    ],
)
def test_every_variant_trains_at_an_odd_size(options):
    torch.manual_seed(0)
    net = DSNet(4, width=8, **options).train()
    (logits,) = net(torch.randn(2, 3, 49, 67))
    assert logits.shape == (2, 4, 49, 67)
    assert 0.05 < logits.std() < 5
    logits.square().mean().backward()
    assert all(value.grad.isfinite().all() for value in net.parameters())
    assert all(value.grad.any() for key, value in net.named_parameters() if key.endswith('bias'))


@pytest.mark.slow
def test_a_variant_exports_with_free_sizes():
    options = {'size': 0.5, 'init': 'conv', 'pyramid': True, 'skip': True, 'width': 8}
    net = DSNet(4, **options).eval()
    height, width = (8 * torch.export.Dim(side, min=4, max=512) for side in ('h', 'w'))
    program = torch.export.export(
        net, (torch.zeros(2, 3, 64, 96),), dynamic_shapes=({2: height, 3: width},)
    )
    image = torch.randn(2, 3, 40, 72)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(image), net(image))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'unit': 'mobilenet'}, r"unit: got 'mobilenet', .*Did you mean mobilenet_v2 or"),
        ({'init': 'pol'}, r"init: got 'pol', expected one of pool, conv\. Did you mean pool\?"),
        ({'dilation': 'hybird'}, r"dilation: got 'hybird', .*Did you mean hybrid\?"),
        ({'size': 0.7}, r'size: got 0.7, expected 0.5, 1.0, 1.5, 2.0'),
        ({'size': 2.0, 'unit': 'enet'}, r'size: got 2.0, expected 1.0 with unit enet'),
        ({'width': 6}, r'width: got 6, expected a multiple of 4'),
    ],
)
def test_refuses_options_that_cannot_be(options, message):
    with pytest.raises(ConfigError, match=f'model.options.*{message}'):
        build_model('dsnet', 5, options)
