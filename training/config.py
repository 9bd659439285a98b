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
from typing import Annotated, Any, get_type_hints

from seg_perception.core.settings import Setting, load, merged, read_value, set_dotted, share
from seg_perception.inference.engine import working_size
from seg_perception.io.yaml_file import read_mapping, read_words
from training.errors import ConfigError, check_known, near
from training.presets import PRESETS, find_file, preset_names

SIZE_MULTIPLE = 8
"""Height and width of every frame to segment are multiples of it: the stride of the logits."""

Size = tuple[int, int]  # height, width
Crop = Annotated[Size, Setting('height, width of views', '', 32, 4096)]
Zoom = Annotated[tuple[float, float], Setting('smallest and largest zoom of views', '', 0.1, 10)]


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
    about: str = ''  # on model cards: what it is, and its terms; empty: what the kind says
    terms: str = ''
    domain: str = ''  # of data.val: kind of street that is scored by itself, in its own classes
    keep: tuple[str, ...] = ()  # of a domain: classes that are scored, as in data.keep; empty: all


@dataclass(frozen=True)
class DataConfig:
    """What is trained on, and what the model is chosen on."""

    train: tuple[SourceConfig, ...] = ()
    val: tuple[SourceConfig, ...] = ()
    classes: str = ''  # table that all labels are mapped to; empty: that of the first of train
    partial_labels: bool = False  # a label stands for all that its table does not tell apart
    keep: tuple[str, ...] = ()  # classes to keep, in this order; others are 255. empty: all
    # car+truck in keep is one class, of the first's name
    size: Annotated[
        Size, Setting('height, width to which frames are resized; 0: no resizing', '', 0, 16384)
    ] = (0, 0)
    sampling: Annotated[
        str, Setting('order of training frames', choices=('shuffle', 'class_uniform'))
    ] = 'shuffle'
    cache: bool = False  # keep decoded frames in memory
    workers: Annotated[int, Setting('processes that load frames; 0: a thread', '', 0, 256)] = 0
    skip_damaged: bool = False  # leave out files that cannot be read, and say so

    def __post_init__(self) -> None:
        if any(source.share for source in self.val):
            shares = [source.share for source in self.val]
            raise ConfigError('shares of data.val', shares, 'none: each frame is scored once')
        if len({bool(source.domain) for source in self.val}) > 1:
            seen = [source.domain for source in self.val]
            raise ConfigError('domain of data.val', seen, 'one for each source, or none at all')
        shares = [source.share for source in self.train]
        if shares and min(shares) > 0:
            fits, expected = abs(sum(shares) - 1) < 1e-6, 'together 1, where no share is 0'
        else:
            fits, expected = (
                min(shares, default=0) == 0 and sum(shares) < 1,
                'from 0, together below 1',
            )
        if not fits:
            fix = 'Share 0 takes each frame of a source once.'
            raise ConfigError('shares of data.train', shares, expected, fix)


@dataclass(frozen=True)
class TransformConfig:
    """Random changes of a training frame; strengths are half-widths around no change."""

    crop: Crop = (288, 384)
    scale: Zoom = (0.75, 1.8)
    early_share: Annotated[
        float, share('share of the run with small views, for more steps in the same time')
    ] = 0.0
    early_crop: Crop = (192, 256)  # of small views
    early_scale: Zoom = (0.5, 1.4)  # of small views
    rare_crop: Annotated[float, share('share of views centred on a pixel of a rare class')] = 0.0
    rare: tuple[str, ...] = ()  # names of those classes; empty: less than ten times the rarest
    flip: Annotated[float, share('share of mirrored views')] = 0.5
    rotate_deg: float = 3.0
    translate: Annotated[float, share('largest shift, as a share of height and width; padded')] = (
        0.0
    )
    light: float = 0.5  # log range of gain and gamma: 0.5 is a factor 0.6 to 1.65
    dark: float = 0.5  # share of frames that are turned to dusk or night
    colour: float = 0.15  # log range of the gain of each channel
    saturation: float = 0.6
    blur: float = 0.2  # share of frames
    noise: float = 0.3  # share of frames
    uneven: Annotated[float, share('share of views with random light and shade')] = 0.0
    bonnet: Annotated[float, share('share of views with a hood at the lower end')] = 0.0
    erase: Annotated[float, share('share of frames with a rectangle filled and ignored')] = 0.0
    border: Annotated[float, share('share of views with black bars, as of a turned camera')] = 0.0
    night: Annotated[float, share('share of views lit by the own lamps alone')] = 0.0
    glare: Annotated[float, share('share of views with lamps or the sun in them')] = 0.0
    rain: Annotated[float, share('share of views with haze, drops and streaks')] = 0.0
    motion: Annotated[float, share('share of views blurred along a line')] = 0.0
    jpeg: Annotated[float, share('share of views with few grey levels or JPEG blocks')] = 0.0

    def __post_init__(self) -> None:
        for name, (low, high) in (('scale', self.scale), ('early_scale', self.early_scale)):
            if low > high:
                key = f'config key transform.{name}'
                raise ConfigError(key, (low, high), 'the smaller number first')


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
    class_weights: Annotated[
        str,
        Setting(
            'rule for the weights of the classes',
            choices=('none', 'enet', 'inverse_frequency', 'median_frequency'),
        ),
    ] = 'none'
    weight_offset: Annotated[
        float, Setting('offset of enet: 1 / ln(offset + share); larger is milder', '', 1.001, 10)
    ] = 1.02
    boost: dict[str, float] = field(default_factory=dict)  # factors on the weights, by class name
    aux_weight: Annotated[float, Setting('weight of the auxiliary logits', '', 0, 100)] = 0.4
    aux_terms: tuple[TermConfig, ...] = ()  # of the auxiliary logits; empty: the first of terms
    boundary_weight: Annotated[
        float, Setting('weight of the boundary head; 0: none. Seed 000: 0.2', '', 0, 100)
    ] = 0.0
    boundary_feature: str = ''  # module whose output the boundary head reads; empty: network's own
    encoding_weight: Annotated[
        float, Setting('weight of the semantic encoding loss (DSNet); 0: none', '', 0, 100)
    ] = 0.0
    encoding_feature: str = ''  # module whose output it reads; empty: the network's own choice
    stride: Annotated[int, Setting('every stride-th pixel of each axis is scored', '', 1, 8)] = 1
    l1: Annotated[
        float,
        Setting('factor of the sum of |w| over convolution kernels. Seed 004: 0.01', '', 0, 100),
    ] = 0.0


