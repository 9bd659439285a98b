# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Single keys from a terminal, whose settings are restored afterwards."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from typing import Any

PAUSE, STEP, QUIT = 'pause', 'step', 'quit'
HELP = 'space: pause and go on; right arrow or s: one step; q: quit'

_RIGHT_ARROW = (b'\x1b[C', b'\x1bOC')  # the second in application mode
_KEYS = {b' ': PAUSE, b's': STEP, b'q': QUIT} | dict.fromkeys(_RIGHT_ARROW, STEP)
_READ_BYTES = 64


class Keyboard:
    """
    Keys while the ``with`` block runs; none where standard input is no terminal of ours.

    :param descriptor: file to read the keys from; standard input by default.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = _stdin() if descriptor is None else descriptor
        self._before: list[Any] | None = None

    @property
    def is_there(self) -> bool:
        return self._before is not None

    def __enter__(self) -> Keyboard:
        if _is_foreground(self._descriptor):
            self._before = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor)
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
            self._before = None

    def pressed(self) -> list[str]:
        """Actions requested since the last call, in order; other keys are ignored."""
        if self._before is None or not select.select([self._descriptor], [], [], 0)[0]:
            return []
        return _commands(os.read(self._descriptor, _READ_BYTES))


def _stdin() -> int:
    try:
        return sys.stdin.fileno()
    except (AttributeError, ValueError, OSError):  # closed, or replaced by an object
        return -1


def _is_foreground(descriptor: int) -> bool:
    # Changing a terminal's mode from the background would stop the process.
    try:
        return os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False


def _commands(typed: bytes) -> list[str]:
    found = []
    while typed:
        key = next((key for key in _KEYS if typed.startswith(key)), None)
        if key is not None:
            found.append(_KEYS[key])
        typed = typed[len(key or typed[:1]) :]
    return found
