# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Work on all frames of files, whatever is damaged among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from seg_perception.core.errors import OutputError, SegPerceptionError
from seg_perception.io.frames import Frame, count_frames, read_frames


def for_each_frame(
    files: Sequence[Path], work: Callable[[Path, Frame], None]
) -> list[SegPerceptionError]:
    """
    Call ``work`` with each file and frame; the failures, at most one for a file.

    A file is left at its first failure. A progress bar is drawn where standard error is a
    terminal.

    :raises OutputError: when ``work`` cannot write.
    """
    failures: list[SegPerceptionError] = []
    bar: tqdm[NoReturn]
    with tqdm(total=sum(map(count_frames, files)), unit='frame', disable=None) as bar:
        for file in files:
            try:
                for frame in read_frames(file):
                    work(file, frame)
                    bar.update()
            except OutputError:
                raise
            except SegPerceptionError as error:
                failures.append(error)
    return failures
