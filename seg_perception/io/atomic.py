# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Files and folders that appear whole under their names, or not at all."""

from __future__ import annotations

import csv
import errno
import fcntl
import io
import json
import math
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import numpy as np

from seg_perception.core.errors import OutputError

UNFINISHED = '.unfinished-'  # how the names of hidden folders start
_ABANDONED_S = 60.0  # age from which a folder without a lock has lost its writer


@contextmanager
def whole(path: Path, size: int = 0) -> Iterator[Path]:
    """
    A path to write a file or folder to, which moves to ``path`` when the block ends well.

    It has the same name, in a hidden folder next to ``path``: suffixes keep their meaning, long
    names still fit, and two writers never meet. An existing file is replaced; a folder must be
    empty for that. After an error nothing is left.

    :param size: bytes that will be written, where that is known.
    :raises OutputError: when it cannot be written; what was there stays.
    """
    hidden = path.parent / f'{UNFINISHED}{uuid4().hex[:16]}'
    try:
        hidden.mkdir(parents=True)
        lock = os.open(hidden, os.O_RDONLY)
        with suppress(OSError):  # there are file systems without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield hidden / path.name
            (hidden / path.name).replace(path)
        finally:
            os.close(lock)
    except OSError as error:
        raise output_error(path, error, size) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def clear_unfinished(folder: Path) -> None:
    """Remove what writers that were killed left in a folder; none may be at work in it."""
    for hidden in folder.glob(f'{UNFINISHED}*'):
        shutil.rmtree(hidden, ignore_errors=True)


def clear_abandoned(folder: Path) -> None:
    """Remove what killed writers left in a folder; those at work hold a lock."""
    for hidden in folder.glob(f'{UNFINISHED}*'):
        with suppress(OSError):
            if time.time() - hidden.stat().st_mtime > _ABANDONED_S:
                lock = os.open(hidden, os.O_RDONLY)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(hidden)
                finally:
                    os.close(lock)


def write_bytes(path: Path, data: bytes | memoryview, sync: bool = True) -> None:
    """
    Write a file.

    :param sync: wait until the disk has it, so that a power cut leaves the old file or the new.
    :raises OutputError: when it cannot be written; the old file stays.
    """
    with whole(path, len(data)) as unfinished, unfinished.open('wb') as file:
        file.write(data)
        if sync:
            file.flush()
            os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8; errors as of ``write_bytes``."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any, indent: int | None = 1) -> None:
    """Write a JSON file; numbers that are not finite become null. Errors as of ``write_bytes``."""
    write_text(path, f'{json.dumps(_finite(value), indent=indent, allow_nan=False)}\n')


def write_json_lines(path: Path, values: Iterable[Any]) -> None:
    """Write JSON values, one a line; NaN and infinity become null; errors as ``write_bytes``."""
    lines = (json.dumps(_finite(value), ensure_ascii=False) for value in values)
    write_text(path, ''.join(f'{line}\n' for line in lines))


def _finite(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {key: _finite(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_finite(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file with a line of column names; errors as of ``write_bytes``."""
    text = io.StringIO(newline='')
    csv.writer(text, lineterminator='\n').writerows([head, *rows])
    write_text(path, text.getvalue())


def write_image(path: Path, pixels: np.ndarray, quality: int = 95, sync: bool = False) -> None:
    """
    Write an image, (H, W) or BGR (H, W, 3) uint8, in the format of the suffix.

    :param quality: of JPEG.
    :param sync: as of ``write_bytes``, with its errors.
    """
    is_jpeg = path.suffix.lower() in ('.jpg', '.jpeg')  # OpenCV warns of options of other formats
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if is_jpeg else []
    data = cv2.imencode(path.suffix, pixels, options)[1]
    write_bytes(path, data.tobytes(), sync)


def write_arrays(path: Path, **arrays: Any) -> None:
    """Write arrays by name as a compressed NPZ file; errors as of ``write_bytes``."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getbuffer())


def make_folder(path: Path) -> None:
    """
    Make a folder and those above it, and see that it can be written.

    :raises OutputError: when it cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise output_error(path, error) from error


def output_error(path: Path, error: Exception, size: int = 0) -> OutputError:
    """
    The error for a file or folder that the system refuses to write.

    :param size: of the file in bytes, where it is known.
    """
    thing, number = f'output {str(path)!r}', getattr(error, 'errno', None)
    seen = getattr(error, 'strerror', None) or str(error)
    if number not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return OutputError(
            thing, seen, 'a path that can be written', 'Check the path and its permissions.'
        )
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(folder).free
    return OutputError(
        thing,
        f'{seen}, {free:,} bytes free',
        f'room for {size:,} bytes' if size else 'more room',
        'Make room and run the same command again; what is finished stays.',
    )
