# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The command line: what it says, and its exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from seg_perception.cli import COMMANDS, PROGRAM, main
from seg_perception.command_line import Argument, arguments_of, options_class, parse
from seg_perception.options import EvaluationOptions, MountOptions, ReplayOptions, SegmentOptions
from tiny_model import write_tiny_model
from training import cli as training_cli

MODEL = ('--model', '--provider')
FLAGS = {
    'demo': (
        *MODEL,
        '--video',
        '--out',
        '--frames',
        '--seconds',
        '--rate',
        '--size',
        '--weather',
        '--seed',
    ),
    'run': (
        *(*MODEL, '--image-topic', '--camera-info-topic', '--calibration', '--params-file'),
        '--video',
    ),
    'segment': (*MODEL, '--out', '--threads'),
    'replay': (
        '--rate',
        '--start',
        '--duration',
        '--loop',
        '--topics',
        '--remap',
        '--clock',
        '--wait',
    ),
    'record': (
        *(
            '--out',
            '--calibration',
            '--labels',
            '--raw',
            '--quality',
            '--rate',
            '--start',
            '--topic',
        ),
        *('--camera-info-topic', '--label-topic', '--frame-id'),
    ),
    'calibrate': (
        *(*MODEL, '--out', '--topics', '--calibration', '--camera-height', '--seconds'),
        '--threads',
    ),
    'evaluate': (
        *(*MODEL, '--out', '--topics', '--calibration', '--set', '--mount', '--mount-height'),
        *('--mount-pitch', '--mount-roll', '--mount-yaw', '--mount-forward', '--mount-left'),
        *('--truth', '--truth-classes', '--conditions', '--outputs', '--overlay-width', '--fps'),
        *(
            '--rectified',
            '--calibrate',
            '--part',
            '--workers',
            '--threads',
            '--ray',
            '--baseline',
            '--limit',
        ),
    ),
    'inspect': (),
    'adapt': (
        *('--out', '--classes', '--mean', '--std', '--range', '--color', '--size', '--multiple'),
        *('--output', '--temperature', '--name', '--data', '--licence', '--image'),
    ),
    'doctor': ('--model', '--quick'),
}
"""Options that scripts use: they stay."""


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp('model') / 'tiny.onnx')


def run(*arguments: str, code: str = '') -> subprocess.CompletedProcess[str]:
    """The command in a process of its own; ``code`` runs before it."""
    program = f'import sys\n{code}\nfrom seg_perception.cli import main\nsys.exit(main())'
    return subprocess.run(
        [sys.executable, '-c', program, *arguments], capture_output=True, text=True, timeout=120
    )


def test_help_names_the_commands_and_loads_nothing_heavy() -> None:
    code = 'import atexit\natexit.register(lambda: print(sorted(sys.modules)))'
    done = run('--help', code=code)
    assert done.returncode == 0
    for command in COMMANDS:
        assert f'\n  {command} ' in done.stdout
    loaded = done.stdout.splitlines()[-1]
    assert "'argparse'" in loaded
    for module in ('rclpy', 'onnxruntime', 'cv2', 'numpy', 'yaml'):
        assert f"'{module}'" not in loaded


def test_python_dash_m(model: Path) -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'seg_perception', 'inspect', str(model)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert 'camvid_11, 11' in done.stdout


def test_segment_and_inspect_work_without_ros(model: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'street.png'), np.full((48, 64, 3), (128, 64, 128), np.uint8))
    no_ros = (
        'class NoRos:\n'
        '    def find_spec(self, name, path=None, target=None):\n'
        "        if name.split('.')[0] in ('rclpy', 'seg_perception_msgs'):\n"
        '            raise ImportError(name)\n'
        'sys.meta_path.insert(0, NoRos())'
    )
    out = tmp_path / 'out'
    done = run(
        'segment', str(tmp_path / 'street.png'), '--out', str(out), '--model', str(model),
        code=no_ros,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    labels = cv2.imread(str(out / 'street_labels.png'), cv2.IMREAD_UNCHANGED)
    assert labels.shape == (48, 64)
    assert set(labels.ravel().tolist()) == {3}  # the palette colour of road
    assert (out / 'street_overlay.jpg').is_file()
    assert run('inspect', str(model), code=no_ros).returncode == 0


def test_without_ros_the_demo_says_how_to_get_it() -> None:
    # An isolated Python that finds our package and nothing of ROS.
    root = Path(__file__).parents[1]
    program = (
        f'import sys; sys.path.insert(0, {str(root)!r})\n'
        "from seg_perception.cli import main; sys.exit(main(['demo']))"
    )
    done = subprocess.run(
        [sys.executable, '-I', '-S', '-c', program], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert 'a Python without rclpy and seg_perception_msgs' in done.stderr
    assert 'make demo' in done.stderr


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['inspect', 'none.onnx'], "model file 'none.onnx': got nothing there"),
        (['demo', '--video', 'none.mp4'], "input 'none.mp4': got nothing there"),
        (['demo', '--frames', '3', '--model', 'none.onnx'], "model file 'none.onnx'"),
        (['demo', '--frames', '3', '--weather', 'snow'], 'weather of the synthetic street: got'),
        (['run', '--video', 'none.mp4'], "input 'none.mp4': got nothing there"),
        (['run', '--params-file', 'none.yaml'], "params_file: got 'none.yaml'"),
        (['segment', 'none.png', '--out', 'out'], "input 'none.png': got nothing there"),
        (['demo', '--seconds', '1', '--frames', '1'], '--frames and --seconds: got both'),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from seg_perception.node.transport import transport_env

    monkeypatch.chdir(tmp_path)
    for name, value in transport_env().items():
        monkeypatch.setenv(name, value)  # the demo has no need to start anew
    assert main(arguments) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f'seg-perception: error: {said}')


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['demo', '--size', '1280'], "got '1280', expected WIDTHxHEIGHT such as 1280x720"),
        (['demo', '--frames', '0'], 'got 0, expected 1 or more'),
        (['demo', '--seconds', '-1'], '--seconds: got -1, expected 0.001 or more'),
        (['demo', '--seconds', 'ten'], "--seconds: got 'ten', expected a number"),
        (
            ['record', 'a', '--out', 'b', '--quality', '101'],
            '--quality: got 101, expected 1 to 100',
        ),
        (['record', 'a', '--out', 'b', '--start', 'noon'], "--start: got 'noon', expected a time"),
        (['evaluate', 'a', '--out', 'b', '--limit', 'x'], "got 'x', expected NAME=VALUE"),
        (['evaluate', 'a', '--out', 'b', '--set', 'risk'], "got 'risk', expected name=value"),
        (['evaluate', 'a', '--out', 'b', '--outputs', 'film'], 'got film, expected one of bag, '),
        (['segment', 'a.png'], 'the following arguments are required: --out'),
        (['segment', '--out', 'b'], 'the following arguments are required: INPUT'),
        (['inspect', 'a.onnx', 'b.onnx'], 'b.onnx: got words that are no options'),
        (['segment', 'a.png', '--ouput', 'b'], 'Did you mean --out?'),
        (['segment', 'a.png', '--out', 'b', '--provdier=cpu'], 'Did you mean --provider?'),
        (['segment', 'a.png', '--out', 'b', '-v'], '-v: got'),
        (['evalute', 'a.bag'], 'Did you mean evaluate?'),
        ([], 'COMMAND: got nothing, expected one of demo, run,'),
    ],
)
def test_a_wrong_command_line_is_explained(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize('command', FLAGS)
def test_help_of_a_command_holds_every_option(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, '--help']) == 0
    shown = capsys.readouterr().out
    assert set(re.findall(r'^  (?:-h, )?(--[\w-]+)', shown, re.MULTILINE)) == {
        *FLAGS[command],
        '--help',
    }


