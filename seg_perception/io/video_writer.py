# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
One MP4 file from several of one encoder and size, without decoding a frame.

The tables of samples are joined and the samples copied (ISO/IEC 14496-12, chapter 8).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from seg_perception.core.errors import SourceError

_CONTAINERS = (b'moov', b'trak', b'mdia', b'minf', b'stbl', b'edts')
_SAMPLES = (b'stts', b'stss', b'stsc', b'stsz', b'co64')
_COPY_BYTES = 1 << 20


class _Movie:
    """The tables of the one track of a file, and where its samples are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.head = b''
        self.boxes: dict[bytes, bytes] = {}  # content of the leaves of moov
        with path.open('rb') as file:
            size, offset = path.stat().st_size, 0
            while offset + 8 <= size:
                file.seek(offset)
                length, name = _head(file.read(16))
                if name == b'ftyp':
                    file.seek(offset)
                    self.head = file.read(length)
                elif name == b'mdat':
                    self.data_at, self.data_length = offset, length
                elif name == b'moov':
                    file.seek(offset)
                    self.moov = file.read(length)
                offset += max(8, length)
        if not self.head or not hasattr(self, 'moov') or not hasattr(self, 'data_at'):
            raise SourceError(f'video {str(path)!r}', 'no table of samples', 'a whole MP4 file')
        for name, content in _leaves(self.moov):
            self.boxes[name] = content

    def table(self, name: bytes, fields: int, skip: int = 4) -> list[tuple[int, ...]]:
        """Rows of a table box, each of some 32-bit numbers."""
        content = self.boxes[name]
        count = struct.unpack_from('>I', content, skip)[0]
        flat = struct.unpack_from(f'>{count * fields}I', content, skip + 4)
        return [flat[i : i + fields] for i in range(0, len(flat), fields)]

    @property
    def sizes(self) -> list[int]:
        size, count = struct.unpack_from('>II', self.boxes[b'stsz'], 4)
        return [size] * count if size else [row[0] for row in self.table(b'stsz', 1, skip=8)]

    @property
    def keys(self) -> list[int]:
        """Numbers of the frames that stand by themselves, from 1; all where none are named."""
        if b'stss' in self.boxes:
            return [row[0] for row in self.table(b'stss', 1)]
        return list(range(1, len(self.sizes) + 1))

    @property
    def chunks(self) -> list[int]:
        """Where the chunks begin in the file."""
        if b'co64' in self.boxes:
            count = struct.unpack_from('>I', self.boxes[b'co64'], 4)[0]
            return list(struct.unpack_from(f'>{count}Q', self.boxes[b'co64'], 8))
        return [row[0] for row in self.table(b'stco', 1)]


def join_movies(paths: Sequence[Path], out: Path) -> None:
    """
    Write the frames of all files into one.

    :raises SourceError: when one of them is no whole MP4 file.
    """
    movies = [_Movie(path) for path in paths]
    with out.open('wb') as file:
        file.write(movies[0].head)
        shifts = []
        for movie in movies:  # each as a box of its own: only the offsets change
            shifts.append(file.tell() - movie.data_at)
            with movie.path.open('rb') as samples:
                samples.seek(movie.data_at)
                _copy(samples.read, file.write, movie.data_length)
        file.write(_rebuilt(movies[0].moov, _tables(movies, shifts)))


def _tables(movies: Sequence[_Movie], shifts: Sequence[int]) -> dict[bytes, bytes]:
    """The boxes of the joined file that differ from those of the first one."""
    times: list[tuple[int, ...]] = []
    keys: list[tuple[int, ...]] = []
    chunks: list[tuple[int, ...]] = []
    offsets: list[int] = []
    sizes: list[int] = []
    for movie, shift in zip(movies, shifts, strict=True):
        times += movie.table(b'stts', 2)
        keys += [(key + len(sizes),) for key in movie.keys]
        chunks += [(row[0] + len(offsets), *row[1:]) for row in movie.table(b'stsc', 3)]
        offsets += [offset + shift for offset in movie.chunks]
        sizes += movie.sizes
    boxes = {
        b'stts': _table(times),
        b'stss': _table(keys),
        b'stsc': _table(chunks),
        b'stsz': struct.pack(f'>4xII{len(sizes)}I', 0, len(sizes), *sizes),
        b'co64': struct.pack(f'>4xI{len(offsets)}Q', len(offsets), *offsets),
    }
    # Where in these boxes of version 0 the duration stands, in units that do not change.
    for name, at in ((b'mvhd', 16), (b'mdhd', 16), (b'tkhd', 20), (b'elst', 8)):
        if name in movies[0].boxes:
            parts = [struct.unpack_from('>I', movie.boxes[name], at)[0] for movie in movies]
            first = movies[0].boxes[name]
            boxes[name] = first[:at] + struct.pack('>I', sum(parts)) + first[at + 4 :]
    return boxes


def _table(rows: Sequence[Sequence[int]]) -> bytes:
    flat = [value for row in rows for value in row]
    return struct.pack(f'>4xI{len(flat)}I', len(rows), *flat)


def _rebuilt(data: bytes, replaced: Mapping[bytes, bytes]) -> bytes:
    """The boxes with new content; the table of samples has the description and new tables."""
    made = b''
    for name, content in _split(data):
        if name == b'stbl':
            description = dict(_split(content))[b'stsd']
            tables = {b'stsd': description} | {key: replaced[key] for key in _SAMPLES}
            made += _box(name, b''.join(_box(*table) for table in tables.items()))
        elif name in _CONTAINERS:
            made += _box(name, _rebuilt(content, replaced))
        else:
            made += _box(name, replaced.get(name, content))
    return made


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack('>I4s', 8 + len(content), name) + content


def _leaves(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    for name, content in _split(data):
        if name in _CONTAINERS:
            yield from _leaves(content)
        else:
            yield name, content


def _split(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset = 0
    while offset + 8 <= len(data):
        length, name = _head(data[offset : offset + 16])
        yield name, data[offset + 8 : offset + length]
        offset += max(8, length)


def _head(data: bytes) -> tuple[int, bytes]:
    """Length and name of a box; a length of 1 means that 64 bits follow."""
    length, name = struct.unpack_from('>I4s', data)
    return (struct.unpack_from('>Q', data, 8)[0] if length == 1 else length), name


def _copy(read: Callable[[int], bytes], write: Callable[[bytes], object], length: int) -> None:
    while length > 0:
        data = read(min(length, _COPY_BYTES))
        if not data:
            return
        write(data)
        length -= len(data)
