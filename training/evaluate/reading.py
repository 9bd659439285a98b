# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a data set in order, read ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from tqdm import tqdm

from training.data.sample import FrameSet, Sample

THREADS = min(4, len(os.sched_getaffinity(0)))


def read_ahead(
    frames: FrameSet, indices: Sequence[int] | None = None, task: str = 'frames'
) -> Iterator[Sample]:
    """
    The frames in order, of which a few are decoded while one is worked on.

    :param indices: which frames, such as a process's part of them; None is all.
    :param task: what the progress bar says.
    """
    wanted = range(len(frames)) if indices is None else indices
    coming: deque[Future[Sample]] = deque()
    # disable=None: no bar where nobody looks.
    bar = tqdm(total=len(wanted), desc=task, unit='frame', leave=False, disable=None)
    with bar, ThreadPoolExecutor(THREADS) as pool:
        try:
            for index in wanted:
                coming.append(pool.submit(frames.__getitem__, index))
                if len(coming) > THREADS:
                    yield coming.popleft().result()
                    bar.update()
            while coming:
                yield coming.popleft().result()
                bar.update()
        finally:
            for future in coming:
                future.cancel()
