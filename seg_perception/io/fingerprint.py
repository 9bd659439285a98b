# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Whether files are still those that results were computed from, wherever they lie now."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from seg_perception.core.errors import SourceError

_BLOCK = 64 << 10
_WHOLE = 64 << 20  # larger files are sampled
_BLOCKS = 256  # of them: head, tail, and what lies between, evenly


def fingerprint(files: Iterable[Path]) -> str:
    """
    Names, sizes and bytes of files, as 16 hexadecimal digits; large files are sampled.

    :raises SourceError: when there is no file, or one cannot be read.
    """
    digest, named = hashlib.sha256(), list(files)
    if not named:
        raise SourceError('fingerprint of an input', 'no file', 'at least one')
    for file in named:
        try:
            for part in _parts(file):
                digest.update(part)
        except OSError as error:
            raise SourceError(f'file {str(file)!r}', error, 'one that can be read') from error
    return digest.hexdigest()[:16]


def folder_fingerprint(path: Path) -> dict[str, str]:
    """Where a file or folder is, which may change, and the fingerprint of it, which may not."""
    files = sorted(file for file in path.rglob('*') if file.is_file()) if path.is_dir() else [path]
    return {'path': str(path), 'fingerprint': fingerprint(files) if files else ''}


def _parts(file: Path) -> Iterator[bytes]:
    size = file.stat().st_size
    yield f'{file.name}\n{size}\n'.encode()
    with file.open('rb') as opened:
        if size <= _WHOLE:
            yield opened.read()
            return
        for index in range(_BLOCKS):
            opened.seek((size - _BLOCK) * index // (_BLOCKS - 1))
            yield opened.read(_BLOCK)
