# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is needed next, made ahead by threads: frames in order, batches, encoded images."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

from tqdm import tqdm

from training.data.sample import FrameSet, Sample

THREADS = min(4, len(os.sched_getaffinity(0)))
Item, Made = TypeVar('Item'), TypeVar('Made')


def ahead(
    make: Callable[[Item], Made], items: Iterable[Item], threads: int, count: int, **pool: Any
) -> Generator[Made, None, None]:
    """
    What ``make`` gives for each item, in order; threads make the next ones while one is used.

    :param count: results that are made ahead.
    :param pool: more arguments of ``ThreadPoolExecutor``.
    """
    coming, executor = deque(), ThreadPoolExecutor(threads, **pool)
    try:
        for item in items:
            coming.append(executor.submit(make, item))
            if len(coming) > count:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)


def read_ahead(
    frames: FrameSet, indices: Sequence[int] | None = None, task: str = 'frames'
) -> Iterator[Sample]:
    """
    The frames in order, of which a few are decoded while one is worked on.

    :param indices: which frames, such as a process's part of them; None is all.
    :param task: what the progress bar says.
    """
    wanted = range(len(frames)) if indices is None else indices
    with closing(ahead(frames.__getitem__, wanted, THREADS, THREADS)) as coming:
        # disable=None: no bar where nobody looks.
        yield from tqdm(coming, task, len(wanted), leave=False, unit='frame', disable=None)
