# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A small network that was trained, and what is exported of it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from small_net import INPUT_SIZE, SmallNet, paint
from training.export.deploy import Deployed
from training.export.files import to_onnx, to_program
from training.export.fold import fold_and_quantise_weights
from training.transforms import normalise


@pytest.fixture(scope='session')
def trained() -> SmallNet:
    """The network after a few seconds of training."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = SmallNet()
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    pairs = [paint(seed) for seed in range(16)]
    rgb, labels = (torch.from_numpy(np.stack(part)) for part in zip(*pairs, strict=True))
    for _ in range(40):
        logits = F.interpolate(net(normalise(rgb)), INPUT_SIZE, mode='bilinear')
        loss = F.cross_entropy(logits, labels.long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()


@pytest.fixture(scope='session')
def light(trained: SmallNet) -> nn.Module:
    return fold_and_quantise_weights(trained)


@pytest.fixture(scope='session')
def dense(light: nn.Module) -> Deployed:
    """What files are compared with: every logit resized."""
    return Deployed(light, temperature=0.7).eval()


@pytest.fixture(scope='session')
def exported(light: nn.Module) -> onnx.ModelProto:
    """The ONNX graph of the trained network; not to be changed."""
    return to_onnx(to_program(Deployed(light, 0.7, stride=8, by_cells=True), INPUT_SIZE))
