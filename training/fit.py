# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop."""

from __future__ import annotations

import csv
import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from seg_perception.core.classes import CAMVID_11
from training.average import WeightAverage
from training.batches import TrainingSet, prefetch
from training.checkpoint import load_checkpoint, save_checkpoint
from training.config import TrainConfig, parse_config
from training.data.camvid import Sample, holdout_samples, list_pairs, read_sample, split_holdout
from training.data.synthetic import render_samples
from training.errors import CheckpointError, DivergedError
from training.evaluate import score_network
from training.losses import SegmentationLoss, class_weights
from training.models import build_model
from training.schedule import poly_factor
from training.transforms import normalise

LOG_COLUMNS = ('epoch', 'step', 'minutes', 'learning_rate', 'loss', 'mean_iou', 'pixel_accuracy')
MAY_CHANGE = ('out', 'threads', 'data', 'transform', 'loss', 'optim')  # by hand, on resume


@dataclass(frozen=True)
class Frames:
    """Frames to train on, and the held-out ones that the model is chosen on."""

    train: TrainingSet
    holdout: Sequence[Sample]


def load_frames(config: TrainConfig) -> Frames:
    """Read CamVid without its held-out sequence, and render the synthetic share."""
    data = config.data
    train, _ = split_holdout(list_pairs(Path(data.camvid), 'train'), data.holdout)
    real = [read_sample(*pair) for pair in train[: data.limit or None]]
    synthetic = render_samples(data.synthetic_frames, real[0].labels.shape)
    return Frames(
        TrainingSet(
            real,
            synthetic,
            data.synthetic_share,
            config.optim.batch,
            config.seed,
        ),
        holdout_samples(data.camvid, data.holdout),
    )


