# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Checks before a long run: can the network overfit one batch, and which learning rate suits it?

A network that overfits one batch shows that loss, labels and optimiser work and that it is
large enough (seed 001, "Why Overfitting?"): what fails here fails on the whole data set too.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from seg_perception.evaluation.metrics import ConfusionMatrix
from seg_perception.io.atomic import write_csv
from seg_perception.report import plots
from training.config import TrainConfig, TransformConfig
from training.distributed import Process, pick_device
from training.errors import ProbeError
from training.fit import Trainer, TrainingData, open_training_data
from training.models.layers import resize
from training.transforms import normalise

SMOOTHING = 0.9  # share of the old mean in the smoothed loss of a sweep
BLOWN_UP = 4.0  # times the least smoothed loss: a sweep ends there
LEAST_END = 1e-3  # the rate that a sweep has to reach: below it there is no slope to speak of


@dataclass(frozen=True)
class Overfit:
    """What a network reached on one batch, scored with the statistics of that batch."""

    steps: int
    first_loss: float
    loss: float
    mean_iou: float

    def text(self) -> str:
        """One line."""
        losses = f'loss {self.first_loss:.4f} -> {self.loss:.4f}'
        return f'one batch, {self.steps} steps: {losses}, mean IoU {self.mean_iou:.4f}'


@dataclass(frozen=True)
class Sweep:
    """Loss of each step of a run whose learning rate rises, (K,)."""

    rates: np.ndarray
    losses: np.ndarray

    @property
    def smooth(self) -> np.ndarray:
        """Exponential mean of the losses, corrected for its start, (K,)."""
        mean, means = 0.0, []
        for count, loss in enumerate(self.losses, start=1):
            mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
            means.append(mean / (1 - SMOOTHING**count))
        return np.array(means)

    @property
    def suggestion(self) -> float:
        """
        The rate around which the loss falls fastest, after Smith 2017 (arXiv 1506.01186).

        Steps are noisy: the slope is that of a line through two decades of rates.
        """
        places = np.log10(self.rates)
        inner = places[(places >= places[0] + 1) & (places <= places[-1] - 1)]
        near = [np.abs(places - place) <= 1 for place in inner]
        slopes = [np.polyfit(places[some], self.losses[some], 1)[0] for some in near]
        return float(10 ** inner[int(np.argmin(slopes))])


