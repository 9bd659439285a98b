# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A ROS graph of its own for each run, and skips that cannot be overlooked."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

import left_behind
from seg_perception.node.processes import end

# Off the network, and away from other graphs and other test runs on this machine.
os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))

# A shell starts background jobs with SIGINT ignored, and every process of the tests would inherit
# that. Python's handler is not inherited: they start with the default action.
signal.signal(signal.SIGINT, signal.default_int_handler)

left_behind.mark()
PATIENCE_S = 30.0  # for processes to end


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line that counts the skips; ``-ra`` lists each with its reason above it."""
    skipped = len(terminalreporter.stats.get('skipped', []))
    terminalreporter.write_line(f'skipped: {skipped}')


@pytest.fixture
def fill_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A function after whose call no file can be written any more, as on a full disk."""

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return lambda: monkeypatch.setattr('seg_perception.io.atomic.os.fsync', full)


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen]]:
    """``subprocess.Popen`` whose processes have ended when the test has."""
    started: list[subprocess.Popen] = []

    def start(words: list[str], **how: object) -> subprocess.Popen:
        started.append(subprocess.Popen(words, **how))
        return started[-1]

    yield start
    for process in started:
        end(process, PATIENCE_S)
        if process.stdout:
            process.stdout.close()


@pytest.fixture(scope='session', autouse=True)
def _nothing_stays_behind() -> Iterator[None]:
    """Fail when a process that the tests started outlives them; clean the memory of DDS."""
    began_s = time.time()
    yield
    until_s = time.monotonic() + PATIENCE_S
    while (left := left_behind.living()) and time.monotonic() < until_s:
        time.sleep(0.1)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    left_behind.clean_shared_memory(began_s)
    assert not left, f'processes that tests started and did not end: {left}'
