# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Read in a thread, ahead of the one who uses what is read."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

Item = TypeVar('Item')


class ReadAhead(Generic[Item]):
    """
    Reads items in a thread of its own, in bounded memory, and drops none.

    :param items: what to read; at a None nothing is there yet, and the thread can be ended.
    :param held_items: how many may wait.
    :param held_bytes: how much may wait; one item always may.
    :param size: bytes of an item.
    """

    def __init__(
        self,
        items: Iterable[Item | None],
        held_items: int,
        held_bytes: int = 0,
        size: Callable[[Item], int] | None = None,
    ) -> None:
        self._items, self._size = items, size or (lambda _: 0)
        self._held_items, self._held_bytes = held_items, held_bytes
        self._waiting: deque[Item] = deque()
        self._bytes = 0
        self._ended = self._closed = False
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name='read_ahead', daemon=True)
        self._thread.start()

    def __enter__(self) -> ReadAhead[Item]:
        return self

    def __exit__(self, *error: Any) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        # However long its item takes: a thread that is within OpenCV when Python ends aborts it.
        self._thread.join()

    @property
    def is_ready(self) -> bool:
        """Whether an item waits, or all were read."""
        with self._changed:
            return self._ended or bool(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether no more may wait, or all were read."""
        with self._changed:
            return self._ended or self._has_no_room()

    @property
    def is_at_end(self) -> bool:
        """Whether all items were taken and no error is pending."""
        with self._changed:
            return self._ended and not self._waiting and self._error is None

    def take(self, timeout_s: float = 0.0) -> Item | None:
        """
        The next item, in order, each once; None at the end, or when none came in time.

        :raises Exception: what reading raised, after the last item.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended, timeout_s)
            if self._waiting:
                item = self._waiting.popleft()
                self._bytes -= self._size(item)
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            return None

    def _has_no_room(self) -> bool:
        too_big = 0 < self._held_bytes <= self._bytes
        return too_big or len(self._waiting) >= self._held_items

    def _work(self) -> None:
        try:
            for item in self._items:
                if item is not None:
                    self._put(item)
                if self._closed:
                    break
        except Exception as error:  # whatever it is, who takes the items has to hear of it
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _put(self, item: Item) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._has_no_room())
            self._waiting.append(item)
            self._bytes += self._size(item)
            self._changed.notify_all()
