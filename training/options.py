# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The options of every command of the trainer: names, defaults, units, ranges and help."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from seg_perception.command_line import SIZE, Option, comma_separated
from seg_perception.core.errors import ParameterError
from seg_perception.core.settings import Setting, Settings

MIN_WINDOW_PX = 32  # the least size that every network takes
FILE, FOLDER, PATHS = Option('FILE'), Option('DIR'), Option('PATH', positional=True)


def named_paths(text: str) -> tuple[str, tuple[Path, ...]]:
    """A set of files from a word such as ``snow=a.png,b.mp4``."""
    name, equals, paths = text.partition('=')
    if not (name and equals and paths):
        raise ArgumentTypeError(f'got {text!r}, expected NAME=PATH or NAME=PATH,PATH')
    return name, tuple(map(Path, paths.split(',')))


Config = Annotated[
    Path,
    Setting('experiment: a YAML file, or the name of a preset such as camvid_quick'),
    Option('YAML'),
]
Overrides = Annotated[
    tuple[str, ...],
    Setting('change a setting, such as optim.batch=4; repeatable, and --set may be left out'),
    Option('NAME=VALUE', names=('--set',), repeat=True, bare=True),
]
Checkpoint = Annotated[Path, Setting('best.pt or last.pt of a run'), FILE]
NamedPaths = Mapping[str, tuple[Path, ...]]
EVERY = Setting('take every n-th frame of videos', '', 1)


@dataclass(frozen=True, kw_only=True)
class ConfigOptions(Settings, name='training'):
    """The configuration of an experiment."""

    config: Config
    overrides: Overrides = ()


@dataclass(frozen=True, kw_only=True)
class FitOptions(ConfigOptions):
    """
    Train, or resume the run of the output folder.

    On several processes: torchrun --nproc-per-node 4 -m training fit ...
    """


@dataclass(frozen=True, kw_only=True)
class OverfitOptions(ConfigOptions):
    """
    Check that the network can overfit one batch.

    One batch without augmentation; exit code 1 when the score stays below --least.
    """

    steps: Annotated[int, Setting('training steps', '', 1)] = 200
    least: Annotated[
        float, Setting('mean IoU that must be reached', '', 0, 1), Option('MEAN_IOU')
    ] = 0.9


@dataclass(frozen=True, kw_only=True)
class FindLrOptions(ConfigOptions):
    """
    Suggest a learning rate.

    Trains with a rate that rises until the loss blows up. Writes find_lr.png and find_lr.csv to
    the output folder, and no checkpoint.
    """

    steps: Annotated[int, Setting('training steps', '', 1)] = 100


@dataclass(frozen=True)
class Mode(Settings, name='views'):
    """Views of a frame that a checkpoint sees; the mean of their softmax is scored."""

    scales: Annotated[
        tuple[float, ...],
        Setting('factors on the working size, such as 0.75,1,1.25', '', 0.1, 10),
        Option('X,X,...', read=comma_separated(float)),
    ] = (1.0,)
    flip: Annotated[bool, Setting('also mirror each view')] = False
    window: Annotated[
        tuple[int, int] | None,
        Setting(
            'size of a window that slides over each view, such as 1024x512 (default: none)',
            'px',
            MIN_WINDOW_PX,
        ),
        SIZE,
    ] = None
    overlap: Annotated[
        float, Setting('share of a window that the next one sees again', '', 0, 0.9)
    ] = 1 / 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.scales:
            raise ParameterError('--scales', self.scales, 'factors', 'Example: 0.75,1')

    @property
    def is_plain(self) -> bool:
        """Whether it is one view of the whole frame, which needs no mean."""
        return self.scales == (1.0,) and not self.flip and not self.window


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(ConfigOptions):
    """
    Score a checkpoint or model files on data.val.

    Writes scores, plots and submissions. The network is that of the checkpoint; data, working
    size and device are those of the configuration.
    """

    checkpoint: Annotated[Path | None, Setting('best.pt or last.pt of a run'), FILE] = None
    models: Annotated[
        tuple[Path, ...],
        Setting('exported .onnx or .pt2 file; give it again to compare others with the first'),
        Option('FILE', names=('--model',), repeat=True),
    ] = ()
    out: Annotated[
        Path | None, Setting('folder for scores.json, tables and images (default: none)'), FOLDER
    ] = None
    absent: Annotated[
        Literal['zero', 'skip'],
        Setting(
            'a class that is predicted but not in the ground truth scores 0, as in Cityscapes, '
            'or is left out of means, as in BDD100K'
        ),
    ] = 'zero'
    submission: Annotated[
        str,
        Setting('also write predictions for a server, cityscapes or bdd100k; needs --out'),
        Option('SERVER'),
    ] = ''
    temperature: Annotated[
        float, Setting('of the confidence of a checkpoint; 0: fitted first', '', 0, 1e3)
    ] = 0.0
    mode: Annotated[Mode, Option(prefix='')] = Mode()


