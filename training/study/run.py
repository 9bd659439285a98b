# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
One run of a study: train, export, score; each step is skipped where its file is there already.

    config.yaml    what is trained, whole
    best.pt        what ``fit`` left
    model.onnx     what ``export`` made of it
    result.json    what it reached
"""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from seg_perception.io.atomic import write_json
from seg_perception.io.job_folder import check_same as check_same_job
from training.checkpoint import load_checkpoint
from training.config import load_config
from training.data import open_val
from training.data.sample import FrameSet
from training.errors import CheckpointError
from training.evaluate.predictors import checkpoint_network, score_file
from training.fit import BEST
from training.report import write_config
from training.study.plan import Run
from training.summary import count_macs, count_parameters

CONFIG, MODEL, RESULT = 'config.yaml', 'model.onnx', 'result.json'
SIZE = (384, 640)
"""Height and width that MACs and milliseconds are told for."""


@dataclass(frozen=True)
class Result:
    """Scores of one run on ``data.val``, by its exported file."""

    variant: str
    seed: int
    steps: int
    minutes: float
    parameters: int
    macs: float
    scores: dict[str, float]  # the means of ``Scores``
    class_iou: dict[str, float]  # NaN for classes that the truth has not

    def metric(self, name: str, groups: Mapping[str, tuple[str, ...]]) -> float:
        """A score by name, or the mean IoU of a group of classes."""
        if name in self.scores:
            return self.scores[name]
        values = [self.class_iou[row] for row in groups[name]]
        return sum(values) / len(values)


def is_done(run: Run) -> bool:
    """Whether the run has its result."""
    return (run.out / RESULT).is_file()


def check_same(run: Run) -> None:
    """
    Refuse a folder whose run was of another configuration.

    :raises CheckpointError: with the keys that differ.
    """
    path = run.out / CONFIG
    if not path.is_file():
        return
    fix = 'Give another --out, or delete that folder.'
    there, here = load_config(path).to_dict(), run.config.to_dict()
    check_same_job(f'folder {run.out}', there, here, fix, error=CheckpointError)


def train(run: Run) -> None:
    """
    Train in a process of its own: whatever happens there, the study goes on.

    :raises subprocess.CalledProcessError: when it fails.
    """
    write_config(run.config, run.out / CONFIG)
    command = [sys.executable, '-m', 'training', 'fit', '--config', str(run.out / CONFIG)]
    subprocess.run(command, check=True)


def finish(run: Run) -> Result:
    """Export and score what was trained, and write it down."""
    from training.export.export import export
    from training.options import ExportOptions

    model = run.out / MODEL
    if not model.is_file():
        export(ExportOptions(run.out / BEST, model))
    result = _measure(run, open_val(run.config.data), model)
    write_json(run.out / RESULT, asdict(result))
    return result


def read_result(run: Run) -> Result:
    """The result that the run wrote."""
    row = json.loads((run.out / RESULT).read_text())
    row.setdefault('variant', row.pop('arm', run.variant))  # its name in older files
    for name in ('scores', 'class_iou'):
        row[name] = {key: math.nan if value is None else value for key, value in row[name].items()}
    return Result(**row)


def _measure(run: Run, val: FrameSet, model: Path) -> Result:
    scores = score_file(model, val)
    with (run.out / 'log.csv').open() as file:
        last = list(csv.DictReader(file))[-1]
    net = checkpoint_network(load_checkpoint(run.out / BEST))
    return Result(
        variant=run.variant,
        seed=run.seed,
        steps=int(last['step']),
        minutes=float(last['minutes']),
        parameters=count_parameters(net),
        macs=count_macs(net, SIZE),
        scores={k: v for k, v in scores.means().items() if k != 'ms_per_frame'},
        class_iou=dict(zip(val.classes.names, map(float, scores.matrix.iou()), strict=True)),
    )
