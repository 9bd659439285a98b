# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pathlib
import re
import urllib.error

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from tiny_networks import TINY
from training.errors import CheckpointError, ConfigError
from training.models import NETWORKS, build_model
from training.models.ddrnet import DDRNet
from training.models.pidnet import PIDNet
from training.models.stdc import StdcSeg
from training.models.weights import fold_bias, read_state

SLIM = {'planes': 8, 'head': 8, 'branch': 8}


def slim(seed, num_classes=5, **kwargs):
    torch.manual_seed(seed)
    return build_model('ddrnet23_slim', num_classes, SLIM, **kwargs)


@pytest.fixture
def file(tmp_path):
    def save(content):
        torch.save(content, tmp_path / 'weights.pt')
        return str(tmp_path / 'weights.pt')

    return save


def same(net, other):
    ours, theirs = net.state_dict(), other.state_dict()
    return all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize(
    'wrap',
    [
        lambda state: state,
        lambda state: {'state_dict': state, 'epoch': 3},
        lambda state: {'net': {'never': torch.zeros(1)}, 'average': state, 'heads': {}},
        lambda state: {f'module.{key}': value for key, value in state.items()},
        lambda state: {f'model.{k}': v for k, v in state.items()} | {'sem_loss.w': torch.zeros(2)},
    ],
    ids=['bare', 'state_dict', 'checkpoint', 'parallel', 'with loss'],
)
def test_loads_its_own_weights_whatever_is_around_them(wrap, file, caplog):
    caplog.set_level('INFO')
    other = slim(0)
    net = slim(1, weights=file(wrap(other.state_dict())))
    assert same(net, other)
    report = r'weights.pt: 334 tensors loaded(; dropped: sem_loss \(1\))?\n$'
    assert re.search(report, caplog.text)


def test_loads_safetensors(tmp_path):
    other = slim(0)
    save_file(other.state_dict(), tmp_path / 'weights.safetensors')
    assert same(slim(1, weights=str(tmp_path / 'weights.safetensors')), other)


@pytest.mark.parametrize(
    ('name', 'resnet', 'backbone', 'report'),
    [
        ('bisenet_r18', 'resnet18', 'backbone', r'120 .*dropped: fc \(2\); fresh: detail \(20\)'),
        ('linknet18', 'resnet18', 'encoder', r'120 .*fresh: decoder \(80\), segmentation_head'),
        ('linknet34', 'resnet34', 'encoder', r'216 tensors loaded; dropped: fc \(2\)'),
        ('deeplabv3_r50', 'resnet50', 'backbone', r'318 .*fresh: classifier \(37\), aux_cl'),
    ],
)
def test_takes_torchvisions_resnet(name, resnet, backbone, report, file, caplog):
    caplog.set_level('INFO')
    source = torchvision.models.get_model(resnet, weights=None)
    net = build_model(name, 5, weights=file(source.state_dict()))
    del source.fc
    assert same(net.get_submodule(backbone), source)
    assert re.search(report, caplog.text)


def test_takes_torchvisions_deeplab(file):
    source = torchvision.models.segmentation.deeplabv3_resnet50(
        weights=None, weights_backbone=None, num_classes=5, aux_loss=True
    ).eval()
    net = build_model('deeplabv3_r50', 5, weights=file(source.state_dict())).eval()
    image = torch.randn(1, 3, 64, 64)
    features = source.backbone(image)
    with torch.no_grad():
        assert torch.equal(net(image), source.classifier(features['out']))
        aux = features['aux']
        assert torch.equal(net.aux_classifier(aux), source.aux_classifier(aux))


