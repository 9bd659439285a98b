# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One tester for all networks."""

import pytest
import torch

from training.errors import ConfigError
from training.models import NETWORKS, build_model

EVERY = pytest.mark.parametrize('name', sorted(NETWORKS))


@EVERY
@pytest.mark.parametrize('size', [(64, 64), (72, 136), (8, 200)])
def test_logits_at_an_eighth_for_any_multiple_of_eight(name, size):
    net = build_model(name, 11, planes=8).eval()
    with torch.no_grad():
        logits = net(torch.randn(2, 3, *size))
    assert logits.shape == (2, 11, size[0] // 8, size[1] // 8)
    assert torch.isfinite(logits).all()


@EVERY
def test_auxiliary_logits_in_training_only_and_gradients_everywhere(name):
    net = build_model(name, 5, planes=8).train()
    outputs = net(torch.randn(2, 3, 64, 64))
    assert [tuple(logits.shape) for logits in outputs] == [(2, 5, 8, 8)] * len(outputs)
    assert len(outputs) > 1
    sum(logits.square().mean() for logits in outputs).backward()
    dead = [key for key, value in net.named_parameters() if value.grad is None]
    assert dead == []
    assert isinstance(net.eval()(torch.randn(1, 3, 64, 64)), torch.Tensor)


@EVERY
def test_frames_of_a_batch_do_not_touch_each_other(name):
    net = build_model(name, 5, planes=8).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(net(images)[1:], net(images[1:]), rtol=1e-4, atol=1e-4)


def test_ddrnet_slim_has_the_papers_size():
    net = build_model('ddrnet', 19, planes=32)
    inference = sum(
        value.numel() for key, value in net.named_parameters() if not key.startswith('aux')
    )
    assert inference == pytest.approx(5.7e6, rel=0.01)  # arXiv 2101.06085, table 5


def test_unknown_network_names_the_known():
    with pytest.raises(ConfigError, match=r"'ddrnets', expected ddrnet. Did you mean ddrnet"):
        build_model('ddrnets', 11, planes=8)
