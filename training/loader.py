# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The batches of an epoch, prepared in the background: by a thread, or by worker processes.

    epoch order -> Request (positions of a batch) -> read, augment, stack -> rgb, labels

A batch depends on seed, epoch and position alone: not on the number of workers, nor on the number
of processes that train together, nor on where a run was resumed.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import pickle
import sys
import threading
import traceback
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from seg_perception.core.classes import UNLABELED, Role
from seg_perception.core.errors import SegPerceptionError
from training.config import TrainConfig, TransformConfig
from training.data.reading import ahead
from training.data.sample import FrameSet
from training.data.tables import class_id
from training.errors import ConfigError
from training.sampling import NO_FOCUS, EpochOrder
from training.stats import label_counts, rare_classes
from training.transforms import augment

PREFETCH = 2
"""Batches that are made ahead, by the thread or by each worker."""

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Request:
    """A batch to make: rows of the epoch's order, and the position of the first one in it."""

    epoch: int
    position: int
    rows: np.ndarray  # (n, 2) int64: frame, class to centre on
    transform: TransformConfig


class Reader(Dataset[Any]):
    """Makes batches of the frames of several sets; travels to the workers."""

    def __init__(self, sets: Sequence[FrameSet], seed: int, rare: Sequence[int]) -> None:
        self.sets, self.seed, self.rare = list(sets), seed, tuple(rare)
        self.starts = np.cumsum([0, *(len(frames) for frames in sets)])
        ego = [row.id for row in sets[0].classes.classes if row.role is Role.EGO]
        self.hood = ego[0] if ego else UNLABELED

    def batch(self, request: Request) -> Batch:
        """rgb (n, h, w, 3) uint8 and labels (n, h, w) uint8."""
        views = [
            self._view(request, request.position + place, int(frame), int(focus))
            for place, (frame, focus) in enumerate(request.rows)
        ]
        rgb, labels = (np.stack(parts) for parts in zip(*views, strict=True))
        return torch.from_numpy(rgb), torch.from_numpy(labels)

    def __getitem__(self, request: Request) -> Batch | Exception:
        """The batch, for workers: errors travel as values, since torch would rename them."""
        try:
            return self.batch(request)
        except Exception as error:
            return _portable(error)

    def _view(
        self, request: Request, position: int, frame: int, focus: int
    ) -> tuple[np.ndarray, np.ndarray]:
        part = int(np.searchsorted(self.starts, frame, side='right')) - 1
        sample = self.sets[part][frame - int(self.starts[part])]
        rng = np.random.default_rng([self.seed, request.epoch, position])
        if focus == NO_FOCUS:
            return augment(sample, request.transform, rng, self.rare, self.hood)
        centred = dataclasses.replace(request.transform, rare_crop=1.0)
        return augment(sample, centred, rng, (focus,), self.hood)


