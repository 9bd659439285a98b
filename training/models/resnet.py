# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
ResNet as a backbone: torchvision's (BSD-3-Clause), without its classifier.

He et al. 2016, arXiv 1512.03385. The names of the parameters are torchvision's.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torchvision.models import resnet
from torchvision.models.resnet import BasicBlock, Bottleneck


class ResNet(resnet.ResNet):
    """(N, 3, H, W) -> features at 1/4, 1/8, 1/16 and 1/32; ``dilated``: the last two at 1/8."""

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        depths: Sequence[int],
        dilated: bool = False,
    ) -> None:
        super().__init__(
            block, list(depths), replace_stride_with_dilation=[False, dilated, dilated]
        )
        del self.avgpool, self.fc

    def forward(self, image: Tensor) -> list[Tensor]:
        features = self.maxpool(self.relu(self.bn1(self.conv1(image))))  # (N, 64, H/4, W/4)
        outputs = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = stage(features)
            outputs.append(features)
        return outputs
