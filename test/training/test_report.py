# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
import torch

from training.config import load_config
from training.data import open_frames
from training.distributed import Process
from training.fit import Trainer, open_training_data
from training.record import RunRecord
from training.report import series_of, write_config, write_run_report

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


def test_series_leave_out_epochs_without_a_value():
    rows = [
        {'epoch': '1', 'loss': '3.0', 'mean_iou': ''},
        {'epoch': '2', 'loss': '1.5', 'mean_iou': '0.25'},
    ]
    series = {name: [part.tolist() for part in curve] for name, curve in series_of(rows).items()}
    assert series['loss'] == [[1, 2], [3, 1.5]]
    assert series['mean_iou'] == [[2], [0.25]]
    assert series['pixel_accuracy'] == [[], []]
