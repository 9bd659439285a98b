# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Due time of the messages of a bag: a line from bag time to the steady clock."""

from __future__ import annotations

NS = 1_000_000_000


class Timeline:
    """
    Bag time against steady time, both in nanoseconds, with a rate, pauses and jumps.

    :param rate: seconds of the bag in one second.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._bag_ns = 0
        self._steady_ns = 0
        self._paused = False

    @property
    def is_paused(self) -> bool:
        return self._paused

    def set(self, bag_ns: int, steady_ns: int) -> None:
        """Set the bag time to ``bag_ns`` at the steady time ``steady_ns``."""
        self._bag_ns, self._steady_ns = bag_ns, steady_ns

    def due_ns(self, bag_ns: int) -> int:
        """Steady time at which the bag time is ``bag_ns``, unless it is paused before."""
        return self._steady_ns + round((bag_ns - self._bag_ns) / self._rate)

    def bag_ns(self, steady_ns: int) -> int:
        """Bag time at a steady time."""
        if self._paused:
            return self._bag_ns
        return self._bag_ns + round((steady_ns - self._steady_ns) * self._rate)

    def pause(self, steady_ns: int) -> None:
        """Pause at the current bag time."""
        self.set(self.bag_ns(steady_ns), steady_ns)
        self._paused = True

    def resume(self, steady_ns: int) -> None:
        """Resume from the time at which the bag was paused."""
        self._steady_ns = steady_ns
        self._paused = False
