# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A network that exports in a second, and scenes that it can tell apart."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

INPUT_SIZE = (64, 96)
SKY, ROAD, CAR = 0, 3, 8


class SmallNet(nn.Module):
    """Three convolutions down to 1/8, a residual written out by hand, and a head."""

    def __init__(self, num_classes: int = 11) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in ((3, 8), (8, 16), (16, 32))
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for channels in (8, 16, 32))
        self.conv, self.norm = nn.Conv2d(32, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
        self.head = nn.Conv2d(32, num_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        features = image
        for conv, norm in zip(self.down, self.norms, strict=True):
            features = F.relu(norm(conv(features)))
        return self.head(F.relu(self.norm(self.conv(features))) + features)


def paint(seed: int, size: tuple[int, int] = INPUT_SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Sky above road with a car, noisy: rgb (H, W, 3) and labels (H, W), both uint8."""
    rng = np.random.default_rng(seed)
    height, width = size
    labels = np.full(size, SKY, np.uint8)
    horizon, left = height // 2 + int(rng.integers(-8, 8)), int(rng.integers(0, width // 2))
    labels[horizon:] = ROAD
    labels[horizon - 6 : horizon + 12, left : left + width // 3] = CAR
    colours = np.zeros((11, 3))
    colours[[SKY, ROAD, CAR]] = (200, 220, 250), (90, 90, 90), (160, 20, 30)
    rgb = colours[labels] + rng.integers(-8, 8, (*size, 3))
    return np.clip(rgb, 0, 255).astype(np.uint8), labels
