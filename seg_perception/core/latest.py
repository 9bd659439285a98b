# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
A newest-wins buffer between cameras and a slower worker.

A slow reader loses old items, never gets late ones: latency is bounded by one item per camera.
"""

from __future__ import annotations

from collections.abc import Hashable
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar('T')
Key = TypeVar('Key', bound=Hashable)


class FairLatest(Generic[Key, T]):
    """
    One slot per key; the key that has waited longest is served first.

    A key whose item is overwritten keeps its place in the queue, and one that was served goes to
    its end, so a fast camera cannot starve a slow one.
    """

    def __init__(self) -> None:
        self._slots: dict[Key, T] = {}  # a dict keeps the place of a key that is overwritten
        self._changed = Condition()
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    def put(self, key: Key, item: T) -> bool:
        """
        Leave an item for the reader.

        :returns: True when an item was lost: an unread one, or this one because of ``close``.
        """
        with self._changed:
            if self._closed:
                return True
            lost = key in self._slots
            self._slots[key] = item
            self._changed.notify()
            return lost

    def take(self, timeout_s: float | None = None) -> tuple[Key, T] | None:
        """Wait for the next item; None after the timeout (None: no limit) or once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._slots or self._closed, timeout_s)
            if not self._slots:
                return None
            key = next(iter(self._slots))
            return key, self._slots.pop(key)

    def close(self) -> None:
        """Discard what is unread and wake every reader; later items are lost."""
        with self._changed:
            self._closed = True
            self._slots.clear()
            self._changed.notify_all()
