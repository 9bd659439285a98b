# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The folder ``report`` at the end of a run: what was trained, how it went, what came out.

    config.yaml    every key written out; the command that trained it takes this file too
    curves.png     losses, validation scores and learning rate over the epochs
    and what ``evaluate --out`` writes: scores.json, tables, confusion, reliability, predictions
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml

from seg_perception.io.atomic import write_text
from seg_perception.report import plots
from training.checkpoint import load_checkpoint
from training.config import TrainConfig
from training.data.sample import FrameSet
from training.evaluate.predictors import checkpoint_network, network_predictor
from training.evaluate.report import best_median_worst, write_report, write_scores
from training.evaluate.scores import at_working_size, score
from training.record import CsvLog, Row


def write_run_report(config: TrainConfig, val: FrameSet, device: torch.device) -> Path:
    """Score ``best.pt`` of a run on the validation frames and write the folder; its path."""
    out = Path(config.out)
    folder = out / 'report'
    write_config(config, folder / 'config.yaml')
    curves = plots.training_curves(series_of(CsvLog(out / 'log.csv').rows()))
    plots.write_figure(folder / 'curves.png', curves)
    state = load_checkpoint(out / 'best.pt')
    net = checkpoint_network(state, device)
    predict = at_working_size(network_predictor(net), config.deploy.size_for)
    scores = score(predict, val, task='report')
    about = {'absent': 'zero', 'epoch': state['epoch'], 'frames': len(val)}
    write_scores(folder / 'scores.json', {'best': scores}, val.classes, about)
    rows = best_median_worst(scores, val, predict)
    write_report(folder, scores, val.classes, rows)
    return folder


def series_of(rows: Sequence[Row]) -> dict[str, plots.Curve]:
    """Epochs and values of each column of log.csv, where it has a value; a file holds text."""

    def curve(name: str) -> plots.Curve:
        pairs = [(float(row['epoch']), float(row[name])) for row in rows if row.get(name)]
        epochs, values = np.array(pairs).reshape(-1, 2).T
        return epochs, values

    return {name: curve(name) for name in (*rows[-1], 'mean_iou', 'pixel_accuracy')}


def write_config(config: TrainConfig, path: Path) -> None:
    """The configuration with every default written out; ``load_config`` reads it back."""
    text = yaml.safe_dump(config.to_dict(), sort_keys=False, default_flow_style=None, width=99)
    write_text(path, text)
