# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A network as small as it gets without saying anything else."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from training.errors import ExportError

Convolution = nn.Conv2d | nn.ConvTranspose2d
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
    What one run of a network in evaluation mode shows, however the network is written.

    :param pairs: convolutions and the batch norms that alone read them, each run once.
    :param unused: modules none of whose parameters is read.
    """

    pairs: list[tuple[Convolution, nn.BatchNorm2d]]
    unused: list[nn.Module]


@torch.no_grad()
def watch(net: nn.Module) -> Seen:
    """Run a network on an empty image and see what follows what, not guess it from names."""
    calls: Counter[nn.Module] = Counter()
    made_by: dict[int, Convolution] = {}
    met: list[tuple[int, nn.BatchNorm2d]] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls[module] += 1
        if isinstance(module, Convolution):
            made_by[id(output)] = module
        elif id(inputs[0]) in made_by:
            met.append((id(inputs[0]), module))

    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)
    noted = [module for module in net.modules() if isinstance(module, kinds)]
    hooks = [module.register_forward_hook(note) for module in noted]
    with _Uses() as uses:
        net(torch.zeros(PROBE_SHAPE))
    for hook in hooks:
        hook.remove()
    pairs = [
        (made_by[key], norm)
        for key, norm in met
        if uses.of[key] == calls[made_by[key]] == calls[norm] == 1
        and norm.running_mean is not None
    ]
    return Seen(pairs, [module for module in net.modules() if _is_unused(module, uses)])


def _is_unused(module: nn.Module, uses: _Uses) -> bool:
    values = list(module.parameters())
    return bool(values) and not any(uses.of[id(value)] for value in values)


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


class _Uses(TorchFunctionMode):
    """Counts how often each tensor is an argument; keeps all, so that an id stays one tensor's."""

    def __init__(self) -> None:
        super().__init__()
        self.of: Counter[int] = Counter()
        self._kept: list[Any] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if any(isinstance(leaf, Tensor) for leaf in tree_leaves(result)):  # no look at the shape
            leaves = tree_leaves((args, kwargs or {}))
            self.of.update(id(leaf) for leaf in leaves if isinstance(leaf, Tensor))
        self._kept.append(result)
        return result