class Loader(AbstractContextManager):
    """
    Batches of the sets, each with its share of an epoch, for one of several processes.

    The last samples of an epoch, which fill no batch, are left out; the next epoch has another
    order. One epoch runs at a time: the next ends it.

    :param rank: number of this process: it takes that slice of each batch.
    :param world: number of processes that train together.
    :raises ConfigError: when there is nothing to fill a batch, or a share or class cannot be.
    """

    def __init__(
        self,
        train: Sequence[tuple[FrameSet, float]],
        config: TrainConfig,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if not train:
            raise ConfigError('config key data.train', 'nothing', 'a list of data sets')
        sets, shares = zip(*train, strict=True)
        uniform = config.data.sampling == 'class_uniform'
        classes = sets[0].classes
        named = tuple(class_id(row, classes, 'transform.rare') for row in config.transform.rare)
        counts = None
        if uniform or (config.transform.rare_crop and not named):
            counts = np.concatenate(label_counts(train, config))[:, :-1]  # no ignore label
        rare = named or (() if counts is None else rare_classes(counts.sum(axis=0)))
        self._order = EpochOrder(
            [len(frames) for frames in sets], shares, config.seed, counts if uniform else None
        )
        self._batch, self._rank, self._world = config.optim.batch, rank, world
        self._check()
        self._reader = Reader(sets, config.seed, rare)
        self._requests: list[Request] = []
        self._gpu = _gpu(config.device)
        self._workers = self._start_workers(config.data.workers) if config.data.workers else None
        self._running = self._by_thread([])

    def _check(self) -> None:
        batch, samples = self._batch, len(self._order)
        if batch > samples:
            fix = 'Lower optim.batch, or add frames.'
            raise ConfigError('optim.batch', batch, f'at most the {samples} of an epoch', fix)
        if batch % self._world:
            expected = f'a multiple of the {self._world} processes'
            raise ConfigError('optim.batch', batch, expected)

    def _start_workers(self, count: int) -> DataLoader[Any]:
        """Persistent processes, which start with the first epoch."""
        return DataLoader(
            self._reader,
            batch_size=None,
            sampler=self._requests,
            num_workers=count,
            pin_memory=self._gpu is not None,
            worker_init_fn=_settle,
            # Not fork: it copies locked locks of other threads, and a GPU context that is no use.
            multiprocessing_context='spawn',
            prefetch_factor=PREFETCH,
            persistent_workers=True,
            generator=torch.Generator(),  # else each epoch draws from the one that dropout uses
        )

    @property
    def steps_per_epoch(self) -> int:
        return len(self._order) // self._batch

    def epoch(
        self, number: int, transform: TransformConfig, first_step: int = 0
    ) -> Generator[Batch, None, None]:
        """
        Batches rgb (n, h, w, 3) and labels (n, h, w), both uint8, of this process.

        :param first_step: steps of the epoch that were taken before a run was resumed.
        """
        size = self._batch // self._world
        rows = self._order.rows(number)
        starts = [
            step * self._batch + self._rank * size
            for step in range(first_step, self.steps_per_epoch)
        ]
        requests = [
            Request(number, start, rows[start : start + size], transform) for start in starts
        ]
        self._running.close()
        make = self._by_thread if self._workers is None else self._by_workers
        self._running = make(requests)
        return self._running

    def _by_thread(self, requests: Sequence[Request]) -> Generator[Batch, None, None]:
        """The next batches are made by a thread while one is trained on."""
        begin = {'initializer': _begin_thread, 'initargs': (self._gpu,)}
        return ahead(self._make, requests, 1, PREFETCH, **begin)

    def _make(self, request: Request) -> Batch:
        rgb, labels = self._reader.batch(request)
        return (rgb, labels) if self._gpu is None else (rgb.pin_memory(), labels.pin_memory())

    def _by_workers(self, requests: Sequence[Request]) -> Generator[Batch, None, None]:
        self._requests[:] = requests
        for answer in self._workers:
            if isinstance(answer, Exception):
                raise answer
            rgb, labels = answer
            yield rgb, labels

    def close(self) -> None:
        """End the running epoch and the workers."""
        self._running.close()
        self._workers = None

    def __exit__(self, *_: object) -> None:
        self.close()


def _gpu(device: str) -> int | None:
    """Number of the GPU that batches go to, from pinned memory; None where they stay."""
    if device == 'cpu' or not torch.cuda.is_available():
        return None
    number = device.partition(':')[2]
    return int(number) if number else torch.cuda.current_device()


def _begin_thread(gpu: int | None) -> None:
    """
    The loading thread gives way to the network's: it works where they leave a core idle.

    On two cores that keep each other waiting it otherwise costs twice its time. One thread for
    OpenCV, for the same reason.
    """
    cv2.setNumThreads(1)
    if sys.platform == 'linux':  # elsewhere threads have no priority of their own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
    if gpu is not None:  # in a new thread, where pinning would else set up the first GPU too
        torch.cuda.set_device(gpu)


def _portable(error: Exception) -> Exception:
    """The error with its trace, or a plain one of the same text where it cannot travel."""
    trace = f'In a process that loads data:\n{traceback.format_exc()}'
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(trace)
    if not isinstance(error, SegPerceptionError):
        error.add_note(trace)
    return error


def _settle(worker: int) -> None:
    """One thread a worker, since workers share the cores; and none outlives the training."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Torch's own watch misses a trainer that was killed while the worker started."""
    multiprocessing.parent_process().join()
    os._exit(1)
