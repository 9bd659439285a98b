# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The files of bags: which there are, of what format they are, and those that were compressed.

The first bytes say what a file is. Names do not: a killed recorder leaves ``x.bag.active``, and
compressed files are found with metadata and without.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from seg_perception.core.errors import SourceError
from seg_perception.io.unpacking import unzstd_file

MCAP, ROSBAG1, SQLITE = '.mcap', '.bag', '.db3'
CDR, ROS1 = 'cdr', 'ros1'  # encodings of messages
METADATA = 'metadata.yaml'
ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
_MAGICS = {b'\x89MCAP0\r\n': MCAP, b'#ROSBAG V': ROSBAG1, b'SQLite format 3\0': SQLITE}
_NAME = re.compile(r'(?P<stem>.+)(?P<kind>\.(?:mcap|db3|bag))(?:\.(?:zstd|zst|active))*')


@dataclass(frozen=True)
class StorageFile:
    """
    A file of a bag, unpacked where it was compressed.

    :param name: what messages call it.
    :param kind: MCAP, ROSBAG1 or SQLITE.
    :param is_cut: it ended before its compression did.
    """

    path: Path
    name: str
    kind: str
    is_cut: bool = False


def storage_files(folder: Path) -> list[Path]:
    """The files of a rosbag2 in a folder, by number: ``bag_10`` comes after ``bag_9``."""
    found = [(match, file) for file in folder.iterdir() if (match := _NAME.fullmatch(file.name))]
    named = [(match['stem'], file) for match, file in found if match['kind'] != ROSBAG1]
    return [file for stem, file in sorted(named, key=lambda row: (len(row[0]), row))]


def check_regular(files: Iterable[Path]) -> None:
    """
    Refuse what is no file: a pipe waits for ever, and a device has no end.

    :raises SourceError: names the first one.
    """
    for file in files:
        if file.exists() and not file.is_file():
            seen = 'a folder' if file.is_dir() else 'a device, pipe or socket'
            raise SourceError(f'file {str(file)!r}', seen, 'a regular file')


def is_bag(path: Path) -> bool:
    """Whether a path is a bag: a file of one, or a folder with metadata or such files."""
    if path.is_dir():
        return (path / METADATA).is_file() or bool(storage_files(path))
    return path.is_file() and (bool(_NAME.fullmatch(path.name)) or kind_of(head_of(path)) != '')


def kind_of(head: bytes) -> str:
    """What a file that begins like this is; empty where it is no file of a bag."""
    return next((kind for magic, kind in _MAGICS.items() if head.startswith(magic)), '')


def unpack(file: Path, folder: Path) -> StorageFile:
    """
    A file of a bag under a name that tells its kind.

    :param folder: gets what is unpacked, or a link.
    :raises SourceError: when it cannot be read, or not be unpacked.
    """
    head, match = head_of(file), _NAME.fullmatch(file.name)
    kind = kind_of(head) or (match['kind'] if match else '')
    target = folder / f'{len(list(folder.iterdir()))}_{match["stem"] if match else file.name}'
    if head.startswith(ZSTD_MAGIC):
        try:
            is_whole = unzstd_file(file, target)
        except OSError as error:
            raise SourceError(
                f'bag file {str(file)!r}', error, f'room to unpack it in {folder}'
            ) from error
        kind = kind_of(head_of(target)) or kind
        unpacked = target.rename(target.with_name(target.name + kind))
        return StorageFile(unpacked, file.name, kind, not is_whole)
    if kind and file.suffix != kind:
        link = target.with_name(target.name + kind)
        link.symlink_to(file.resolve())
        return StorageFile(link, file.name, kind)
    return StorageFile(file, file.name, kind)


def head_of(file: Path) -> bytes:
    check_regular([file])
    try:
        with file.open('rb') as opened:
            return opened.read(16)
    except OSError as error:
        raise SourceError(f'file {str(file)!r}', error, 'one that can be read') from error