# Names of the released code, read from it, and where the same tensor is here.
RELEASED = [
    (PIDNet, 1, 'conv1.3.weight', 'stem.1.0.weight'),
    (PIDNet, 1, 'layer1.1.conv2.weight', 'i1.2.body.1.0.weight'),
    (PIDNet, 1, 'layer3.2.bn1.bias', 'i3.4.body.0.1.bias'),
    (PIDNet, 1, 'layer3.0.downsample.1.weight', 'i3.0.skip.1.weight'),
    (PIDNet, 1, 'layer4_.1.bn2.running_var', 'p4.2.body.1.1.running_var'),
    (PIDNet, 1, 'layer5.1.conv3.weight', 'i5.1.body.2.0.weight'),
    (PIDNet, 1, 'layer5_.0.conv2.weight', 'p5.body.1.0.weight'),
    (PIDNet, 1, 'layer3_d.conv1.weight', 'd3.body.0.0.weight'),
    (PIDNet, 1, 'layer5_d.0.downsample.0.weight', 'd5.skip.0.weight'),
    (PIDNet, 1, 'compression4.1.weight', 'to_p4.1.weight'),
    (PIDNet, 1, 'diff3.0.weight', 'to_d3.0.weight'),
    (PIDNet, 1, 'pag3.f_y.1.bias', 'pag3.query.1.bias'),
    (PIDNet, 1, 'dfm.conv_i.0.weight', 'fusion.context.0.weight'),
    (PIDNet, 1, 'spp.scale0.2.weight', 'context.scales.0.2.weight'),
    (PIDNet, 1, 'spp.scale4.3.weight', 'context.scales.4.2.weight'),
    (PIDNet, 1, 'spp.scale_process.0.bias', 'context.refine.0.bias'),
    (PIDNet, 1, 'final_layer.conv2.bias', 'head.3.bias'),
    (PIDNet, 1, 'seghead_d.bn1.weight', 'boundary.0.0.weight'),
    (PIDNet, 0, 'down5.3.weight', None),
    (PIDNet, 0, 'linear.bias', None),
    (DDRNet, 0, 'conv1.1.running_mean', 'stem.0.1.running_mean'),
    (DDRNet, 0, 'layer1.0.conv1.weight', 'stem.2.0.body.0.0.weight'),
    (DDRNet, 0, 'layer2.1.bn2.bias', 'low2.2.body.1.1.bias'),
    (DDRNet, 0, 'layer4_.0.conv2.weight', 'high4.0.body.1.0.weight'),
    (DDRNet, 0, 'layer5.0.conv3.weight', 'low5.body.2.0.weight'),
    (DDRNet, 0, 'layer5_.0.downsample.0.weight', 'high5.skip.0.weight'),
    (DDRNet, 0, 'compression3.0.weight', 'to_high3.0.weight'),
    (DDRNet, 0, 'down4.4.bias', 'to_low4.1.1.bias'),
    (DDRNet, 0, 'spp.scale0.0.weight', None),
    (DDRNet, 0, 'last_layer.0.weight', None),
    (StdcSeg, 0, 'features.1.bn.weight', 'backbone.features.1.1.weight'),
    (StdcSeg, 0, 'features.2.avd_layer.0.weight', 'backbone.features.2.down.0.weight'),
    (StdcSeg, 0, 'features.7.conv_list.3.conv.weight', 'backbone.features.7.convs.3.0.weight'),
    (StdcSeg, 0, 'x8.0.0.conv_list.0.conv.weight', None),
    (StdcSeg, 0, 'conv_last.conv.weight', None),
    (StdcSeg, 1, 'cp.backbone.features.0.conv.weight', 'backbone.features.0.0.weight'),
    (StdcSeg, 1, 'cp.arm32.conv_atten.weight', 'context.arm32.attention.0.weight'),
    (StdcSeg, 1, 'cp.conv_head16.bn.weight', 'context.up8.1.weight'),
    (StdcSeg, 1, 'cp.conv_avg.conv.weight', 'context.whole.0.weight'),
    (StdcSeg, 1, 'ffm.convblk.conv.weight', 'fusion.join.0.weight'),
    (StdcSeg, 1, 'ffm.conv2.weight', 'fusion.attention.2.weight'),
    (StdcSeg, 1, 'conv_out.conv_out.weight', 'head.1.weight'),
    (StdcSeg, 1, 'conv_out32.conv.bn.bias', 'aux16.0.1.bias'),
    (StdcSeg, 1, 'conv_out_sp8.conv.conv.weight', None),
]


@pytest.mark.parametrize(('kind', 'number', 'theirs', 'ours'), RELEASED)
def test_renames_released_weights(kind, number, theirs, ours):
    assert kind.key_maps[number].rename(theirs) == ours
    assert ours is None or ours in kind(19).state_dict()


def test_a_folded_bias_gives_the_same():
    conv, norm = nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3).eval()
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    pair, without = nn.Sequential(conv, norm), nn.Conv2d(2, 3, 1, bias=False)
    folded = nn.Sequential(without, nn.BatchNorm2d(3)).eval()
    folded.load_state_dict(fold_bias(pair.state_dict(), '0', '1'))
    image = torch.randn(1, 2, 4, 4)
    torch.testing.assert_close(folded(image), pair(image))


