# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from training.errors import ConfigError
from training.models import NETWORKS, build_model
from training.summary import count_parameters

# Millions, for 19 classes, without auxiliary heads. Of the papers where they say it; STDC,
# PP-LiteSeg, BiSeNet as usually quoted; LinkNet-34 as LinkNet-18 plus its ResNet's 10.1 M more.
PUBLISHED_M = {
    'fast_scnn': 1.11,
    'bisenet_r18': 13.3,
    'pp_liteseg_t': 6.3,
    'pp_liteseg_b': 10.6,
    'stdc1': 7.8,
    'stdc2': 11.8,
    'ddrnet23_slim': 5.7,
    'ddrnet23': 20.1,
    'pidnet_s': 7.6,
    'linknet18': 11.5,
    'linknet34': 21.6,
    'segformer_b0': 3.8,
    'deeplabv3_r50': 39.6,
    'dsnet': 0.91,
    'enet': 0.36,
    'erfnet': 2.07,
    'espnet': 0.36,
    'unet': 31.0,
}


@pytest.mark.parametrize(('name', 'published_m'), PUBLISHED_M.items())
def test_has_the_published_number_of_parameters(name, published_m):
    assert count_parameters(build_model(name, 19)) == pytest.approx(1e6 * published_m, rel=0.05)
    assert NETWORKS[name].parameters == pytest.approx(1e6 * published_m)


def test_no_network_is_left_out():
    assert set(NETWORKS) - set(PUBLISHED_M) == {'modern_unet', 'fpn_lite0'}  # see their own tests


def test_a_new_name_has_its_options_and_those_given_win():
    assert build_model('ddrnet23', 3).stem[0][0].out_channels == 64
    assert build_model('ddrnet23', 3, {'planes': 8}).stem[0][0].out_channels == 8


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        ('ddrnet', {}, r"model.name: got 'ddrnet', expected fast_scnn, .*Did you mean ddrnet23"),
        ('stdc3', {}, r"got 'stdc3', .* Did you mean stdc2 or stdc1\?"),
        ('pidnet_s', {'plane': 8}, r"options of pidnet_s: got 'plane', .*Did you mean planes\?"),
        ('pidnet_s', {'planes': '8'}, r"pidnet_s.planes: got '8', expected a whole number"),
        ('enet', {'dropout': True}, r'enet.dropout: got true, expected a number'),
        ('erfnet', {'units': ['5', 8]}, r"erfnet.units: got '5', expected a whole number"),
        ('espnet', {'depths': [2, 8, 3]}, r'depths: got \[2, 8, 3\], expected 2 values'),
        ('stdc1', {'backbone': 'stdc9'}, r"options of stdc1: got backbone='stdc9', .*'stdc9'"),
        ('linknet18', {'encoder': 'mit_b0'}, r"got encoder='mit_b0', .*not supported for Linknet"),
        ('pp_liteseg_t', {'decoder': [1, 2]}, r'decoder: got \[1, 2\], expected 3 values'),
        ('fast_scnn', {'width': 0.01}, r'options of fast_scnn: got width=0.01, expected'),
    ],
)
def test_says_what_is_wrong_with_name_or_options(name, options, message):
    with pytest.raises(ConfigError, match=message):
        build_model(name, 5, options)


def test_refuses_no_classes():
    with pytest.raises(ConfigError, match='number of classes: got 0, expected 1 or more'):
        build_model('enet', 0)


def test_a_list_from_a_file_and_an_int_for_a_share_will_do():
    options = {'decoder': [8, 8, 16], 'base': 8}
    assert build_model('pp_liteseg_t', 3, options).head[0][0].out_channels == 8
    assert build_model('fast_scnn', 3, {'width': 1}).detail[0][0].out_channels == 32


def test_exports_with_the_check_of_its_input():
    net = build_model('fast_scnn', 3, {'width': 0.25}).eval()
    free = torch.export.Dim.DYNAMIC
    program = torch.export.export(
        net, (torch.zeros(2, 3, 64, 64),), dynamic_shapes=({0: free, 2: free, 3: free},)
    )
    image = torch.randn(1, 3, 40, 72)
    torch.testing.assert_close(program.module()(image), net(image))
