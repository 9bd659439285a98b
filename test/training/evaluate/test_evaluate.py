# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest
import torch
import yaml

from seg_perception.core.classes import (
    BDD100K_DRIVABLE_3,
    CAMVID_11,
    CAMVID_EXACT_11,
    CITYSCAPES_19,
)
from tiny_model import write_tiny_model
from training.checkpoint import KEYS, save_checkpoint
from training.cli import main
from training.evaluate import evaluate as evaluate_module
from training.models import build_model

MODEL = {'name': 'ddrnet23_slim', 'options': {'planes': 8, 'head': 16}}


@pytest.fixture
def config(tmp_path):
    """A configuration file whose data are those of the fixture that is used with it."""
    path = tmp_path / 'config.yaml'
    path.write_text(yaml.safe_dump({'name': 'x', 'out': 'x', 'device': 'cpu'}))
    return str(path)


@pytest.fixture
def opened(monkeypatch):
    """Has the command open given frames."""

    def use(frames):
        monkeypatch.setattr(evaluate_module, 'open_val', lambda data: frames)

    return use


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    net = build_model(MODEL['name'], 11, MODEL['options'])
    state = dict.fromkeys(KEYS, 0) | {
        'config': {'name': 'x', 'out': 'x', 'model': MODEL},
        'classes': CAMVID_11.to_dict(),
        'average': net.state_dict(),
    }
    save_checkpoint(tmp_path / 'best.pt', state)
    return str(tmp_path / 'best.pt')


def refused(words, capsys):
    assert main(['evaluate', *words]) == 2
    return capsys.readouterr().err


def test_model_file_that_reads_its_frames(streets, opened, config, tmp_path, capsys):
    opened(streets)
    model, out = write_tiny_model(tmp_path / 'tiny.onnx'), tmp_path / 'out'
    assert main(['evaluate', '--model', str(model), '--config', config, '--out', str(out)]) == 0
    text = capsys.readouterr().out
    assert 'mean iou                    1.0000' in text and '5 frames' in text
    assert {file.name for file in out.iterdir()} == {
        'confusion.png',
        'per_class.csv',
        'per_frame.csv',
        'predictions.png',
        'reliability.png',
        'scores.json',
    }
    scores = json.loads((out / 'scores.json').read_text())
    assert scores['models']['tiny']['mean_iou'] == 1
    assert scores['models']['tiny']['calibration_error'] == pytest.approx(1 - 200 / 255)
    assert scores['mode']['scales'] == [1.0] and scores['frames'] == 5


