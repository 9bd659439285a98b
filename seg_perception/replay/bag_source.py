# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The messages of a bag that rclpy can publish, serialised, in the order of their stamps."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rclpy.qos import QoSProfile
from rosbags.interfaces import Connection
from rosbags.serde import SerdeError
from rosbags.typesys.store import Typestore

from seg_perception.core.errors import SourceError
from seg_perception.io.bags import Bag
from seg_perception.replay.bag_qos import is_latched, profile_for
from seg_perception.replay.bag_types import definition, find_type, is_same
from seg_perception.replay.timeline import NS

CLOCK_TOPIC = '/clock'
IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
# What is read ahead: 0.8 s of raw 1280x720 at 30 Hz, or 1 s of a sensor at 1 kHz. Reading on and
# on through a loop of small messages would take the time that publishing needs.
HELD_BYTES, HELD_MESSAGES = 64 << 20, 1000


@dataclass(frozen=True, eq=False)
class Channel:
    """A topic of the bag that can be published."""

    topic: str
    type_name: str
    type: Any
    qos: QoSProfile
    is_latched: bool
    count: int
    ros1: Typestore | None  # the bag's own types, where it is one of ROS 1

    @property
    def is_image(self) -> bool:
        return self.type_name in IMAGE_TYPES

    def to_cdr(self, raw: bytes) -> bytes:
        """
        A message of the bag as rclpy publishes it.

        :raises SerdeError: when one of ROS 1 is not of the type.
        """
        return bytes(raw if self.ros1 is None else self.ros1.ros1_to_cdr(raw, self.type_name))


class Message(NamedTuple):
    """One serialised message, with its channel, recording time and loop number."""

    channel: Channel
    stamp_ns: int
    data: bytes
    turn: int


@dataclass(frozen=True)
class Selection:
    """Part of a bag: seconds from its start (None: to its end); topics (empty: all)."""

    start_s: float = 0.0
    duration_s: float | None = None
    topics: tuple[str, ...] = ()


class BagSource:
    """
    A bag opened for replay.

    ``channels`` are what is published; ``skipped`` has the reason for each topic that is not, and
    ``problems`` what could not be read so far.

    :param path: a rosbag1 file, a rosbag2 folder, or a single mcap or sqlite3 file.
    :param own_clock: leave the bag's /clock out, because another one is published.
    :raises SourceError: when nothing of the selection can be published.
    """

    def __init__(self, path: Path, selection: Selection, own_clock: bool = False) -> None:
        self.path = path
        self._thing = f'bag {str(path)!r}'
        self._unusable: dict[str, str] = {}  # by topic
        self._bag = Bag(path)
        try:
            topics = self._select(selection.topics)
            self.channels, self.skipped = self._sort_out(topics, own_clock)
            self._start_ns, self._stop_ns = self._window(selection)
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
            found = _channel(connections, is_ros1=self.path.suffix == '.bag')
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

    def _window(self, selection: Selection) -> tuple[int, int]:
        """First nanosecond of the selection, and the one after its last."""
        first_ns, last_ns = self._bag.start_ns, self._bag.stop_ns
        start_ns = first_ns + round(selection.start_s * NS)
        if start_ns >= last_ns:
            raise SourceError(
                'start of the replay',
                f'{selection.start_s:g} s',
                f'less than the {(last_ns - first_ns) / NS:.2f} s that {self._thing} lasts',
            )
        if selection.duration_s is None:
            return start_ns, last_ns
        return start_ns, min(last_ns, start_ns + round(selection.duration_s * NS))


class ReadAhead:
    """
    Reads a bag in a thread of its own, ahead of the one who publishes, in bounded memory.

    :param source: the bag.
    :param loop: start again at its end.
    :param held_bytes: how much may wait; one message always may.
    """

    def __init__(self, source: BagSource, loop: bool, held_bytes: int = HELD_BYTES) -> None:
        self._source, self._loop, self._limit = source, loop, held_bytes
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._ended = self._closed = False
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name='read_ahead', daemon=True)
        self._thread.start()

    def __enter__(self) -> ReadAhead:
        return self

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    @property
    def is_ready(self) -> bool:
        """Whether the queue is full, or holds all remaining messages."""
        with self._changed:
            return self._ended or self._is_full()

    @property
    def is_at_end(self) -> bool:
        """Whether all messages were taken and no error is pending."""
        with self._changed:
            return self._ended and not self._waiting and self._error is None

    def take(self, timeout_s: float) -> Message | None:
        """
        The next message; None at the end, or when none came in time.

        :raises SourceError: when the bag could not be read further, after the last message.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended, timeout_s)
            if self._waiting:
                message = self._waiting.popleft()
                self._bytes -= len(message.data)
                self._changed.notify_all()
                return message
            if self._error is not None:
                raise self._error
            return None

    def _is_full(self) -> bool:
        return self._bytes >= self._limit or len(self._waiting) >= HELD_MESSAGES

    def _work(self) -> None:
        try:
            for message in self._messages():
                if not self._put(message):
                    return
        except Exception as error:  # whatever it is, who publishes has to hear of it
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _messages(self) -> Iterator[Message]:
        turn = 0
        anything = True
        while anything and (self._loop or turn == 0):
            anything = False
            for message in self._source.read(turn):
                anything = True
                yield message
            turn += 1

    def _put(self, message: Message) -> bool:
        """Wait for room and append it; False if the reader has been closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._is_full())
            self._waiting.append(message)
            self._bytes += len(message.data)
            self._changed.notify_all()
            return not self._closed


def _channel(connections: Sequence[Connection], is_ros1: bool) -> Channel | str:
    """The channel of one topic, or the reason why it has none."""
    names = sorted({connection.msgtype for connection in connections})
    if len(names) > 1:
        return f'it has messages of {" and ".join(names)}'
    name = names[0]
    kind = find_type(name)
    if kind is None:
        return f'{name} is not installed'
    store = definition(connections, is_ros1)
    if store is None:
        return f'the definition of {name} in the bag cannot be read'
    if not is_same(kind, name, store):
        return f'{name} is not defined as the installed one'
    return Channel(
        connections[0].topic,
        name,
        kind,
        profile_for(connections),
        is_latched(connections),
        sum(connection.msgcount for connection in connections),
        store if is_ros1 else None,
    )
