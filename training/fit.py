# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: ``fit`` -> ``Trainer.fit`` -> ``train_epoch`` -> ``train_step``."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from seg_perception.evaluation.metrics import ConfusionMatrix, mean_known
from training.average import WeightAverage
from training.checkpoint import check_same_run, load_checkpoint, load_weights, save_checkpoint
from training.config import TrainConfig
from training.data import OpenedData, open_frames
from training.data.domains import Domain, open_domains
from training.data.label_sets import NO_SETS, LabelSets
from training.data.sample import FrameSet
from training.distributed import Process, average_buffers, from_first, joined, merge_over_processes
from training.errors import ConfigError
from training.evaluate.predictors import score_network
from training.loader import Loader
from training.losses import Supervised, build_loss, needs_counts
from training.models import build_model
from training.optimizer import (
    build_optimizer,
    freeze,
    learning_rate_factor,
    load_optimizer,
    set_learning_rate,
)
from training.precision import keep_exact
from training.record import Meter, Record, Row, RunRecord, diverged
from training.report import write_run_report
from training.sampling import samples_per_set
from training.stats import ClassStatistics, label_counts, summarise
from training.transforms import MEAN_RGB, STD_RGB

LAST, BEST = 'last.pt', 'best.pt'
log = logging.getLogger(__name__)
FETCH_EVERY = 16  # steps between looks at the losses, each of which waits for a GPU
PRECISIONS = {'float32': torch.float32, 'bfloat16': torch.bfloat16, 'float16': torch.float16}


@dataclass(frozen=True)
class TrainingData:
    """Training batches, and the frames that the best checkpoint is chosen on."""

    loader: Loader
    val: FrameSet
    statistics: ClassStatistics  # of what is trained on; unknown where the loss needs none
    sets: LabelSets = NO_SETS  # what labels above the classes stand for
    domains: Sequence[Domain] = ()  # of val, where it is scored by domain


def open_training_data(config: TrainConfig, process: Process) -> TrainingData:
    """Open the data sets of an experiment for one of its processes."""
    _check_batch(config, process.world)
    opened = open_frames(config.data)
    statistics = ClassStatistics.unknown(opened.classes)
    if needs_counts(config.loss):
        statistics = summarise(opened.train, label_counts(opened.train, config))
    loader = Loader(opened.train, config, process.rank, process.world)
    if process.is_first:
        _tell_sources(config, opened)
    domains = open_domains(config.data)
    return TrainingData(loader, opened.val, statistics, opened.sets, domains)


def _tell_sources(config: TrainConfig, opened: OpenedData) -> None:
    """Say how often an epoch sees each source, and how many of its labels are sets."""
    sizes, shares = zip(*((len(frames), share) for frames, share in opened.train), strict=True)
    takes = samples_per_set(sizes, shares)
    for source, size, take in zip(config.data.train, sizes, takes, strict=True):
        name = source.about or ' '.join(filter(None, (source.kind, source.root)))
        log.info('%s: %d frames, %d of %d samples an epoch', name, size, take, sum(takes))
    if opened.sets:
        log.info(
            '%d labels stand for several of %d classes', len(opened.sets), len(opened.classes)
        )