def test_model_files_side_by_side(streets, opened, config, tmp_path, capsys):
    opened(streets)
    words = []
    for folder in ('fp32', 'int8'):
        (tmp_path / folder).mkdir()
        words += ['--model', str(write_tiny_model(tmp_path / folder / 'net.onnx'))]
    out = tmp_path / 'out'
    assert main(['evaluate', *words, '--config', config, '--out', str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ['fp32_net.onnx', 'int8_net.onnx', 'difference']
    (car,) = (line.split() for line in lines if line.startswith('car '))
    assert car == ['car', '1.0000', '1.0000', '+0.0000']
    assert sorted(file.name for file in out.iterdir()) == [
        'fp32_net.onnx',
        'int8_net.onnx',
        'scores.json',
    ]


def test_checkpoint_alone_and_with_many_views(streets, opened, config, checkpoint, capsys):
    opened(streets)
    assert main(['evaluate', '--checkpoint', checkpoint, '--config', config]) == 0
    assert '5 frames' in capsys.readouterr().out
    views = ['--scales', '0.75,1', '--flip', '--window', '32x32', '--temperature', '1.5']
    assert main(['evaluate', '--checkpoint', checkpoint, '--config', config, *views]) == 0
    assert '5 frames' in capsys.readouterr().out


def test_rule_for_absent_classes(frame_set, opened, config, tmp_path, capsys):
    frames = frame_set(np.full((8, 8), 3, np.uint8))
    frames.samples[0].rgb[:, :4] = CAMVID_11.palette[8]  # a car where there is none
    opened(frames)
    words = ['--model', str(write_tiny_model(tmp_path / 'm.onnx')), '--config', config]
    for rule, mean in (('zero', '0.2500'), ('skip', '0.5000')):
        main(['evaluate', *words, '--absent', rule])
        assert f'mean iou                    {mean}' in capsys.readouterr().out


def test_submission(frame_set, opened, config, tmp_path):
    labels = np.full((16, 32), 13, np.uint8)
    name = 'frankfurt_000000_000576'
    opened(frame_set(labels, classes=CITYSCAPES_19, names=[name]))
    model = write_tiny_model(tmp_path / 'm.onnx', CITYSCAPES_19)
    words = ['--model', str(model), '--config', config, '--out', str(tmp_path / 'out')]
    assert main(['evaluate', *words, '--submission', 'cityscapes']) == 0
    (file,) = (tmp_path / 'out/submission').iterdir()
    assert file.name.startswith(name)
    assert (cv2.imread(str(file), cv2.IMREAD_UNCHANGED) == 26).all()


def test_classes_that_do_not_fit_the_data(streets, opened, config, checkpoint, tmp_path, capsys):
    opened(streets)
    model = str(write_tiny_model(tmp_path / 'm.onnx', BDD100K_DRIVABLE_3))
    said = refused(['--model', model, '--config', config], capsys)
    assert 'm.onnx: got bdd100k_drivable_3 (direct,' in said and 'expected camvid_11 (sky' in said
    assert 'data.classes=bdd100k_drivable_3' in said
    streets.classes = CITYSCAPES_19
    said = refused(['--checkpoint', checkpoint, '--config', config], capsys)
    assert 'class table of the checkpoint: got camvid_11' in said


def test_protocols_of_camvid_stay_apart(streets, opened, config, checkpoint, tmp_path, capsys):
    opened(streets)
    model = str(write_tiny_model(tmp_path / 'm.onnx', CAMVID_EXACT_11))
    said = refused(['--model', model, '--config', config], capsys)
    assert 'm.onnx: got camvid_exact_11 (sky' in said and 'expected camvid_11 (sky' in said
    streets.classes = CAMVID_EXACT_11
    said = refused(['--checkpoint', checkpoint, '--config', config], capsys)
    assert 'the checkpoint: got camvid_11 (sky' in said and 'expected camvid_exact_11 (s' in said


def test_options_that_do_not_go_together(streets, opened, config, tmp_path, capsys):
    opened(streets)
    model = ['--model', str(write_tiny_model(tmp_path / 'm.onnx')), '--config', config]
    said = refused([*model, '--flip'], capsys)
    assert '--model with several views' in said and 'evaluate its checkpoint' in said
    said = refused([*model, '--submission', 'cityscapes'], capsys)
    assert '--submission: got no --out, expected a folder' in said
    said = refused([*model, *model[:2]], capsys)
    assert '--model: got the same file twice' in said


def test_folder_that_cannot_be_made_is_told_before_scoring(opened, config, tmp_path, capsys):
    opened(None)  # not to be looked at
    model = ['--model', str(write_tiny_model(tmp_path / 'm.onnx')), '--config', config]
    said = refused([*model, '--out', f'{model[1]}/out'], capsys)
    assert "m.onnx/out': got Not a directory" in said


def test_missing_files(streets, opened, config, capsys):
    opened(streets)
    assert 'no file' in refused(['--checkpoint', 'none.pt', '--config', config], capsys)
    assert 'nothing there' in refused(['--model', 'none.onnx', '--config', config], capsys)


def test_words_that_are_no_sizes(config, capsys):
    assert main(['evaluate', '--checkpoint', 'a', '--config', config, '--window', '512']) == 2
    assert "--window: got '512', expected WIDTHxHEIGHT" in capsys.readouterr().err
