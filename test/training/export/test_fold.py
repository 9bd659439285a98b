# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from training.errors import ExportError
from training.export.fold import fold_and_quantise_weights, fold_norms, watch


def used(net):
    """The network with batch norms that have statistics, scales and shifts of their own."""
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return net.eval()


def norms(net):
    return [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]


@torch.no_grad()
def assert_same(net, other, tolerance=1e-5):
    image = torch.randn(2, 3, 40, 48)
    expected = net(image)
    assert float((other(image) - expected).abs().max()) <= tolerance * float(expected.abs().max())


@torch.no_grad()
def test_network_that_is_not_sequential():
    """Blocks whose layers are attributes, called in an order that only forward knows."""
    net = used(torchvision.models.resnet18(num_classes=5))
    light = fold_and_quantise_weights(net)
    assert len(norms(net)) == 20 and norms(light) == []
    assert_same(net, light, tolerance=5e-3)  # of the rounding to float16


@torch.no_grad()
def test_folding_alone_is_exact(trained):
    light = fold_and_quantise_weights(trained)
    folded = type(trained)().eval()
    folded.load_state_dict(trained.state_dict())
    fold_norms(folded, watch(folded).pairs)
    assert norms(folded) == norms(light) == []
    assert_same(trained, folded)


class Odd(nn.Module):
    """What must not be folded: a map read twice, a layer called twice, a norm before its layer."""

    def __init__(self):
        super().__init__()
        self.read_twice, self.norm_of_one = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.called_twice, self.norm_of_calls = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.norm_first, self.after = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1)
        self.up, self.norm_of_up = nn.ConvTranspose2d(4, 6, 2, stride=2), nn.BatchNorm2d(6)

    def forward(self, image):
        features = self.read_twice(image)
        features = self.norm_of_one(features) + features
        features = self.norm_of_calls(self.called_twice(self.called_twice(features)))
        features = self.after(F.relu(self.norm_first(features)))
        return self.norm_of_up(self.up(features))


def test_only_what_may_be_folded_is():
    net = used(Odd())
    folded = used(Odd())
    folded.load_state_dict(net.state_dict())
    fold_norms(folded, watch(folded).pairs)
    kept = {name for name, module in folded.named_modules() if module in norms(folded)}
    assert kept == {'norm_of_one', 'norm_of_calls', 'norm_first'}
    assert_same(net, folded)


class WithAuxiliary(nn.Module):
    """A head that only training runs, and a weight that is read without a module's call."""

    def __init__(self):
        super().__init__()
        self.head, self.aux = nn.Conv2d(3, 2, 1), nn.Sequential(nn.Conv2d(3, 2, 1))
        self.held = nn.Linear(2, 2)

    def forward(self, image):
        logits = self.head(image) * self.held.bias[:, None, None]
        return (logits, self.aux(image)) if self.training else logits


def test_what_only_training_needs_is_gone():
    net = WithAuxiliary().eval()
    light = fold_and_quantise_weights(net)
    assert sorted(light.state_dict()) == ['head.bias', 'head.weight', 'held.bias', 'held.weight']
    assert 'aux.0.weight' in net.state_dict()
    assert_same(net, light, tolerance=5e-3)


def test_weights_are_what_float16_holds(light):
    for value in light.parameters():
        torch.testing.assert_close(value.half().float(), value, rtol=0, atol=0)


def test_original_is_left_alone(trained):
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    fold_and_quantise_weights(trained)
    after = trained.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_weight_that_is_too_large_is_refused(trained):
    net = type(trained)().eval()
    with torch.no_grad():
        net.head.bias[3] = 70000.0
    with pytest.raises(ExportError, match=r'weight head\.bias: got a value above 65504, expected'):
        fold_and_quantise_weights(net)