def test_released_ddrnet_is_refused_where_the_function_is_another(file):
    path = file({'down4.3.weight': torch.zeros(256, 128, 3, 3)})
    with pytest.raises(ConfigError, match='rectify with these weights: got True, expected False'):
        build_model('ddrnet23_slim', 19, weights=path)


def test_names_the_first_five_keys_that_do_not_fit(file):
    state = slim(0).state_dict()
    state.pop('stem.0.0.weight')
    state |= {f'extra{i}.weight': torch.zeros(1) for i in range(7)}
    message = (
        r'7 keys that the network lacks: extra0.weight, extra1.weight, extra2.weight, '
        r'extra3.weight, extra4.weight, \.\.\.; 1 keys missing: stem.0.0.weight, expected the keys'
    )
    with pytest.raises(CheckpointError, match=message):
        slim(1, weights=file(state))


def test_an_incomplete_backbone_is_no_backbone(file):
    state = torchvision.models.resnet18(weights=None).state_dict()
    state.pop('layer3.0.conv1.weight')
    with pytest.raises(CheckpointError, match=r'1 keys missing: backbone.layer3.0.conv1.weight, '):
        build_model('bisenet_r18', 5, weights=file(state))


def test_weights_of_another_width_are_refused(file):
    path = file(slim(0).state_dict())
    message = r'weights.pt, stem.0.0.weight: got \(8, 3, 3, 3\), expected \(16, 3, 3, 3\)'
    with pytest.raises(CheckpointError, match=message):
        build_model('ddrnet23_slim', 5, {**SLIM, 'planes': 16}, path)


@pytest.mark.parametrize('name', NETWORKS)
def test_another_number_of_classes_is_refused_or_starts_afresh(name, file, caplog):
    caplog.set_level('INFO')
    options = TINY[name]
    other = build_model(name, 19, options)
    path, theirs = file(other.state_dict()), other.state_dict()
    with pytest.raises(CheckpointError, match=r'got 19 classes, expected 4.*Set model.new_head'):
        build_model(name, 4, options, path)
    ours = build_model(name, 4, options, path, new_head=True).state_dict()
    changed = [key for key in ours if not torch.equal(ours[key], theirs[key])]
    assert changed and all(ours[key].shape != theirs[key].shape for key in changed)
    assert re.search(r'dropped: .*; fresh: ', caplog.text)


def test_says_when_a_file_cannot_be_read(tmp_path, file):
    with pytest.raises(CheckpointError, match=r'none.pt: got no file, expected .*\.pth'):
        read_state(tmp_path / 'none.pt')
    (tmp_path / 'text.pt').write_text('no weights')
    with pytest.raises(CheckpointError, match=r'text.pt: got \w+Error.*, expected tensors'):
        read_state(tmp_path / 'text.pt')
    with pytest.raises(CheckpointError, match=r'got UnpicklingError.*Save its state_dict alone'):
        read_state(pathlib.Path(file({'net': nn.Conv2d(1, 1, 1)})))  # would run code when loaded
    with pytest.raises(CheckpointError, match='got no tensors, expected a dictionary of tensors'):
        read_state(pathlib.Path(file({'epoch': 3})))


def test_fetches_what_torchvision_publishes(monkeypatch):
    source = torchvision.models.resnet18(weights=None)
    monkeypatch.setattr(
        'torchvision.models._api.load_state_dict_from_url', lambda *_, **__: source.state_dict()
    )
    net = build_model('bisenet_r18', 5, weights='imagenet')
    assert torch.equal(net.backbone.conv1.weight, source.conv1.weight)


def test_says_when_there_is_no_network_or_nothing_to_fetch(monkeypatch):
    def offline(*_, **__):
        raise urllib.error.URLError('no route to host')

    monkeypatch.setattr('torchvision.models._api.load_state_dict_from_url', offline)
    message = r'imagenet \(resnet18\): got URLError: .*no route to host.*name a file'
    with pytest.raises(CheckpointError, match=message):
        build_model('linknet18', 5, weights='imagenet')
    with pytest.raises(ConfigError, match=r'model.weights of FastScnn: got imagenet'):
        build_model('fast_scnn', 5, weights='imagenet')
