# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Items in order, each once, in bounded memory."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest

from seg_perception.core.errors import SourceError
from seg_perception.io.read_ahead import ReadAhead


class Pieces:
    """Messages of ten bytes; it fails after the last where that is said."""

    def __init__(self, count: int, fails: bool = False) -> None:
        self.count, self.fails, self.read_so_far = count, fails, 0

    def __iter__(self) -> Iterator[bytes]:
        for index in range(self.count):
            self.read_so_far += 1
            yield b'%010d' % index
        if self.fails:
            raise SourceError('bag', 'damage', 'none')


def taken(ahead: ReadAhead[bytes], count: int) -> list[int]:
    return [int(ahead.take(5.0)) for _ in range(count)]


def wait_until_full(ahead: ReadAhead[bytes]) -> None:
    end_s = time.monotonic() + 20
    while not ahead.is_full:
        assert time.monotonic() < end_s
        time.sleep(0.001)


@pytest.mark.parametrize('held', [1, 2, 100])
def test_reading_ahead_keeps_order_and_ends(held: int) -> None:
    with ReadAhead(Pieces(5), held) as ahead:
        assert taken(ahead, 5) == [0, 1, 2, 3, 4]
        assert ahead.take(5.0) is None
        assert ahead.is_at_end


def test_nothing_to_read_is_ready_and_at_its_end() -> None:
    with ReadAhead(Pieces(0), 1) as ahead:
        assert ahead.take(5.0) is None
        assert ahead.is_ready and ahead.is_full and ahead.is_at_end


def test_memory_is_bounded() -> None:
    pieces = Pieces(1000)
    with ReadAhead(pieces, 1000, 50, len) as ahead:
        wait_until_full(ahead)
        assert pieces.read_so_far <= 6  # five wait, one is held up
        assert taken(ahead, 1000) == list(range(1000))
        assert ahead.take(5.0) is None
    many = Pieces(5000)
    with ReadAhead(many, 1000) as ahead:
        wait_until_full(ahead)
        assert many.read_so_far <= 1001


def test_an_item_larger_than_the_memory_comes_all_the_same() -> None:
    with ReadAhead(Pieces(3), 10, 5, len) as ahead:
        assert taken(ahead, 3) == [0, 1, 2]


def test_an_error_comes_after_what_was_read() -> None:
    with ReadAhead(Pieces(2, fails=True), 10) as ahead:
        assert taken(ahead, 2) == [0, 1]
        assert not ahead.is_at_end
        with pytest.raises(SourceError, match='bag: got damage'):
            ahead.take(5.0)


@pytest.mark.parametrize('item', [b'1', None])
def test_it_can_be_closed_while_it_reads_or_waits(item: bytes | None) -> None:
    """A None is a step without an item, such as one of the preparation."""
    started_s = time.monotonic()
    with ReadAhead(itertools.repeat(item), 1) as ahead:
        assert ahead.take(0.01 if item is None else 5.0) == item
    assert time.monotonic() - started_s < 3.0
