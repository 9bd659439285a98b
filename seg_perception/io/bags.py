# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Recordings of any kind as one thing: topics, a span of time, messages.

A damaged one gives what can be read of it, and says what could not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from rosbags.interfaces import Connection, ConnectionExtRosbag2
from rosbags.rosbag1 import Reader as Bag1Reader
from rosbags.rosbag1 import reader as bag1
from rosbags.rosbag2 import Reader as Bag2Reader
from rosbags.rosbag2 import storage_mcap as mcap
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from seg_perception.core.errors import SourceError, first_line
from seg_perception.io.bag_files import (
    CDR,
    METADATA,
    ROS1,
    ROSBAG1,
    SQLITE,
    ZSTD_MAGIC,
    StorageFile,
    check_regular,
    head_of,
    kind_of,
    storage_files,
    unpack,
)
from seg_perception.io.bag_recovery import Salvaged, check_tables, salvage
from seg_perception.io.unpacking import MAX_BLOCK, unbz2, unlz4, unzstd

Reader: TypeAlias = Bag1Reader | Bag2Reader | Salvaged  # with the same face

# Only messages whose definition has been the same in every release are read, so one store for
# each generation of ROS does, and a definition in the bag that is damaged or unknown harms nobody.
_STORES: dict[str, Typestore] = {
    ROS1: get_typestore(Stores.ROS1_NOETIC),
    CDR: get_typestore(Stores.ROS2_JAZZY),
}


# The readers of rosbags unpack without a bound; within them, too, a chunk holds what it declares.
mcap.DECOMPRESSORS['lz4'] = lambda data, size: unlz4(data, min(size, MAX_BLOCK))
mcap.DECOMPRESSORS['zstd'] = lambda data, size: unzstd(data, min(size, MAX_BLOCK))
bag1.decompressors.update(lz4=unlz4, bz2=unbz2)


@dataclass(frozen=True)
class Topic:
    """A topic of a bag: its type as ``sensor_msgs/msg/Image``, and how many messages it has."""

    name: str
    type: str
    count: int
    encoding: str = field(default=CDR, compare=False)  # of its messages


@dataclass(frozen=True)
class BagMessage:
    """One message, not yet deserialised; ``log_ns`` is when it was recorded."""

    topic: Topic
    log_ns: int
    raw: bytes


