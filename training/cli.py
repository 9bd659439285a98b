# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Commands of the trainer: each is a function of its options, and imports torch only when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from seg_perception.command_line import by_name, run_command
from seg_perception.core.errors import SegPerceptionError
from training.options import (
    BlendOptions,
    ConfigOptions,
    EvaluateOptions,
    ExportOptions,
    FindLrOptions,
    FitOptions,
    OodOptions,
    OverfitOptions,
    PseudoLabelOptions,
    ShardOptions,
    SheetOptions,
    StatsOptions,
    StudyOptions,
    SummaryOptions,
)

if TYPE_CHECKING:
    from training.config import TrainConfig

PROGRAM = 'python -m training'
DESCRIPTION = 'Train segmentation networks and export them as model files.'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code is that of ``run_command``."""
    words = sys.argv[1:] if arguments is None else arguments
    return run_command(PROGRAM, DESCRIPTION, COMMANDS, words, _prepare)


def _prepare(command: str, words: Sequence[str]) -> None:
    """
    Check for torch.

    :raises SegPerceptionError: when torch cannot be found.
    """
    if find_spec('torch') is None:
        raise SegPerceptionError(
            f'`{PROGRAM} {command}`',
            'a Python without torch',
            'torch',
            'Run: pip install -r requirements/train.txt, or pip install torch torchvision onnx',
        )


def _load(options: ConfigOptions) -> TrainConfig:
    from training.config import load_config

    return load_config(options.config, options.overrides)


def _fit(options: FitOptions) -> None:
    from training.fit import fit

    fit(_load(options))


def _overfit(options: OverfitOptions) -> object:
    from training.probes import check_overfit, overfit

    result = overfit(_load(options), options.steps)
    print(result.text())
    check_overfit(result, options.least)


def _find_lr(options: FindLrOptions) -> object:
    from training.probes import find_learning_rate, write_sweep

    config = _load(options)
    sweep = find_learning_rate(config, options.steps)
    write_sweep(sweep, Path(config.out))
    return f'suggested optim.learning_rate: {sweep.suggestion:.2g}; see {config.out}/find_lr.png'


def _evaluate(options: EvaluateOptions) -> object:
    from training.evaluate.evaluate import evaluate

    return _with_folder(evaluate(options, _load(options)), options.out)


def _ood(options: OodOptions) -> object:
    from training.evaluate.ood import measure

    return measure(options)


def _sheet(options: SheetOptions) -> object:
    from training.evaluate.sheet import write_sheet

    write_sheet(options.models, options.images, options.out)
    return f'wrote {options.out}'


def _pseudo_label(options: PseudoLabelOptions) -> object:
    from training.pseudo_labels import pseudo_label

    return pseudo_label(options)


def _blend(options: BlendOptions) -> object:
    from training.average import blend

    blend(options.checkpoints, options.out)
    return f'wrote {options.out}'


def _export(options: ExportOptions) -> object:
    from training.export.export import export

    return export(options)


def _stats(options: StatsOptions) -> object:
    from training.stats_report import statistics_of, statistics_text, write_statistics

    config = _load(options)
    statistics = statistics_of(config.data)
    if options.out:
        write_statistics(statistics, config.loss.weight_offset, options.out)
    return _with_folder(statistics_text(statistics, config.loss.weight_offset), options.out)


def _shard(options: ShardOptions) -> object:
    from training.data.convert import convert

    return f'wrote {convert(_load(options).data, options.out, options.per_shard_mb)}'


def _summary(options: SummaryOptions) -> object:
    from training.summary import markdown, summarise

    rows = summarise(options.names, options.size, options.classes, options.cpu_ms)
    return markdown(rows, options.size, options.classes)


def _study(options: StudyOptions) -> object:
    from training.study.study import study

    return f'wrote {study(options)}'


def _with_folder(text: str, out: Path | None) -> str:
    return f'{text}\nwrote {out}' if out else text


COMMANDS = by_name(
    *(_fit, _overfit, _find_lr, _evaluate, _ood, _sheet, _pseudo_label, _blend, _export),
    *(_stats, _shard, _summary, _study),
)
