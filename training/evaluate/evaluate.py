# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m training evaluate``: a checkpoint, or model files side by side."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from seg_perception.core.classes import ClassTable
from seg_perception.inference.open_engine import open_engine
from seg_perception.io.atomic import make_folder, write_json
from training.checkpoint import load_checkpoint
from training.config import TrainConfig, parse_config
from training.data import open_val
from training.data.domains import open_domains
from training.data.sample import FrameSet
from training.data.tables import check_table
from training.distributed import pick_device
from training.errors import ConfigError
from training.evaluate.domains import score_domains
from training.evaluate.predictors import (
    checkpoint_network,
    engine_predictor,
    file_predictor,
    holdout_temperature,
    network_predictor,
)
from training.evaluate.report import best_median_worst, comparison_text, write_report, write_scores
from training.evaluate.scores import Predictor, Scores, at_working_size, score
from training.evaluate.submission import open_writer
from training.options import EvaluateOptions


def evaluate(options: EvaluateOptions, config: TrainConfig) -> str:
    """
    Score, write the files that were asked for, and give the table to print.

    :raises SegPerceptionError: when options, files and data do not fit.
    """
    _check(options, config)
    if options.out:
        make_folder(options.out)
    if config.threads:
        torch.set_num_threads(config.threads)
    if any(source.domain for source in config.data.val):
        return _by_domain(options, config)
    # Each frame is read once or twice: a cache would only fill the memory.
    frames = open_val(dataclasses.replace(config.data, cache=False))
    named = {}
    for name, path in _named_paths(options).items():
        predict = _predictor(path, options, config, frames)
        named[name] = _score(name, predict, options, frames)
    if options.out:
        about = {
            'data': [dataclasses.asdict(source) for source in config.data.val],
            'frames': len(frames),
            'absent': options.absent,
            'mode': dataclasses.asdict(options.mode),
            'files': {name: str(path) for name, path in _named_paths(options).items()},
        }
        write_scores(options.out / 'scores.json', named, frames.classes, about)
    if len(named) > 1:
        return comparison_text(named, frames.classes, options.absent)
    return next(iter(named.values())).text(frames.classes, options.absent)


def _by_domain(options: EvaluateOptions, config: TrainConfig) -> str:
    """Score models of any classes on each domain of the configuration; write domains.json."""
    domains, named = open_domains(config.data), {}
    for name, path in _named_paths(options).items():
        predict, classes = _free_predictor(path, options, config)
        named[name] = score_domains(predict, classes, domains)
    if options.out:
        record = {name: scores.record() for name, scores in named.items()}
        write_json(options.out / 'domains.json', record)
    return '\n\n'.join(scores.text(name) for name, scores in named.items())


def _free_predictor(
    path: Path, options: EvaluateOptions, config: TrainConfig
) -> tuple[Predictor, ClassTable]:
    """A predictor at the working size of the model itself, and the classes that it has."""
    if options.models:
        engine = open_engine(path, config.device.split(':')[0], config.threads)
        return engine_predictor(engine), engine.card.classes
    state = load_checkpoint(path)
    net = checkpoint_network(state, pick_device(config.device))
    predict = network_predictor(net, options.mode, options.temperature or 1.0)
    size_for = parse_config(state['config']).deploy.size_for
    return at_working_size(predict, size_for), ClassTable.from_dict(state['classes'])


def _score(name: str, predict: Predictor, options: EvaluateOptions, frames: FrameSet) -> Scores:
    """Scores of one model, and its part of the output folder."""
    seen = None
    if options.submission and options.out:
        folder = options.out / 'submission'
        seen = open_writer(options.submission, folder, frames.classes)
    scores = score(predict, frames, seen, name)
    if options.out:
        folder = options.out / name if len(options.models) > 1 else options.out
        rows = best_median_worst(scores, frames, predict)
        write_report(folder, scores, frames.classes, rows, options.absent)
    return scores


def _predictor(
    path: Path, options: EvaluateOptions, config: TrainConfig, frames: FrameSet
) -> Predictor:
    if options.models:
        provider = config.device.split(':')[0]
        return file_predictor(path, frames.classes, provider, config.threads)
    state = load_checkpoint(path)
    check_table('the checkpoint', ClassTable.from_dict(state['classes']), frames.classes)
    net = checkpoint_network(state, pick_device(config.device))
    temperature = options.temperature or holdout_temperature(net, frames, config)
    predict = network_predictor(net, options.mode, temperature)
    return at_working_size(predict, config.deploy.size_for)


def _named_paths(options: EvaluateOptions) -> dict[str, Path]:
    """Names to tell the models apart, the shortest that do."""
    paths = [options.checkpoint] if options.checkpoint else list(options.models)
    choices = (
        [path.stem for path in paths],
        [f'{path.parent.name}_{path.name}' for path in paths],
        [f'{number}_{path.name}' for number, path in enumerate(paths, start=1)],
    )
    names = next(names for names in choices if len(set(names)) == len(names))
    return dict(zip(names, paths, strict=True))


def _check(options: EvaluateOptions, config: TrainConfig) -> None:
    if bool(options.checkpoint) == bool(options.models):
        raise ConfigError('what to evaluate', 'both or neither', '--checkpoint or --model')
    if len({path.resolve() for path in options.models}) < len(options.models):
        raise ConfigError('--model', 'the same file twice', 'each file once')
    if options.models and not options.mode.is_plain:
        fix = 'It answers with labels, not with shares to average: evaluate its checkpoint.'
        raise ConfigError('--model with several views', options.mode, 'a single view', fix)
    if options.submission and not options.out:
        raise ConfigError('--submission', 'no --out', 'a folder to write to')
    if options.submission and any(source.domain for source in config.data.val):
        raise ConfigError('--submission', 'frames by domain', 'frames of one data set')
    if options.submission and len(options.models) > 1:
        raise ConfigError('--submission', f'{len(options.models)} models', 'one')
