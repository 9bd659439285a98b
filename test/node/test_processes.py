# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Children end with their parent, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def held(spawn: Callable[..., subprocess.Popen], **how: object) -> tuple[subprocess.Popen, Path]:
    """A parent, and the folder of its child in /proc."""
    env = os.environ | {'PYTHONPATH': f'{TESTS}{os.pathsep}{os.environ.get("PYTHONPATH", "")}'}
    command = [sys.executable, str(TESTS / 'sleeper.py')]
    parent = spawn(command, stdout=subprocess.PIPE, text=True, env=env, **how)
    child = Path('/proc', parent.stdout.readline().strip())
    return parent, child


def until_gone(child: Path, seconds: float = 30.0) -> float:
    start_s = time.monotonic()
    while child.exists() and 'Z' not in (child / 'stat').read_text().rpartition(')')[2].split()[0]:
        assert time.monotonic() - start_s < seconds, 'it stays'
        time.sleep(0.02)
    return time.monotonic() - start_s


@pytest.mark.parametrize('number', ['SIGHUP', 'SIGQUIT', 'SIGTERM', 'SIGKILL', 'SIGINT'])
def test_a_child_ends_with_its_parent(spawn: Callable[..., subprocess.Popen], number: str) -> None:
    # The tests themselves may run under nohup.
    parent, child = held(spawn, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
    parent.send_signal(signal.Signals[number])
    until_gone(child)
    assert parent.wait(30) != 0


def test_nohup_is_honoured(spawn: Callable[..., subprocess.Popen]) -> None:
    ignored = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    parent, child = held(spawn, preexec_fn=ignored)
    parent.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert parent.poll() is None and child.exists()
    parent.send_signal(signal.SIGTERM)
    until_gone(child)
