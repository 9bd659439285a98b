# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The network as it is deployed: uint8 frames in, labels and confidence out, small weights."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from seg_perception.core.classes import CAMVID_11
from training.config import TrainConfig
from training.models import build_model
from training.transforms import normalise


class Deployed(nn.Module):
    """
    Frames (N, H, W, 3) uint8 RGB to labels and confidence, both (N, H, W) uint8.

    Labels are the argmax of the logits at full size. The confidence is the largest softmax of
    ``logits / temperature`` at the size of the logits, of which only the one channel is resized:
    a softmax at full size would cost as much as a third of the network.
    """

    def __init__(self, net: nn.Module, temperature: float) -> None:
        super().__init__()
        self.net, self.temperature = net, temperature

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.net(normalise(image))  # (N, C, H/8, W/8)
        share = torch.softmax(logits / self.temperature, dim=1).amax(1, keepdim=True)
        size = image.shape[1:3]
        share = F.interpolate(share, size=size, mode='bilinear', align_corners=False)[:, 0]
        confidence = (share * 255 + 0.5).clamp(0, 255).to(torch.uint8)
        return full_size(logits, size).argmax(1).to(torch.uint8), confidence


def full_size(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Logits resized to (H, W)."""
    return F.interpolate(logits, size=size, mode='bilinear', align_corners=False)


def lighten(net: nn.Module) -> nn.Module:
    """
    A copy with batch norms folded into the convolutions and weights rounded to float16.

    The file stores float16 and computes in float32, so rounding here makes both equal.
    """
    net = copy.deepcopy(net).eval()
    for block in [module for module in net.modules() if isinstance(module, nn.Sequential)]:
        for index in range(len(block) - 1):
            conv, norm = block[index], block[index + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                block[index], block[index + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
    with torch.no_grad():
        for value in net.parameters():
            value.copy_(value.half().float())
    return net


def averaged_network(config: TrainConfig, state: dict[str, Any]) -> nn.Module:
    """The averaged weights of a checkpoint, folded and rounded as they are deployed."""
    net = build_model(config.model.name, len(CAMVID_11), config.model.planes)
    net.load_state_dict(state['average'])
    return lighten(net)