@dataclass(frozen=True, kw_only=True)
class OodOptions(Settings, name='ood'):
    """
    Measure whether a network can tell that it has never seen something.

    AUROC, AUPR and FPR95 of four out-of-distribution scores. The frames of data.val of the run
    are known; with data.keep, the classes left out are the unknown pixels.
    """

    checkpoint: Checkpoint
    known: Annotated[
        NamedPaths,
        Setting('other images or videos that the network should know; repeatable'),
        Option('NAME=PATH,PATH', read=named_paths, repeat=True),
    ] = field(default_factory=dict)
    unknown: Annotated[
        NamedPaths,
        Setting('images or videos that the network should not know; repeatable'),
        Option('NAME=PATH,PATH', read=named_paths, repeat=True),
    ] = field(default_factory=dict)
    out: Annotated[
        Path | None, Setting('folder for tables, plot and images (default: none)'), FOLDER
    ] = None
    docs: Annotated[
        Path | None, Setting('page whose figures are replaced, such as docs/ood.md'), FILE
    ] = None
    show: Annotated[
        tuple[str, ...],
        Setting('set to show images of; repeatable (default: all)'),
        Option('NAME', repeat=True),
    ] = ()
    every: Annotated[int, EVERY] = 10
    temperature: Annotated[float, Setting('of the logits; 0: fitted first', '', 0, 1e3)] = 0.0
    overrides: Overrides = ()


@dataclass(frozen=True, kw_only=True)
class SheetOptions(Settings, name='sheet'):
    """Draw the answers of several model files on the same images, side by side."""

    pictures: Annotated[
        tuple[Path, ...], Setting('images to segment'), Option('IMAGE', positional=True)
    ]
    models: Annotated[
        tuple[Path, ...],
        Setting('model file; repeatable'),
        Option('FILE', names=('--model',), repeat=True),
    ]
    out: Annotated[Path, Setting('image to write, ending in .png or .jpg'), FILE]


@dataclass(frozen=True, kw_only=True)
class PseudoLabelOptions(Settings, name='pseudo-label'):
    """
    Let a network label frames without labels, for self-training.

    Writes a data set of kind folder. Called again, it resumes.
    """

    frames: Annotated[tuple[Path, ...], Setting('images, folders of images, videos'), PATHS]
    checkpoint: Checkpoint
    out: Annotated[Path, Setting('folder of the data set'), FOLDER]
    height: Annotated[int, Setting('height of the frames that are written', 'px', 64)] = 360
    every: Annotated[int, EVERY] = 1
    sure: Annotated[
        float,
        Setting('least softmax of a pixel that is labelled; others are 255', '', 1e-3, 0.999),
    ] = 0.7
    overrides: Overrides = ()


@dataclass(frozen=True, kw_only=True)
class BlendOptions(Settings, name='blend'):
    """
    Average the weights of checkpoints, such as before and after a part of the training.

    Data and configuration are those of the first.
    """

    checkpoints: Annotated[
        tuple[Path, ...], Setting('checkpoints to average'), Option('CHECKPOINT', positional=True)
    ]
    out: Annotated[Path, Setting('checkpoint to write'), FILE]


