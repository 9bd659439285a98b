# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Many frames in few files: tar files that the webdataset library reads too, read here by offset.

A frame is ``KEY.jpg`` or ``KEY.png`` and ``KEY.mask.png``, whose values are class ids. For each
``000000.tar`` there is a ``000000.json`` with the names and offsets of its frames, and
``index.json``, written last, holds the class table. So any frame is two reads, from as many
processes as like to, and an interrupted writer resumes after its last whole shard.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from seg_perception.core.classes import ClassTable
from seg_perception.core.errors import ClassTableError
from seg_perception.io.atomic import write_bytes, write_json
from training.config import SourceConfig
from training.data.decode import check_sizes, damage, decode_ids, decode_rgb, read_file
from training.data.files import find_folder
from training.data.frames import Frames
from training.data.reading import ahead
from training.data.sample import Sample
from training.errors import DatasetError

INDEX, LAYOUT = 'index.json', 'index.json, 000000.tar, 000000.json ... in a folder a split'
AGAIN = 'Run the shard command to its end; it resumes where it stopped.'
MASK = '.mask.png'
BLOCK = 512  # bytes that a tar file is made of
READ_AHEAD = 32  # frames that are read and encoded while others are written
THREADS = 4

Row = tuple[str, str, int, int, int, int]
"""Name, suffix of the image, then offset and size in bytes of image and mask."""


