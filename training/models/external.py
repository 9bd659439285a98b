# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Networks of other libraries, behind the interface of this zoo; names of parameters are theirs.

LinkNet: Chaurasia and Culurciello 2017, arXiv 1707.03718, from segmentation_models_pytorch (MIT),
which adds a skip connection at 1/2. DeepLabV3: Chen et al. 2017, arXiv 1706.05587, from
torchvision (BSD-3-Clause).

SegFormer-B0: Xie et al. 2021, arXiv 2105.15203, from segmentation_models_pytorch too. **Its
encoder is no MIT code**: that library's ``encoders/mix_transformer.py`` is NVIDIA's, under the
NVIDIA Source Code License for SegFormer, whose section 3.3 allows the work and what derives from
it for research or evaluation only. The ImageNet weights of the encoder come from NVIDIA under the
same terms. The decoder is MIT.
"""

from __future__ import annotations

import torch.nn.functional as F
from segmentation_models_pytorch import Linknet, Segformer
from segmentation_models_pytorch.base import SegmentationModel
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck
from torchvision.models.segmentation.deeplabv3 import ASPP
from torchvision.models.segmentation.fcn import FCNHead

from training.models.bisenet import Backbone
from training.models.layers import ConvBn
from training.models.weights import KeyMap, torchvision_resnet


def encoder_map(encoder: nn.Module) -> KeyMap:
    """Of files with the encoder alone, such as torchvision's ResNets."""
    return KeyMap(
        'encoder',
        mark=next(iter(encoder.state_dict())),
        rules=((r'^', 'encoder.'),),
        drop=(r'^(fc|head|classifier|last_linear)\.',),
        fresh=('decoder', 'segmentation_head'),
    )


class EncoderDecoder(nn.Module):
    """The parts of a network of segmentation_models_pytorch; ``encoder`` as it names them."""

    backbone_names = ('encoder',)
    head_names = ('segmentation_head',)
    boundary_feature = 'decoder'

    def __init__(self, net: SegmentationModel, encoder: str) -> None:
        super().__init__()
        self.encoder, self.decoder = net.encoder, net.decoder
        self.segmentation_head = net.segmentation_head
        self.imagenet, self.key_maps = encoder, (encoder_map(net.encoder),)


class LinkNet(EncoderDecoder):
    """(N, 3, H, W) -> logits (N, classes, H, W)."""

    encoding_feature = 'encoder.layer4'

    def __init__(self, num_classes: int, encoder: str = 'resnet18') -> None:
        super().__init__(Linknet(encoder, encoder_weights=None, classes=num_classes), encoder)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        height, width = image.shape[2:]
        # Each step up doubles exactly, so that sizes have to be multiples of 32.
        padded = F.pad(image, (0, -width % 32, 0, -height % 32))
        features = self.decoder(self.encoder(padded))  # (N, 32, H, W)
        logits = self.segmentation_head(features)[:, :, :height, :width]
        return (logits,) if self.training else logits


class SegFormer(EncoderDecoder):
    """(N, 3, H, W) -> logits (N, classes, H/4, W/4)."""

    encoding_feature = 'decoder'

    def __init__(self, num_classes: int, encoder: str = 'mit_b0', channels: int = 256) -> None:
        net = Segformer(
            encoder,
            encoder_weights=None,
            decoder_segmentation_channels=channels,
            classes=num_classes,
            upsampling=1,
        )
        super().__init__(net, encoder)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        logits = self.segmentation_head(self.decoder(self.encoder(image)))
        return (logits,) if self.training else logits


class DeepLabV3(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H/8, W/8); in training also auxiliary logits."""

    backbone_names = ('backbone',)
    head_names = ('classifier.4', 'aux_classifier.4')
    boundary_feature = 'classifier.0'  # the atrous pyramid, as in the boundary-aware network
    encoding_feature = 'backbone.layer4'
    imagenet = 'resnet50'
    key_maps = (torchvision_resnet('backbone.', fresh=('classifier', 'aux_classifier')),)

    def __init__(
        self,
        num_classes: int,
        depths: tuple[int, int, int, int] = (3, 4, 6, 3),
        channels: int = 256,
    ) -> None:
        """
        :param depths: residual units of each stage; the default is ResNet-50.
        :param channels: of the atrous pyramid.
        """
        super().__init__()
        self.backbone = Backbone(Bottleneck, depths, dilated=True)
        self.classifier = nn.Sequential(
            ASPP(2048, (12, 24, 36), channels),
            *ConvBn(channels, channels),
            nn.Conv2d(channels, num_classes, 1),
        )
        self.aux_classifier = FCNHead(1024, num_classes)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        features = self.backbone(image)  # at 1/8: (N, 1024, .), (N, 2048, .)
        logits = self.classifier(features[3])
        return (logits, self.aux_classifier(features[2])) if self.training else logits
