# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from training.config import LossConfig
from training.errors import ConfigError
from training.losses import Outputs, Supervised, build_loss
from training.stats import ClassStatistics

BOTH = LossConfig(boundary_weight=0.2, encoding_weight=0.5)


class Net(nn.Module):
    """Stride 2; one auxiliary logits, and a module that runs in training only."""

    boundary_feature = 'edge'
    encoding_feature = 'body.0'

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(True))
        self.edge = nn.Conv2d(6, 5, 1)
        self.line = nn.Conv2d(6, 1, 1)
        self.pair = nn.LSTM(6, 2)
        self.unused = nn.Conv2d(1, 1, 1)
        self.head, self.aux = nn.Conv2d(6, 2, 1), nn.Conv2d(5, 2, 1)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        features = self.body(image)
        logits = self.head(features)
        if not self.training:
            return logits
        aux = self.aux(self.edge(features)) + self.line(features)
        return logits, aux + 0 * self.pair(features.flatten(2).movedim(1, 2))[0].mean()


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    net = Net()
    net.unused.requires_grad_(False)
    return net


@pytest.fixture
def image() -> Tensor:
    return torch.randn(2, 3, 32, 34, generator=torch.Generator().manual_seed(1))


def test_training_gives_outputs(net, image):
    outputs = Supervised(net, BOTH, 2)(image)
    assert isinstance(outputs, Outputs)
    assert outputs.logits.shape == outputs.aux[0].shape == (2, 2, 16, 17)
    assert outputs.side['boundary'].shape == (2, 1, 16, 17)
    assert outputs.side['encoding'].shape == (2, 2)


def test_evaluation_gives_the_logits_of_the_network(net, image):
    supervised = Supervised(net, BOTH, 2).eval()
    torch.testing.assert_close(supervised(image), net.eval()(image))


def test_without_side_losses_there_are_no_heads(net, image):
    supervised = Supervised(net, LossConfig(), 2)
    assert not list(supervised.heads.parameters())
    assert supervised(image).side == {}


def test_heads_fit_the_features(net):
    heads = Supervised(net, BOTH, 7).heads
    assert heads['boundary'].weight.shape == (1, 5, 1, 1)
    assert heads['encoding'].encoding.centres.shape == (32, 6)
    assert heads['encoding'].classify.weight.shape == (7, 6)


def test_features_can_be_named(net):
    config = LossConfig(boundary_weight=0.2, boundary_feature='body')
    assert Supervised(net, config, 2).heads['boundary'].weight.shape == (1, 6, 1, 1)


def test_a_map_of_one_channel_is_the_boundary_already(net, image):
    config = LossConfig(boundary_weight=0.2, boundary_feature='line')
    supervised = Supervised(net, config, 2)
    assert not list(supervised.heads.parameters())
    assert supervised(image).side['boundary'].shape == (2, 1, 16, 17)


def test_the_network_stays_as_it_is(net, image):
    before = copy.deepcopy(net.state_dict())
    supervised = Supervised(net, BOTH, 2)
    torch.testing.assert_close(net.state_dict(), before)  # norms too, though channels were tried
    supervised(image)
    assert not any(module._forward_hooks for module in net.modules())
    assert set(before) == set(copy.deepcopy(supervised.net).state_dict())
    whole = set(supervised.state_dict())
    assert whole == {f'net.{key}' for key in before} | {
        f'heads.{key}' for key in supervised.heads.state_dict()
    }


def test_hooks_go_when_the_network_fails(net):
    supervised = Supervised(net, BOTH, 2)
    with pytest.raises(RuntimeError):
        supervised(torch.zeros(1, 9, 32, 32))
    assert not any(module._forward_hooks for module in net.modules())


