# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The zoo: networks by name.

Each takes a normalised (N, 3, H, W) image of any size from 32 on. In evaluation it gives one
logits tensor (N, classes, h, w) of stride 8 or less, in training a tuple whose first entry is
that and whose others are auxiliary logits. Its attributes name its parts:

    backbone_names      modules that learn at ``optim.backbone_factor`` of the rate
    head_names          modules whose shape depends on the number of classes
    boundary_feature    the module that the boundary head reads, at 1/8 or finer
    encoding_feature    the module that the encoding head reads
    key_maps            published files that it takes; optional
    imagenet            the backbone by the name of its publisher; optional
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from training.config import as_arguments
from training.errors import ConfigError, check_known
from training.models.weights import load_weights

MIN_SIZE_PX = 32
log = logging.getLogger(__name__)
"""The least height and width of an image: below, the deep layers have nothing left to see."""


@dataclass(frozen=True)
class Network:
    """One row of the zoo."""

    builder: str  # 'module:class' below training.models; imported when it is asked for
    paper: str
    parameters: float  # as published, for 19 classes where the paper says so; 0: nowhere
    options: dict[str, Any] = field(default_factory=dict)  # what the name stands for
    min_batch: int = 2  # in training; 1 where no batch norm follows global pooling
    terms: str = ''  # of the code, where they bind who uses an exported model

    def load(self) -> Callable[..., nn.Module]:
        """The class that builds it."""
        module, _, name = self.builder.partition(':')
        builder: Callable[..., nn.Module] = getattr(
            importlib.import_module(f'training.models.{module}'), name
        )
        return builder


LINKNET_PAPER = 'arXiv 1707.03718'
SEGFORMER_TERMS = (
    'NVIDIA Source Code License for SegFormer, which its encoder is under: research or evaluation '
    'only'
)
PP_LITESEG_B = {'backbone': 'stdc2', 'decoder': (64, 96, 128)}

NETWORKS: dict[str, Network] = {
    'fast_scnn': Network('fast_scnn:FastScnn', 'arXiv 1902.04502', 1.11e6),
    'bisenet_r18': Network('bisenet:BiSeNet', 'arXiv 1808.00897', 13.3e6),
    'pp_liteseg_t': Network('pp_liteseg:PPLiteSeg', 'arXiv 2204.02681', 6.3e6),
    'pp_liteseg_b': Network('pp_liteseg:PPLiteSeg', 'arXiv 2204.02681', 10.6e6, PP_LITESEG_B),
    'stdc1': Network('stdc:StdcSeg', 'arXiv 2104.13188', 7.8e6),
    'stdc2': Network('stdc:StdcSeg', 'arXiv 2104.13188', 11.8e6, {'backbone': 'stdc2'}),
    # Rectified as the first default model was.
    'ddrnet23_slim': Network('ddrnet:DDRNet', 'arXiv 2101.06085', 5.7e6, {'rectify': True}),
    'ddrnet23': Network('ddrnet:DDRNet', 'arXiv 2101.06085', 20.1e6, {'planes': 64, 'head': 128}),
    'fpn_lite0': Network('fpn_lite:FpnLite', 'arXiv 1905.11946', 0.0),
    'pidnet_s': Network('pidnet:PIDNet', 'arXiv 2206.02066', 7.6e6),
    'linknet18': Network('external:LinkNet', LINKNET_PAPER, 11.5e6, min_batch=1),
    # The paper's number, plus what ResNet-34 has more than ResNet-18.
    'linknet34': Network('external:LinkNet', LINKNET_PAPER, 21.6e6, {'encoder': 'resnet34'}, 1),
    'segformer_b0': Network(
        'external:SegFormer', 'arXiv 2105.15203', 3.8e6, {}, 1, SEGFORMER_TERMS
    ),
    'deeplabv3_r50': Network('external:DeepLabV3', 'arXiv 1706.05587', 39.6e6),
    'dsnet': Network('dsnet:DSNet', 'Wang et al., IEEE Access 8, 2020', 0.91e6, {}, 1),
    'enet': Network('enet:ENet', 'arXiv 1606.02147', 0.36e6, {}, 1),
    'erfnet': Network('erfnet:ERFNet', 'doi 10.1109/TITS.2017.2750080', 2.07e6, {}, 1),
    'espnet': Network('espnet:ESPNet', 'arXiv 1803.06815', 0.36e6, {}, 1),
    'unet': Network('unet:UNet', 'arXiv 1505.04597', 31.0e6, {}, 1),
    'modern_unet': Network('modern_unet:ModernUNet', 'arXiv 2006.11239', 0.0, {}, 1),
}


def build_model(
    name: str,
    num_classes: int,
    options: Mapping[str, Any] | None = None,
    weights: str = '',
    new_head: bool = False,
) -> nn.Module:
    """
    The network of that name with fresh weights, or with those of a file.

    :param options: arguments of the network's own, such as ``{'planes': 16}``.
    :param weights: file of pre-trained weights, or ``imagenet``; see ``weights.load_weights``.
    :param new_head: keep fresh what is of another number of classes in that file.
    :raises ConfigError: when there is no such network or option.
    :raises CheckpointError: when the weights do not fit.
    """
    check_known('model.name', name, NETWORKS)
    if num_classes < 1:
        raise ConfigError('number of classes', num_classes, '1 or more')
    net = _build(name, num_classes, options or {})
    net.register_forward_pre_hook(_InputCheck(name, NETWORKS[name].min_batch))
    if weights:
        log.info(load_weights(net, weights, num_classes, new_head))
    return net


def _build(name: str, num_classes: int, options: Mapping[str, Any]) -> nn.Module:
    row = NETWORKS[name]
    builder = row.load()
    arguments = as_arguments(builder, options, f'model.options of {name}')
    try:
        return builder(num_classes, **{**row.options, **arguments})
    except (ArithmeticError, LookupError, ValueError, RuntimeError) as error:
        if not options:
            raise
        seen = ', '.join(f'{key}={value!r}' for key, value in options.items())
        thing, expected = f'model.options of {name}', 'values that fit together'
        raise ConfigError(thing, seen, expected, f'{error}.') from error


@dataclass(frozen=True)
class _InputCheck:
    """Says what is wrong with an input before a layer deep inside fails on it."""

    name: str
    min_batch: int

    def __call__(self, net: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if torch.compiler.is_compiling():  # sizes are symbols then, and checks become guards
            return
        count, _, height, width = inputs[0].shape
        if min(height, width) < MIN_SIZE_PX:
            raise ConfigError(
                f'input of {self.name}',
                f'{height} x {width} pixels',
                f'height and width of {MIN_SIZE_PX} or more',
                'Enlarge transform.crop or deploy.input_size.',
            )
        if count < self.min_batch and _trains_norms(net):
            raise ConfigError(
                f'batch of {self.name} in training',
                count,
                f'{self.min_batch} or more',
                'It normalises a globally pooled map, which has one value per sample and channel.',
            )


def _trains_norms(net: nn.Module) -> bool:
    return any(isinstance(m, nn.BatchNorm2d) and m.training for m in net.modules())
