# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The configuration of one experiment: dataclasses filled from YAML and ``key=value`` words.

Two keys of a file are no part of the configuration, but say how it comes about:

    base        another file, next to this one or a preset; the groups of this one go over its own
    with_data   by name of a data group, dotted keys and values that change with ``data: NAME``,
                such as ``camvid: {transform.crop: [360, 480]}``; ``data=camvid`` then also gives
                the run a name and a folder of its own, with ``_camvid`` at the end
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import yaml

from seg_perception.core.settings import read_value
from seg_perception.inference.engine import working_size
from training.errors import ConfigError, near
from training.presets import PRESETS, find_file, preset_names

SIZE_MULTIPLE = 8
"""Height and width of every frame to segment are multiples of it: the stride of the logits."""


@dataclass(frozen=True)
class ModelConfig:
    """Which network. ``options`` are arguments of its own, such as ``{planes: 32}``."""

    name: str = 'ddrnet23_slim'
    weights: str = ''  # file of pre-trained weights, or imagenet; empty: fresh ones
    new_head: bool = False  # where those weights are of another number of classes
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceConfig:
    """One data set, or a part of it. Which other keys count depends on ``kind``."""

    kind: str  # a name of training.data.KINDS
    root: str = ''  # relative to the working directory
    split: str = 'train'
    share: float = 0.0  # of an epoch's training samples, with repeats; 0: each frame once
    only: tuple[str, ...] = ()  # starts of the names of the frames to take; empty: all
    exclude: tuple[str, ...] = ()  # starts of the names of the frames to leave out
    part: tuple[float, float] = (
        0.0,
        1.0,
    )  # from which share to which, of those left in random order
    part_seed: int = 0  # of that order: the same one makes [0, 0.8] and [0.8, 1] a split
    limit: int = 0  # take the first so many; 0 is all
    void: tuple[str, ...] = ()  # classes whose labels are not to be learned from
    classes: str = ''  # of kinds folder and synthetic: a shipped class table, or a YAML file
    frames: int = 0  # of kind synthetic: how many streets to render
    min_area_px: int = 0  # of kind crowdai: smaller boxes are left out


@dataclass(frozen=True)
class DataConfig:
    """What is trained on, and what the model is chosen on."""

    train: tuple[SourceConfig, ...] = ()
    val: tuple[SourceConfig, ...] = ()
    classes: str = ''  # table that all labels are mapped to; empty: that of the first of train
    keep: tuple[str, ...] = ()  # classes to keep, in this order; others are 255. empty: all
    # car+truck in keep is one class, of the first's name
    size: tuple[int, int] = (0, 0)  # height, width to which frames are resized; 0: as they are
    sampling: str = 'shuffle'  # or class_uniform
    cache: bool = False  # keep decoded frames in memory
    workers: int = 0  # processes that load; 0: a thread
    skip_damaged: bool = False  # leave out files that cannot be read, and say so


@dataclass(frozen=True)
class TransformConfig:
    """Random changes of a training frame; strengths are half-widths around no change."""

    crop: tuple[int, int] = (288, 384)  # height, width
    scale: tuple[float, float] = (0.75, 1.8)
    early_share: float = 0.0  # of the run that sees small views: more steps in the same time
    early_crop: tuple[int, int] = (192, 256)
    early_scale: tuple[float, float] = (0.5, 1.4)
    rare_crop: float = 0.0  # share of views that are centred on a pixel of a rare class
    rare: tuple[str, ...] = ()  # names of those classes; empty: less than ten times the rarest
    flip: float = 0.5  # share of views
    rotate_deg: float = 3.0
    translate: float = 0.0  # of height and width, 0..1; what comes in is padding
    light: float = 0.5  # log range of gain and gamma: 0.5 is a factor 0.6 to 1.65
    dark: float = 0.5  # share of frames that are turned to dusk or night
    colour: float = 0.15  # log range of the gain of each channel
    saturation: float = 0.6
    blur: float = 0.2  # share of frames
    noise: float = 0.3  # share of frames
    uneven: float = 0.0  # share of views with light and shade of random shapes
    bonnet: float = 0.0  # share of views that get the bonnet of a car at their lower end
    erase: float = 0.0  # share of frames of which a rectangle is filled; its labels become 255


