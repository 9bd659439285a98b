# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A network with additional heads that exist only in training."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from training.config import LossConfig
from training.errors import ConfigError, near
from training.losses.encoding import EncodingHead

PROBE_PX = 64
"""Side of the image that shows which channels a module gives."""


@dataclass(frozen=True)
class Outputs:
    """Logits (N, C, h, w), auxiliary ones of any size, and what else counts, by name."""

    logits: Tensor
    aux: tuple[Tensor, ...] = ()
    side: dict[str, Tensor] = field(default_factory=dict)


class Supervised(nn.Module):
    """
    In training, image (N, 3, H, W) -> ``Outputs``; in evaluation the logits of ``net`` alone.

    ``net`` stays as it is: hooks read its features, and are there during a training step only, so
    copies and exports of it know nothing of the heads. Every parameter of the heads takes part in
    every step, which DistributedDataParallel asks for.
    """

    def __init__(self, net: nn.Module, config: LossConfig, num_classes: int) -> None:
        """
        Find the features and build the heads on them.

        :raises ConfigError: when there is no such module, or it gives no feature map.
        """
        super().__init__()
        self.net, self.has_l1 = net, config.l1 > 0
        self.heads = nn.ModuleDict()
        self.features = _feature_names(net, config)
        channels = _feature_channels(net, self.features) if self.features else {}
        device = next(net.parameters()).device
        if 'boundary' in channels:
            self.heads['boundary'] = _boundary_head(channels['boundary']).to(device)
        if 'encoding' in channels:
            self.heads['encoding'] = EncodingHead(channels['encoding'], num_classes).to(device)

    def forward(self, image: Tensor) -> Outputs | Tensor:
        if not self.training:
            return self.net(image)
        with _tapped(self.net, self.features) as seen:
            logits, *aux = self.net(image)
        side = {name: head(seen[name]) for name, head in self.heads.items()}
        if self.has_l1:
            side['l1'] = kernel_l1(self.net)
        return Outputs(logits, tuple(aux), side)


def kernel_l1(net: nn.Module) -> Tensor:
    """Sum of the absolute values in all kernels of convolutions, transposed ones included."""
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    kernels = [module.weight for module in net.modules() if isinstance(module, kinds)]
    return torch.stack([kernel.abs().sum() for kernel in kernels]).sum()


def _boundary_head(channels: int) -> nn.Module:
    """One logit from the features; a map of one channel is that already (PIDNet's D branch)."""
    return nn.Identity() if channels == 1 else nn.Conv2d(channels, 1, kernel_size=1)


@contextmanager
def _tapped(net: nn.Module, features: Mapping[str, str]) -> Iterator[dict[str, Tensor]]:
    """Collect what the named modules give while the network runs."""
    seen: dict[str, Tensor] = {}
    with ExitStack() as hooks:
        for name, module in features.items():
            tap = partial(lambda name, _, __, output: seen.update({name: output}), name)
            hooks.enter_context(net.get_submodule(module).register_forward_hook(tap))
        yield seen


def _feature_names(net: nn.Module, config: LossConfig) -> dict[str, str]:
    """The module that each head reads, by name of the head."""
    names = {}
    for head in ('boundary', 'encoding'):
        if getattr(config, f'{head}_weight') > 0:
            key = f'config key loss.{head}_feature'
            own = str(getattr(net, f'{head}_feature', ''))
            names[head] = _checked_name(net, getattr(config, f'{head}_feature') or own, key)
    return names


def _checked_name(net: nn.Module, name: str, key: str) -> str:
    known = [known for known, _ in net.named_modules() if known]
    if name not in known:
        tops = [top for top, _ in net.named_children()]
        fix = near(name, known) or f'Its outer modules are {", ".join(tops)}.'
        raise ConfigError(key, repr(name), f'a module of {type(net).__name__}', fix)
    return name


def _feature_channels(net: nn.Module, features: Mapping[str, str]) -> dict[str, int]:
    """
    Channels of the named features, from a small image through a copy of the network.

    A copy, for training mode, where some modules run only, changes the norms' statistics.
    """
    trial = copy.deepcopy(net).train()
    parameter = next(trial.parameters())
    image = parameter.new_zeros(2, 3, PROBE_PX, PROBE_PX)
    with torch.no_grad(), _tapped(trial, features) as seen:
        trial(image)
    for head, name in features.items():
        output = seen.get(head)
        if not isinstance(output, Tensor) or output.ndim != 4:
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ConfigError(
                f'output of module {name} (loss.{head}_feature)',
                'none: it is not used' if output is None else shape,
                'a feature map (N, channels, h, w)',
            )
    return {head: seen[head].shape[1] for head in features}
