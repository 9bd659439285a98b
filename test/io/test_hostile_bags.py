# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Bags that were made to harm: a word in place of gigabytes, endless rows or an endless wait."""

from __future__ import annotations

import bz2
import os
import sqlite3
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lz4.frame
import pytest

from seg_perception.core.errors import SourceError
from seg_perception.io import unpacking
from seg_perception.io.bag_files import is_bag
from seg_perception.io.bags import Bag
from seg_perception.io.frames import find_files
from tiny_bags import foreign_mcap, street_rows, write_bag

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACK = {
    'zstd': (zstd.compress, unpacking.unzstd),
    'lz4': (lz4.frame.compress, unpacking.unlz4),
    'bz2': (bz2.compress, unpacking.unbz2),
}
MB = 1 << 20


@contextmanager
def within(limit: int) -> Iterator[None]:
    """What Python allocates inside stays below a limit in bytes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


def read(path: Path) -> tuple[int, list[str]]:
    """How many messages there are, and what was said."""
    with Bag(path) as bag:
        count = sum(1 for _ in bag.messages(list(bag.topics)))
        return count, bag.problems


@pytest.mark.parametrize('kind', PACK)
def test_what_unpacks_to_more_than_the_limit_is_refused(kind: str) -> None:
    pack, unpack = PACK[kind]
    data = pack(bytes(64 * MB))
    assert unpack(pack(b'road' * 99), 396) == b'road' * 99
    with within(10 * MB), pytest.raises(ValueError, match=r'unpack to more than 1000'):
        unpack(data, 1000)


def chunk_of(data: bytes) -> bytes:
    """The packed records of the first chunk (mcap.dev/spec)."""
    at = 8
    while data[at] != 6:
        at += 9 + int.from_bytes(data[at + 1 : at + 9], 'little')
    at += 9 + 28
    at += 4 + int.from_bytes(data[at : at + 4], 'little')
    length = int.from_bytes(data[at : at + 8], 'little')
    return data[at + 8 : at + 8 + length]


def with_bomb(data: bytes, pack) -> bytes:
    """The chunk replaced by one that declares the old size and unpacks to 200 MB."""
    chunk, bomb = chunk_of(data), pack(bytes(200 * MB))
    at = data.index(chunk)
    head = data.rindex(b'\x06', 0, data.index(chunk) - 40)
    grown = len(bomb) - len(chunk)
    length = int.from_bytes(data[head + 1 : head + 9], 'little') + grown
    parts = data[: head + 1], length.to_bytes(8, 'little'), data[head + 9 : at - 8]
    return b''.join([*parts, len(bomb).to_bytes(8, 'little'), bomb, data[at + len(chunk) :]])


@pytest.mark.parametrize('kind', ['zstd', 'lz4'])
@pytest.mark.parametrize('profile', ['ros2', 'mine'])  # read by rosbags, and by ourselves
def test_a_chunk_that_unpacks_to_more_than_it_declares_is_damaged(
    tmp_path: Path, kind: str, profile: str
) -> None:
    path = tmp_path / 'bomb.mcap'
    path.write_bytes(with_bomb(foreign_mcap('cdr', profile, kind.upper()), PACK[kind][0]))
    assert path.stat().st_size < MB
    with within(20 * MB):
        count, problems = read(path)
    assert count == 0 and 'damaged' in '; '.join(problems)


@pytest.mark.parametrize('name', ['bomb.db3.zstd', 'bag'])
def test_a_file_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(unpacking, '_LEAST_FILE', 10 * MB)
    path, bomb = tmp_path / name, zstd.compress(b'SQLite format 3\0' + bytes(64 * MB))
    if name == 'bag':
        write_bag(path, street_rows(1), 'zstd')
        (file,) = path.glob('*.zstd')
    else:
        file = path
    file.write_bytes(bomb)
    with pytest.raises(SourceError, match=r'unpack to more than 10485760.*unzstd'):
        read(path)


VIEW = """
WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n)
SELECT id, 1 AS topic_id, id AS timestamp, zeroblob(1000) AS data FROM n
"""
HOSTILE = {
    'a view': ['DROP TABLE messages', f'CREATE VIEW messages AS {VIEW}'],
    'a view of topics': ['DROP TABLE topics', 'CREATE VIEW topics AS SELECT 1 AS id'],
    'a computed column': [
        'DROP TABLE messages',
        'CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, '
        'data BLOB AS (zeroblob(900000000)))',
        'INSERT INTO messages(topic_id, timestamp) VALUES (1, 1)',
    ],
    'a virtual table': [
        'DROP TABLE messages',
        'CREATE VIRTUAL TABLE messages USING fts5(topic_id, timestamp, data)',
    ],
}


@pytest.mark.parametrize('name', HOSTILE)
@pytest.mark.parametrize('whole', [True, False])  # with its metadata, and the file alone
def test_databases_that_compute_their_rows_are_refused(
    tmp_path: Path, name: str, whole: bool
) -> None:
    folder = write_bag(tmp_path / 'bag', street_rows(1), 'sqlite3')
    (file,) = folder.glob('*.db3')
    with sqlite3.connect(file) as base:
        for line in HOSTILE[name]:
            base.execute(line)
    with pytest.raises(SourceError, match=r'that are computed, expected a plain table'):
        read(folder if whole else file)


def test_pipes_and_devices_are_no_files(tmp_path: Path) -> None:
    """Opening a pipe waits for who writes into it, and a device may have no end."""
    folder = write_bag(tmp_path / 'bag', street_rows(1), 'sqlite3')
    (file,) = folder.glob('*.db3')
    for make in (os.mkfifo, lambda path: path.symlink_to('/dev/zero')):
        file.unlink()
        make(file)
        for path in (folder, file):
            with pytest.raises(SourceError, match='a device, pipe or socket'):
                read(path)
        assert not is_bag(file)
    os.mkfifo(tmp_path / 'drive.mp4')
    with pytest.raises(SourceError, match='no image or video'):
        find_files([tmp_path])