@dataclass(frozen=True)
class TermConfig:
    """One term of the loss: a name and arguments of its own, both in docs/losses.md."""

    name: str
    weight: float = 1.0
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LossConfig:
    """A weighted sum of terms, on the main and the auxiliary logits, and side heads."""

    terms: tuple[TermConfig, ...] = (TermConfig('cross_entropy'),)
    class_weights: str = 'none'  # none, enet, inverse_frequency, median_frequency
    weight_offset: float = 1.02  # of enet: 1 / ln(offset + share); larger is milder
    boost: dict[str, float] = field(default_factory=dict)  # factors on the weights, by class name
    aux_weight: float = 0.4  # of the auxiliary logits
    aux_terms: tuple[TermConfig, ...] = ()  # of the auxiliary logits; empty: the first of terms
    boundary_weight: float = 0.0  # of the boundary head's loss; 0: no such head. Seed 000: 0.2
    boundary_feature: str = ''  # module whose output the boundary head reads; empty: network's own
    encoding_weight: float = 0.0  # of the semantic encoding loss (DSNet); 0: none
    encoding_feature: str = ''  # module whose output it reads; empty: the network's own choice
    stride: int = 1  # every stride-th pixel of each axis is scored; 1 is all
    l1: float = 0.0  # times the sum of |w| over the kernels of convolutions. Seed 004: 0.01


@dataclass(frozen=True)
class OptimConfig:
    """Optimiser, schedule, and what bounds the run."""

    name: str = 'adamw'  # sgd, adam, adamw
    learning_rate: float = 1e-3
    backbone_factor: float = 1.0  # of the learning rate, for what the network calls its backbone
    momentum: float = 0.9  # of sgd
    weight_decay: float = 0.02  # of kernels; none on norms and biases
    schedule: str = 'poly'  # poly, poly_product, cosine, step, halving, constant
    power: float = 0.9  # of poly and poly_product
    milestones: tuple[float, ...] = ()  # of step: shares of the run, 0..1
    gamma: float = 0.1  # of step: factor at each milestone
    halve_every: int = 10  # of halving: epochs
    warmup_steps: int = 0
    batch: int = 8  # samples of one step, over all processes and accumulated parts together
    accumulate: int = 1  # parts of a batch that go through the network one after the other
    epochs: int = 100
    max_minutes: float = 0.0  # the schedule ends by then; 0: no limit, and exact resuming
    clip_norm: float = 0.0  # of the gradient; 0: no clipping
    ema_decay: float = 0.0  # of the averaged weights that are scored and exported; 0: no average
    precision: str = 'float32'  # or bfloat16 (1.6 times as fast with AVX512-BF16), or float16
    freeze: tuple[str, ...] = ()  # modules that keep weights and statistics, by names
    freeze_norm: bool = False  # batch norms keep their statistics
    sync_norm: bool = False  # batch norms share statistics among processes
    eval_every: int = 1  # epochs
    save_every_steps: int = 0  # also save last.pt within an epoch; 0: after each epoch
    patience: int = 0  # stop after so many evaluations without a better score; 0: never