@dataclass(frozen=True)
class OptimConfig:
    """Optimiser, schedule, and what bounds the run."""

    name: Annotated[str, Setting('optimiser', choices=('sgd', 'adam', 'adamw'))] = 'adamw'
    learning_rate: float = 1e-3
    backbone_factor: float = 1.0  # of the learning rate, for what the network calls its backbone
    momentum: float = 0.9  # of sgd
    weight_decay: float = 0.02  # of kernels; none on norms and biases
    schedule: Annotated[
        str,
        Setting(
            'schedule of the learning rate',
            choices=('poly', 'poly_product', 'cosine', 'step', 'halving', 'constant'),
        ),
    ] = 'poly'
    power: float = 0.9  # of poly and poly_product
    milestones: Annotated[
        tuple[float, ...], share('milestones of step, as shares of the run')
    ] = ()
    gamma: float = 0.1  # of step: factor at each milestone
    halve_every: Annotated[int, Setting('epochs between two halvings', '', 1, 1e6)] = 10
    warmup_steps: int = 0
    batch: Annotated[
        int, Setting('samples of one step, over all processes and accumulated parts', '', 1, 65536)
    ] = 8
    accumulate: Annotated[
        int, Setting('parts of a batch that pass through the network one by one', '', 1, 4096)
    ] = 1
    epochs: Annotated[int, Setting('number of epochs', '', 1, 1e6)] = 100
    max_minutes: float = 0.0  # the schedule ends by then; 0: no limit, and exact resuming
    clip_norm: float = 0.0  # of the gradient; 0: no clipping
    ema_decay: Annotated[
        float, share('decay of the averaged weights, scored and exported; 0: none')
    ] = 0.0
    precision: Annotated[
        str,
        Setting(
            'number format; bfloat16 is 1.6 times as fast with AVX512-BF16',
            choices=('float32', 'bfloat16', 'float16'),
        ),
    ] = 'float32'
    freeze: tuple[str, ...] = ()  # modules that keep weights and statistics, by names
    freeze_norm: bool = False  # batch norms keep their statistics
    sync_norm: bool = False  # batch norms share statistics among processes
    eval_every: Annotated[int, Setting('epochs between two evaluations', '', 1, 1e6)] = 1
    save_every_steps: int = 0  # also save last.pt within an epoch; 0: after each epoch
    patience: int = 0  # stop after so many evaluations without a better score; 0: never


@dataclass(frozen=True)
class DeployConfig:
    """At which size the model works; it is evaluated and exported so. See ``ModelCard``."""

    input_size: tuple[int, int] = (384, 640)  # height, width; frames are brought within it
    upscale: Annotated[float, Setting('largest enlargement of a smaller frame', '', 1, 4)] = 1.0
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
    seed: Annotated[int, Setting('seed of weights, order and views', '', 0, 2**63)] = 0
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


DATA_GROUPS = PRESETS / 'data'
"""Folder of data groups by name: ``data: camvid`` is the group in its ``camvid.yaml``."""
WITH_DATA = 'with_data'
"""Key of a file: by name of such a group, keys and values that change with it."""
OWN_KEYS = ('name', 'out')
"""Keys that a file does not take from its ``base``: they tell one run from another."""


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> TrainConfig:
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
    words = read_words(overrides, 'optim.batch=4', ConfigError)
    chosen = 'data' in words
    if chosen:
        changed['data'] = words.pop('data')
    # First of all, so that what changes with the data does not undo a word.
    _choose_data(changed, own_folder=chosen)
    for key, value in words.items():
        set_dotted(changed, key, value)
    changed.pop(WITH_DATA, None)
    return load(TrainConfig, changed, 'config key', error=ConfigError)


def _read(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """
    The groups of a file, over those of the file that its ``base`` names.

    :param above: the files that lead here.
    """
    above = (*above, path)
    data = read_mapping(path, 'config', ConfigError)
    if path.parent.resolve() == DATA_GROUPS.resolve():  # enough to score models on
        data = {'name': path.stem, 'out': f'runs/{path.stem}', 'data': data}
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
    return merged(below, data)


def _choose_data(config: dict[str, Any], own_folder: bool = False) -> None:
    """
    Put the group of the named file in the place of its name, and make the changes that follow.

    :param own_folder: where there are such changes, the run is another, in a folder of its own.
    """
    known = sorted(file.stem for file in DATA_GROUPS.glob('*.yaml'))
    changes, name = _changes_with_data(config, known), config.get('data')
    if not isinstance(name, str):
        return
    check_known('config key data', name, known)
    config['data'] = read_mapping(DATA_GROUPS / f'{name}.yaml', 'data group', ConfigError)
    for key, value in changes.get(name, {}).items():
        set_dotted(config, key, value)
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
