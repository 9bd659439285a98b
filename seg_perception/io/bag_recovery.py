# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Read what rosbags does not: damaged recordings (without index or footer, cut short, with broken
blocks), and MCAPs that rosbag2 did not write.

The file is walked record by record once, and what is whole is listed. Formats: mcap.dev/spec,
wiki.ros.org/Bags/Format/2.0, and the tables of rosbag2_storage_sqlite3.
"""

from __future__ import annotations

import re
import sqlite3
import struct
from abc import ABC, abstractmethod
from binascii import crc32
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from io import BytesIO
from operator import itemgetter
from pathlib import Path
from typing import Any

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Message, Schema
from mcap.stream_reader import StreamReader
from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
)
from rosbags.typesys.msg import normalize_msgtype

from seg_perception.core.errors import SourceError
from seg_perception.io.bag_files import MCAP, ROS1, ROSBAG1, SQLITE, StorageFile
from seg_perception.io.unpacking import MAX_BLOCK, unbz2, unlz4, unzstd

_UNDEFINED = MessageDefinition(MessageDefinitionFormat.NONE, '')
_MAX_ID_STEP = 1 << 20  # how far beyond unreadable rows of a database others are looked for


@dataclass(frozen=True)
class _Block:
    """A piece of the file with messages: where it is, and the times that it spans."""

    offset: int
    length: int
    start_ns: int
    end_ns: int


class Salvaged(ABC):
    """The readable messages of a damaged file, with the face of a reader of rosbags."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._topics: dict[int, tuple[str, str]] = {}  # topic and type of each connection
        self._encodings: dict[int, str] = {}  # of their messages, where it is not cdr
        self._definitions: dict[int, MessageDefinition] = {}
        self.is_whole = False
        self._counts: dict[int, int] = {}
        self.start_time, self.end_time = 2**63 - 1, 0
        self.lost = ''  # in words
        self._scan()

    @property
    def connections(self) -> list[Connection]:
        """As rosbags describes them."""
        return [
            Connection(
                id=key,
                topic=topic,
                msgtype=kind,
                msgdef=self._definitions.get(key, _UNDEFINED),
                digest='',
                msgcount=self._counts.get(key, 0),
                ext=ConnectionExtRosbag2(self._encodings.get(key, 'cdr'), []),
                owner=self,
            )
            for key, (topic, kind) in sorted(self._topics.items())
        ]

    @property
    def message_count(self) -> int:
        return sum(self._counts.values())

    @property
    def summary(self) -> str:
        """What was found, in words."""
        return f'{self.message_count} messages could be read' + (
            f'; {self.lost}' * bool(self.lost)
        )

    def messages(
        self, connections: Collection[Connection], start: int | None, stop: int | None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Messages of some connections in a span of time, as they lie in the file."""
        wanted = {row.id: row for row in connections}
        last_ns = 2**63 - 1 if stop is None else stop
        for key, log_ns, raw in self._between(start or 0, last_ns):
            if key in wanted:
                yield wanted[key], log_ns, raw

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    @abstractmethod
    def _scan(self) -> None:
        """List what can be read."""

    @abstractmethod
    def _between(self, first_ns: int, last_ns: int) -> Iterator[tuple[int, int, bytes]]:
        """Connection, time and data of messages with ``first_ns <= time < last_ns``."""

    def _count(self, key: int, log_ns: int) -> None:
        self._counts[key] = self._counts.get(key, 0) + 1
        self.start_time = min(self.start_time, log_ns)
        self.end_time = max(self.end_time, log_ns + 1)


class _Recorded(Salvaged):
    """A file of records of which some hold a compressed block of others."""

    magic: bytes

    def __init__(self, path: Path) -> None:
        self._file = path.open('rb')
        self._size = path.stat().st_size
        self._blocks: list[_Block] = []
        self._damaged = 0
        super().__init__(path)

    def close(self) -> None:
        self._file.close()

    def _between(self, first_ns: int, last_ns: int) -> Iterator[tuple[int, int, bytes]]:
        for block in self._blocks:
            if block.end_ns >= first_ns and block.start_ns < last_ns:
                rows = [row for row in self._rows(block) if first_ns <= row[1] < last_ns]
                yield from sorted(rows, key=itemgetter(1))

    def _scan(self) -> None:
        if self._file.read(len(self.magic)) != self.magic:
            raise SourceError(
                f'bag file {str(self.path)!r}',
                'another beginning',
                f'one that begins with {self.magic!r}',
                'It is empty, damaged or no bag.',
            )
        end = self._walk(len(self.magic))
        if self._damaged:
            self.lost = f'{self._damaged} blocks are damaged'
        if end < self._size:
            cut = f'the last {self._size - end} of {self._size} bytes belong to no whole record'
            self.lost = '; '.join(filter(None, [self.lost, cut]))

    def _add(self, offset: int, length: int) -> None:
        """Take a block into the list if anything in it can be read, and count its messages."""
        times = []
        try:
            for key, log_ns, _ in self._rows(_Block(offset, length, 0, 0)):
                self._count(key, log_ns)
                times.append(log_ns)
        except Exception:  # what damage makes of a decompressor
            self._damaged += 1
            return
        if times:
            self._blocks.append(_Block(offset, length, min(times), max(times)))

    def _read(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(length)

    @abstractmethod
    def _walk(self, offset: int) -> int:
        """Add the blocks of the file; where the last whole record ends."""

    @abstractmethod
    def _rows(self, block: _Block) -> Iterator[tuple[int, int, bytes]]:
        """Connection, time and data of the messages in a block."""


_DEFINITIONS = {
    'ros1msg': MessageDefinitionFormat.MSG,
    'ros2msg': MessageDefinitionFormat.MSG,
    'ros2idl': MessageDefinitionFormat.IDL,
}


class McapFile(_Recorded):
    """An MCAP file that rosbags refuses: it is damaged, or of another profile than ros2."""

    magic = b'\x89MCAP0\r\n'

    def _scan(self) -> None:
        self._schemas: dict[int, Schema] = {}
        self._has_end = False
        super()._scan()
        self.is_whole = self._has_end and not self.lost

    def _walk(self, offset: int) -> int:
        # By the lengths alone: one damaged record hides none of those behind it.
        while len(head := self._read(offset, 9)) == 9:
            end = offset + _mcap_length(head)
            if head[0] in (Opcode.DATA_END, Opcode.FOOTER):
                self._has_end = self._read(self._size - len(self.magic), 8) == self.magic
                return self._size
            if head[0] in (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.CHUNK, Opcode.MESSAGE):
                self._add(offset, min(end, self._size) - offset)
            if end > self._size:
                break
            offset = end
        return offset

    def _rows(self, block: _Block) -> Iterator[tuple[int, int, bytes]]:
        data = self._read(block.offset, block.length)
        if data[0] == Opcode.CHUNK:
            chunk = Chunk.read(ReadDataStream(BytesIO(data[9:])))
            limit = min(chunk.uncompressed_size, MAX_BLOCK)
            data = _UNPACK[chunk.compression](chunk.data, limit)
            is_whole = len(data) == chunk.uncompressed_size
            if is_whole and chunk.uncompressed_crc not in (0, crc32(data)):
                raise ValueError('checksum')
        for record in _mcap_records(data):
            if isinstance(record, Message):
                yield record.channel_id, record.log_time, record.data
            elif isinstance(record, Schema):
                self._schemas[record.id] = record
            elif isinstance(record, Channel):
                self._learn(record)

    def _learn(self, channel: Channel) -> None:
        schema = self._schemas.get(channel.schema_id)
        name, key = schema.name if schema else '', channel.id
        is_ros = channel.message_encoding in (ROS1, 'cdr')
        self._topics[key] = channel.topic, str(normalize_msgtype(name)) if is_ros else name
        self._encodings[key] = channel.message_encoding
        if schema and schema.encoding in _DEFINITIONS:
            text = schema.data.decode('utf-8', 'replace')
            self._definitions[key] = MessageDefinition(_DEFINITIONS[schema.encoding], text)


def _mcap_length(head: bytes) -> int:
    """Length in bytes of the record that starts with this head."""
    return 9 + int(struct.unpack_from('<Q', head, 1)[0])


def _mcap_records(data: bytes) -> Iterator[Any]:
    """The records up to the first one that is cut or damaged."""
    with suppress(Exception):  # EndOfFile, or what damage makes of a record
        yield from StreamReader(BytesIO(data), skip_magic=True).records


class Bag1File(_Recorded):
    """A bag of ROS 1 without a usable index."""

    magic = b'#ROSBAG V2.0\n'
    _MESSAGE, _CHUNK, _CONNECTION = 2, 5, 7

    def _walk(self, offset: int) -> int:
        while len(head := self._read(offset, 4)) == 4:
            data_at = offset + 4 + struct.unpack('<I', head)[0]
            fields = _bag1_fields(self._read(offset + 4, data_at - offset - 4))
            length = self._read(data_at, 4)
            if len(length) < 4 or 'op' not in fields:
                break
            end = data_at + 4 + struct.unpack('<I', length)[0]
            op = fields['op'][0]
            if op == self._CHUNK:
                self._add(offset, min(end, self._size) - offset)
            elif op == self._CONNECTION and end <= self._size:
                self._learn(fields, self._read(data_at + 4, end - data_at - 4))
            if end > self._size:
                break
            offset = end
        return offset

    def _rows(self, block: _Block) -> Iterator[tuple[int, int, bytes]]:
        ((fields, packed),) = _bag1_records(self._read(block.offset, block.length), whole=False)
        unpack = _UNPACK[fields['compression'].decode()]
        for inner, data in _bag1_records(unpack(packed, MAX_BLOCK)):
            op = inner['op'][0]
            if op == self._CONNECTION:
                self._learn(inner, data)
            elif op == self._MESSAGE:
                seconds, nanoseconds = struct.unpack('<II', inner['time'])
                key = struct.unpack('<I', inner['conn'])[0]
                yield key, seconds * 10**9 + nanoseconds, data

    def _learn(self, fields: dict[str, bytes], data: bytes) -> None:
        kind = normalize_msgtype(_bag1_fields(data)['type'].decode())
        key = struct.unpack('<I', fields['conn'])[0]
        self._topics[key] = (fields['topic'].decode(), str(kind))
        self._encodings[key] = ROS1


def _bag1_records(data: bytes, whole: bool = True) -> Iterator[tuple[dict[str, bytes], bytes]]:
    """Fields and data of the records; the last may be cut where ``whole`` does not ask for it."""
    offset = 0
    while offset + 8 <= len(data):
        data_at = offset + 4 + struct.unpack_from('<I', data, offset)[0]
        if data_at + 4 > len(data):
            return
        end = data_at + 4 + struct.unpack_from('<I', data, data_at)[0]
        if end > len(data) and whole:
            return
        yield _bag1_fields(data[offset + 4 : data_at]), data[data_at + 4 : end]
        offset = end


def _bag1_fields(header: bytes) -> dict[str, bytes]:
    fields, offset = {}, 0
    while offset + 4 <= len(header):
        end = offset + 4 + struct.unpack_from('<I', header, offset)[0]
        name, _, value = header[offset + 4 : end].partition(b'=')
        fields[name.decode('utf-8', 'replace')] = value
        offset = end
    return fields


def _plain(data: bytes, limit: int) -> bytes:
    return data


# These give the beginning of what is cut, where one-shot functions refuse it.
_UNPACK: dict[str, Callable[[bytes, int], bytes]] = {
    '': _plain,
    'none': _plain,
    'zstd': unzstd,
    'lz4': unlz4,
    'bz2': unbz2,
}


def check_tables(path: Path) -> None:
    """
    Refuse a database in which topics or messages are computed: views may go on for ever.

    :raises SourceError: names it. A damaged database passes.
    """
    uri = f'{path.resolve().as_uri()}?immutable=1'
    with closing(sqlite3.connect(uri, uri=True)) as base, suppress(sqlite3.DatabaseError):
        made = dict(base.execute("SELECT name, type || coalesce(sql, '') FROM sqlite_master"))
        for name in ('topics', 'messages'):
            is_table = re.match('table(?!CREATE VIRTUAL)', made.get(name, 'table'))
            columns = base.execute(f'PRAGMA table_xinfo({name})').fetchall()
            if not is_table or any(hidden for *_, hidden in columns):
                seen, expected = f'{name} that are computed', 'a plain table of them'
                raise SourceError(f'bag file {str(path)!r}', seen, expected)


class SqliteFile(Salvaged):
    """A database of rosbag2 that SQLite reads in part."""

    def __init__(self, path: Path) -> None:
        # Immutable: sqlite writes neither a lock nor a journal next to a file that is not ours.
        uri = f'{path.resolve().as_uri()}?immutable=1'
        self._base = sqlite3.connect(uri, uri=True, check_same_thread=False)
        # SQLite opens a file that is shorter than its header says for those alone who repair it.
        self._base.execute('PRAGMA writable_schema = ON')
        self._unreadable = False
        super().__init__(path)

    def close(self) -> None:
        self._base.close()

    def _between(self, first_ns: int, last_ns: int) -> Iterator[tuple[int, int, bytes]]:
        where = 'AND timestamp >= ? AND timestamp < ?'
        for _, key, log_ns, raw in self._rows('data', where, (first_ns, last_ns)):
            yield key, log_ns, raw

    def _scan(self) -> None:
        try:
            topics = self._base.execute('SELECT id, name, type FROM topics').fetchall()
        except sqlite3.DatabaseError as error:
            raise SourceError(
                f'bag file {str(self.path)!r}', error, 'a database with a table of topics'
            ) from error
        self._topics = {key: (name, kind) for key, name, kind in topics}
        for _, key, log_ns, _ in self._rows('NULL'):
            self._count(key, log_ns)
        if self._unreadable:
            self.lost = 'other rows of its table cannot be read'

    def _rows(
        self, data: str, where: str = '', values: tuple[int, ...] = ()
    ) -> Iterator[tuple[int, int, int, bytes]]:
        """Rows by number; beyond some that cannot be read, others are tried in growing steps."""
        columns = f'id, topic_id, timestamp, {data}'
        query = f'SELECT {columns} FROM messages WHERE id > ? {where} ORDER BY id'
        last_id, step = 0, 0
        while step <= _MAX_ID_STEP:
            try:
                for row in self._base.execute(query, (last_id + step, *values)):
                    last_id, step = row[0], 0
                    yield row
                return
            except sqlite3.DatabaseError:
                self._unreadable = True
                step = max(1, 2 * step)


def salvage(file: StorageFile) -> Salvaged:
    """
    Read what is left of a file of a bag.

    :raises SourceError: when its beginning is that of no bag, or it cannot be opened.
    """
    kinds: dict[str, Callable[[Path], Salvaged]] = {
        MCAP: McapFile,
        ROSBAG1: Bag1File,
        SQLITE: SqliteFile,
    }
    kind = kinds.get(file.kind)
    if kind is None:
        raise SourceError(
            f'bag file {file.name!r}', 'another beginning', f'one of {", ".join(kinds)}'
        )
    try:
        return kind(file.path)
    except OSError as error:
        raise SourceError(f'bag file {file.name!r}', error, 'a file that can be read') from error