@dataclass(frozen=True)
class DeployConfig:
    """At which size the model works; it is evaluated and exported so. See ``ModelCard``."""

    input_size: tuple[int, int] = (384, 640)  # height, width; frames are brought within it
    upscale: float = 1.0  # the most that a smaller frame is enlarged
    dynamic: bool = True  # false: every frame is stretched to input_size, and no other is taken
    cells: bool = True  # false: labels by a plain resize, for accelerators that want fixed shapes

    def size_for(self, frame_size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) at which a frame of that (height, width) is segmented."""
        if not self.dynamic:
            return self.input_size
        return working_size(frame_size, self.input_size, SIZE_MULTIPLE, self.upscale)


@dataclass(frozen=True)
class TrainConfig:
    """One experiment."""

    name: str
    out: str
    seed: int = 0
    device: str = 'auto'  # cpu, cuda, cuda:N; auto: the GPU where there is one
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
    'seed': (0, 2**63),
    'data.size': (0, 16384),
    'data.workers': (0, 256),
    'transform.crop': (32, 4096),
    'transform.early_crop': (32, 4096),
    'transform.scale': (0.1, 10),
    'transform.early_scale': (0.1, 10),
    'transform.early_share': (0, 1),
    'transform.rare_crop': (0, 1),
    'transform.flip': (0, 1),
    'transform.bonnet': (0, 1),
    'transform.uneven': (0, 1),
    'transform.erase': (0, 1),
    'transform.translate': (0, 1),
    'loss.aux_weight': (0, 100),
    'loss.boundary_weight': (0, 100),
    'loss.encoding_weight': (0, 100),
    'loss.stride': (1, 8),
    'loss.l1': (0, 100),
    'loss.weight_offset': (1.001, 10),
    'deploy.upscale': (1, 4),
    'optim.batch': (1, 65536),
    'optim.accumulate': (1, 4096),
    'optim.epochs': (1, 1e6),
    'optim.eval_every': (1, 1e6),
    'optim.halve_every': (1, 1e6),
    'optim.ema_decay': (0, 1),
    'optim.milestones': (0, 1),
}
CHOICES: dict[str, tuple[str, ...]] = {
    'data.sampling': ('shuffle', 'class_uniform'),
    'loss.class_weights': ('none', 'enet', 'inverse_frequency', 'median_frequency'),
    'optim.name': ('sgd', 'adam', 'adamw'),
    'optim.schedule': ('poly', 'poly_product', 'cosine', 'step', 'halving', 'constant'),
    'optim.precision': ('float32', 'bfloat16', 'float16'),
}
DATA_GROUPS = PRESETS / 'data'
"""Folder of data groups by name: ``data: camvid`` is the group in its ``camvid.yaml``."""
WITH_DATA = 'with_data'
"""Key of a file: by name of such a group, keys and values that change with it."""
OWN_KEYS = ('name', 'out')
"""Keys that a file does not take from its ``base``: they tell one run from another."""


def load_config(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """
    Read a YAML file or a preset by its name, then apply words such as ``optim.batch=4``.

    :raises ConfigError: when the file, a key or a value cannot be.
    """
    found = find_file(path)
    if found is None:
        names = preset_names()
        fix = near(str(path), names) or f'Presets: {", ".join(names)}.'
        raise ConfigError('config', str(path), 'a YAML file or the name of a preset', fix)
    return parse_config(_read(found), overrides)


def parse_config(data: Mapping[str, Any], overrides: Sequence[str] = ()) -> TrainConfig:
    """
    Check and convert plain types, after words such as ``optim.batch=4`` have been applied.

    :raises ConfigError: when a key is unknown or missing, or a value has another type.
    """
    changed = copy.deepcopy(dict(data))
    words = [_parse_word(word) for word in overrides]
    chosen = [value for key, value in words if key == 'data']
    if chosen:
        changed['data'] = chosen[-1]
    # First of all, so that what changes with the data does not undo a word.
    _choose_data(changed, own_folder=bool(chosen))
    for key, value in words:
        if key != 'data':
            _set(changed, key, value)
    changed.pop(WITH_DATA, None)
    config: TrainConfig = _build(TrainConfig, changed, '')
    return config


def _read(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """
    The groups of a file, over those of the file that its ``base`` names.

    :param above: the files that lead here.
    """
    above = (*above, path)
    try:
        data = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f'config {path}', str(error).replace('\n', ' '), 'YAML') from error
    if not isinstance(data, dict):
        raise ConfigError(f'config {path}', f'a {type(data).__name__}', 'a group of keys')
    if 'base' not in data:
        return data
    name = str(data.pop('base'))
    chain = ' -> '.join(map(str, (*above, name)))
    base = find_file(name, beside=path)
    if base is None:
        fix = f'Give its path from {path.parent}, or the name of a preset.'
        raise ConfigError('config key base', chain, 'a YAML file', fix)
    if any(base.samefile(other) for other in above):
        raise ConfigError('config key base', chain, 'a chain that ends')
    below = {key: value for key, value in _read(base, above).items() if key not in OWN_KEYS}
    if isinstance(data.get('data'), str):
        below['data'] = data.pop('data')
        _choose_data(below)
    elif 'data' in data:
        _choose_data(below)
    return _merged(below, data)


def _merged(below: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Groups inside groups are merged; any other value takes the place of that below."""
    merged = dict(below)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(old, value) if both else value
    return merged


def _choose_data(config: dict[str, Any], own_folder: bool = False) -> None:
    """
    Put the group of the named file in the place of its name, and make the changes that follow.

    :param own_folder: where there are such changes, the run is another, in a folder of its own.
    """
    known = sorted(file.stem for file in DATA_GROUPS.glob('*.yaml'))
    changes, name = _changes_with_data(config, known), config.get('data')
    if not isinstance(name, str):
        return
    if name not in known:
        raise ConfigError('config key data', repr(name), ', '.join(known), near(name, known))
    config['data'] = yaml.safe_load((DATA_GROUPS / f'{name}.yaml').read_text())
    for key, value in changes.get(name, {}).items():
        _set(config, key, value)
    if own_folder and name in changes:
        config.update({key: f'{config[key]}_{name}' for key in OWN_KEYS if key in config})


def _changes_with_data(config: Mapping[str, Any], known: Sequence[str]) -> Mapping[str, Any]:
    """The keys and values that follow each data group, checked: most are used by few runs."""
    changes = config.get(WITH_DATA, {})
    if not isinstance(changes, Mapping):
        raise ConfigError(f'config key {WITH_DATA!r}', repr(changes), 'a group of keys')
    for name, keys in changes.items():
        if name not in known:
            seen = f'{WITH_DATA}.{name}'
            raise ConfigError('config key', repr(seen), ', '.join(known), near(str(name), known))
        if not isinstance(keys, Mapping):
            raise ConfigError(f'config key {WITH_DATA}.{name}', repr(keys), 'a group of keys')
    return changes


