# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Node and video source end cleanly, whenever and however often they are interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seg_perception.node.processes import free_domain
from tiny_model import write_tiny_model

NODE, SOURCE = 'seg_perception.node.node', 'seg_perception.tools.video_source'
READY = {NODE: 'camera front on', SOURCE: 'synthetic: '}


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp('model') / 'm.onnx')


@pytest.fixture
def start(
    model: Path, spawn: Callable[..., subprocess.Popen], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[subprocess.Popen, Callable[[], set[str]]]]:
    domain = free_domain()
    before = ports_of(domain)  # of others, which were killed
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))

    def started(module: str, **how: object) -> tuple[subprocess.Popen, Callable[[], set[str]]]:
        command = [sys.executable, '-m', 'seg_perception.program', module, '--ros-args']
        command += ['-p', f'model:={model}'] if module == NODE else ['-p', 'loop:=true']
        pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT, 'text': True}
        return spawn(command, **pipes, **how), lambda: ports_of(domain) - before

    return started


def ports_of(domain: int) -> set[str]:
    """Shared memory of Fast DDS under the ports of a domain."""
    first = 7400 + 250 * domain  # RTPS, 9.6.1.1
    numbers = range(first, first + 250)
    return {f'fastdds_port{n}' for n in numbers if Path(f'/dev/shm/fastdds_port{n}').exists()}


@pytest.mark.parametrize('module', [NODE, SOURCE])
@pytest.mark.parametrize('gap_s', [0.0, 0.003, 0.05])
@pytest.mark.parametrize('second', [signal.SIGINT, signal.SIGTERM])
def test_two_signals_end_it_once(start, module: str, gap_s: float, second: int) -> None:
    process, left = start(module)
    while READY[module] not in (line := process.stdout.readline()):
        assert line, 'it ended'
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    time.sleep(gap_s)
    process.send_signal(second)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and 'Traceback' not in said, said
    assert left() == set()


@pytest.mark.parametrize('module', [NODE, SOURCE])
@pytest.mark.parametrize('after_s', [0.3, 0.6, 1.0, 1.5])
def test_an_interrupt_on_the_way_up_says_nothing(start, module: str, after_s: float) -> None:
    process, left = start(module)
    while 'seg_perception.program' not in Path(f'/proc/{process.pid}/cmdline').read_text():
        time.sleep(0.01)
    caught = 1 << (signal.SIGINT - 1)
    while not caught & _caught(process.pid) & _caught(process.pid, signal.SIGTERM):
        time.sleep(0.01)  # until its own handlers stand
    time.sleep(after_s - 0.3)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and 'Traceback' not in said, said
    assert left() == set()


def _caught(pid: int, also: int = signal.SIGINT) -> int:
    """Bits of the signals that a process handles; 0 unless another one is among them."""
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    bits = int(next(line for line in lines if line.startswith('SigCgt')).split()[1], 16)
    return bits if bits & (1 << (also - 1)) else 0


@pytest.mark.parametrize('module', [NODE, SOURCE])
def test_a_background_job_can_be_interrupted(start, module: str) -> None:
    """A shell starts such a job with SIGINT ignored."""
    ignore = lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)  # noqa: E731
    process, _ = start(module, preexec_fn=ignore)
    while READY[module] not in (line := process.stdout.readline()):
        assert line, 'it ended'
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0
