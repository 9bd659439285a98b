# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from training.config import load_config
from training.data import open_frames
from training.distributed import Process
from training.fit import Trainer, open_training_data
from training.plots import curves_plot, sweep_plot
from training.record import RunRecord
from training.report import write_config, write_run_report

CPU = Process(torch.device('cpu'))


def test_config_of_the_report_is_read_back_as_it_was(config, tmp_path):
    write_config(config, tmp_path / 'config.yaml')
    assert load_config(tmp_path / 'config.yaml') == config
    text = (tmp_path / 'config.yaml').read_text()
    assert 'clip_norm: 0.0' in text  # a default, written out
    assert 'tuple' not in text


def test_report_of_a_run(config):
    trainer = Trainer(config, open_training_data(config, CPU), CPU)
    record = RunRecord('tiny', Path(config.out), trainer.total_steps, 0)
    best = trainer.fit(record)
    record.close()
    folder = write_run_report(config, open_frames(config.data).val, CPU.device)
    assert folder == Path(config.out) / 'report'
    assert {path.name for path in folder.iterdir()} == {
        'config.yaml', 'confusion.png', 'curves.png', 'per_class.csv', 'per_frame.csv',
        'predictions.png', 'reliability.png', 'scores.json',
    }  # fmt: skip
    scores = json.loads((folder / 'scores.json').read_text())
    assert scores['models']['best']['mean_iou'] == pytest.approx(best, abs=1e-9)
    assert scores['frames'] == 2


def ink(path, rgb):
    """How many pixels of the picture are of about that colour."""
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(int)
    return int((np.abs(picture - rgb).max(axis=2) < 24).sum())


BLUE, RED = (31, 119, 180), (214, 39, 40)  # the first curve, and what is marked


def test_curves_mark_the_best_score(tmp_path):
    rows = [
        {'epoch': str(n), 'learning_rate': '0.1', 'loss': str(3 / n), 'mean_iou': str(0.1 * n)}
        for n in range(1, 5)
    ]
    curves_plot(rows, tmp_path / 'a.png')
    assert ink(tmp_path / 'a.png', BLUE) > 1000
    assert 20 < ink(tmp_path / 'a.png', RED) < 400
    curves_plot([row | {'mean_iou': ''} for row in rows], tmp_path / 'b.png')
    assert ink(tmp_path / 'b.png', RED) == 0


def test_sweep_marks_the_suggestion(tmp_path):
    rates = np.geomspace(1e-6, 1, 20)
    losses = np.linspace(3, 1, 20)
    sweep_plot(rates, losses, losses, 1e-3, tmp_path / 'a.png')
    assert ink(tmp_path / 'a.png', RED) > 200