class Bag:
    """
    A recording of rosbag1 or rosbag2, open for reading.

    ``problems`` says in words what could not be read so far; it grows while messages are read.

    :param path: a file, or the folder of a rosbag2.
    :raises SourceError: when nothing of it can be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.problems: list[str] = []
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(TemporaryDirectory(prefix='seg_bag_')))
        try:
            self._readers = self._open()
        except BaseException:
            self.close()
            raise
        self.topics = _topics(self._readers)
        known = [reader for reader in self._readers if reader.message_count]
        self.start_ns = min((reader.start_time for reader in known), default=0)
        self.stop_ns = max((reader.end_time for reader in known), default=0)

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    @property
    def connections(self) -> list[Connection]:
        """Who published what: types with their definitions, and quality of service."""
        return [row for reader in self._readers for row in reader.connections]

    def of_type(self, *types: str) -> list[Topic]:
        """The topics of some types that can be read, by name."""
        known = (topic for topic in self.topics.values() if topic.encoding in _STORES)
        return [topic for topic in known if topic.type in types]

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        """Messages of some topics with ``start_ns <= log_ns < stop_ns``, by time of recording."""
        for reader in self._readers:
            for connection, log_ns, raw in self._read(reader, topics, start_ns, stop_ns):
                if raw[:4] == ZSTD_MAGIC:  # compressed one by one; a message of ROS begins with 0
                    raw = unzstd(raw)
                yield BagMessage(self.topics[connection.topic], log_ns, raw)

    def deserialise(self, message: BagMessage) -> Any:
        """
        The message as an object with the fields of its type.

        :raises SourceError: when its bytes are not one of that type.
        """
        topic = message.topic
        store = _STORES.get(topic.encoding)
        if store is None:
            raise SourceError(
                f'messages of {topic.name}',
                f'those of {topic.encoding!r}',
                ' or '.join(_STORES),
                'Convert the recording to ROS 2 (cdr).',
            )
        try:
            if topic.encoding == ROS1:
                return store.deserialize_ros1(message.raw, topic.type)
            return store.deserialize_cdr(message.raw, topic.type)
        except Exception as error:  # whatever damaged bytes make of generated code
            raise SourceError(
                f'message of {message.topic.name}',
                f'{len(message.raw)} bytes ({first_line(error)})',
                f'a {message.topic.type}',
            ) from error

    def _open(self) -> list[Reader]:
        if not self.path.exists():
            raise SourceError(
                f'bag {str(self.path)!r}', 'nothing there', 'a rosbag1 file or a rosbag2'
            )
        if not self.path.is_dir():
            return [self._open_file(self.path)]
        if (self.path / METADATA).is_file():
            try:
                if reader := self._open_folder():
                    return [reader]
                return self._open_files()
            except SourceError:
                raise
            except Exception as error:
                self.problems.append(f'{METADATA} cannot be used: {first_line(error)}')
        else:
            self.problems.append(f'{METADATA} is missing; read from the files themselves')
        return self._open_files()

    def _open_folder(self) -> Reader | None:
        """As its metadata says; None where it is compressed, which rosbags unpacks unbounded."""
        files = storage_files(self.path)
        check_regular(files)
        for file in files:
            if kind_of(head_of(file)) == SQLITE:
                check_tables(file)
            elif head_of(file).startswith(ZSTD_MAGIC):
                return None
        reader = Bag2Reader(self.path)
        opened = self._enter(reader)
        return None if reader.compression_mode else opened

    def _open_files(self) -> list[Reader]:
        """Each file of a folder by itself, in the order of their numbers."""
        files = storage_files(self.path)
        readers = []
        for file in files:
            try:
                readers.append(self._open_file(file))
            except SourceError as error:
                self.problems.append(str(error))
        if not readers:
            raise SourceError(
                f'bag {str(self.path)!r}',
                '; '.join(self.problems),
                'at least one file that can be read',
            )
        return sorted(readers, key=lambda reader: reader.start_time)

    def _open_file(self, path: Path) -> Reader:
        file = unpack(path, self._folder)
        if file.is_cut:
            self.problems.append(f'{file.name} is cut: its compression does not end')
        if file.kind == SQLITE:
            check_tables(file.path)
        try:
            is_ros1 = file.kind == ROSBAG1
            return self._enter(Bag1Reader(file.path) if is_ros1 else Bag2Reader(file.path))
        except Exception as error:  # rosbags meets damage with errors of many kinds
            return self._salvage(file, first_line(error))

    def _salvage(self, file: StorageFile, reason: str = '') -> Reader:
        """Read a file without rosbags, which takes no MCAP but its own kind; damage is told."""
        reader = salvage(file)
        self._stack.callback(reader.close)
        if not reader.is_whole:
            self.problems += [f'{file.name} is damaged: {reason}'] if reason else []
            self.problems.append(f'{file.name}: {reader.summary}')
        return reader

    def _enter(self, reader: Any) -> Reader:
        reader.open()
        self._stack.callback(reader.close)
        opened: Reader = reader
        return opened

    def _read(
        self, reader: Reader, topics: Collection[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """What the reader gives; after damage within, what is left by salvaging."""
        wanted = [row for row in reader.connections if row.topic in topics]
        if not wanted:
            return
        last_ns = -1
        try:
            for row in reader.messages(wanted, start_ns, stop_ns):
                last_ns = max(last_ns, row[1])
                yield row
        except Exception as error:  # as above
            problem = f'damaged at {last_ns / 1e9:.3f} s: {first_line(error)}'
            if problem not in self.problems:
                self.problems.append(problem)
            after_ns = last_ns + 1 if last_ns >= 0 else start_ns
            yield from self._read_rest(topics, after_ns, stop_ns)

    def _read_rest(
        self, topics: Collection[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        for file in [self.path] if self.path.is_file() else storage_files(self.path):
            try:
                reader = self._salvage(unpack(file, self._folder))
            except SourceError as error:
                self.problems.append(str(error))
                continue
            wanted = [row for row in reader.connections if row.topic in topics]
            yield from reader.messages(wanted, start_ns, stop_ns)


def encoding_of(connection: Connection) -> str:
    """How the messages of a connection are serialised: cdr, ros1 or what else an MCAP says."""
    ext = connection.ext
    return ext.serialization_format if isinstance(ext, ConnectionExtRosbag2) else ROS1


def _topics(readers: list[Reader]) -> dict[str, Topic]:
    """By name; of a topic with several publishers the counts are added."""
    topics: dict[str, Topic] = {}
    rows = (row for reader in readers for row in reader.connections)
    for row in sorted(rows, key=attrgetter('topic')):
        count = topics[row.topic].count if row.topic in topics else 0
        topics[row.topic] = Topic(row.topic, row.msgtype, count + row.msgcount, encoding_of(row))
    return topics
