# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Files of a run: written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path

from training.errors import OutputError


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """
    Write beside the target, flush, rename: a kill leaves the old file or the new.

    :raises OutputError: when the file cannot be written; the old one stays as it was.
    """
    partial = path.with_name(f'{path.name}.partial')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open('wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # its folder could not be made, say
            partial.unlink()
        raise output_error(path, len(data), error) from error


def output_error(path: Path, size: int, error: OSError) -> OutputError:
    """What to tell of a file that could not be written, of that size in bytes."""
    seen = error.strerror or str(error)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f'file {path}', seen, 'a place to write', 'Check out= and its rights.')
    free = shutil.disk_usage(path.parent).free
    fix = 'Make room and run the same command again: it resumes from the last checkpoint.'
    return OutputError(f'file {path}', f'{seen}, {free:,} bytes free', f'{size:,} bytes', fix)
