# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The configuration of one experiment: dataclasses filled from YAML and ``key=value`` words."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import yaml

from seg_perception.inference.engine import working_size
from training.errors import ConfigError, near

SIZE_MULTIPLE = 8
"""Height and width of every frame to segment are multiples of it: the stride of the logits."""


@dataclass(frozen=True)
class ModelConfig:
    """Which network."""

    name: str = 'ddrnet'
    planes: int = 32  # channels of the first layer; the others are multiples


@dataclass(frozen=True)
class DataConfig:
    """Where the frames come from. ``camvid`` is relative to the working directory."""

    camvid: str = '../shared/data/camvid'
    holdout: str = '0001TP'  # sequence that is never trained on; the model is chosen on it
    limit: int = 0  # use that many training frames only; 0 is all
    synthetic_frames: int = 0  # rendered once at start, one street (seed) a frame
    synthetic_share: float = 0.0  # of the samples of an epoch, 0..1


@dataclass(frozen=True)
class TransformConfig:
    """Random changes of a training frame; strengths are half-widths around no change."""

    crop: tuple[int, int] = (288, 384)  # height, width
    scale: tuple[float, float] = (0.75, 1.8)
    early_share: float = 0.0  # of the run that sees small views: more steps in the same time
    early_crop: tuple[int, int] = (192, 256)
    early_scale: tuple[float, float] = (0.5, 1.4)
    rotate_deg: float = 3.0
    light: float = 0.5  # log range of gain and gamma: 0.5 is a factor 0.6 to 1.65
    dark: float = 0.5  # share of frames that are turned to dusk or night
    colour: float = 0.15  # log range of the gain of each channel
    saturation: float = 0.6
    blur: float = 0.2  # share of frames
    noise: float = 0.3  # share of frames


@dataclass(frozen=True)
class LossConfig:
    """Cross-entropy of every logits of the network, and the overlap of classes of the first."""

    aux_weight: float = 0.4
    weight_offset: float = 1.05  # class weight 1 / ln(offset + share); 1.02 is ENet's
    dice_weight: float = 0.0  # of 1 - Dice, the mean over the classes that occur in a batch
    stride: int = 2  # every stride-th pixel of each axis is scored; 1 is all, at 4 times the cost


@dataclass(frozen=True)
class OptimConfig:
    """AdamW, linear warm-up, poly decay, an average of the weights."""

    learning_rate: float = 1.5e-3
    weight_decay: float = 0.02
    batch: int = 8
    epochs: int = 100
    max_minutes: float = 0.0  # the schedule ends by then; 0: no limit, and exact resuming
    warmup_steps: int = 150
    power: float = 0.9
    ema_decay: float = 0.998
    eval_every: int = 4  # epochs


@dataclass(frozen=True)
class DeployConfig:
    """At which size the model works; it is evaluated and exported so. See ``ModelCard``."""

    input_size: tuple[int, int] = (384, 640)  # preferred height, width; their area is the limit
    upscale: float = 1.0  # the most that a smaller frame is enlarged

    def size_for(self, frame_size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) at which a frame of that (height, width) is segmented."""
        return working_size(frame_size, self.input_size, SIZE_MULTIPLE, self.upscale)


@dataclass(frozen=True)
class TrainConfig:
    """One experiment."""

    name: str
    out: str
    seed: int = 0
    threads: int = 0  # 0 is torch's choice
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    transform: TransformConfig = field(default_factory=TransformConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    deploy: DeployConfig = field(default_factory=DeployConfig)

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain types; ``parse_config`` reads it back."""
        return dataclasses.asdict(self)


# What would fail late, or silently train on nothing.
RANGES: dict[str, tuple[float, float]] = {
    'model.planes': (1, 1024),
    'data.synthetic_share': (0, 0.95),
    'transform.crop': (32, 4096),
    'transform.early_crop': (32, 4096),
    'transform.scale': (0.1, 10),
    'transform.early_scale': (0.1, 10),
    'transform.early_share': (0, 1),
    'loss.stride': (1, 8),
    'deploy.upscale': (1, 4),
    'loss.dice_weight': (0, 100),
    'loss.weight_offset': (1.001, 10),
    'optim.batch': (1, 4096),
    'optim.epochs': (1, 1e6),
    'optim.eval_every': (1, 1e6),
    'optim.ema_decay': (0, 1),
}


def load_config(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """
    Read a YAML file, then apply words such as ``optim.batch=4``.

    :raises ConfigError: when the file, a key or a value cannot be.
    """
    if not path.is_file():
        raise ConfigError('config', str(path), 'a YAML file', 'See config/training/.')
    try:
        data = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f'config {path}', str(error).replace('\n', ' '), 'YAML') from error
    if not isinstance(data, dict):
        raise ConfigError(f'config {path}', f'a {type(data).__name__}', 'a group of keys')
    return parse_config(data, overrides)


def parse_config(data: Mapping[str, Any], overrides: Sequence[str] = ()) -> TrainConfig:
    """
    Check and convert plain types, after words such as ``optim.batch=4`` have been applied.

    :raises ConfigError: when a key is unknown or missing, or a value has another type.
    """
    changed = copy.deepcopy(dict(data))
    for word in overrides:
        _override(changed, word)
    config: TrainConfig = _build(TrainConfig, changed, '')
    return config


def _override(data: dict[str, Any], word: str) -> None:
    key, sign, value = word.partition('=')
    if not sign:
        raise ConfigError('argument', repr(word), 'key=value', 'Example: optim.batch=4')
    *groups, name = key.split('.')
    for group in groups:
        data = data.setdefault(group, {})
        if not isinstance(data, dict):
            raise ConfigError(f'config key {group!r}', repr(data), 'a group of keys')
    data[name] = yaml.safe_load(value)


def _build(kind: Any, data: Any, prefix: str) -> Any:
    if not isinstance(data, Mapping):
        raise ConfigError(f'config key {prefix.rstrip(".")!r}', repr(data), 'a group of keys')
    hints = get_type_hints(kind)
    for key in data:
        if key not in hints:
            seen, known = f'{prefix}{key}', [f'{prefix}{name}' for name in hints]
            raise ConfigError('config key', repr(seen), ', '.join(known), near(seen, known))
    for row in dataclasses.fields(kind):
        if row.default is row.default_factory is dataclasses.MISSING and row.name not in data:
            raise ConfigError(f'config key {prefix}{row.name}', 'nothing', 'a value')
    values = {key: _convert(hints[key], data[key], f'{prefix}{key}') for key in data}
    for key, value in values.items():
        _check_range(f'{prefix}{key}', value)
    return kind(**values)


def _check_range(key: str, value: Any) -> None:
    if key not in RANGES:
        return
    low, high = RANGES[key]
    if not all(low <= number <= high for number in np.atleast_1d(value)):
        raise ConfigError(f'config key {key}', value, f'{low:g} to {high:g}')


def _convert(kind: Any, value: Any, key: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, f'{key}.')
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        if not isinstance(value, list | tuple) or len(value) != len(kinds):
            raise ConfigError(f'config key {key}', repr(value), f'{len(kinds)} values in a list')
        return tuple(_convert(k, v, key) for k, v in zip(kinds, value, strict=True))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise ConfigError(f'config key {key}', repr(value), f'a value of type {kind.__name__}')
    return value
