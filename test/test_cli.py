# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The command line: what it says, and its exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from seg_perception.cli import main
from tiny_model import write_tiny_model


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp('model') / 'tiny.onnx')


def run(*arguments: str, code: str = '') -> subprocess.CompletedProcess[str]:
    """The command in a process of its own; ``code`` runs before it."""
    program = f'import sys\n{code}\nfrom seg_perception.cli import main\nsys.exit(main())'
    return subprocess.run(
        [sys.executable, '-c', program, *arguments], capture_output=True, text=True, timeout=60
    )


def test_help_names_the_commands_and_loads_nothing_heavy() -> None:
    code = 'import atexit\natexit.register(lambda: print(sorted(sys.modules)))'
    done = run('--help', code=code)
    assert done.returncode == 0
    for command in ('demo', 'run', 'segment', 'inspect', 'doctor'):
        assert f'\n    {command} ' in done.stdout
    loaded = done.stdout.splitlines()[-1]
    assert "'argparse'" in loaded
    for module in ('rclpy', 'onnxruntime', 'cv2', 'numpy'):
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
        (['demo', '--seconds', '-1'], 'got -1, expected a number above 0'),
        (['demo', '--seconds', '1', '--frames', '1'], 'not allowed with'),
        (['segment', 'a.png'], 'the following arguments are required: --out'),
        ([], 'the following arguments are required: COMMAND'),
    ],
)
def test_a_wrong_command_line_is_explained(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