class Trainer:
    """A run: network, average, optimiser, and where in the schedule it stands."""

    def __init__(self, config: TrainConfig, frames: Frames) -> None:
        torch.manual_seed(config.seed)
        self.config, self.frames = config, frames
        net = build_model(config.model.name, len(CAMVID_11), config.model.planes)
        # channels_last is 1.4 times as fast on CPUs with AVX512.
        self.net: nn.Module = net.to(memory_format=torch.channels_last)
        self.average = WeightAverage(self.net, config.optim.ema_decay)
        self.optimizer = torch.optim.AdamW(
            _groups(self.net, config.optim.weight_decay), fused=True
        )
        weights = class_weights(
            [sample.labels for sample in frames.train.real],
            len(CAMVID_11),
            config.loss.weight_offset,
        )
        self.loss = SegmentationLoss(
            weights, config.loss.aux_weight, config.loss.stride, config.loss.dice_weight
        )
        self.epoch, self.step, self.best = 0, 0, -math.inf
        self._started_s, self._seconds_before = time.monotonic(), 0.0

    @property
    def seconds(self) -> float:
        """Time of the run so far, earlier parts included."""
        return self._seconds_before + time.monotonic() - self._started_s

    @property
    def progress(self) -> float:
        """Share of the run that is done by steps, or by time if that is further."""
        optim = self.config.optim
        by_steps = self.step / (optim.epochs * self.frames.train.steps_per_epoch)
        by_time = self.seconds / (60 * optim.max_minutes) if optim.max_minutes else 0.0
        return min(1.0, max(by_steps, by_time))

    def fit(self) -> float:
        """Train to the end of the schedule; the best mean IoU on the hold-out."""
        optim = self.config.optim
        bar = tqdm(total=optim.epochs, initial=self.epoch, desc=self.config.name, unit='epoch')
        while self.epoch < optim.epochs and self.progress < 1:
            row = self.train_epoch()
            last = self.epoch == optim.epochs or self.progress >= 1
            if last or self.epoch % optim.eval_every == 0:
                row |= self.evaluate()
            self._log(row)
            save_checkpoint(Path(self.config.out) / 'last.pt', self.state())
            bar.update()
            bar.set_postfix(loss=f'{row["loss"]:.3f}', best=f'{self.best:.3f}')
        bar.close()
        return self.best

    def train_epoch(self) -> dict[str, Any]:
        """One pass over the training set; the row of the log."""
        self.net.train()
        losses = [self.train_step(*batch) for batch in self.epoch_batches()]
        loss = sum(losses) / len(losses)
        if not math.isfinite(loss):
            fix = 'Lower optim.learning_rate; the last checkpoint is still good.'
            raise DivergedError(f'loss of epoch {self.epoch + 1}', loss, 'a number', fix)
        self.epoch += 1
        return {
            'epoch': self.epoch,
            'step': self.step,
            'minutes': round(self.seconds / 60, 2),
            'learning_rate': self.optimizer.param_groups[0]['lr'],
            'loss': loss,
        }

    def epoch_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of the coming epoch, of small views early in the run."""
        view = self.config.transform
        if self.progress < view.early_share:
            view = dataclasses.replace(view, crop=view.early_crop, scale=view.early_scale)
        return prefetch(self.frames.train.epoch(self.epoch, view))

    def train_step(self, rgb: Tensor, labels: Tensor) -> float:
        """One step on rgb (N, h, w, 3) and labels (N, h, w), both uint8; the loss before it."""
        optim = self.config.optim
        factor = poly_factor(self.step, self.progress, optim.warmup_steps, optim.power)
        for group in self.optimizer.param_groups:
            group['lr'] = optim.learning_rate * factor
        image = normalise(rgb).contiguous(memory_format=torch.channels_last)
        loss = self.loss(self.net(image), labels, self.step)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.average.update(self.net, self.step)
        self.step += 1
        return float(loss.detach())

    def evaluate(self) -> dict[str, float]:
        """Score the averaged weights on the hold-out; keep them when they are the best."""
        matrix = score_network(
            self.average.net, self.frames.holdout, len(CAMVID_11), self.config.deploy.size_for
        )
        mean_iou = matrix.mean_iou()
        if mean_iou > self.best:
            self.best = mean_iou
            save_checkpoint(Path(self.config.out) / 'best.pt', self.state())
        return {'mean_iou': mean_iou, 'pixel_accuracy': matrix.pixel_accuracy()}

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs; batches depend on seed and epoch alone."""
        return {
            'config': self.config.to_dict(),
            'epoch': self.epoch,
            'step': self.step,
            'seconds': self.seconds,
            'best': self.best,
            'net': self.net.state_dict(),
            'average': self.average.net.state_dict(),
            'optimizer': self.optimizer.state_dict(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """
        Continue where a checkpoint stands.

        :raises CheckpointError: when it is of another experiment.
        """
        seen, expected = parse_config(state['config']).to_dict(), self.config.to_dict()
        for group in dataclasses.fields(TrainConfig):
            name = group.name
            if name not in MAY_CHANGE and seen[name] != expected[name]:
                raise CheckpointError(
                    f'{name} of the checkpoint', seen[name], expected[name], 'Use another out.'
                )
        self.net.load_state_dict(state['net'])
        self.average.net.load_state_dict(state['average'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.epoch, self.step, self.best = state['epoch'], state['step'], state['best']
        self._seconds_before = state['seconds']

    def _log(self, row: dict[str, Any]) -> None:
        """Add a row; one of the same epoch, left by a run that was killed, gives way."""
        path = Path(self.config.out) / 'log.csv'
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [*_read_log(path, before_epoch=row['epoch']), row]
        partial = path.with_suffix('.partial')
        with partial.open('w', newline='') as file:
            writer = csv.DictWriter(file, LOG_COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        partial.replace(path)


def fit(config: TrainConfig) -> float:
    """Train or, where the output folder has a ``last.pt``, resume; the best mean IoU."""
    if config.threads:
        torch.set_num_threads(config.threads)
    trainer = Trainer(config, load_frames(config))
    last = Path(config.out) / 'last.pt'
    if last.exists():
        trainer.resume(load_checkpoint(last))
    return trainer.fit()


def _read_log(path: Path, before_epoch: int) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with path.open(newline='') as file:
        return [row for row in csv.DictReader(file) if int(row['epoch']) < before_epoch]


def _groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for kernels; none for biases and batch norms."""
    kernels = [value for value in net.parameters() if value.ndim > 1]
    others = [value for value in net.parameters() if value.ndim <= 1]
    return [
        {'params': kernels, 'weight_decay': weight_decay},
        {'params': others, 'weight_decay': 0.0},
    ]
