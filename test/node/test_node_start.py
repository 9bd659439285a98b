# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What stops the start: one message and exit code 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from seg_perception.node.node import main

FOREIGN = 'seg-perception adapt'


@pytest.fixture(scope='module')
def models(tiny_path, tmp_path_factory) -> dict[str, Path]:
    """Model files that cannot be used."""
    folder = tmp_path_factory.mktemp('bad')
    paths = {name: folder / f'{name}.onnx' for name in ('missing', 'truncated', 'foreign', 'text')}
    paths['truncated'].write_bytes(tiny_path.read_bytes()[:-200])
    paths['text'].write_text('hello')
    foreign = onnx.load(str(tiny_path))
    del foreign.metadata_props[:]
    onnx.save(foreign, str(paths['foreign']))
    return paths


def start(capfd, *arguments: str) -> str:
    """Run main until it fails, and return what it said."""
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(main(['node', '--ros-args', *arguments]))
    assert ended.value.code == 2
    said = capfd.readouterr()
    assert 'Traceback' not in said.out + said.err
    lines = [line for line in (said.out + said.err).splitlines() if 'FATAL' in line]
    assert len(lines) == 1, said
    return lines[0]


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('missing', 'missing.onnx'),
        ('truncated', 'truncated.onnx'),
        ('foreign', FOREIGN),
        ('text', 'text.onnx'),
    ],
)
def test_model_that_cannot_be_used(capfd, models, name, text):
    assert text in start(capfd, '-p', f'model:={models[name]}')


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['-p', 'modle:=x'], 'Did you mean model?'),
        (['-p', 'stale_after_s:=0.0'], 'expected a number from 0.1 to 3600'),
        (['-p', 'cameras:=[]'], "parameter 'cameras'"),
        (['-p', 'provider:=gpu'], 'one of auto, cpu, cuda, tensorrt'),
        (['--params-file', '/nowhere.yaml'], '/nowhere.yaml'),
        (['--bogus'], '--bogus'),
    ],
)
def test_arguments_that_cannot_be(capfd, arguments, text):
    assert text in start(capfd, *arguments)


def test_provider_that_is_not_there(capfd, tiny_path):
    import onnxruntime

    if 'TensorrtExecutionProvider' in onnxruntime.get_available_providers():
        pytest.skip('this onnxruntime has TensorRT')
    said = start(capfd, '-p', f'model:={tiny_path}', '-p', 'provider:=tensorrt')
    assert "provider 'tensorrt'" in said


def test_exit_code_of_the_process():
    command = [sys.executable, '-m', 'seg_perception.node.node', '--ros-args', '-p', 'modle:=x']
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 2
    assert "parameter 'modle'" in ended.stdout + ended.stderr
