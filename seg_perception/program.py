# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Node and video source as programs; an interrupt while they are imported ends them without a word.

    python -m seg_perception.program seg_perception.node.node --ros-args ...
"""

from __future__ import annotations

import os
import signal
import sys
import time
from importlib import import_module
from threading import Thread
from types import FrameType

WATCHES_PARENT = '--ends-with-parent'
"""Argument of a child whose standard input is a pipe that its parent holds open."""
_GRACE_S = 10.0  # to end once the parent is gone


def endings() -> tuple[signal.Signals, ...]:
    """
    The signals that ask a process to end: from a keyboard, a manager, or a terminal that closes.

    A hang-up that is ignored, as under nohup, stays ignored.
    """
    usual = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return usual if ignored else (*usual, signal.SIGHUP)


def node() -> int:
    """The command ``node``."""
    return run('seg_perception.node.node')


def video_source() -> int:
    """The command ``video_source``."""
    return run('seg_perception.tools.video_source')


def run(module: str) -> int:
    """
    Run ``main`` of a module, which handles signals by itself; its exit code.

    A shell starts background jobs with SIGINT ignored; here it counts in any case.
    """
    numbers = endings()
    for number in numbers:
        signal.signal(number, _leave)
    if WATCHES_PARENT in sys.argv:
        sys.argv.remove(WATCHES_PARENT)
        Thread(target=_end_with_parent, name='parent', daemon=True).start()
    code: int = import_module(module).main()
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)  # Python's own end restores any other handler
    return code


def _end_with_parent() -> None:
    """Wait for the end of standard input, which comes however the parent has ended; then end."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(0)


if __name__ == '__main__':
    sys.exit(run(sys.argv.pop(1)))
