# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One tester for all networks: small ones of each kind, from the rows of the zoo."""

from __future__ import annotations

import io
import logging

import numpy as np
import onnxruntime as ort
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seg_perception.evaluation.metrics import ConfusionMatrix
from tiny_networks import TINY
from training.errors import ConfigError
from training.models import NETWORKS, build_model
from training.models.weights import is_part
from training.probes import with_batch_statistics

EVERY = pytest.mark.parametrize('name', NETWORKS)
KINDS: dict[str, str] = {}
for _name, _row in NETWORKS.items():
    KINDS.setdefault(f'{_row.builder} {_row.options | TINY[_name]}', _name)
"""One name for each small network; the larger sizes of some networks have the same."""
EVERY_KIND = pytest.mark.parametrize('name', KINDS.values())
STRIDE = 8  # logits are at 1/8 or finer
STEPS, LOOK_EVERY = 150, 10  # to overfit one batch


def tiny(name: str, num_classes: int = 5) -> nn.Module:
    torch.manual_seed(0)
    return build_model(name, num_classes, TINY[name])


def experienced(name: str) -> nn.Module:
    """In evaluation mode, with statistics of its own in its batch norms."""
    net = tiny(name).train()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean of all batches, not a moving one
    net(frames(4, (64, 64)))
    return net.eval()


def frames(count: int, size: tuple[int, int]) -> Tensor:
    """Noise around another colour in each, so that pooled features differ too."""
    return torch.randn(count, 3, *size) + 2 * torch.randn(count, 3, 1, 1)


@EVERY
@pytest.mark.parametrize('num_classes', [2, 19])
def test_one_logits_tensor_in_evaluation_for_any_size(name, num_classes):
    net = tiny(name, num_classes).eval()
    for height, width in ((64, 64), (32, 32), (33, 47), (65, 96), (72, 121)):
        with torch.no_grad():
            logits = net(torch.randn(1, 3, height, width))
        assert logits.shape[:2] == (1, num_classes)
        assert STRIDE * logits.shape[2] >= height and STRIDE * logits.shape[3] >= width
        assert logits.shape[2] <= height and logits.shape[3] <= width
        assert torch.isfinite(logits).all()


@EVERY
def test_a_tuple_in_training_and_gradients_everywhere(name):
    net = tiny(name).train()
    outputs = net(torch.randn(2, 3, 65, 95))
    assert isinstance(outputs, tuple)
    assert {logits.shape[:2] for logits in outputs} == {(2, 5)}
    sum(logits.square().mean() for logits in outputs).backward()
    without = [key for key, value in net.named_parameters() if value.grad is None]
    assert without == []
    broken = [key for key, value in net.named_parameters() if not value.grad.isfinite().all()]
    assert broken == []