class Trainer:
    """A run: network, average, optimiser, and where in the schedule it stands."""

    def __init__(self, config: TrainConfig, training_data: TrainingData, process: Process) -> None:
        self.config, self.training_data, self.process = config, training_data, process
        self.out, self.device = Path(config.out), process.device
        self.precision = _precision(config, self.device)
        torch.backends.cudnn.benchmark = True  # crops are of one size
        torch.manual_seed(config.seed)
        # channels_last is 1.4 times as fast on CPUs with AVX512, and what tensor cores want.
        layout = {'device': self.device, 'memory_format': torch.channels_last}
        self.classes, model = training_data.val.classes, config.model
        num_classes = len(self.classes)
        net = build_model(model.name, num_classes, model.options, model.weights, model.new_head)
        self.net = net.to(**layout)
        if self.device.type == 'cpu' and self.precision == torch.bfloat16:
            keep_exact(self.net)
        self.frozen = freeze(self.net, config.optim.freeze)
        self.average = WeightAverage(self.net, config.optim.ema_decay)
        self.supervised = Supervised(self.net, config.loss, num_classes).to(**layout)
        self.model = _parallel(self.supervised, config, process)
        statistics, sets = training_data.statistics, training_data.sets
        self.loss = build_loss(config.loss, statistics, sets).to(self.device)
        backbone = [f'net.{name}' for name in self.net.backbone_names]
        self.optimizer = build_optimizer(
            self.supervised.named_parameters(), backbone, config.optim
        )
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=self.precision == torch.float16
        )
        self._mean = torch.tensor(MEAN_RGB, device=self.device)
        self._scale = 1 / torch.tensor(STD_RGB, device=self.device)
        self.epoch, self.step, self.step_in_epoch = 0, 0, 0
        self.best, self.stale, self.learning_rate = -math.inf, 0, 0.0
        self.meter = Meter()
        self._started_s, self._seconds_before = time.monotonic(), 0.0

    @property
    def seconds(self) -> float:
        """Time of the run so far, earlier parts included."""
        return self._seconds_before + time.monotonic() - self._started_s

    @property
    def total_steps(self) -> int:
        """Steps of the whole schedule."""
        return self.config.optim.epochs * self.training_data.loader.steps_per_epoch

    def progress(self, step: int) -> float:
        """Share of the run that is done by a step, or by time if that is further; collective."""
        limit_s = 60 * self.config.optim.max_minutes
        by_time = from_first(self.seconds) / limit_s if limit_s else 0.0
        return min(1.0, max(step / self.total_steps, by_time))

    def is_over(self) -> bool:
        """Whether the schedule is at its end; collective."""
        return self.epoch >= self.config.optim.epochs or self.progress(self.step) >= 1

    def is_out_of_patience(self) -> bool:
        """Whether too many evaluations went by without a better score."""
        return 0 < self.config.optim.patience <= self.stale

    def fit(self, record: Record) -> float:
        """Train to the end of the schedule; the best mean IoU on the validation frames."""
        over = self.is_over()
        while not over and not self.is_out_of_patience():
            row = self.train_epoch(record)
            over = self.is_over()
            if over or self.epoch % self.config.optim.eval_every == 0:
                row |= self.evaluate()
            record.epoch(row)
            self.save(LAST)
        return self.best

    def train_epoch(self, record: Record) -> Row:
        """One pass over the training set, or what is left of it; the row of the log."""
        self.set_train_mode()
        for rgb, labels in self.meter.timed(self.epoch_batches()):
            losses = self.train_step(rgb, labels)
            self.meter.add(self.step, self.learning_rate, losses)
            record.step(self.step, self.meter.fetch() if self._is_time_to_fetch() else {})
            if self._is_time_to_save():
                self.save(LAST)
        self.meter.fetch()
        row, self.meter = self.meter.row(), Meter()
        self.epoch, self.step_in_epoch = self.epoch + 1, 0
        minutes = round(self.seconds / 60, 2)
        return {'epoch': self.epoch, 'step': self.step, 'minutes': minutes, **row}

    def epoch_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of the epoch that are still to come, of small views early in the run."""
        view = self.config.transform
        if self.progress(self.step - self.step_in_epoch) < view.early_share:
            view = dataclasses.replace(view, crop=view.early_crop, scale=view.early_scale)
        return self.training_data.loader.epoch(self.epoch, view, self.step_in_epoch)

    def set_train_mode(self) -> None:
        """Prepare the network for steps; what is frozen stays as it is."""
        self.model.train()
        for module in self.frozen:
            module.eval()
        if self.config.optim.freeze_norm:
            for module in self.net.modules():  # those of side heads are fresh
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def train_step(self, rgb: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """One step on rgb (n, h, w, 3) and labels (n, h, w), both uint8; the losses before it."""
        self.learning_rate = self.scheduled_rate()
        set_learning_rate(self.optimizer, self.learning_rate)
        _seed(self.config.seed, self.step, self.process.rank)
        losses = self._gradients(rgb, labels)
        if self.config.optim.clip_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.supervised.parameters(), self.config.optim.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.average.update(self.step)
        self.step, self.step_in_epoch = self.step + 1, self.step_in_epoch + 1
        return losses

    def scheduled_rate(self) -> float:
        """Learning rate of the coming step; collective."""
        optim, progress = self.config.optim, self.progress(self.step)
        factor = learning_rate_factor(optim, self.step, progress, self.epoch)
        return optim.learning_rate * factor

    def _gradients(self, rgb: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Gradients of a batch that goes through the network in parts; the mean of the losses."""
        count = self.config.optim.accumulate
        losses: dict[str, Tensor] = {}
        for number, part in enumerate(zip(rgb.chunk(count), labels.chunk(count), strict=True)):
            with self._reduction(is_last=number == count - 1):
                loss = self.forward_loss(*part)
                self.scaler.scale(loss / count).backward()
            named = {f'loss_{name}': value for name, value in self.loss.parts.items()}
            for name, value in {'loss': loss.detach(), **named}.items():
                losses[name] = losses.get(name, 0) + value / count
        return losses

    def forward_loss(self, rgb: Tensor, labels: Tensor) -> Tensor:
        """Loss of some samples, uint8, wherever they are."""
        image = self.normalised(rgb.to(self.device, non_blocking=True))
        labels = labels.to(self.device, non_blocking=True)
        mixed = self.precision != torch.float32
        with torch.autocast(self.device.type, self.precision, enabled=mixed):
            outputs = self.model(image)
        return self.loss(outputs, labels, self.step)

    def normalised(self, rgb: Tensor) -> Tensor:
        """
        What ``transforms.normalise`` gives, (n, 3, h, w) with channels last.

        In rows of 3 w numbers, in place and with constants that are on the device already: a
        tenth of the time on a CPU, and a GPU need not be waited for.
        """
        count, height, width, _ = rgb.shape
        rows = rgb.reshape(count, height, 3 * width).float()
        rows.sub_(self._mean.repeat(width)).mul_(self._scale.repeat(width))
        return rows.view(count, height, width, 3).permute(0, 3, 1, 2)

    def evaluate(self) -> dict[str, float]:
        """
        Score the averaged weights on the validation frames; keep them if they are the best.

        Where these are of several domains, the mean over them counts, each in its own classes.
        """
        average_buffers(self.average.net)
        rows = {
            domain.name: self._matrix(domain.frames, domain.lut(self.classes))
            for domain in self.training_data.domains
        } or {'': self._matrix(self.training_data.val)}
        of_domains = {f'iou_{name}': row.mean_iou('skip') for name, row in rows.items() if name}
        means = [*of_domains.values()] or [rows[''].mean_iou()]
        mean_iou = mean_known(np.array(means))
        self.stale += 1
        if mean_iou > self.best:
            self.best, self.stale = mean_iou, 0
            self.save(BEST)
        accuracy = mean_known(np.array([row.pixel_accuracy() for row in rows.values()]))
        return {'mean_iou': mean_iou, 'pixel_accuracy': accuracy, **of_domains}

    def _matrix(self, frames: FrameSet, lut: np.ndarray | None = None) -> ConfusionMatrix:
        """Of the averaged weights on some frames, over all processes."""
        mine = range(self.process.rank, len(frames), self.process.world)
        part = score_network(self.average.net, frames, self.config.deploy.size_for, mine, lut)
        return merge_over_processes(part)

    def save(self, name: str) -> None:
        """Write a checkpoint, unless loss or weights are not finite; collective."""
        self.meter.fetch()
        average_buffers(self.net)
        norms = torch._foreach_norm([value.detach() for value in self.net.parameters()])
        if not bool(torch.stack(norms).isfinite().all()):
            raise diverged(f'weights after step {self.step}', 'nan', self.learning_rate)
        if self.process.is_first:
            save_checkpoint(self.out / name, self.state())

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs; batches and dropout depend on seed and step alone."""
        whole = self.supervised.state_dict()
        return {
            'config': self.config.to_dict(),
            'classes': self.classes.to_dict(),
            'epoch': self.epoch,
            'step': self.step,
            'step_in_epoch': self.step_in_epoch,
            'meter': self.meter.state(),
            'seconds': self.seconds,
            'best': self.best,
            'stale': self.stale,
            'net': self.net.state_dict(),
            'average': self.average.net.state_dict(),
            'heads': {k: value for k, value in whole.items() if not k.startswith('net.')},
            'optimizer': self.optimizer.state_dict(),
            'scaler': self.scaler.state_dict(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """
        Continue where a checkpoint stands.

        :raises CheckpointError: when it is of another experiment or class table.
        """
        check_same_run(state, self.config, self.classes)
        load_weights(self.average.net, state['average'])
        weights = {f'net.{name}': value for name, value in state['net'].items()}
        load_weights(self.supervised, weights | state['heads'])
        load_optimizer(self.optimizer, state['optimizer'])
        if self.scaler.is_enabled() and state['scaler']:
            self.scaler.load_state_dict(state['scaler'])
        self.epoch, self.step = state['epoch'], state['step']
        self.step_in_epoch, self.meter = state['step_in_epoch'], Meter.from_state(state['meter'])
        self.best, self.stale = state['best'], state['stale']
        self._seconds_before = state['seconds']

    def _is_time_to_fetch(self) -> bool:
        return self.step % (FETCH_EVERY if self.device.type == 'cuda' else 1) == 0

    def _is_time_to_save(self) -> bool:
        every = self.config.optim.save_every_steps
        return every > 0 and self.step % every == 0

    def _reduction(self, is_last: bool) -> AbstractContextManager[Any]:
        """Gradients are reduced over processes with the last part of a batch alone."""
        if is_last or not isinstance(self.model, DistributedDataParallel):
            return nullcontext()
        return self.model.no_sync()


def fit(config: TrainConfig) -> float:
    """Train or, where the output folder has a ``last.pt``, resume; the best mean IoU."""
    if config.threads:
        torch.set_num_threads(config.threads)
    with joined(config.device) as process:
        training_data = open_training_data(config, process)
        trainer = Trainer(config, training_data, process)
        _resume_if_begun(trainer)
        record = _open_record(trainer)
        try:
            with closing(record), closing(training_data.loader):
                best = trainer.fit(record)
        except KeyboardInterrupt:
            if process.is_first:
                log.warning('stopped. %s', _how_to_resume(trainer.out / LAST))
            raise
    if process.is_first:
        folder = write_run_report(config, training_data.val, process.device)
        log.info('best mean IoU on data.val: %.4f; report in %s', best, folder)
    return best


def _resume_if_begun(trainer: Trainer) -> None:
    """Continue from ``last.pt``; the first process reads it, so others need no shared disk."""
    path = trainer.out / LAST
    begun = trainer.process.is_first and path.exists()
    state = from_first(load_checkpoint(path) if begun else None)
    if state is None:
        return
    trainer.resume(state)
    if trainer.process.is_first:
        log.info('%s continues at epoch %d, step %d', path, trainer.epoch, trainer.step)


def _open_record(trainer: Trainer) -> Record:
    if not trainer.process.is_first:
        return Record()
    return RunRecord(trainer.config.name, trainer.out, trainer.total_steps, trainer.step)


def _how_to_resume(last: Path) -> str:
    if not last.exists():
        return 'Nothing is saved yet: the same command starts anew.'
    return f'{last} is whole: the same command resumes it.'


def _precision(config: TrainConfig, device: torch.device) -> torch.dtype:
    name = config.optim.precision
    if name == 'float16' and device.type == 'cpu':
        raise ConfigError('config key optim.precision', name, 'bfloat16 or float32 on a CPU')
    return PRECISIONS[name]


def _check_batch(config: TrainConfig, world: int) -> None:
    optim = config.optim
    if optim.batch % (optim.accumulate * world):
        raise ConfigError(
            'config key optim.batch',
            optim.batch,
            f'a multiple of {optim.accumulate * world}',
            f'It is split into {optim.accumulate} parts (optim.accumulate) in each of {world} '
            'processes.',
        )


def _parallel(supervised: nn.Module, config: TrainConfig, process: Process) -> nn.Module:
    """The network whose backward pass also averages gradients over processes."""
    if process.world == 1:
        return supervised
    is_gpu = process.device.type == 'cuda'
    if config.optim.sync_norm and not is_gpu:
        raise ConfigError('config key optim.sync_norm', True, 'false: torch has it on GPUs alone')
    if config.optim.sync_norm:
        supervised = nn.SyncBatchNorm.convert_sync_batchnorm(supervised)
    # Norm statistics are averaged when they are used, not sent at every step.
    return DistributedDataParallel(
        supervised,
        device_ids=[process.device] if is_gpu else None,
        forward_sync_buffers=False,
        gradient_as_bucket_view=True,
    )


def _seed(*numbers: int) -> None:
    """
    Seed torch for one step of one process.

    Dropout then depends on where a run stands alone, not on what was drawn before: a resumed run
    repeats it, and no checkpoint needs the state of a generator.
    """
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))
