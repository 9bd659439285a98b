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
from importlib import import_module
from types import FrameType

_ENDINGS = (signal.SIGINT, signal.SIGTERM)


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
    for number in _ENDINGS:
        signal.signal(number, _leave)
    code: int = import_module(module).main()
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)  # Python's own end restores any other handler
    return code


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(0)


if __name__ == '__main__':
    sys.exit(run(sys.argv.pop(1)))
