# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A network that knows three colours, for tests of what is done with networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seg_perception.core.classes import CAMVID_11
from training.checkpoint import KEYS, save_checkpoint
from training.config import TrainConfig
from training.data.tables import keep_classes
from training.transforms import normalise

COLOURS = {'sky': (200, 220, 250), 'road': (90, 90, 90), 'car': (160, 20, 30)}


class NearestColour(nn.Module):
    """Logits at 1/8: how near a pixel is to the colour of each class, far for most classes."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        far = torch.full((3, len(names)), 50.0)
        for index, name in enumerate(names):
            if name in COLOURS:
                far[:, index] = normalise(torch.tensor(COLOURS[name])[None, None, None].byte())[
                    0, :, 0, 0
                ]
        self.register_buffer('colours', far, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        small = F.avg_pool2d(image, 8)
        return 20 - ((small[:, :, None] - self.colours[..., None, None]) ** 2).sum(1)


def write_checkpoint(
    path: Path, config: TrainConfig, monkeypatch: pytest.MonkeyPatch, keep: Sequence[str] = ()
) -> None:
    """A checkpoint of it, taught some of the classes of CamVid or all; until the test ends."""
    classes = keep_classes(CAMVID_11, tuple(keep)) if keep else CAMVID_11
    net = NearestColour(classes.names)
    monkeypatch.setattr('training.evaluate.predictors.build_model', lambda *_: net)
    data = config.to_dict() | {'deploy': {'input_size': [64, 96]}, 'device': 'cpu'}
    data['data'] |= {'keep': list(keep)}
    state = dict.fromkeys(KEYS, 0) | {'config': data, 'classes': classes.to_dict()}
    save_checkpoint(path, state | {'average': {}})
