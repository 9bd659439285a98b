# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The model of ``tiny_model`` as a ``.pt2`` file: the label is the class of the nearest colour."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from seg_perception.core.classes import CAMVID_11, ClassTable
from seg_perception.inference.model_file import METADATA_KEY, ModelCard
from tiny_model import CONFIDENCE, tiny_card


class NearestColour(nn.Module):
    """Argmax over 2 x.p - p.p, which is the nearest colour p to the pixel x, as a convolution."""

    def __init__(self, classes: ClassTable = CAMVID_11) -> None:
        super().__init__()
        colours = np.array([row.rgb for row in classes.classes], np.float32)  # (C, 3)
        self.proximity = nn.Conv2d(3, len(colours), 1)
        self.proximity.weight.data = torch.from_numpy(2 * colours)[:, :, None, None]
        self.proximity.bias.data = -torch.from_numpy((colours**2).sum(axis=1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        labels = self.proximity(image.permute(0, 3, 1, 2).float()).argmax(1).to(torch.uint8)
        return labels, torch.full_like(labels, CONFIDENCE)


def write_tiny_program(
    path: Path,
    classes: ClassTable = CAMVID_11,
    fixed_size: tuple[int, int] | None = None,
    module: nn.Module | None = None,
    card: ModelCard | None = None,
) -> Path:
    """
    Write the model file and return its path.

    :param fixed_size: (height, width) for a model of that size alone; any multiple of 8 without.
    :param module: another one than ``NearestColour``.
    """
    module = (module or NearestColour(classes)).eval()
    card = card or tiny_card(classes, fixed_size)
    image = torch.zeros((2, *(fixed_size or (16, 24)), 3), dtype=torch.uint8)
    free = range(1) if fixed_size else range(3)
    shapes = (dict.fromkeys(free, torch.export.Dim.DYNAMIC),)
    program = torch.export.export(module, (image,), dynamic_shapes=shapes)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # torch's own, of layouts
        torch.export.save(program, path, extra_files={METADATA_KEY: card.to_json()})
    return path
