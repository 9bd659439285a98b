# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The folder ``report`` at the end of a run: what was trained, how it went, what came out.

    config.yaml    every key written out; the command that trained it takes this file too
    curves.png     losses, validation scores and learning rate over the epochs
    and what ``evaluate --out`` writes: scores.json, tables, confusion, reliability, predictions
"""

from __future__ import annotations

from pathlib import Path

import torch
import yaml

from seg_perception.io.atomic import write_text
from training.checkpoint import load_checkpoint
from training.config import TrainConfig
from training.data.sample import FrameSet
from training.evaluate.network import checkpoint_network, network_predictor
from training.evaluate.report import best_median_worst, write_report, write_scores
from training.evaluate.scores import at_working_size, score
from training.plots import curves_plot
from training.record import CsvLog


def write_run_report(config: TrainConfig, val: FrameSet, device: torch.device) -> Path:
    """Score ``best.pt`` of a run on the validation frames and write the folder; its path."""
    out = Path(config.out)
    folder = out / 'report'
    write_config(config, folder / 'config.yaml')
    curves_plot(CsvLog(out / 'log.csv').rows(), folder / 'curves.png')
    state = load_checkpoint(out / 'best.pt')
    net = checkpoint_network(state, device)
    predict = at_working_size(network_predictor(net), config.deploy.size_for)
    scores = score(predict, val, task='report')
    about = {'absent': 'zero', 'epoch': state['epoch'], 'frames': len(val)}
    write_scores(folder / 'scores.json', {'best': scores}, val.classes, about)
    rows = best_median_worst(scores, val, predict)
    write_report(folder, scores, val.classes, rows)
    return folder


def write_config(config: TrainConfig, path: Path) -> None:
    """The configuration with every default written out; ``load_config`` reads it back."""
    text = yaml.safe_dump(config.to_dict(), sort_keys=False, default_flow_style=None, width=99)
    write_text(path, text)
