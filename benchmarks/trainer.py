# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Overhead of the trainer: its epochs, compared with bare forward, backward and optimiser step.

    python benchmarks/trainer.py [--config FILE] [--rounds 5]
        [--out trainer.json] [key=value ...]

Three variants train the steps of one epoch, one after the other in each round, in one process:

- bare: network, loss, backward and optimiser on one prepared, normalised batch.
- loop: the trainer on that batch, with schedule, seeds, normalising, weight average and meter.
- whole: the trainer with loader, log and checkpoint, as in ``training fit``.

The first epoch is not counted: it decodes the frames, which then stay in memory.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.record import spread, write_record
from training.config import TrainConfig, load_config
from training.distributed import Process, pick_device
from training.fit import LAST, Trainer, open_training_data
from training.memory import keep_freed_memory
from training.probes import OneBatch
from training.record import CsvLog, RunRecord, Silence
from training.transforms import normalise


def main() -> None:
    """Measure some rounds and print the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--config', type=Path, default=Path('config/training/default_start.yaml'))
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--out', type=Path)
    parser.add_argument('overrides', nargs='*', metavar='key=value')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # All views of one size: the bare way has one batch.
        fixed = ['data=camvid', 'optim.max_minutes=0', 'transform.early_share=0']
        words = [*fixed, f'out={folder}', *options.overrides]
        keep_freed_memory()
        figures = _measure(load_config(options.config, words), options.rounds)
    write_record('trainer', figures, options.out)


def _measure(config: TrainConfig, rounds: int) -> dict[str, Any]:
    if config.threads:
        torch.set_num_threads(config.threads)
    process = Process(pick_device(config.device))
    training_data = open_training_data(config, process)
    steps = training_data.loader.steps_per_epoch
    batch = next(training_data.loader.epoch(0, config.transform))
    repeated = dataclasses.replace(training_data, loader=OneBatch(*batch, steps))
    whole, loop = Trainer(config, training_data, process), Trainer(config, repeated, process)
    ways = {
        'bare': _bare(Trainer(config, repeated, process), *batch),
        'loop': lambda: loop.train_epoch(Silence()),
        'whole': _whole(whole, steps),
    }
    for way in ways.values():
        way()
    times_ms: dict[str, list[float]] = {name: [] for name in ways}
    for _, (name, way) in itertools.product(range(rounds), ways.items()):
        start_s = time.perf_counter()
        way()
        _wait(process.device)
        times_ms[name].append(1e3 * (time.perf_counter() - start_s) / steps)
    rows = CsvLog(Path(config.out) / 'log.csv').rows()[1:]
    return {
        'torch': torch.__version__,
        'model': config.model.name,
        'batch': list(batch[0].shape),
        'precision': config.optim.precision,
        'threads': torch.get_num_threads(),
        'device': str(process.device),
        'rounds': rounds,
        'steps_per_round': steps,
        **{f'{name}_step_ms': spread(values) for name, values in times_ms.items()},
        'loop_overhead_percent': spread(_overheads(times_ms, 'loop')),
        'whole_overhead_percent': spread(_overheads(times_ms, 'whole')),
        'wait_share_percent': spread([100 * float(row['wait_share']) for row in rows]),
    }


def _bare(trainer: Trainer, rgb: Tensor, labels: Tensor) -> Callable[[], None]:
    """The steps of one epoch without the trainer around them, on its own parts."""
    model, loss, optimizer = trainer.model, trainer.loss, trainer.optimizer
    image = normalise(rgb.to(trainer.device)).contiguous(memory_format=torch.channels_last)
    labels = labels.to(trainer.device)
    steps, device = trainer.training_data.loader.steps_per_epoch, trainer.device.type
    mixed = trainer.precision != torch.float32

    def epoch() -> None:
        trainer.set_train_mode()
        for step in range(steps):
            with torch.autocast(device, trainer.precision, enabled=mixed):
                outputs = model(image)
            loss(outputs, labels, step).backward()
            optimizer.step()
            optimizer.zero_grad()

    return epoch


def _whole(trainer: Trainer, steps: int) -> Callable[[], None]:
    """One epoch as in ``fit``, without the evaluation."""
    record = RunRecord('trainer', trainer.out, steps, 0)

    def epoch() -> None:
        record.epoch(trainer.train_epoch(record))
        trainer.save(LAST)

    return epoch


def _overheads(times_ms: dict[str, list[float]], name: str) -> list[float]:
    """Overhead per round over its own bare steps, because the machine's speed changes."""
    pairs = zip(times_ms[name], times_ms['bare'], strict=True)
    return [100 * (way / bare - 1) for way, bare in pairs]


def _wait(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


if __name__ == '__main__':
    main()
