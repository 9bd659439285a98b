# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A folder that a long job works in, and resumes in: whose it is, and which parts are finished."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from seg_perception.core.errors import OutputError, SegPerceptionError, SourceError
from seg_perception.io.atomic import clear_unfinished, make_folder, output_error, whole, write_json

_SHOWN = 5  # differences that an error names


@dataclass(frozen=True)
class JobFolder:
    """
    The output folder of one job.

    :param identity: what the results depend on, as JSON; another job has another one.
    :param file: where the identity is kept.
    :param may_change: tells by its dotted key whether a value may differ.
    """

    path: Path
    identity: Mapping[str, Any]
    file: str
    may_change: Callable[[str], bool] = lambda _: False

    def claim(self) -> None:
        """
        Make the folder this job's, or find that it is.

        :raises SourceError: when it holds another job, or something else.
        :raises OutputError: when it cannot be written.
        """
        make_folder(self.path)
        thing, file = f'output folder {str(self.path)!r}', self.path / self.file
        if file.is_file():
            try:
                there = json.loads(file.read_text(encoding='utf-8'))
            except (OSError, ValueError) as error:
                raise SourceError(f'file {str(file)!r}', error, 'a readable JSON file') from error
            fix = 'Give another --out, or delete the folder.'
            check_same(thing, there, self.identity, fix, self.may_change)
        elif foreign := sorted(p.name for p in self.path.iterdir() if p.name[0] != '.'):
            raise SourceError(
                thing,
                f'{foreign[0]!r} and no {self.file}',
                'an empty folder, a new one, or that of an earlier run of the same job',
                'Give another --out.',
            )
        write_json(file, self.identity)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """
        Keep every other process out for as long as this one lives.

        :raises SourceError: when another one is in.
        """
        make_folder(self.path)
        with _open_lock(self.path / '.lock') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise SourceError(
                    f'output folder {str(self.path)!r}',
                    'another process at work in it',
                    'one at a time',
                    'Wait for it, or give another --out.',
                ) from error
            yield

    def part(self, name: str) -> Path:
        """The folder of a part; it is there once the part is finished."""
        return self.path / 'parts' / name

    @contextmanager
    def new_part(self, name: str) -> Iterator[Path]:
        """
        An empty folder that becomes the part's when the block ends well.

        Where another process finishes the part first, its result stays.

        :raises OutputError: when it cannot be written.
        """
        final = self.part(name)
        try:
            with whole(final) as unfinished:
                unfinished.mkdir()
                yield unfinished
        except OutputError:
            if not final.is_dir():
                raise

    def clear_unfinished(self) -> None:
        """Remove what a killed process left; the folder must be locked."""
        clear_unfinished(self.path)
        for left in (self.path / 'parts').glob('.*'):  # those of earlier versions had other names
            shutil.rmtree(left, ignore_errors=True)


def _open_lock(path: Path) -> IO[str]:
    """Open a file for locking; of a link that somebody planted, the target stays untouched."""
    try:
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), 'r+')
    except OSError as error:
        raise output_error(path, error) from error


def check_same(
    thing: str,
    there: Any,
    now: Any,
    fix: str,
    may_change: Callable[[str], bool] = lambda _: False,
    error: type[SegPerceptionError] = SourceError,
) -> None:
    """
    Refuse to continue another job.

    :param there: mappings, lists and plain values that describe the job of the folder.
    :param now: the same of this job.
    :param may_change: tells by its dotted key whether a value may differ.
    :raises error: with the dotted keys that differ, and both values.
    """
    rows = [row for row in _differences(there, now, '') if not may_change(row[0])]
    if rows:
        shown, more = rows[:_SHOWN], '; ...' * (len(rows) > _SHOWN)
        raise error(
            f'{thing} of another run',
            '; '.join(f'{key}={_short(was)}' for key, was, _ in shown) + more,
            '; '.join(f'{key}={_short(new)}' for key, _, new in shown) + more,
            fix,
        )


def _differences(there: Any, now: Any, key: str) -> Iterator[tuple[str, Any, Any]]:
    """Dotted keys whose values differ, with both; tuples equal lists, as in JSON."""
    if isinstance(there, Mapping) and isinstance(now, Mapping):
        for name in {**there, **now}:
            yield from _differences(there.get(name), now.get(name), f'{key}.{name}'.strip('.'))
    elif isinstance(there, list | tuple) and isinstance(now, list | tuple):
        if len(there) != len(now):
            yield key, there, now
            return
        for i, pair in enumerate(zip(there, now, strict=True)):
            yield from _differences(*pair, f'{key}[{i}]')
    elif there != now:
        yield key, there, now


def _short(value: Any) -> str:
    text = f'{len(value)} entries' if isinstance(value, list | tuple) else repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'
