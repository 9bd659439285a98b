# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What keeps one message from ending the node: stamps of any value, guarded callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_NS = 1_000_000_000


def stamp_ns(stamp: Any) -> int:
    """
    The nanoseconds of a builtin_interfaces/Time, whatever its fields hold.

    ``rclpy.time.Time.from_msg`` raises for negative seconds, which any publisher can send.
    """
    return int(stamp.sec) * _NS + int(stamp.nanosec)


def stamp_seconds(stamp: Any) -> float:
    """The seconds of a builtin_interfaces/Time, as ``stamp_ns``."""
    return stamp_ns(stamp) / _NS


def guarded(
    callback: Callable[[Any], None], failed: Callable[[Exception], None]
) -> Callable[[Any], None]:
    """
    A subscription callback that passes its errors on; rclpy would end the process with them.

    :param failed: counts and logs the error; the next message may be fine.
    """

    def run(message: Any) -> None:
        try:
            callback(message)
        except Exception as error:
            failed(error)

    return run
