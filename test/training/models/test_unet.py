# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from training.errors import ConfigError
from training.models import build_model
from training.models.unet import UNet


@pytest.mark.parametrize(
    ('options', 'parameters'),
    [
        ({}, 31_037_698),  # as usually quoted for two classes
        ({'norm': 'none'}, 31_037_698 - 5_888),  # biases instead of two values a norm's channel
        ({'up': 'bilinear'}, 17_262_977 + 65),  # as quoted for one class, and one more
    ],
)
def test_has_the_published_size(options, parameters):
    assert sum(value.numel() for value in UNet(2, **options).parameters()) == parameters


@pytest.mark.parametrize(('depth', 'deepest'), [(3, 512), (4, 1024)])
def test_depth_bounds_the_channels(depth, deepest):
    net = UNet(3, depth=depth)
    assert max(m.out_channels for m in net.modules() if isinstance(m, nn.Conv2d)) == deepest


@pytest.mark.parametrize('up', ['transpose', 'bilinear'])
@pytest.mark.parametrize('depth', [1, 2, 5])
@pytest.mark.parametrize('norm', ['batch', 'none'])
def test_gives_logits_of_the_images_size(up, depth, norm):
    torch.manual_seed(0)
    net = UNet(4, width=4, depth=depth, norm=norm, up=up).train()
    for size in ((64, 64), (33, 47), (97, 131)):
        (logits,) = net(torch.randn(2, 3, *size))
        assert logits.shape == (2, 4, *size)
        assert 0.1 < logits.std() < 10


def test_control_has_neither_norm_nor_dropout():
    kinds = {type(m) for m in UNet(2, width=4, norm='none').modules()}
    assert not kinds & {nn.BatchNorm2d, nn.Dropout}
    assert all(m.bias is not None for m in UNet(2, 4, norm='none').down.modules() if is_conv(m))


def test_dropout_after_each_pair():
    rates = [m.p for m in UNet(2, width=4, dropout=0.4).modules() if isinstance(m, nn.Dropout)]
    assert rates == 9 * [0.4]


def is_conv(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d)


def test_each_level_of_the_decoder_takes_in_its_own():
    net = UNet(2, width=4, depth=3).eval()
    image, seen = torch.randn(1, 3, 32, 32), []
    net.up[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net.down[0].register_forward_hook(lambda _, __, output: seen.append(output.clone()))
    with torch.no_grad():
        net(image)
    kept, joined = seen
    assert joined.shape == (1, 8, 32, 32)
    assert torch.equal(joined[:, :4], kept)


def test_a_sixteenth_of_an_odd_number_of_eighths_exports():
    net = UNet(3, width=4).eval()
    height, width = (8 * torch.export.Dim(side, min=4, max=512) for side in ('h', 'w'))
    program = torch.export.export(
        net, (torch.zeros(1, 3, 64, 96),), dynamic_shapes=({2: height, 3: width},)
    )
    for size in ((64, 64), (72, 104), (40, 32)):
        image = torch.randn(1, 3, *size)
        with torch.no_grad():
            torch.testing.assert_close(program.module()(image), net(image))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'norm': 'bach'}, r"norm: got 'bach', .* batch, none\. Did you mean batch\?"),
        ({'up': 'linear'}, r"up: got 'linear', .*Did you mean bilinear\?"),
        ({'depth': 6}, r'depth: got 6, expected .* 1 to 5'),
        ({'depth': 0}, r'depth: got 0, expected .* 1 to 5'),
        ({'width': 7}, r'width: got 7, expected a multiple of 2'),
        ({'dropout': 1.0}, r'dropout: got 1.0, expected .* 0 to 0.99'),
    ],
)
def test_refuses_options_that_cannot_be(options, message):
    with pytest.raises(ConfigError, match=f'model.options.*{message}'):
        build_model('unet', 5, options)
