# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Output of a run while it trains: progress bar, ``log.csv``, TensorBoard; first process only."""

from __future__ import annotations

import csv
import logging
import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from seg_perception.io.atomic import output_error, write_csv
from training.distributed import mean_over_processes
from training.errors import DivergedError

log = logging.getLogger(__name__)

Row = dict[str, Any]
Batch = TypeVar('Batch')


class Meter:
    """
    Means over one epoch.

    Losses stay on the device until they are fetched: each fetch makes the CPU wait for the GPU.
    """

    def __init__(self) -> None:
        self.steps, self.wait_s, self.work_s = 0, 0.0, 0.0
        self.learning_rate = 0.0  # of the last step
        self.sums: dict[str, float] = {}
        self._pending: list[tuple[int, float, Tensor]] = []

    def timed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The same batches; the time spent on waiting for them is counted, and that between."""
        iterator, start_s = iter(batches), time.perf_counter()
        while (batch := next(iterator, None)) is not None:
            ready_s = time.perf_counter()
            yield batch
            self.wait_s += ready_s - start_s
            start_s = time.perf_counter()
            self.work_s += start_s - ready_s

    def add(self, step: int, learning_rate: float, losses: Mapping[str, Tensor]) -> None:
        """Take the losses of a step, scalars on the device."""
        if not self.sums:
            self.sums = dict.fromkeys(losses, 0.0)
        self.learning_rate = learning_rate
        values = torch.stack([losses[name].detach().float() for name in self.sums])
        self._pending.append((step, learning_rate, values))

    def fetch(self) -> dict[str, float]:
        """
        Count what is pending, and give its means over steps and processes; collective.

        :raises DivergedError: when a loss is not finite.
        """
        if not self._pending:
            return {}
        steps, rates, values = zip(*self._pending, strict=True)
        self._pending.clear()
        rows = mean_over_processes(torch.stack(values)).tolist()
        for step, rate, row in zip(steps, rates, rows, strict=True):
            for name, value in zip(self.sums, row, strict=True):
                if not math.isfinite(value):
                    raise diverged(f'{name} of step {step}', value, rate)
                self.sums[name] += value
            self.steps += 1
        means = torch.tensor(rows).mean(0).tolist()
        return dict(zip(self.sums, means, strict=True)) | {'learning_rate': self.learning_rate}

    def row(self) -> Row:
        """Learning rate at the end, means of the losses, share of the time spent on waiting."""
        time_s = self.wait_s + self.work_s
        means = {name: value / self.steps for name, value in self.sums.items()}
        wait_share = round(self.wait_s / time_s, 4) if time_s else 0.0
        return {'learning_rate': self.learning_rate, **means, 'wait_share': wait_share}

    def state(self) -> dict[str, Any]:
        """State for a checkpoint within an epoch; nothing may be pending."""
        return {name: value for name, value in vars(self).items() if not name.startswith('_')}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Meter:
        """The meter that ``state`` came from."""
        meter = cls()
        vars(meter).update(state)
        return meter


def diverged(thing: str, seen: object, learning_rate: float) -> DivergedError:
    """The error for a run whose loss or weights are no longer finite."""
    fix = (
        'Lower optim.learning_rate or set optim.clip_norm; what is saved is from before, and good.'
    )
    return DivergedError(f'{thing} at learning rate {learning_rate:.3g}', seen, 'a number', fix)


class CsvLog:
    """One row an epoch. Columns may differ from row to row; those of the file are all of them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self) -> list[Row]:
        """The rows of the file, values as text; none when there is no file."""
        if not self.path.exists():
            return []
        with self.path.open(newline='', encoding='utf-8') as file:
            return list(csv.DictReader(file))

    def add(self, row: Row) -> None:
        """Add a row; those of the same epoch and later, left by a killed run, give way."""
        rows = [old for old in self.rows() if int(old['epoch']) < row['epoch']] + [row]
        names = list(dict.fromkeys(name for row in rows for name in row))
        write_csv(self.path, names, ([row.get(name, '') for name in names] for row in rows))


class Record:
    """Receiver of the reports of a trainer; this base class, for all processes but the first,
    does nothing."""

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Report the number of steps done; values are present now and then."""

    def epoch(self, row: Row) -> None:
        """Report the row of a finished epoch."""

    def close(self) -> None:
        """End the record."""


class RunRecord(Record):
    """The record of the first process."""

    def __init__(self, name: str, out: Path, steps: int, step: int) -> None:
        self.csv = CsvLog(out / 'log.csv')
        self._board = _open_board(out / 'tensorboard', step)
        # A bar in a file is a line for each change: there it moves twice a minute.
        pause_s = 0.2 if sys.stderr.isatty() else 30.0
        self._bar = tqdm(
            total=steps, initial=step, desc=name, unit='step', mininterval=pause_s, maxinterval=60
        )

    def step(self, step: int, values: Mapping[str, float]) -> None:
        if values:
            shown = {name: f'{value:.4g}' for name, value in values.items()}
            self._bar.set_postfix(shown, refresh=False)
            self._write_board('step', values, step)
        self._bar.update(step - self._bar.n)

    def epoch(self, row: Row) -> None:
        self.csv.add(row)
        self._write_board('epoch', row, row['step'])
        if 'mean_iou' in row:
            text = 'epoch {epoch}: loss {loss:.4f}, mean IoU {mean_iou:.4f}, {minutes} minutes'
            self._bar.write(text.format(**row), file=sys.stderr)

    def close(self) -> None:
        self._bar.close()
        if self._board:
            self._board.close()

    def _write_board(self, group: str, values: Mapping[str, Any], step: int) -> None:
        if not self._board:
            return
        try:
            for name, value in values.items():
                self._board.add_scalar(f'{group}/{name}', value, step)
        except OSError as error:
            raise output_error(self.csv.path.parent / 'tensorboard', error) from error


def _open_board(folder: Path, step: int) -> Any:
    """A TensorBoard writer; None, and a line that says so, where the package is not there."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.warning('TensorBoard is not installed: only log.csv is written')
        return None
    return SummaryWriter(str(folder), purge_step=step)