def test_side_losses_teach_the_network(net, image, two_classes):
    labels = torch.zeros((2, 32, 34), dtype=torch.uint8)
    labels[:, 10:20, 8:30] = 1
    supervised = Supervised(net, BOTH, 2)
    loss = build_loss(BOTH, ClassStatistics.unknown(two_classes))
    optimizer = torch.optim.Adam(supervised.parameters(), 0.01)
    values = []
    for _ in range(40):
        optimizer.zero_grad()
        loss(supervised(image), labels).backward()
        optimizer.step()
        values.append({name: float(value) for name, value in loss.parts.items()})
    assert values[-1]['boundary'] < 0.8 * values[0]['boundary']
    assert values[-1]['encoding'] < 0.5 * values[0]['encoding']
    used = [p for name, p in supervised.named_parameters() if 'unused' not in name]
    assert all(parameter.grad is not None for parameter in used)


def test_half_precision_and_channels_last(net, image, two_classes):
    layout = {'memory_format': torch.channels_last}
    supervised = Supervised(net.to(**layout), BOTH, 2).to(**layout)
    with torch.autocast('cpu', torch.bfloat16):
        outputs = supervised(image.contiguous(**layout))
    assert outputs.side['boundary'].dtype == torch.bfloat16
    labels = torch.zeros((2, 32, 34), dtype=torch.uint8)
    value = build_loss(BOTH, ClassStatistics.unknown(two_classes))(outputs, labels)
    value.backward()
    assert value.dtype == torch.float32 and value.isfinite()


def test_trains_under_data_parallel(net, image, two_classes, tmp_path):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path / "meet"}', rank=0, world_size=1
    )
    try:
        parallel = DistributedDataParallel(Supervised(net, BOTH, 2))
        loss = build_loss(BOTH, ClassStatistics.unknown(two_classes))
        labels = torch.zeros((2, 32, 34), dtype=torch.uint8)
        for _ in range(2):  # a parameter without gradient would be an error in the second
            loss(parallel(image), labels).backward()
    finally:
        torch.distributed.destroy_process_group()


def test_l1_is_of_the_kernels_of_convolutions_alone(image, two_classes):
    net = nn.Sequential(
        nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.ConvTranspose2d(2, 2, 2, stride=2, bias=False)
    )
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1, -2, 0], [0.5, 0.5, -1]])[:, :, None, None])
        net[2].weight.fill_(-0.25)
    net.forward = lambda image: (nn.Sequential.forward(net, image),)  # as in training
    config = LossConfig(l1=0.01)
    supervised = Supervised(net, config, 2)
    loss = build_loss(config, ClassStatistics.unknown(two_classes))
    loss(supervised(image), torch.full((2, 64, 68), 255, dtype=torch.uint8)).backward()
    # 0.01 (1 + 2 + 0.5 + 0.5 + 1 + 16 / 4); nothing is labelled, so its gradient is all there is.
    assert loss.parts['l1'].item() == pytest.approx(0.09)
    expected = torch.tensor([[1.0, -1.0, 0.0], [1.0, 1.0, -1.0]])
    assert torch.equal(net[0].weight.grad[:, :, 0, 0], 0.01 * expected)
    assert net[2].weight.grad.eq(-0.01).all()
    others = (net[0].bias, net[1].weight, net[1].bias)
    assert not any(value.grad.any() for value in others)
    assert 'l1' not in Supervised(net, LossConfig(), 2)(image).side


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('boddy', r"boundary_feature: got 'boddy', expected a module of Net\. Did you mean body"),
        ('xyz', r"got 'xyz', .*body, edge, line, pair, unused, head, aux"),
        ('unused', r'module unused \(loss.boundary_feature\): got none'),
        ('pair', r'module pair .* got tuple, expected a feature map \(N, channels, h, w\)'),
    ],
)
def test_wrong_features(net, name, message):
    with pytest.raises(ConfigError, match=message):
        Supervised(net, LossConfig(boundary_weight=0.2, boundary_feature=name), 2)


def test_a_network_without_feature_of_its_own():
    net = nn.Sequential(nn.Conv2d(3, 2, 1))
    with pytest.raises(ConfigError, match=r"encoding_feature: got ''"):
        Supervised(net, LossConfig(encoding_weight=1.0), 2)