def described(commands: dict[str, Any]) -> list[tuple[str, Argument]]:
    return [
        (f'{name} {argument.flags[0]}', argument)
        for name, command in commands.items()
        for argument in arguments_of(options_class(command))
    ]


def test_commands_are_those_of_the_list() -> None:
    assert list(COMMANDS) == list(FLAGS)


def test_every_option_says_what_it_does_and_its_default() -> None:
    for name, argument in described(COMMANDS | training_cli.COMMANDS):
        assert len(argument.help) > 8, name
        assert argument.help[0].islower() or argument.help.startswith('JPEG'), name
        optional = argument.default is not MISSING and argument.default not in (None, '', ())
        if optional and not isinstance(argument.default, bool | dict):
            assert 'default' in argument.help, name


def test_both_command_lines_agree() -> None:
    """A flag of both is written in the same way; what --out names depends on the command."""
    ours, theirs = (
        {
            (argument.flags[0], argument.placeholder, argument.option.read)
            for _, argument in described(commands)
            if not argument.option.positional
        }
        for commands in (COMMANDS, training_cli.COMMANDS)
    )
    shared = {row[0] for row in ours} & {row[0] for row in theirs} - {'--out'}
    assert shared >= {'--model', '--set', '--size', '--temperature'}
    for flag in shared:
        kinds = [{row[1] for row in rows if row[0] == flag} for rows in (ours, theirs)]
        assert kinds[0] == kinds[1], flag
    assert {row[2]('80x60') for row in ours | theirs if row[1] == 'WxH'} == {(60, 80)}


def test_words_become_options() -> None:
    words = ['a.bag', 'b', '--out', 'o', '--mount-height', '1.4', '--mount-pitch', '-2.5']
    words += ['--set', 'risk.spread=0.5', '--outputs', '--topics', '/a', '/b']
    assert parse(PROGRAM, EvaluationOptions, words) == EvaluationOptions(
        ('a.bag', 'b'),
        Path('o'),
        topics=('/a', '/b'),
        outputs=(),
        mount=MountOptions(height_m=1.4, pitch_deg=-2.5),
        settings={'risk.spread': 0.5},
    )


def test_words_behind_two_dashes_are_inputs() -> None:
    parsed = parse(PROGRAM, SegmentOptions, ['--out', 'o', '--', '--odd.png'])
    assert parsed.inputs == (Path('--odd.png'),)


@pytest.mark.parametrize(
    ('words', 'hz'), [([], 0.0), (['--clock'], 100.0), (['--clock', '50'], 50.0)]
)
def test_flag_with_a_value_of_its_own(words: list[str], hz: float) -> None:
    assert parse(PROGRAM, ReplayOptions, ['drive', *words]).clock_hz == hz


def test_a_pipe_that_closes_is_no_error() -> None:
    done = subprocess.run(
        f'{sys.executable} -m seg_perception doctor --help | head -1; echo ${{PIPESTATUS[0]}}',
        shell=True,
        executable='/bin/bash',
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == '0'
    assert done.stderr == ''


INTERRUPTED = """
import os, signal
from seg_perception.command_line import run_command
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a script's background jobs have it
def prepare(name, words):
    os.kill(os.getpid(), signal.SIGINT)
raise SystemExit(run_command('prog', '', COMMANDS, WORDS, prepare))
"""


def test_a_background_job_can_be_interrupted(tmp_path: Path) -> None:
    setting = "from seg_perception.cli import COMMANDS\nWORDS = ['inspect', 'no.onnx']\n"
    done = subprocess.run([sys.executable, '-c', setting + INTERRUPTED], cwd=tmp_path)
    assert done.returncode == 130
