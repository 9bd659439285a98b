# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The options of every command of the trainer: names, defaults, units, ranges and help."""

from __future__ import annotations

import logging
from argparse import ArgumentTypeError
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from seg_perception.command_line import SIZE, Option, comma_separated, size, within
from seg_perception.core.errors import ParameterError
from seg_perception.core.settings import Setting, Settings

MIN_WINDOW_PX = 32  # the least size that every network takes
log = logging.getLogger(__name__)
FILE, FOLDER, PATHS = Option('FILE'), Option('DIR'), Option('PATH', positional=True)


def named_paths(text: str) -> tuple[str, tuple[Path, ...]]:
    """A set of files from a word such as ``snow=a.png,b.mp4``."""
    name, equals, paths = text.partition('=')
    if not (name and equals and paths):
        raise ArgumentTypeError(f'got {text!r}, expected NAME=PATH or NAME=PATH,PATH')
    return name, tuple(map(Path, paths.split(',')))


def landscape(text: str) -> tuple[int, int]:
    """WxH as (height, width), with a warning where it looks like HxW, as it once was."""
    height, width = size(text)
    if height > width:
        log.warning('%s is %d pixels wide and %d high', text, width, height)
    return height, width


LANDSCAPE = Option(SIZE.placeholder, read=landscape)
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
FrameSets = Annotated[
    Mapping[str, tuple[Path, ...]], Option('NAME=PATH,PATH', read=named_paths, repeat=True)
]
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

    :param steps: training steps
    :param least: mean IoU that must be reached
    """

    steps: Annotated[int, within(1)] = 200
    least: Annotated[float, within(0, 1), Option('MEAN_IOU')] = 0.9


@dataclass(frozen=True, kw_only=True)
class FindLrOptions(ConfigOptions):
    """
    Suggest a learning rate.

    Trains with a rate that rises until the loss blows up. Writes find_lr.png and find_lr.csv to
    the output folder, and no checkpoint.

    :param steps: training steps
    """

    steps: Annotated[int, within(1)] = 100


@dataclass(frozen=True)
class Mode(Settings, name='views'):
    """
    Views of a frame that a checkpoint sees; the mean of their softmax is scored.

    :param scales: factors on the working size, such as 0.75,1,1.25
    :param flip: also mirror each view
    :param window: size of a window that slides over each view, such as 1024x512 (default: none)
    :param overlap: share of a window that the next one sees again
    """

    scales: Annotated[
        tuple[float, ...], within(0.1, 10), Option('X,X,...', read=comma_separated(float))
    ] = (1.0,)
    flip: bool = False
    window: Annotated[tuple[int, int] | None, within(MIN_WINDOW_PX), LANDSCAPE] = None
    overlap: Annotated[float, within(0, 0.9)] = 1 / 3

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

    :param checkpoint: best.pt or last.pt of a run
    :param models: exported .onnx or .pt2 file; give it again to compare others with the first
    :param out: folder for scores.json, tables and images (default: none)
    :param absent: a class that is predicted but not in the ground truth scores 0, as in
        Cityscapes, or is left out of means, as in BDD100K
    :param submission: also write predictions for a server, cityscapes or bdd100k; needs --out
    :param temperature: of the confidence of a checkpoint; 0: fitted first
    """

    checkpoint: Annotated[Path | None, FILE] = None
    models: Annotated[tuple[Path, ...], Option('FILE', names=('--model',), repeat=True)] = ()
    out: Annotated[Path | None, FOLDER] = None
    absent: Annotated[str, Setting('', choices=('zero', 'skip'))] = 'zero'
    submission: Annotated[str, Option('SERVER')] = ''
    temperature: Annotated[float, within(0, 1000)] = 0.0
    mode: Annotated[Mode, Option(prefix='')] = Mode()


@dataclass(frozen=True, kw_only=True)
class OodOptions(Settings, name='ood'):
    """
    Measure whether a network can tell that it has never seen something.

    AUROC, AUPR and FPR95 of four out-of-distribution scores. The frames of data.val of the run
    are known; with data.keep, the classes left out are the unknown pixels.

    :param known: other images or videos that the network should know; repeatable
    :param unknown: images or videos that the network should not know; repeatable
    :param out: folder for tables, plot and images (default: none)
    :param docs: page whose figures are replaced, such as docs/ood.md
    :param show: set to show images of; repeatable (default: all)
    :param temperature: of the logits; 0: fitted first
    """

    checkpoint: Checkpoint
    known: FrameSets = field(default_factory=dict)
    unknown: FrameSets = field(default_factory=dict)
    out: Annotated[Path | None, FOLDER] = None
    docs: Annotated[Path | None, FILE] = None
    show: Annotated[tuple[str, ...], Option('NAME', repeat=True)] = ()
    every: Annotated[int, EVERY] = 10
    temperature: Annotated[float, within(0, 1000)] = 0.0
    overrides: Overrides = ()


@dataclass(frozen=True, kw_only=True)
class SheetOptions(Settings, name='sheet'):
    """
    Draw the answers of several model files on the same images, side by side.

    :param images: images to segment
    :param models: model file; repeatable
    :param out: image to write, ending in .png or .jpg
    """

    images: Annotated[tuple[Path, ...], Option('IMAGE', positional=True)]
    models: Annotated[tuple[Path, ...], Option('FILE', names=('--model',), repeat=True)]
    out: Annotated[Path, FILE]


