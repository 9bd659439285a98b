# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A thread that looks after the cameras, whatever blocks callbacks or worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

PERIOD_S = 0.1  # largest delay until a silent camera is noticed


class Watchdog:
    """
    Calls ``look`` ten times a second from ``start`` to ``stop``, on a thread of its own.

    :param look: hears how long the worker has been at one frame, in words; it must not raise.
    """

    def __init__(self, look: Callable[[float, str], None]) -> None:
        self._look, self._ends = look, Event()
        self._thread = Thread(target=self._run, name='watchdog', daemon=True)
        self._at_work: tuple[float, str] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    @contextmanager
    def at_work(self, camera: str) -> Iterator[None]:
        """For the worker: it is at a frame of a camera."""
        self._at_work = time.monotonic(), camera
        yield
        self._at_work = None

    def _run(self) -> None:
        while not self._ends.wait(PERIOD_S):
            since_s, camera = self._at_work or (time.monotonic(), '')
            busy_s = time.monotonic() - since_s
            self._look(busy_s, f'the worker has been at a frame of {camera} for {busy_s:.1f} s')
