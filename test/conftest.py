# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A ROS graph of its own for each run, and skips that cannot be overlooked."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable

import pytest

# Off the network, and away from other graphs and other test runs on this machine.
os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))

# A shell starts background jobs with SIGINT ignored, and every process of the tests would inherit
# that. Python's handler is not inherited: they start with the default action.
signal.signal(signal.SIGINT, signal.default_int_handler)


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
