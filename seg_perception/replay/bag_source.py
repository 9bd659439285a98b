# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The messages of a bag that rclpy can publish, serialised, in the order of their stamps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rosbags.serde import SerdeError

from seg_perception.core.errors import SourceError
from seg_perception.io.bags import Bag
from seg_perception.options import ReplayOptions
from seg_perception.replay.channel import Channel, channel_of
from seg_perception.replay.timeline import NS

CLOCK_TOPIC = '/clock'
# What is read ahead: 0.8 s of raw 1280x720 at 30 Hz, or 1 s of a sensor at 1 kHz. Reading on and
# on through a loop of small messages would take the time that publishing needs.
HELD_BYTES, HELD_MESSAGES = 64 << 20, 1000


class Message(NamedTuple):
    """One serialised message, with its channel, recording time and loop number."""

    channel: Channel
    stamp_ns: int
    data: bytes
    turn: int


class BagSource:
    """
    A bag opened for replay.

    ``channels`` are what is published; ``skipped`` has the reason for each topic that is not, and
    ``problems`` what could not be read so far.

    :param options: which bag and which part of it; with a clock of the replay, the bag's /clock is
        left out.
    :raises SourceError: when nothing of the selection can be published.
    """

    def __init__(self, options: ReplayOptions) -> None:
        self.path = options.bag
        self._thing = f'bag {str(self.path)!r}'
        self._unusable: dict[str, str] = {}  # by topic
        self._bag = Bag(self.path)
        try:
            topics = self._select(options.topics)
            self.channels, self.skipped = self._sort_out(topics, options.clock_hz > 0)
            self._start_ns, self._stop_ns = self._window(options)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> BagSource:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._bag.close()

    @property
    def problems(self) -> list[str]:
        return [*self._bag.problems, *self._unusable.values()]

    @property
    def begin_ns(self) -> int:
        """Start time of the bag, independent of the selection."""
        return self._bag.start_ns

    @property
    def offset_s(self) -> float:
        """Seconds from the start of the bag to the start of the selected part."""
        return (self._start_ns - self._bag.start_ns) / NS

    @property
    def length_s(self) -> float:
        """Duration of the selected part in seconds."""
        return (self._stop_ns - self._start_ns) / NS

    @property
    def period_ns(self) -> int:
        """Mean time between two messages of the busiest topic, used as the pause between loops."""
        busiest = max(channel.count for channel in self.channels)
        return (self._bag.stop_ns - self._bag.start_ns) // max(busiest - 1, 1)

    def read_turns(self, loop: bool) -> Iterator[Message]:
        """The messages of the selected part; over and over in a loop, unless it has none."""
        for turn in itertools.count():
            anything = False
            for message in self.read(turn):
                anything = True
                yield message
            if not (loop and anything):
                return

    def read(self, turn: int = 0) -> Iterator[Message]:
        """The messages of the selected part, preceded by the messages latched at its start."""
        latched = [channel for channel in self.channels if channel.is_latched]
        if latched and self._start_ns > self.begin_ns:
            for message in self._read(latched, turn, self.begin_ns, self._start_ns):
                yield message._replace(stamp_ns=self._start_ns)
        yield from self._read(self.channels, turn, self._start_ns, self._stop_ns)

    def _read(
        self, channels: Sequence[Channel], turn: int, start_ns: int, stop_ns: int
    ) -> Iterator[Message]:
        of = {channel.topic: channel for channel in channels}
        for row in self._bag.messages(of.keys(), start_ns, stop_ns):
            channel = of[row.topic.name]
            try:
                yield Message(channel, row.log_ns, channel.to_cdr(row.raw), turn)
            except SerdeError as error:
                problem = f'messages of {channel.topic} that are not {channel.type_name}: {error}'
                self._unusable.setdefault(channel.topic, problem)

    def _select(self, topics: Sequence[str]) -> list[str]:
        there = self._bag.topics
        if missing := [topic for topic in topics if topic not in there]:
            raise SourceError(
                f'topics to replay of {self._thing}',
                ', '.join(missing),
                f'some of {", ".join(there) or "none: it has no topics"}',
            )
        return [topic for topic in there if not topics or topic in topics]

    def _sort_out(
        self, topics: Sequence[str], own_clock: bool
    ) -> tuple[tuple[Channel, ...], dict[str, str]]:
        """Topics that can be published, and those that cannot, with the reason."""
        channels: list[Channel] = []
        skipped: dict[str, str] = {}
        for topic in topics:
            connections = [row for row in self._bag.connections if row.topic == topic]
            found = channel_of(connections)
            if topic == CLOCK_TOPIC and own_clock:
                skipped[topic] = 'replaced by the clock of this replay'
            elif isinstance(found, Channel):
                channels.append(found)
            else:
                skipped[topic] = found
        if not sum(channel.count for channel in channels):
            reasons = [f'{topic} ({why})' for topic, why in skipped.items()]
            raise SourceError(
                self._thing,
                '; '.join(['no message to publish', *reasons, *self.problems]),
                'at least one of a type that is installed',
            )
        return tuple(channels), skipped

    def _window(self, options: ReplayOptions) -> tuple[int, int]:
        """First nanosecond of the selection, and the one after its last."""
        first_ns, last_ns = self._bag.start_ns, self._bag.stop_ns
        start_ns = first_ns + round(options.start_s * NS)
        if start_ns >= last_ns:
            raise SourceError(
                'start of the replay',
                f'{options.start_s:g} s',
                f'less than the {(last_ns - first_ns) / NS:.2f} s that {self._thing} lasts',
            )
        if options.duration_s is None:
            return start_ns, last_ns
        return start_ns, min(last_ns, start_ns + round(options.duration_s * NS))