class Shards:
    """Frames in tar files; only the index is in memory."""

    def __init__(self, folder: Path, classes: ClassTable, shards: list[tuple[str, list[Row]]]):
        self.classes, self._folder = classes, folder
        self._rows = [(file, *row) for file, rows in shards for row in rows]
        self.names = [row[1] for row in self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        file, name, suffix, start, size, _, _ = self._rows[index]
        rgb = decode_rgb(self._read(file, start, size), f'{name}{suffix} in {self._folder / file}')
        labels = self.labels(index)
        check_sizes(rgb, labels, f'{name}{MASK} in {self._folder / file}')
        return Sample(name, rgb, labels)

    def labels(self, index: int) -> np.ndarray:
        file, name, _, _, _, start, size = self._rows[index]
        return decode_ids(self._read(file, start, size), f'{name}{MASK} in {self._folder / file}')

    def encoded(self, index: int) -> tuple[str, bytes]:
        """Suffix and content of the image."""
        file, _, suffix, start, size, _, _ = self._rows[index]
        return suffix, self._read(file, start, size)

    def damage(self, index: int) -> str:
        """Damage found in the stored bytes, without decoding them; empty when none."""
        file, name, _, *places = self._rows[index]
        for start, size in (places[:2], places[2:]):
            if found := damage(self._read(file, start, size)):
                return f'{name} in {self._folder / file}: {found}'
        return ''

    def _read(self, file: str, start: int, size: int) -> bytes:
        # Opened anew: an open file would be shared with forked workers, and lost to pickled ones.
        try:
            with (self._folder / file).open('rb', buffering=0) as shard:
                return os.pread(shard.fileno(), size, start)
        except OSError as error:
            thing = f'shard {self._folder / file}'
            raise DatasetError(thing, error.strerror, 'a file that can be read') from error


def open_shards(source: SourceConfig) -> Shards:
    """
    The frames of ``root/split``.

    :raises DatasetError: when it was not written to its end, or a shard is missing or cut.
    """
    folder = find_folder(Path(source.root), source.split, LAYOUT)
    if not (folder / INDEX).is_file():
        raise DatasetError(f'file {folder / INDEX}', 'no file', LAYOUT, AGAIN)
    index = _load(folder / INDEX)
    try:
        classes = ClassTable.from_dict(index['classes'])
        shards = [(file, _load(_beside(folder / file))['frames']) for file in index['shards']]
    except (KeyError, TypeError, ClassTableError) as error:
        raise DatasetError(f'file {folder / INDEX}', str(error), 'classes and shards') from error
    for file, rows in shards:
        _check_whole(folder / file, rows)
    return Shards(folder, classes, shards)


def write_shards(
    frames: Frames, folder: Path, per_shard_mb: float = 256.0, progress: bool = True
) -> int:
    """
    Write all frames as shards; the number of shards. Called again, it resumes where it stopped.

    Images that are stored as they are read are copied byte for byte, others become PNG: what is
    read from the shards equals what was read from the frames.

    :param per_shard_mb: a shard is closed when it is larger.
    :raises DatasetError: when the folder holds shards of other frames, or a frame cannot be read.
    :raises OutputError: when the disk is full.
    """
    mark = _mark(frames)
    files = _finished(folder, mark)
    done = sum(len(_load(_beside(folder / file))['frames']) for file in files)
    bar: tqdm[Any] = tqdm(total=len(frames), initial=done, desc=str(folder), disable=not progress)
    missing = range(done, len(frames))
    encoded = ahead(partial(_encode, frames), missing, THREADS, READ_AHEAD)
    while done < len(frames):
        file = f'{len(files):06d}.tar'
        content, rows = _fill(encoded, per_shard_mb * 2**20, bar)
        write_bytes(folder / file, content)
        write_json(_beside(folder / file), {'mark': mark, 'frames': rows}, indent=None)
        files.append(file)
        done += len(rows)
    bar.close()
    index = {'classes': frames.classes.to_dict(), 'shards': files, 'mark': mark}
    write_json(folder / INDEX, index, indent=None)
    return len(files)


def _mark(frames: Frames) -> str:
    """Fingerprint of the frames: names, classes and the size of the first."""
    told = [list(frames.names), frames.classes.to_dict(), frames[0].rgb.shape]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _finished(folder: Path, mark: str) -> list[str]:
    """The shards that an earlier run wrote whole."""
    files: list[str] = []
    while (notes := folder / f'{len(files):06d}.json').is_file():
        if _load(notes).get('mark') != mark:
            fix = 'Delete it, or write somewhere else.'
            raise DatasetError(f'folder {folder}', 'shards of other frames', 'none', fix)
        files.append(f'{notes.stem}.tar')
    return files


def _encode(frames: Frames, index: int) -> tuple[str, str, bytes, bytes]:
    """Name, suffix, image and mask of a frame."""
    sample = frames[index]  # decoded in any case: what cannot be read is not written
    suffix, image = frames.encoded(index) or ('.png', _png(sample.rgb[:, :, ::-1]))
    return sample.name, suffix.lower(), image, _png(sample.labels)


def _png(pixels: np.ndarray) -> bytes:
    return cv2.imencode('.png', pixels)[1].tobytes()


def _fill(
    encoded: Iterator[tuple[str, str, bytes, bytes]], limit_bytes: float, bar: tqdm[Any]
) -> tuple[memoryview, list[Row]]:
    """A tar file of frames up to its limit, and its rows."""
    buffer, rows = io.BytesIO(), []
    with tarfile.open(fileobj=buffer, mode='w', format=tarfile.PAX_FORMAT) as tar:
        for name, suffix, image, mask in encoded:
            key = name.replace('.', '%2E')  # the library takes all up to the first dot for it
            image_start = _add(tar, f'{key}{suffix}', image)
            mask_start = _add(tar, f'{key}{MASK}', mask)
            rows.append((name, suffix, image_start, len(image), mask_start, len(mask)))
            bar.update()
            if buffer.tell() >= limit_bytes:
                break
    return buffer.getbuffer(), rows


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> int:
    """Append a file; the offset of its content."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
    return tar.offset - -(-len(content) // BLOCK) * BLOCK


def _check_whole(path: Path, rows: list[Row]) -> None:
    """A copy that broke off is seen by the size."""
    size = path.stat().st_size if path.is_file() else 0
    *_, start, length = rows[-1]
    needed = start + length
    if size < needed:
        raise DatasetError(
            f'shard {path}', f'{size:,} bytes', f'{needed:,} or more', 'Copy again.'
        )


def _beside(path: Path) -> Path:
    return path.with_suffix('.json')


def _load(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(read_file(path)))
    except (ValueError, TypeError) as error:
        raise DatasetError(f'file {path}', str(error), 'a JSON object', AGAIN) from error
