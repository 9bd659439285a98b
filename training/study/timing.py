# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Time per frame of exported files, and the time that runs will take."""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from seg_perception.inference.open_engine import open_engine
from training.checkpoint import load_checkpoint
from training.distributed import joined
from training.fit import LAST, Trainer, open_training_data
from training.study.plan import Run

THREADS, WARM_UP, ROUNDS = 2, 2, 15
PROBE_STEPS = 3


def time_files(
    files: Mapping[str, Path], rgb: np.ndarray, size: tuple[int, int]
) -> dict[str, float]:
    """
    Median milliseconds of each file on the CPU for one image, uint8 in, labels out.

    They take turns, so that whatever else the machine does falls on all of them.
    """
    image = cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_LINEAR)[None]
    engines = {name: open_engine(path, 'cpu', THREADS) for name, path in files.items()}
    times: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(WARM_UP + ROUNDS):
        for name, engine in engines.items():
            began_s = time.perf_counter()
            engine.run(image)
            times[name].append(1e3 * (time.perf_counter() - began_s))
    return {name: statistics.median(row[WARM_UP:]) for name, row in times.items()}


def seconds_left(run: Run) -> float:
    """Seconds that a run still needs, from a few of its steps; nothing of them is kept."""
    config = replace(run.config, data=replace(run.config.data, cache=False))
    if config.threads:
        torch.set_num_threads(config.threads)
    with joined(config.device) as process:
        trainer = Trainer(config, open_training_data(config, process), process)
        if (run.out / LAST).is_file():
            trainer.resume(load_checkpoint(run.out / LAST))
        if trainer.is_over():
            return 0.0
        with closing(trainer.training_data.loader):
            step_s = _step_seconds(trainer)
    limit_s = 60 * config.optim.max_minutes or math.inf
    return min((trainer.total_steps - trainer.step) * step_s, limit_s)


def _step_seconds(trainer: Trainer) -> float:
    """Median of some steps after the first, which is slower."""
    trainer.set_train_mode()
    seconds = []
    for rgb, labels in itertools.islice(trainer.epoch_batches(), 1 + PROBE_STEPS):
        began_s = time.perf_counter()
        trainer.train_step(rgb, labels)
        seconds.append(time.perf_counter() - began_s)
    return statistics.median(seconds[1:] or seconds)
