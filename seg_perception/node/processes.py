# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Child processes that outlive neither their parent's ``with`` block nor their parent."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from seg_perception.core.errors import SegPerceptionError
from seg_perception.node.transport import transport_env
from seg_perception.program import WATCHES_PARENT, endings


class ProcessError(SegPerceptionError):
    """A child process ended when it should not have, or never got ready."""


class RosProcess:
    """
    A module's ``main`` with ``--ros-args -p name:=value ...``, in a session of its own.

    Its own session keeps a terminal's Ctrl-C from it: the parent decides who ends when. Where the
    parent is killed, the child ends with the pipe of its standard input.

    :param name: what messages call it.
    :param module: the module to run.
    :param parameters: ROS parameters.
    :param log: file that takes its output; None leaves it on the terminal.
    :param ros_args: further arguments after ``--ros-args``.

    Its environment is this process's with the transport settings.
    """

    def __init__(
        self,
        name: str,
        module: str,
        parameters: Mapping[str, object],
        log: Path | None = None,
        ros_args: Sequence[str] = (),
    ) -> None:
        self.name, self.log = name, log
        program = [sys.executable, '-m', 'seg_perception.program', module, WATCHES_PARENT]
        command = [*program, '--ros-args', *ros_args]
        for key, value in parameters.items():
            # JSON is YAML: a path such as `0` or `yes` stays a string.
            command += ['-p', f'{key}:={json.dumps(value)}']
        output = log.open('wb') if log else None
        held: list[int] = []
        with _signals_held(held):
            self._process = subprocess.Popen(
                command,
                env=os.environ | transport_env(),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,
            )
        if output:
            output.close()
        if held:
            self.stop()
            signal.raise_signal(signal.Signals(held[0]))

    def __enter__(self) -> RosProcess:
        return self

    def __exit__(self, *_: object) -> None:
        with interruptible(lambda: None):  # who is impatient would leave it behind
            self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def check(self) -> None:
        """Raise ProcessError when it has failed."""
        if self.exit_code:
            raise self.failure(f'exit code {self.exit_code}')

    def check_running(self) -> None:
        """Raise ProcessError when it has ended, well or not."""
        if self.exit_code is not None:
            raise self.failure(f'exit code {self.exit_code}')

    def failure(self, seen: str) -> ProcessError:
        """The error that tells what it last said."""
        return ProcessError(
            f'process {self.name!r}', seen, 'one that runs, or ends well', self._last_words()
        )

    def stop(self, grace_s: float = 5.0) -> None:
        """End the process as ``end`` does."""
        end(self._process, grace_s)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _last_words(self, lines: int = 5) -> str:
        if self.log is None:
            return ''
        text = self.log.read_text(encoding='utf-8', errors='replace').strip()
        last = '\n  '.join(text.splitlines()[-lines:])
        return f'It said last ({self.log}):\n  {last}'


def end(process: subprocess.Popen[Any], grace_s: float = 5.0) -> None:
    """
    Interrupt a process; terminate it, then kill it, if it does not end.

    :param grace_s: how long the process has after each of the first two signals.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(None if number == signal.SIGKILL else grace_s)


@contextmanager
def _signals_held(held: list[int]) -> Iterator[None]:
    """
    Collect the signals that end a process instead of acting on them.

    Popen that is interrupted after its fork leaves an unknown child behind. A child
    does not inherit these handlers: it starts with the default actions, even from a background
    job, in which SIGINT is ignored.
    """

    def hold(number: int, frame: FrameType | None) -> None:
        held.append(number)

    before = {number: signal.signal(number, hold) for number in endings()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def signals_as_exit() -> Iterator[None]:
    """Let SIGTERM, SIGQUIT and SIGHUP unwind the stack, so that children are ended on the way."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {
        number: signal.signal(number, leave) for number in endings() if number != signal.SIGINT
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interruptible(ask: Callable[[], None]) -> Iterator[None]:
    """
    Call ``ask`` at the first signal that ends a process, and ignore those that follow.

    A clean-up that is interrupted leaves the shared memory of its DDS participant behind.
    """
    asked: list[int] = []

    def once(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) == 1:
            ask()

    before = {number: signal.signal(number, once) for number in endings()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt() -> None:
    """Unwind the stack of the main thread."""
    raise KeyboardInterrupt


def free_domain() -> int:
    """A ROS domain id 1..101 that no process on this machine seems to use."""
    domains = list(range(1, 102))  # above 101 the ports may collide with ephemeral ones
    random.shuffle(domains)
    return next((domain for domain in domains if _is_free(domain)), domains[0])


def _is_free(domain: int) -> bool:
    # RTPS: participant 0 of a domain receives discovery on port 7400 + 250 * domain + 10.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(('', 7410 + 250 * domain))
        except OSError:
            return False
    return True