@dataclass(frozen=True, kw_only=True)
class PseudoLabelOptions(Settings, name='pseudo-label'):
    """
    Let networks label frames without labels, for self-training.

    Writes a data set of kind folder. Called again, it resumes. With --teachers, several networks
    have to agree, and labels may be any of several classes (data.partial_labels).

    :param frames: images, folders of images, videos
    :param checkpoint: best.pt or last.pt of a run that labels alone
    :param teachers: several networks and their gates, a YAML file
    :param labels: folder of masks that people made, by the names of the frames: the teachers only
        make these finer, and label the rest
    :param label_classes: class table of --labels
    :param ego: outlines of the own vehicle, a YAML file of lists of [x, y] as shares of width and
        height, by the beginning of the names of the frames
    :param out: folder of the data set
    :param height: height of the frames that are written
    :param sure: least softmax of a pixel that a checkpoint labels; others are 255
    """

    frames: Annotated[tuple[Path, ...], PATHS]
    checkpoint: Annotated[Path | None, FILE] = None
    teachers: Annotated[Path | None, FILE] = None
    labels: Annotated[Path | None, FOLDER] = None
    label_classes: Annotated[str, Option('TABLE')] = ''
    ego: Annotated[Path | None, FILE] = None
    out: Annotated[Path, FOLDER]
    height: Annotated[int, within(64), Option('PX')] = 360
    every: Annotated[int, EVERY] = 1
    sure: Annotated[float, within(0.001, 0.999)] = 0.7
    overrides: Overrides = ()


@dataclass(frozen=True, kw_only=True)
class BlendOptions(Settings, name='blend'):
    """
    Average the weights of checkpoints, such as before and after a part of the training.

    Data and configuration are those of the first.

    :param checkpoints: checkpoints to average
    :param out: checkpoint to write
    """

    checkpoints: Annotated[tuple[Path, ...], Option('CHECKPOINT', positional=True)]
    out: Annotated[Path, FILE]


@dataclass(frozen=True)
class ExportOptions(Settings, name='export'):
    """
    Write model files and their cards.

    A file is written only if it gives what the network gives on data.val, and in eight bits only
    if that costs little. Data and size are those of the run.

    :param out: float32 file, ending in .onnx; the others lie next to it, named after it
    :param held_out: checkpoint of another run, which was not trained on its data.val: the card
        gets its scores, temperature and out-of-distribution scale
    :param int8: also write OUT.int8.onnx, in eight bits
    :param pt2: also write OUT.pt2, for the torch engine
    :param calibration: training frames that the eight-bit ranges are taken from
    :param max_drop: mIoU that eight bits may cost, in points
    """

    checkpoint: Checkpoint
    out: Annotated[Path, FILE]
    held_out: Annotated[Path | None, FILE] = None
    int8: bool = False
    pt2: bool = False
    calibration: Annotated[
        int, within(0), Option(names=('--calibration-frames', '--calibration'))
    ] = 64
    max_drop: Annotated[float, Option('POINTS')] = 1.0
    overrides: Overrides = ()


@dataclass(frozen=True, kw_only=True)
class StatsOptions(ConfigOptions):
    """
    Count how often the classes occur in data.train, and the weights that follow.

    Reads labels only, in data.workers processes.

    :param out: folder for stats.csv, stats.json and stats.png (default: none)
    """

    out: Annotated[Path | None, FOLDER] = None


@dataclass(frozen=True, kw_only=True)
class ShardOptions(ConfigOptions):
    """
    Write the data sets of a configuration as tar files, for large ones.

    Frames are chosen, mapped and resized as the configuration says. Called again, it resumes.
    OUT/data.yaml is the data group that reads them.

    :param out: folder of the tar files
    :param per_shard_mb: size of a tar file
    """

    out: Annotated[Path, FOLDER]
    per_shard_mb: Annotated[float, within(1e-6, 1e6), Option('MB')] = 256.0


@dataclass(frozen=True, kw_only=True)
class SummaryOptions(Settings, name='summary'):
    """
    Print a table of the networks, in Markdown.

    :param names: networks (default: all)
    :param size: size of the image
    :param classes: number of classes
    :param cpu_ms: also time the exported files on this CPU
    """

    names: Annotated[tuple[str, ...], Option('NAME', positional=True)] = ()
    size: Annotated[tuple[int, int], LANDSCAPE] = (1024, 2048)
    classes: Annotated[int, within(1), Option(names=('--num-classes', '--classes'))] = 19
    cpu_ms: bool = False


@dataclass(frozen=True)
class StudyOptions(Settings, name='study'):
    """
    Train the variants of a claim under one budget and write its page.

    Studies are in config/training/studies. What is done is kept: the same command resumes.

    :param name: name of the study
    :param out: folder of the runs
    :param docs: folder of the pages
    :param variants: train these variants only, such as unet,enet (default: all)
    :param seeds: seeds in place of those of the study, such as 0,1
    :param minutes: time there is; stops at once if the estimate is longer; 0: no limit
    """

    name: Annotated[str, Option('NAME', positional=True)]
    out: Annotated[Path, FOLDER] = Path('runs/studies')
    docs: Annotated[Path, FOLDER] = Path('docs/studies')
    variants: Annotated[
        tuple[str, ...],
        Option('NAME,NAME', read=comma_separated(str), names=('--variants', '--arms')),
    ] = ()
    seeds: Annotated[tuple[int, ...], Option('N,N', read=comma_separated(int))] = ()
    minutes: Annotated[float, within(0), Option('MINUTES')] = 0.0
    overrides: Overrides = ()
