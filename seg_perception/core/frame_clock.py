# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""When frames were taken, also where their stamps do not say it."""

from __future__ import annotations

_PATIENCE_NS = 500_000_000  # repeated frames and coarse stamps move again within it
_LEAST_RATE = 0.01  # stamps that move slower than this share of real time stand still


class FrameClock:
    """
    The time of each frame of one camera: its stamp, or its arrival where the stamps stand still.

    Drivers leave stamps at zero or at one value, from the start or from some moment on. ``stands``
    tells whether the last frame's did. All times are nanoseconds.
    """

    def __init__(self) -> None:
        self.stands = False
        self._moved: tuple[int, int] | None = None  # stamp and arrival when the stamp last moved
        self._last = (0, 0)  # stamp and arrival of the last frame
        self._has_moved = False
        self._time_ns = 0

    def time_ns(self, stamp_ns: int, arrived_ns: int) -> int:
        """
        When a frame was taken; call it for each frame in the order of arrival.

        :param stamp_ns: of its header; 0 is none.
        :param arrived_ns: when it arrived or was recorded.
        """
        self._time_ns = self._judge(stamp_ns, arrived_ns)
        self._last = stamp_ns, arrived_ns
        return self._time_ns

    def _judge(self, stamp_ns: int, arrived_ns: int) -> int:
        if not stamp_ns:
            self.stands, self._moved = True, None
            return arrived_ns
        if self._moved is None or self._moves(stamp_ns, arrived_ns):
            self._has_moved = self._moved is not None
            self._moved, self.stands = (stamp_ns, arrived_ns), False
            ahead_ns = self._time_ns - stamp_ns if stamp_ns > self._last[0] else 0
            return stamp_ns + (ahead_ns if 0 < ahead_ns <= _PATIENCE_NS else 0)
        waited_ns = arrived_ns - self._moved[1]
        self.stands = self.stands or waited_ns >= _PATIENCE_NS
        if not self.stands:
            return stamp_ns
        return self._moved[0] + waited_ns if self._has_moved else arrived_ns

    def _moves(self, stamp_ns: int, arrived_ns: int) -> bool:
        moved_ns, waited_ns = abs(stamp_ns - self._last[0]), abs(arrived_ns - self._last[1])
        return moved_ns > 0 and moved_ns >= _LEAST_RATE * waited_ns