@dataclass(frozen=True)
class ExportOptions(Settings, name='export'):
    """
    Write model files and their cards.

    A file is written only if it gives what the network gives on data.val, and in eight bits only
    if that costs little. Data and size are those of the run.
    """

    checkpoint: Checkpoint
    out: Annotated[
        Path,
        Setting('float32 file, ending in .onnx; the others lie next to it, named after it'),
        FILE,
    ]
    held_out: Annotated[
        Path | None,
        Setting(
            'checkpoint of another run, which was not trained on its data.val: the card gets its '
            'scores, temperature and out-of-distribution scale'
        ),
        FILE,
    ] = None
    int8: Annotated[bool, Setting('also write OUT.int8.onnx, in eight bits')] = False
    pt2: Annotated[bool, Setting('also write OUT.pt2, for the torch engine')] = False
    calibration: Annotated[
        int,
        Setting('training frames that the eight-bit ranges are taken from', '', 0),
        Option(names=('--calibration-frames', '--calibration')),
    ] = 64
    max_drop: Annotated[
        float, Setting('mIoU that eight bits may cost, in points'), Option('POINTS')
    ] = 1.0
    overrides: Overrides = ()


@dataclass(frozen=True, kw_only=True)
class StatsOptions(ConfigOptions):
    """
    Count how often the classes occur in data.train, and the weights that follow.

    Reads labels only, in data.workers processes.
    """

    out: Annotated[
        Path | None,
        Setting('folder for stats.csv, stats.json and stats.png (default: none)'),
        FOLDER,
    ] = None


@dataclass(frozen=True, kw_only=True)
class ShardOptions(ConfigOptions):
    """
    Write the data sets of a configuration as tar files, for large ones.

    Frames are chosen, mapped and resized as the configuration says. Called again, it resumes.
    OUT/data.yaml is the data group that reads them.
    """

    out: Annotated[Path, Setting('folder of the tar files'), FOLDER]
    per_shard_mb: Annotated[float, Setting('size of a tar file', 'MB', 1e-6, 1e6)] = 256.0


@dataclass(frozen=True, kw_only=True)
class SummaryOptions(Settings, name='summary'):
    """Print a table of the networks, in Markdown."""

    names: Annotated[
        tuple[str, ...],
        Setting('networks (default: all)'),
        Option('NAME', positional=True),
    ] = ()
    size: Annotated[tuple[int, int], Setting('size of the image', 'px'), SIZE] = (1024, 2048)
    classes: Annotated[
        int, Setting('number of classes', '', 1), Option(names=('--num-classes', '--classes'))
    ] = 19
    cpu_ms: Annotated[bool, Setting('also time the exported files on this CPU')] = False


@dataclass(frozen=True)
class StudyOptions(Settings, name='study'):
    """
    Train the variants of a claim under one budget and write its page.

    Studies are in config/training/studies. What is done is kept: the same command resumes.
    """

    name: Annotated[str, Setting('name of the study'), Option('NAME', positional=True)]
    out: Annotated[Path, Setting('folder of the runs'), FOLDER] = Path('runs/studies')
    docs: Annotated[Path, Setting('folder of the pages'), FOLDER] = Path('docs/studies')
    variants: Annotated[
        tuple[str, ...],
        Setting('train these variants only, such as unet,enet (default: all)'),
        Option('NAME,NAME', read=comma_separated(str), names=('--variants', '--arms')),
    ] = ()
    seeds: Annotated[
        tuple[int, ...],
        Setting('seeds in place of those of the study, such as 0,1'),
        Option('N,N', read=comma_separated(int)),
    ] = ()
    minutes: Annotated[
        float,
        Setting(
            'time there is; stops at once if the estimate is longer; 0: no limit', 'minutes', 0
        ),
    ] = 0.0
    overrides: Overrides = ()
