# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Networks that unpool by memory export like all others: near ties move nothing."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from data_trees import SHARED
from seg_perception.inference.open_engine import open_engine
from tiny_model import tiny_card
from training.config import SourceConfig
from training.data import open_source
from training.export.check import check_equal
from training.export.deploy import Deployed
from training.export.files import finish, to_onnx, to_program, with_card
from training.export.fold import fold_and_quantise_weights
from training.models import build_model
from training.transforms import normalise

SIZE, SMALL = (360, 480), (64, 96)
STEPS = 40
OPTIONS = {
    'dsnet': {'width': 8, 'size': 0.5},
    'enet': {'width': 8, 'repeats': 1, 'dropout': 0.0, 'early_dropout': 0.0},
}


def overfitted(name: str, rgb: np.ndarray, labels: np.ndarray) -> nn.Module:
    """A narrow network that has seen one frame, small, and little else can be said of it."""
    torch.manual_seed(0)
    net = build_model(name, 11, OPTIONS[name])
    image = normalise(torch.from_numpy(cv2.resize(rgb, SMALL[::-1]))[None])
    truth = cv2.resize(labels, SMALL[::-1], interpolation=cv2.INTER_NEAREST)
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(STEPS):
        optimizer.zero_grad()
        (logits,) = net(image)
        F.cross_entropy(logits, torch.from_numpy(truth)[None].long(), ignore_index=255).backward()
        optimizer.step()
    return net.eval()


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason='no real samples beside the repository')
@pytest.mark.parametrize('name', OPTIONS)
def test_file_of_an_unpooling_network_equals_torch_on_real_frames(name, tmp_path):
    frames = open_source(SourceConfig('camvid', str(SHARED / 'camvid')))
    net = fold_and_quantise_weights(overfitted(name, frames[0].rgb, frames[0].labels))
    deployed = Deployed(net, 1.0, stride=1).eval()
    path = tmp_path / 'unpooling.onnx'
    path.write_bytes(with_card(finish(to_onnx(to_program(deployed, SIZE))), tiny_card()))
    chosen = [frames[index].rgb for index in range(0, 360, 90)]
    agreement = check_equal(name, open_engine(path, 'cpu', threads=1), deployed, chosen)
    assert agreement.differing < 1e-4 * agreement.pixels