@EVERY
def test_trains_in_bfloat16_with_channels_last(name):
    net = tiny(name).train().to(memory_format=torch.channels_last)
    image = torch.randn(2, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    with torch.autocast('cpu', torch.bfloat16):
        outputs = net(image)
    sum(logits.float().square().mean() for logits in outputs).backward()
    assert all(value.grad.isfinite().all() for value in net.parameters())


@EVERY
def test_frames_of_a_batch_do_not_touch_each_other(name):
    net, images = experienced(name).double(), frames(2, (64, 64)).double()
    with torch.no_grad():
        torch.testing.assert_close(net(images)[1:], net(images[1:]), rtol=0, atol=1e-9)


@EVERY
def test_saved_weights_give_the_same_again(name):
    net, file, image = experienced(name), io.BytesIO(), torch.randn(1, 3, 64, 64)
    torch.save(net.state_dict(), file)
    file.seek(0)
    torch.manual_seed(1)
    other = build_model(name, 5, TINY[name]).eval()
    with torch.no_grad():
        assert not torch.equal(other(image), net(image))  # fresh weights of another seed
        other.load_state_dict(torch.load(file, weights_only=True))
        assert torch.equal(other(image), net(image))


@EVERY
def test_names_of_its_parts_are_true(name):
    net = tiny(name).train()
    parameters = [key for key, _ in net.named_parameters()]
    for prefix in net.backbone_names:
        assert any(key.startswith(f'{prefix}.') for key in parameters), prefix
    seen = {}
    for feature in (net.boundary_feature, net.encoding_feature):
        net.get_submodule(feature).register_forward_hook(
            lambda _, __, output, key=feature: seen.update({key: output})
        )
    net(torch.randn(2, 3, 128, 128))
    boundary, encoding = seen[net.boundary_feature], seen[net.encoding_feature]
    assert boundary.ndim == encoding.ndim == 4
    assert boundary.shape[2] >= 128 // STRIDE  # boundaries are thin
    assert encoding.shape[2] > 1  # codewords are sought at many positions


@EVERY
def test_head_names_are_what_depends_on_the_number_of_classes(name):
    net, other = tiny(name), tiny(name, 41).state_dict()
    differs = {k for k, value in net.state_dict().items() if value.shape != other[k].shape}
    for key in differs:
        assert is_part(key, net.head_names), key
    for part in net.head_names:
        assert any(is_part(key, [part]) for key in differs), part


@EVERY
def test_says_when_an_input_is_too_small(name):
    expected = r'got 31 x 64 pixels, expected height and width of 32 or more.*transform.crop'
    with pytest.raises(ConfigError, match=f'input of {name}: {expected}'):
        tiny(name).eval()(torch.zeros(1, 3, 31, 64))


@EVERY
def test_a_batch_of_one_trains_or_is_refused_in_words(name):
    net, image = tiny(name).train(), torch.randn(1, 3, 64, 64)
    if NETWORKS[name].min_batch == 1:
        net(image)
        return
    with pytest.raises(ConfigError, match=f'batch of {name} in training: got 1, expected 2 or m'):
        net(image)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    net(image)  # with norms that keep their statistics one will do


def blocks() -> tuple[Tensor, Tensor]:
    """Four frames of sky 0, road 1 and a box 2, some of it unlabelled; normalised, and ids."""
    ids = torch.zeros(4, 64, 64, dtype=torch.int64)
    places = (32, 24, 8), (24, 8, 32), (40, 16, 0), (32, 0, 24)
    for number, (horizon, top, left) in enumerate(places):
        ids[number, horizon:] = 1
        ids[number, top : top + 32, left : left + 32] = 2
    colours = torch.tensor([[0.5, 0.8, 1.5], [-1.0, -1.0, -1.0], [1.5, -1.0, -1.0]])
    rgb = colours[ids].permute(0, 3, 1, 2) + 0.2 * torch.randn(4, 3, 64, 64)
    ids[:, :, -2:] = 255
    return rgb, ids


@EVERY_KIND
@pytest.mark.slow
def test_learns_one_batch_by_heart(name):
    net = tiny(name, num_classes=3)
    image, labels = blocks()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for step in range(1, STEPS + 1):
        outputs = net.train()(image)
        losses = [cross_entropy(logits, labels) for logits in outputs]
        optimizer.zero_grad()
        (losses[0] + 0.4 * sum(losses[1:])).backward()
        optimizer.step()
        if step % LOOK_EVERY == 0:
            reached = mean_iou(with_batch_statistics(net), image, labels)
            if reached > 0.9:
                return
    pytest.fail(f'mean IoU {reached:.3f} after {STEPS} steps')


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(full_size(logits, labels), labels, ignore_index=255)


def full_size(logits: Tensor, labels: Tensor) -> Tensor:
    return F.interpolate(logits, size=labels.shape[1:], mode='bilinear', align_corners=False)


@torch.no_grad()
def mean_iou(net: nn.Module, image: Tensor, labels: Tensor) -> float:
    matrix = ConfusionMatrix(3)
    predicted = full_size(net(image), labels).argmax(1)
    matrix.add(labels.numpy().astype(np.uint8), predicted.numpy().astype(np.uint8))
    return matrix.mean_iou()


@EVERY_KIND
@pytest.mark.slow
def test_onnx_equals_torch_at_any_count_and_size(name):
    net = experienced(name)
    session = onnx_session(net)
    for count, size in ((2, (64, 96)), (1, (32, 40)), (3, (72, 136))):
        image = frames(count, size)
        (seen,) = session.run(None, {'image': image.numpy()})
        with torch.no_grad():
            expected = net(image)
        error = (torch.from_numpy(seen) - expected).abs() / expected.abs().max()
        assert error.max() < 5e-4


def onnx_session(net: nn.Module) -> ort.InferenceSession:
    """Of any count, and any height and width that are multiples of 8."""
    logging.getLogger('torch.onnx').setLevel(logging.ERROR)
    height, width = (torch.export.Dim(side, min=4, max=512) for side in ('rows', 'columns'))
    program = torch.onnx.export(
        net,
        (torch.zeros(2, 3, 64, 96),),
        dynamo=True,
        input_names=['image'],
        dynamic_shapes=({0: torch.export.Dim('count'), 2: 8 * height, 3: 8 * width},),
        verbose=False,
    )
    model = program.model_proto.SerializeToString()
    return ort.InferenceSession(model, providers=['CPUExecutionProvider'])
