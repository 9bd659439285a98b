# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Batch norms folded and weights rounded, so that the exported file is small."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from training.errors import ExportError

Convolution = nn.Conv2d | nn.ConvTranspose2d
CONVOLUTIONS = (torch.ops.aten.conv2d.default, torch.ops.aten.conv_transpose2d.input)
MEAN = 3  # place of the running mean among the arguments of batch_norm
PROBE_SHAPE = (1, 3, 64, 64)  # of the image that shows what follows what


def fold_and_quantise_weights(net: nn.Module) -> nn.Module:
    """
    A copy with batch norms folded into the convolutions and weights rounded to float16.

    The file stores float16 and computes in float32, so rounding here makes both equal. Modules
    that only training needs, such as auxiliary heads, are gone.

    :raises ExportError: when a weight is too large for float16.
    """
    # Contiguous: torch.export stores other layouts with a warning.
    net = copy.deepcopy(net).eval().to(memory_format=torch.contiguous_format)
    seen = watch(net)
    _replace_by_identity(net, seen.unused)
    fold_norms(net, seen.pairs)
    with torch.no_grad():
        for name, value in net.named_parameters():
            value.copy_(value.half().float())
            if not value.isfinite().all():
                raise ExportError(f'weight {name}', 'a value above 65504', 'what float16 holds')
    return net


@dataclass(frozen=True)
class Seen:
    """
    What the graph of a network in evaluation mode shows, however the network is written.

    :param pairs: convolutions and the batch norms that alone read them, each run once.
    :param unused: modules none of whose parameters is read.
    """

    pairs: list[tuple[Convolution, nn.BatchNorm2d]]
    unused: list[nn.Module]


def watch(net: nn.Module) -> Seen:
    """Trace a network and see what follows what, not guess it from names."""
    program = torch.export.export(net, (torch.zeros(PROBE_SHAPE),))
    signature, pairs = program.graph_signature, []
    owners = signature.inputs_to_parameters | signature.inputs_to_buffers
    read = {
        owners[node.name] for node in program.graph.nodes if node.users and node.name in owners
    }
    for norm in program.graph.nodes:
        conv = norm.args[0] if norm.target == torch.ops.aten.batch_norm.default else None
        if conv is None or conv.target not in CONVOLUTIONS or norm.args[MEAN] is None:
            continue
        tensors = conv.args[1], norm.args[MEAN]  # by which each module is known
        if all(len(node.users) == 1 for node in (conv, *tensors)):
            names = (owners[node.name].rpartition('.')[0] for node in tensors)
            pairs.append(tuple(map(net.get_submodule, names)))
    unused = [
        module
        for prefix, module in net.named_modules()
        if (names := [name for name, _ in module.named_parameters(prefix)])
        and read.isdisjoint(names)
    ]
    return Seen(pairs, unused)


@torch.no_grad()
def fold_norms(net: nn.Module, pairs: Iterable[tuple[Convolution, nn.BatchNorm2d]]) -> None:
    """Fold each batch norm into the convolution before it."""
    norms = []
    for conv, norm in pairs:
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight,
            conv.bias,
            norm.running_mean,
            norm.running_var,
            norm.eps,
            norm.weight,
            norm.bias,
            transpose=isinstance(conv, nn.ConvTranspose2d),
        )
        norms.append(norm)
    _replace_by_identity(net, norms)


def _replace_by_identity(net: nn.Module, gone: Iterable[nn.Module]) -> None:
    chosen = set(gone)
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if child in chosen:
                setattr(parent, name, nn.Identity())
