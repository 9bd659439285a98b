# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Training views per second that the loader makes from CamVid: files, cached frames, shards.

    python benchmarks/loader.py [--rounds 3] [--workers 0 1 2] [--out loader.json]

Nothing trains meanwhile: compare the figures with the frames per second of the network.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.record import spread, write_record
from training.config import TrainConfig, parse_config
from training.data import open_frames
from training.data.convert import convert
from training.loader import Loader
from training.transforms import augment

SHARD_MB = 64.0
VIEWS = 100  # of which the mean cost on one thread is taken, each round


def main() -> None:
    """Measure every source with every number of workers and print the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--root', type=Path, default=Path('../shared/data/camvid'))
    parser.add_argument('--rounds', type=int, default=3, help='epochs that are measured')
    parser.add_argument('--workers', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--limit', type=int, default=0, help='frames; 0: all')
    parser.add_argument('--out', type=Path)
    options = parser.parse_args()
    files = {
        'train': [{'kind': 'camvid', 'root': str(options.root), 'limit': options.limit}],
        'val': [{'kind': 'camvid', 'root': str(options.root), 'split': 'val'}],
    }
    figures: dict[str, Any] = {
        'view': '352x480 of 360x480 frames, default augmentation, batch 8',
        'rounds': options.rounds,
        'torch': torch.__version__,
        'view_ms_one_thread': _view_ms(_config(files), options.rounds),
    }
    with tempfile.TemporaryDirectory() as name:
        convert(_config(files).data, Path(name), SHARD_MB, progress=False)
        shards = {
            'train': [{'kind': 'shards', 'root': name, 'split': 'train'}],
            'val': [{'kind': 'shards', 'root': name, 'split': 'val'}],
        }
        sources = {'files': files, 'cached': {**files, 'cache': True}, 'shards': shards}
        for source, data in sources.items():
            figures[f'{source}_views_per_s'] = {
                f'workers_{workers}': _views_per_s(
                    _config({**data, 'workers': workers}), options.rounds
                )
                for workers in options.workers
            }
    write_record('loader', figures, options.out)


def _config(data: dict[str, Any]) -> TrainConfig:
    view = {'crop': [352, 480]}
    return parse_config(
        {'name': 'loader', 'out': 'unused', 'device': 'cpu', 'data': data, 'transform': view}
    )


def _view_ms(config: TrainConfig, rounds: int) -> dict[str, float]:
    """CPU time of one view of a frame in memory, without reading it."""
    frames, _ = open_frames(config.data).train[0]
    sample, threads = frames[0], cv2.getNumThreads()
    cv2.setNumThreads(1)
    figures = []
    for number in range(rounds):
        started_s = time.process_time()
        for view in range(VIEWS):
            augment(sample, config.transform, np.random.default_rng([number, view]))
        figures.append((time.process_time() - started_s) / VIEWS * 1e3)
    cv2.setNumThreads(threads)
    return spread(figures)


def _views_per_s(config: TrainConfig, rounds: int) -> dict[str, float]:
    """Views per second, after an epoch that starts the workers and fills the cache."""
    rates = []
    with Loader(open_frames(config.data).train, config) as loader:
        views = loader.steps_per_epoch * config.optim.batch
        for number in range(rounds + 1):
            started_s = time.perf_counter()
            for _ in loader.epoch(number, config.transform):
                pass
            rates.append(views / (time.perf_counter() - started_s))
    return spread(rates[1:])


if __name__ == '__main__':
    main()
