# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from training.losses.encoding import EncodingHead, EncodingLayer, encoding_loss


def test_encoding_by_hand():
    # Features 0 and 2 of one channel, centres 0 and 1, smoothing ln 2 and ln 3. Distances 0, 1
    # and 4, 1: shares 3/4, 1/4 and, of 1/16 to 1/3, 3/19, 16/19.
    layer = EncodingLayer(channels=1, codewords=2)
    with torch.no_grad():
        layer.centres.copy_(torch.tensor([[0.0], [1.0]]))
        layer.smoothing.copy_(torch.tensor([2.0, 3.0]).log())
    encoded = layer(torch.tensor([[[[0.0, 2.0]]]]))
    # Residuals 0, 2 to the first centre: 6/19; -1, 1 to the second: -1/4 + 16/19.
    assert encoded.flatten().tolist() == pytest.approx([0.3157895, 0.5921053], abs=1e-6)


def test_encoding_equals_equation_6_written_out():
    torch.manual_seed(0)
    layer, features = EncodingLayer(channels=3, codewords=4), torch.randn(2, 3, 2, 5)
    expected = torch.zeros(2, 4, 3)
    for image in range(2):
        for feature in features[image].flatten(1).T:
            residuals = feature - layer.centres.detach()
            powers = (-layer.smoothing.detach() * residuals.norm(dim=1) ** 2).exp()
            expected[image] += (powers / powers.sum())[:, None] * residuals
    torch.testing.assert_close(layer(features).detach(), expected)


def test_encoding_gradient():
    torch.manual_seed(0)
    layer = EncodingLayer(channels=2, codewords=3).double()
    features = torch.randn(2, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, features)


def test_head_sums_the_rectified_norms_of_the_centres():
    head = EncodingHead(channels=2, num_classes=2, codewords=3).eval()
    head.encoding = nn.Identity()  # type: ignore[assignment]
    head.norm.running_mean = torch.tensor([1.0, 0.0, 0.0])
    with torch.no_grad():
        head.classify.weight.copy_(torch.eye(2))
        head.classify.bias.zero_()
    # Encoded (3 centres, 2 channels); the first centre less its mean: 2, -2; then 0, 1; 3, -1.
    logits = head(torch.tensor([[[3.0, -1.0], [0.0, 1.0], [3.0, -1.0]]]))
    assert logits.flatten().tolist() == pytest.approx([5, 1], abs=1e-4)


def test_head_works_on_one_image_in_half_precision():
    head = EncodingHead(channels=8, num_classes=5)
    with torch.autocast('cpu', torch.bfloat16):
        logits = head(torch.randn(1, 8, 4, 4).bfloat16())
    assert logits.shape == (1, 5) and logits.dtype == torch.float32


def test_loss_by_hand():
    # Classes 0 and 2 are there. Probabilities 1/2, 1/4, 3/4: (ln 2 + ln 4/3 + ln 4/3) / 3
    labels = torch.tensor([[[0, 2], [2, 255]]], dtype=torch.uint8)
    logits = torch.tensor([[0.0, -1.0986123, 1.0986123]])
    assert float(encoding_loss(logits, labels)) == pytest.approx(0.4228371, abs=1e-6)


def test_images_without_labels_are_left_out():
    labels = torch.tensor([[[0, 2], [2, 255]], [[255] * 2] * 2], dtype=torch.uint8)
    logits = torch.tensor([[0.0, -1.0986123, 1.0986123], [7.0, 7.0, 7.0]], requires_grad=True)
    loss = encoding_loss(logits, labels)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.4228371, abs=1e-6)
    assert not logits.grad[1].any()
    assert float(encoding_loss(logits[1:], labels[1:]).detach()) == 0
