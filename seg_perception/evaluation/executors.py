# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Hand the shards of an evaluation to processes of this machine, or to a Ray cluster."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from typing import Any

from seg_perception.core.errors import SegPerceptionError, SourceError
from seg_perception.evaluation.job import RUN_FILE, EvaluationJob, Shard
from seg_perception.evaluation.shard import run_shard

LOCAL = 'local'
_LOOK_S = 0.5  # how often the progress is looked at
_RETRIES = 2  # of a shard whose node went down


def run_in_processes(
    job: EvaluationJob,
    shards: Sequence[Shard],
    workers: int,
    threads: int,
    tick: Callable[[int], Any],
) -> None:
    """
    Work on the shards in several processes.

    :param tick: told of the frames that were finished.
    :raises SegPerceptionError: when a shard fails, or a process is killed.
    """
    # A fork would copy the locks of threads that it does not have.
    context = multiprocessing.get_context('spawn')
    frames = context.Value('q', 0)
    before = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, context, _begin, (job, threads, frames)) as pool:
        try:
            futures = [pool.submit(_work, shard) for shard in shards]
            _watch(futures, frames, tick)
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
            if isinstance(error, BrokenProcessPool):
                raise SegPerceptionError(
                    'a worker process',
                    'killed',
                    'one that lives',
                    'Out of memory? Use fewer --workers; the same command goes on.',
                ) from error
            raise


def run_on_ray(
    job: EvaluationJob,
    shards: Sequence[Shard],
    address: str,
    threads: int,
    tick: Callable[[int], Any],
) -> None:
    """
    Work on the shards on a Ray cluster; all nodes see inputs, model and output at the same paths.

    :param address: of the cluster; ``local`` starts one on this machine and ends it.
    :param threads: cores that a shard takes.
    :raises SegPerceptionError: when Ray is not installed, not reached, or a shard fails.
    """
    ray = _ray()
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')  # nothing about the run leaves it
    cluster: dict[str, Any] = {'address': address}
    if address == LOCAL:  # which Ray knows too: without, it looks for one that runs
        cluster |= {'include_dashboard': False, '_node_ip_address': '127.0.0.1'}
    try:
        ray.init(**cluster, log_to_driver=False, logging_level=logging.WARNING)
    except Exception as error:  # ConnectionError, RuntimeError or ValueError, by version
        raise SegPerceptionError(
            f'Ray cluster {address!r}', error, 'one that answers', 'Is `ray start --head` running?'
        ) from error
    try:
        _run_tasks(ray, job, shards, threads, tick)
    finally:
        ray.shutdown()


def _run_tasks(
    ray: Any, job: EvaluationJob, shards: Sequence[Shard], threads: int, tick: Callable[[int], Any]
) -> None:
    work = ray.remote(num_cpus=threads, max_retries=_RETRIES)(_work_on)
    shared = ray.put(job)
    waiting = [work.remote(shared, shard.number, threads) for shard in shards]
    try:
        while waiting:
            done, waiting = ray.wait(waiting, timeout=_LOOK_S)
            for frames in ray.get(done):
                tick(frames)
    except BaseException as error:
        for task in waiting:
            ray.cancel(task, force=True)
        cause = getattr(error, 'cause', None)  # of a RayTaskError
        if isinstance(cause, SegPerceptionError):
            raise cause from error
        raise


def _work_on(job: EvaluationJob, number: int, threads: int) -> int:
    """A task of Ray: one shard; how many frames it had."""
    if not (job.out / RUN_FILE).is_file():
        raise SourceError(
            f'output folder {str(job.out)!r}',
            f'nothing there on node {os.uname().nodename}',
            'a file system that all nodes share',
            'Put inputs, model and --out where every node sees them at the same path.',
        )
    frames: list[None] = []
    run_shard(job, job.shards[number], threads, lambda: frames.append(None))
    return len(frames)


def _ray() -> Any:
    try:
        return import_module('ray')
    except ImportError as error:
        raise SegPerceptionError(
            '`--ray`', 'a Python without ray', 'ray', 'Run: pip install ray'
        ) from error


def _watch(futures: Sequence[Future[None]], frames: Any, tick: Callable[[int], Any]) -> None:
    """Wait for all; the first error ends it."""
    told, waiting = 0, set(futures)
    while waiting:
        done, waiting = wait(waiting, _LOOK_S, FIRST_EXCEPTION)
        now = frames.value
        tick(now - told)
        told = now
        for future in done:
            future.result()


def _begin(job: EvaluationJob, threads: int, frames: Any) -> None:
    """Once in each process, before its first shard."""
    global _shared
    _shared = job, threads, frames
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Parents that are killed do not tell."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(shard: Shard) -> None:
    job, threads, frames = _shared

    def count() -> None:
        with frames.get_lock():
            frames.value += 1

    run_shard(job, shard, threads, count)


_shared: tuple[EvaluationJob, int, Any]
