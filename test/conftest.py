# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A ROS graph of its own for each run, and skips that cannot be overlooked."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

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
TESTS = Path(__file__).parent
# Tests without the marker `fast`: those that start processes, and the files that compute most.
PROCESS_FIXTURES = {'graph', 'start_node', 'spawn', 'demo', 'browser'}
HEAVY = (
    *('core/test_risk_events.py', 'core/test_street_truth.py', 'inference/test_torch_engine.py'),
    *('launch', 'node/test_transport.py', 'report/test_browser.py', 'report/test_plots.py'),
    *('synthetic/test_street.py', 'test_cli.py'),
    *('tools/test_demo.py', 'tools/test_run.py', 'training/evaluate', 'training/export'),
    *('training/models', 'training/study', 'training/test_experiments.py', 'training/test_fit.py'),
    *('training/test_loader.py', 'training/test_probes.py', 'training/test_report.py'),
    'training/test_summary.py',
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `fast` the tests of every room that together take a minute."""
    for item in items:
        file = item.path.relative_to(TESTS)
        is_heavy = any(file.is_relative_to(place) for place in HEAVY)
        is_slow = item.get_closest_marker('slow') is not None
        if not (is_heavy or is_slow or PROCESS_FIXTURES & set(item.fixturenames)):
            item.add_marker('fast')


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line that counts the skips; ``-ra`` lists each with its reason above it."""
    skipped = len(terminalreporter.stats.get('skipped', []))
    terminalreporter.write_line(f'skipped: {skipped}')


@pytest.fixture(scope='session', autouse=True)
def _home_of_ros(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What nodes keep of their cameras is for no other run."""
    os.environ['ROS_HOME'] = str(tmp_path_factory.mktemp('ros_home'))


@pytest.fixture
def fill_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A function after whose call no file can be written any more, as on a full disk."""

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return lambda: monkeypatch.setattr('seg_perception.io.atomic.os.fsync', full)


def _end_with_the_tests() -> None:
    """Ask Linux to terminate this child when the tests are killed."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen]]:
    """``subprocess.Popen`` whose processes have ended when the test has."""
    started: list[subprocess.Popen] = []

    def start(words: list[str], **how: object) -> subprocess.Popen:
        how = {'preexec_fn': _end_with_the_tests, **how}
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
    left_behind.clean_shared_memory(began_s, int(os.environ['ROS_DOMAIN_ID']))
    assert not left, f'processes that tests started and did not end: {left}'