def _parse_word(word: str) -> tuple[str, Any]:
    key, sign, value = word.partition('=')
    if not sign:
        raise ConfigError('argument', repr(word), 'key=value', 'Example: optim.batch=4')
    return key, yaml.safe_load(value)


def _set(data: dict[str, Any], key: str, value: Any) -> None:
    """Give a dotted key another value."""
    *groups, name = key.split('.')
    for group in groups:
        data = data.setdefault(group, {})
        if not isinstance(data, dict):
            raise ConfigError(f'config key {group!r}', repr(data), 'a group of keys')
    data[name] = value


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
    values = {key: convert(hints[key], data[key], f'{prefix}{key}') for key in data}
    for key, value in values.items():
        _check_range(f'{prefix}{key}', value)
        _check_choice(f'{prefix}{key}', value)
        _check_order(f'{prefix}{key}', value)
        _check_shares(f'{prefix}{key}', value)
    return kind(**values)


def _check_range(key: str, value: Any) -> None:
    if key not in RANGES:
        return
    low, high = RANGES[key]
    if not all(low <= number <= high for number in np.atleast_1d(value)):
        raise ConfigError(f'config key {key}', value, f'{low:g} to {high:g}')


def _check_shares(key: str, value: Any) -> None:
    if key == 'data.val' and any(source.share for source in value):
        shares = [source.share for source in value]
        raise ConfigError('shares of data.val', shares, 'none: each frame is scored once')
    if key != 'data.train' or not value:
        return
    shares = [source.share for source in value]
    if min(shares) > 0:
        fits, expected = abs(sum(shares) - 1) < 1e-6, 'together 1, where no share is 0'
    else:
        fits, expected = min(shares) == 0 and sum(shares) < 1, 'from 0, together below 1'
    if not fits:
        fix = 'Share 0 takes each frame of a source once.'
        raise ConfigError('shares of data.train', shares, expected, fix)


def _check_order(key: str, value: Any) -> None:
    if key in ('transform.scale', 'transform.early_scale') and value[0] > value[1]:
        raise ConfigError(f'config key {key}', value, 'the smaller number first')


def _check_choice(key: str, value: Any) -> None:
    if value not in CHOICES.get(key, (value,)):
        raise ConfigError(
            f'config key {key}', repr(value), ', '.join(CHOICES[key]), near(value, CHOICES[key])
        )


def convert(kind: Any, value: Any, key: str) -> Any:
    """
    A value of plain types as the annotation wants it: lists become tuples, int will do for float.

    :param key: dotted name of the value, for the message.
    :raises ConfigError: when it has another type.
    """
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, f'{key}.')
    if get_origin(kind) is dict:
        return _convert_dict(get_args(kind)[1], value, key)
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        if kinds[1:] == (Ellipsis,) and isinstance(value, list | tuple):
            kinds = kinds[:1] * len(value)
        if not isinstance(value, list | tuple) or len(value) != len(kinds):
            raise ConfigError(f'config key {key}', repr(value), f'{len(kinds)} values in a list')
        return tuple(convert(k, v, key) for k, v in zip(kinds, value, strict=True))
    if kind is float and type(value) in (int, str):
        return _number(value, key)
    if type(value) is not kind:
        raise ConfigError(f'config key {key}', repr(value), f'a value of type {kind.__name__}')
    return value


def as_arguments(
    builder: Callable[..., Any], options: Mapping[str, Any], group: str
) -> dict[str, Any]:
    """
    Options from a configuration as arguments of a class, whose first one is not among them.

    :param group: dotted name of the options, for the message.
    :raises ConfigError: when there is no such argument, or a value has another type or is not in
        the range of its ``Setting``.
    """
    known = list(inspect.signature(builder).parameters)[1:]
    hints = get_type_hints(builder.__init__, include_extras=True)
    for key in options:
        if key not in known:
            expected = ', '.join(known) or 'none'
            raise ConfigError(f'config key {group}', repr(key), expected, near(key, known))
    return {
        key: read_value(hints[key], value, f'config key {group}.{key}', ConfigError)
        for key, value in options.items()
    }


def _number(value: int | str, key: str) -> float:
    """YAML takes 1e-4, without a point, for text."""
    try:
        return float(value)
    except ValueError:
        raise ConfigError(f'config key {key}', repr(value), 'a value of type float') from None


def _convert_dict(kind: Any, value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f'config key {key!r}', repr(value), 'a group of keys')
    if kind is Any:
        return dict(value)
    return {name: convert(kind, item, f'{key}.{name}') for name, item in value.items()}
