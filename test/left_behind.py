# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a test run leaves on the machine: processes, and shared memory of Fast DDS."""

from __future__ import annotations

import fcntl
import os
import uuid
from pathlib import Path

MARK = f'SEG_PERCEPTION_TEST_RUN={uuid.uuid4()}'
HELPERS = ('multiprocessing.forkserver', 'multiprocessing.resource_tracker')  # end with pytest


def mark() -> None:
    """Mark the environment: all processes started from now on inherit it, and their children."""
    os.environ.update([MARK.split('=')])


def living() -> dict[int, str]:
    """Command lines of the processes of this run, by process id."""
    found = {}
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            words = (folder / 'cmdline').read_text().replace('\0', ' ')
            environ = (folder / 'environ').read_bytes().split(b'\0')
        except OSError:
            continue  # ended meanwhile, or of another user
        is_ours = MARK.encode() in environ and int(folder.name) != os.getpid()
        if is_ours and not any(name in words for name in HELPERS):
            found[int(folder.name)] = words
    return found


def clean_shared_memory(since_s: float, domain: int, folder: Path = Path('/dev/shm')) -> None:
    """
    Remove what ended Fast DDS participants left: segments made since then, ports of a ROS domain.

    Other runs may use the same domain: its ports stay while somebody listens on one.
    """
    for lock in folder.glob('fast*_el'):
        if lock.stat().st_mtime >= since_s and _is_unlocked(lock):
            lock.unlink()
            lock.with_name(lock.name.removesuffix('_el')).unlink(missing_ok=True)
    first = 7400 + 250 * domain  # RTPS, 9.6.1.1
    ports = [f'fastdds_port{number}' for number in range(first, first + 250)]
    if not any((folder / f'{port}_el').exists() for port in ports):
        for port in ports:
            (folder / port).unlink(missing_ok=True)
            (folder / f'sem.{port}_mutex').unlink(missing_ok=True)


def _is_unlocked(lock: Path) -> bool:
    # The owner of a segment holds a lock on this file for as long as it lives.
    with lock.open('rb') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True