class OneBatch:
    """A loader whose epoch is one batch, again and again."""

    def __init__(self, rgb: Tensor, labels: Tensor, steps: int) -> None:
        self.rgb, self.labels, self.steps_per_epoch = rgb, labels, steps

    def epoch(
        self, number: int, transform: TransformConfig, first_step: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The batch as it is."""
        return itertools.repeat((self.rgb, self.labels), self.steps_per_epoch - first_step)

    def close(self) -> None:
        """Nothing to end."""


class SweepTrainer(Trainer):
    """A trainer whose learning rate rises, by the same factor each step."""

    least, most, steps = 1e-6, 1.0, 100

    def scheduled_rate(self) -> float:
        """The rate of the coming step."""
        return self.least * (self.most / self.least) ** (self.step / (self.steps - 1))


def overfit(config: TrainConfig, steps: int = 200) -> Overfit:
    """
    Train on the first batch alone, without augmentation.

    The run is the configured one, but the learning rate falls to 0 over these steps.

    :raises ProbeError: when the loss is not finite.
    """
    config = _plain(config, steps)
    training_data, process = _open(config)
    rgb, labels = next(training_data.loader.epoch(0, config.transform))
    training_data.loader.close()
    repeated = dataclasses.replace(training_data, loader=OneBatch(rgb, labels, steps))
    trainer = Trainer(config, repeated, process)
    losses = list(_losses(trainer, trainer.epoch_batches(), 'overfit', steps))
    if not math.isfinite(losses[-1]):
        fix = 'Lower optim.learning_rate.'
        raise ProbeError(f'loss after {len(losses)} steps', losses[-1], 'a number', fix)
    matrix = _score(trainer, rgb, labels)
    return Overfit(steps, losses[0], losses[-1], matrix.mean_iou())


def check_overfit(result: Overfit, least_iou: float) -> None:
    """
    Refuse a network that did not learn the batch.

    :raises ProbeError: when it scored less than ``least_iou``.
    """
    if not result.mean_iou >= least_iou:
        raise ProbeError(
            f'mean IoU on one batch after {result.steps} steps',
            f'{result.mean_iou:.4f}',
            f'at least {least_iou}',
            'Try another learning rate (find-lr) or more --steps; else suspect labels or loss.',
        )


def find_learning_rate(config: TrainConfig, steps: int = 100) -> Sweep:
    """
    Train with a learning rate that rises until the loss blows up; nothing is saved.

    :raises ProbeError: when it does so at a low rate.
    """
    config = dataclasses.replace(config, optim=dataclasses.replace(config.optim, warmup_steps=0))
    training_data, process = _open(config)
    trainer = SweepTrainer(config, training_data, process)
    trainer.steps, rates, losses = steps, [], []
    batches = itertools.islice(_endless(training_data, config), steps)
    for loss in _losses(trainer, batches, 'find-lr', steps):
        if not math.isfinite(loss):
            break
        rates.append(trainer.learning_rate)
        losses.append(loss)
        sweep = Sweep(np.array(rates), np.array(losses))
        if sweep.smooth[-1] > BLOWN_UP * sweep.smooth.min():
            break
    training_data.loader.close()
    if not rates or rates[-1] < LEAST_END:
        fix = 'Suspect labels or loss: try overfit.'
        end = trainer.learning_rate
        raise ProbeError('learning rate that blows up', f'{end:.2g}', f'over {LEAST_END:g}', fix)
    return sweep


def write_sweep(sweep: Sweep, folder: Path) -> None:
    """Write find_lr.csv and find_lr.png."""
    rows = zip(sweep.rates, sweep.losses, sweep.smooth, strict=True)
    write_csv(folder / 'find_lr.csv', ['learning_rate', 'loss', 'smoothed'], rows)
    measured, smooth = (sweep.rates, sweep.losses), (sweep.rates, sweep.smooth)
    figure = plots.learning_rate_sweep(measured, smooth, sweep.suggestion)
    plots.write_figure(folder / 'find_lr.png', figure)


def _plain(config: TrainConfig, steps: int) -> TrainConfig:
    """The configuration without augmentation, of that many steps."""
    view = TransformConfig(
        crop=config.transform.crop, scale=(1.0, 1.0), flip=0.0, rotate_deg=0.0, light=0.0,
        dark=0.0, colour=0.0, saturation=0.0, blur=0.0, noise=0.0,
    )  # fmt: skip
    warmup = min(config.optim.warmup_steps, steps // 10)
    optim = dataclasses.replace(
        config.optim, schedule='poly', epochs=1, max_minutes=0.0, warmup_steps=warmup
    )
    return dataclasses.replace(config, transform=view, optim=optim)


def _open(config: TrainConfig) -> tuple[TrainingData, Process]:
    if config.threads:
        torch.set_num_threads(config.threads)
    process = Process(pick_device(config.device))
    return open_training_data(config, process), process


def _endless(training_data: TrainingData, config: TrainConfig) -> Iterator[tuple[Tensor, Tensor]]:
    for epoch in itertools.count():
        yield from training_data.loader.epoch(epoch, config.transform)


def _losses(
    trainer: Trainer, batches: Iterator[tuple[Tensor, Tensor]], task: str, steps: int
) -> Iterator[float]:
    """Train on the batches; the loss of each step, before it."""
    trainer.set_train_mode()
    for batch in tqdm(batches, desc=task, total=steps, unit='step', leave=False, disable=None):
        yield trainer.train_step(*batch)['loss'].item()


@torch.no_grad()
def _score(trainer: Trainer, rgb: Tensor, labels: Tensor) -> ConfusionMatrix:
    """Confusion matrix of the trained network on the batch, rgb and labels uint8."""
    trainer.set_train_mode()
    with_batch_statistics(trainer.net)
    matrix = ConfusionMatrix(len(trainer.classes))
    count = trainer.config.optim.accumulate
    for images, truths in zip(rgb.chunk(count), labels.chunk(count), strict=True):
        logits = trainer.net(normalise(images.to(trainer.device))).float()
        logits = resize(logits, truths.shape[1:])
        matrix.add(truths.numpy(), logits.argmax(1).byte().cpu().numpy())
    return matrix


def with_batch_statistics(net: nn.Module) -> nn.Module:
    """
    Put a network in evaluation mode, except that its batch norms normalise as they do in training.

    Running statistics lag behind the weights. After few steps they decide the score, and rounding,
    which differs between processors, decides them. Norms that are frozen keep their statistics.
    """
    norms = [
        module
        for module in net.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training
    ]
    net.eval()
    for norm in norms:
        norm.train()
    return net
