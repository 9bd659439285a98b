# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m training`: its options, and that it runs from any folder and says what it lacks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from seg_perception.command_line import parse
from training.cli import COMMANDS, PROGRAM, main
from training.options import (
    EvaluateOptions,
    FitOptions,
    Mode,
    PseudoLabelOptions,
    StudyOptions,
    SummaryOptions,
)

ROOT = Path(__file__).parents[2]
CONFIG = ('--config', '--set')
FLAGS = {
    'fit': CONFIG,
    'overfit': (*CONFIG, '--steps', '--least'),
    'find-lr': (*CONFIG, '--steps'),
    'evaluate': (
        *(*CONFIG, '--checkpoint', '--model', '--out', '--absent', '--submission'),
        *('--scales', '--flip', '--window', '--overlap', '--temperature'),
    ),
    'ood': (
        *('--checkpoint', '--known', '--unknown', '--out', '--docs', '--show', '--every'),
        *('--temperature', '--set'),
    ),
    'sheet': ('--model', '--out'),
    'pseudo-label': (
        *('--checkpoint', '--out', '--height', '--every', '--sure', '--set'),
        *('--teachers', '--labels', '--label-classes', '--ego'),
    ),
    'blend': ('--out',),
    'export': (
        *('--checkpoint', '--out', '--held-out', '--int8', '--pt2', '--calibration'),
        *('--max-drop', '--set'),
    ),
    'stats': (*CONFIG, '--out'),
    'shard': (*CONFIG, '--out', '--per-shard-mb'),
    'summary': ('--size', '--classes', '--cpu-ms'),
    'study': ('--out', '--docs', '--variants', '--arms', '--seeds', '--minutes', '--set'),
}
"""Options that scripts use: they stay."""


def test_commands_are_those_of_the_list() -> None:
    assert list(COMMANDS) == list(FLAGS)


@pytest.mark.parametrize('command', FLAGS)
def test_help_of_a_command_holds_every_option(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, '--help']) == 0
    lines = re.findall(r'^  (-.*?)(?:   |$)', capsys.readouterr().out, re.MULTILINE)
    shown = set(re.findall(r'--[a-z][\w-]*', ' '.join(lines)))
    assert shown - {'--calibration-frames', '--num-classes'} == {*FLAGS[command], '--help'}


def test_help_loads_neither_torch_nor_numpy() -> None:
    program = (
        'import sys\nfrom training.cli import main\nmain(["--help"])\n'
        'assert not {"torch", "numpy", "cv2", "yaml"} & sys.modules.keys()'
    )
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(f'\n  {command} ' in done.stdout for command in FLAGS)


def test_settings_with_and_without_their_flag() -> None:
    words = ['--config', 'a', 'optim.batch=4', '--set', 'seed=1', 'data.train=[]']
    assert parse(PROGRAM, FitOptions, words) == FitOptions(
        config=Path('a'), overrides=('seed=1', 'optim.batch=4', 'data.train=[]')
    )
    words = ['a.png', 'b.mp4', '--checkpoint', 'c', '--out', 'o', '--set', 'threads=1', 'seed=2']
    labels = parse(PROGRAM, PseudoLabelOptions, words)
    assert labels.frames == (Path('a.png'), Path('b.mp4'))
    assert labels.overrides == ('threads=1', 'seed=2')


def test_views_lists_and_repeated_flags() -> None:
    words = ['--config', 'a', '--model', 'x.onnx', '--model', 'y.onnx', '--scales', '0.75,1']
    options = parse(PROGRAM, EvaluateOptions, [*words, '--window', '1024x512', '--flip'])
    assert options.models == (Path('x.onnx'), Path('y.onnx'))
    assert options.mode == Mode(scales=(0.75, 1.0), flip=True, window=(512, 1024))
    study = parse(PROGRAM, StudyOptions, ['rates', '--arms', 'a,b', '--seeds', '0,1'])
    assert (study.variants, study.seeds) == (('a', 'b'), (0, 1))


def test_size_that_looks_like_height_by_width_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    options = parse(PROGRAM, SummaryOptions, ['--size', '1024x2048'])
    assert options.size == (2048, 1024)
    assert '1024 pixels wide and 2048 high' in capsys.readouterr().err
    parse(PROGRAM, SummaryOptions, ['--size', '2048x1024'])
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        ([], 'COMMAND: got nothing, expected one of fit, overfit'),
        (['fitt'], 'Did you mean fit'),
        (['fit'], 'the following arguments are required: --config'),
        (['fit', '--confg', 'a'], 'Did you mean --config?'),
        (['fit', '--config', 'a', 'b.yaml'], 'b.yaml: got words that are no options'),
        (['overfit', '--config', 'a', '--steps', '0'], '--steps: got 0, expected 1 or more'),
        (['study', 'rates', '--seeds', 'one'], '--seeds: got'),
    ],
)
def test_a_wrong_command_line_is_explained(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_unknown_preset_names_near_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['stats', '--config', 'camvid_quik']) == 2
    assert 'Did you mean camvid_quick?' in capsys.readouterr().err


def test_preset_by_its_name_from_any_folder(tmp_path: Path) -> None:
    program = (
        'from pathlib import Path\nfrom training.config import load_config\n'
        'for name in ("camvid_quick", "dsnet/fine", "config/training/dsnet/fine.yaml"):\n'
        '    print(load_config(Path(name)).name)'
    )
    done = subprocess.run(
        [sys.executable, '-c', program],
        cwd=tmp_path,
        env=os.environ | {'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ['camvid_quick', 'dsnet_fine', 'dsnet_fine'], done.stderr


def test_without_torch_it_says_how_to_get_it() -> None:
    program = (
        f'import sys; sys.path.insert(0, {str(ROOT)!r})\n'
        "from training.cli import main; sys.exit(main(['stats', '--config', 'camvid_quick']))"
    )
    done = subprocess.run(
        [sys.executable, '-I', '-S', '-c', program], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert 'got a Python without torch, expected torch' in done.stderr
    assert 'pip install' in done.stderr
