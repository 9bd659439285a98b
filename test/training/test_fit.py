# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import csv
import dataclasses
import os
import signal
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from seg_perception.core.errors import ClassTableError, OutputError
from training.checkpoint import load_checkpoint
from training.cli import main
from training.config import SourceConfig, parse_config
from training.distributed import Process
from training.errors import CheckpointError, ConfigError, DivergedError
from training.fit import Trainer, fit, open_training_data
from training.record import CsvLog, Record
from training.transforms import normalise
from training_process import start_fit, torchrun_environments

CPU = Process(torch.device('cpu'))


@pytest.fixture(autouse=True)
def _no_report(monkeypatch):
    """Of most runs: it takes longer than they do. ``twenty_steps`` has one."""
    monkeypatch.setattr('training.fit.write_run_report', lambda *_: 'nowhere')


def changed(config, out=None, **groups):
    """A copy with other keys in some groups, and another output folder."""
    values = {
        name: dataclasses.replace(getattr(config, name), **keys) for name, keys in groups.items()
    }
    return dataclasses.replace(config, out=str(out or config.out), **values)


def trainer_of(config):
    return Trainer(config, open_training_data(config, CPU), CPU)


def rows(config):
    with (Path(config.out) / 'log.csv').open() as file:
        return list(csv.DictReader(file))


def curve(config):
    """The log without what depends on the clock."""
    return [
        {name: value for name, value in row.items() if name not in ('minutes', 'wait_share')}
        for row in rows(config)
    ]


def last(config):
    return load_checkpoint(Path(config.out) / 'last.pt')


class StoppedError(Exception):
    pass


def fit_until(config, step):
    """Train until a step is about to begin, saving each, then fail."""
    trainer = trainer_of(changed(config, optim={'save_every_steps': 1}))
    train_step = trainer.train_step

    def train_or_stop(*batch):
        if trainer.step == step:
            raise StoppedError
        return train_step(*batch)

    trainer.train_step = train_or_stop
    path = Path(config.out) / 'last.pt'
    if path.exists():
        trainer.resume(load_checkpoint(path))
    with pytest.raises(StoppedError):
        trainer.fit(RecordToCsv(config))


class RecordToCsv(Record):
    def __init__(self, config):
        self.log = CsvLog(Path(config.out) / 'log.csv')

    def epoch(self, row):
        self.log.add(row)


@pytest.fixture(scope='module')
def twenty_steps(camvid, tmp_path_factory):
    """A whole run of ten epochs of two steps, with everything that has a state."""
    source = {'kind': 'camvid', 'root': str(camvid)}
    config = parse_config(
        {
            'name': 'twenty',
            'threads': 1,  # other numbers of threads may add up in another order
            'out': str(tmp_path_factory.mktemp('twenty') / 'run'),
            'model': {'options': {'planes': 8, 'head': 16, 'branch': 16}},
            'data': {
                'train': [source | {'exclude': ['0001TP']}],
                'val': [source | {'only': ['0001TP']}],
                'cache': True,
            },
            'transform': {'crop': [64, 64], 'early_share': 0.3, 'early_crop': [32, 40]},
            'loss': {'class_weights': 'enet', 'boundary_weight': 0.2},
            'optim': {
                'batch': 2,
                'epochs': 10,
                'warmup_steps': 2,
                'eval_every': 4,
                'ema_decay': 0.9,
                'clip_norm': 5.0,
            },
        }
    )
    fit(config)
    return config


def test_run_leaves_logs_checkpoints_and_report(twenty_steps):
    out = Path(twenty_steps.out)
    assert [row['epoch'] for row in rows(twenty_steps)] == [str(n) for n in range(1, 11)]
    scored = [row['epoch'] for row in rows(twenty_steps) if row['mean_iou']]
    assert scored == ['4', '8', '10']
    names = 'loss', 'loss_cross_entropy', 'loss_aux', 'loss_boundary'
    total, *parts = (float(rows(twenty_steps)[0][name]) for name in names)
    assert total == pytest.approx(sum(parts), rel=1e-5)
    assert (last(twenty_steps)['epoch'], last(twenty_steps)['step']) == (10, 20)
    assert {path.name for path in out.iterdir()} == {
        'best.pt', 'last.pt', 'log.csv', 'report', 'tensorboard', 'label_counts.npz',
    }  # fmt: skip
    assert not list(out.rglob('.unfinished*'))


def test_median_frequency_counts_the_frames_that_have_the_class(config, tmp_path):
    for folder in ('images', 'masks'):
        (tmp_path / folder).mkdir()
    for name, ids in (('a', np.zeros((64, 64))), ('b', np.repeat([[0], [0], [0], [1]], 16, 0))):
        mask = np.broadcast_to(ids, (64, 64)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f'masks/{name}.png'), mask)
        cv2.imwrite(str(tmp_path / f'images/{name}.png'), cv2.merge([mask] * 3))
    source = SourceConfig('folder', str(tmp_path), classes='camvid_11')
    trainer = trainer_of(
        changed(
            config,
            data={'train': (source,), 'val': (source,)},
            loss={'class_weights': 'median_frequency'},
        )
    )
    # Sky fills 7/8 of both frames, building 1/4 of the one that has it; the median is 9/16.
    weights = trainer.loss.main.terms[0].weights
    assert weights[:2].tolist() == pytest.approx([9 / 14, 9 / 4])


def test_resumed_run_has_the_same_curve_to_the_last_bit(twenty_steps, tmp_path):
    config = changed(twenty_steps, out=tmp_path / 'cut')
    for step in (7, 10, 15):  # within an epoch, between two, and within one again
        fit_until(config, step)
        assert last(config)['step'] == step
    fit(config)
    assert curve(config) == curve(twenty_steps)
    for part in ('net', 'average', 'heads'):
        whole, cut = last(twenty_steps)[part], last(config)[part]
        assert whole.keys() == cut.keys()
        assert all(torch.equal(whole[name], cut[name]) for name in whole), part


@pytest.mark.slow
def test_run_that_is_killed_again_and_again_has_the_same_curve(twenty_steps, tmp_path):
    config = changed(twenty_steps, out=tmp_path / 'killed', optim={'save_every_steps': 1})
    path = Path(config.out) / 'last.pt'
    for number in range(3):
        process = start_fit(config)
        for _ in range(2 + number):
            wait_for_change(path, process)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert 0 < last(config)['step'] < 20
    fit(config)
    assert curve(config) == curve(twenty_steps)


def wait_for_change(path, process):
    seen = path.stat().st_mtime_ns if path.exists() else 0
    while not path.exists() or path.stat().st_mtime_ns == seen:
        assert process.is_alive()
        time.sleep(0.001)


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_whole_batch(config, tmp_path):
    # Steps of SGD are of the gradient; Adam would make whole steps of what rounding leaves of it.
    optim = {'name': 'sgd', 'learning_rate': 1e-4, 'batch': 4, 'epochs': 20, 'eval_every': 10}
    optim['freeze_norm'] = True
    one = changed(config, optim=optim, loss={'class_weights': 'enet'})
    fit(one)
    two = changed(one, out=tmp_path / 'two')
    processes = [start_fit(two, environment) for environment in torchrun_environments(2)]
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(rows(one)) == len(rows(two)) == 20
    for alone, together in zip(rows(one), rows(two), strict=True):
        assert float(together['loss']) == pytest.approx(float(alone['loss']), abs=1e-4)
    # 1e-4 of the logits may move a pixel on a boundary, no more.
    scores = [[float(row['mean_iou']) for row in rows(c) if row['mean_iou']] for c in (one, two)]
    assert scores[1] == pytest.approx(scores[0], abs=2e-3)


def test_batch_in_parts_has_the_gradient_of_the_whole(config):
    # The whole frame, so that each part has the same number of void pixels.
    view = dataclasses.replace(
        config.transform, crop=(64, 96), scale=(1.0, 1.0), rotate_deg=0.0, early_share=0.0
    )
    whole = dataclasses.replace(config, transform=view)
    whole = changed(whole, optim={'freeze_norm': True, 'batch': 4})
    losses = []
    for run in (whole, changed(whole, optim={'accumulate': 2})):
        trainer = trainer_of(run)
        trainer.set_train_mode()
        batch = next(trainer.epoch_batches())
        losses.append([trainer.train_step(*batch)['loss'].item() for _ in range(3)])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint(config):
    fit(changed(config, optim={'epochs': 1}))
    trainer = trainer_of(config)
    trainer.resume(last(config))
    trainer.net.head[1].bias.data.fill_(float('nan'))
    words = r'loss of step 3 at learning rate 0\.000\d+: got nan, expected a number.*what is saved'
    with pytest.raises(DivergedError, match=words):
        trainer.fit(Record())
    assert last(config)['step'] == 2


def test_weights_that_are_no_numbers_are_not_saved(config):
    fit(changed(config, optim={'epochs': 1}))
    trainer = trainer_of(config)
    trainer.net.head[1].weight.data[0, 0] = float('inf')
    with pytest.raises(DivergedError, match=r'weights after step 0.*expected a number'):
        trainer.save('last.pt')
    assert last(config)['step'] == 2


def test_full_disk_keeps_the_last_checkpoint(config, fill_disk):
    fit(changed(config, optim={'epochs': 1}))
    fill_disk()
    with pytest.raises(OutputError, match=r"log.csv': got No space left on device.*Make room"):
        fit(config)
    assert last(config)['step'] == 2


def test_interrupt_says_how_to_go_on(config, monkeypatch, caplog):
    caplog.set_level('INFO')
    fit(changed(config, optim={'epochs': 1}))

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, 'train_step', interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(config)
    message = caplog.text
    assert f'{config.out}/last.pt continues at epoch 1, step 2' in message
    assert f'stopped. {config.out}/last.pt is whole' in message
    with pytest.raises(KeyboardInterrupt):
        fit(changed(config, out=f'{config.out}_fresh'))
    assert 'stopped. Nothing is saved yet' in caplog.text


class SlowTrainer(Trainer):
    """Each step takes half a second, on any machine."""

    @property
    def seconds(self):
        return 0.5 * self.step


def test_run_ends_in_time(config):
    hurried = changed(config, optim={'epochs': 100000, 'max_minutes': 2 / 60})
    SlowTrainer(hurried, open_training_data(hurried, CPU), CPU).fit(RecordToCsv(hurried))
    assert len(rows(hurried)) == 2  # of two steps each
    assert rows(hurried)[-1]['mean_iou'] != ''
    # Three quarters of the time are over before the fourth step: (1 - 0.75) ** 0.9.
    rate = float(rows(hurried)[-1]['learning_rate'])
    assert rate == pytest.approx(0.2872 * config.optim.learning_rate, rel=1e-3)


class StuckTrainer(Trainer):
    """Scores 0.3, then 0.5, then 0.4 for ever."""

    def evaluate(self):
        score = {1: 0.3, 2: 0.5}.get(self.epoch, 0.4)
        self.best, self.stale = max(score, self.best), 0 if score > self.best else self.stale + 1
        return {'mean_iou': score}


def test_patience_ends_the_run(config):
    patient = changed(config, optim={'epochs': 50, 'eval_every': 1, 'patience': 2})
    trainer = StuckTrainer(patient, open_training_data(patient, CPU), CPU)
    assert trainer.fit(RecordToCsv(patient)) == 0.5
    assert [row['mean_iou'] for row in rows(patient)] == ['0.3', '0.5', '0.4', '0.4']
    resumed = StuckTrainer(patient, trainer.training_data, CPU)
    resumed.resume(last(patient))
    resumed.fit(RecordToCsv(patient))
    assert len(rows(patient)) == 4


def test_early_epochs_see_small_views(config):
    view = {'early_share': 0.5, 'early_crop': (32, 40)}
    trainer = trainer_of(changed(config, transform=view))
    assert next(trainer.epoch_batches())[0].shape == (2, 32, 40, 3)
    trainer.step = 6  # of 8
    assert next(trainer.epoch_batches())[0].shape == (2, 64, 64, 3)
    trainer.step, trainer.step_in_epoch = 4, 1  # its epoch began before the middle of the run
    assert next(trainer.epoch_batches())[0].shape == (2, 32, 40, 3)


@pytest.mark.parametrize('frozen', [True, False])
def test_frozen_norms_keep_their_statistics(config, frozen):
    trainer = trainer_of(changed(config, optim={'freeze_norm': frozen}))
    norm = next(m for m in trainer.net.modules() if isinstance(m, nn.BatchNorm2d))
    trainer.set_train_mode()
    trainer.train_step(*next(trainer.epoch_batches()))
    assert torch.equal(norm.running_mean, torch.zeros_like(norm.running_mean)) is frozen
    assert int(norm.num_batches_tracked) == (0 if frozen else 1)


def test_frozen_modules_keep_weights_and_statistics(config):
    trainer = trainer_of(changed(config, optim={'freeze': ('stem',)}))
    before = {key: value.clone() for key, value in trainer.net.state_dict().items()}
    trainer.set_train_mode()
    trainer.train_step(*next(trainer.epoch_batches()))
    after = trainer.net.state_dict()
    assert all(torch.equal(v, after[k]) for k, v in before.items() if k.startswith('stem.'))
    assert not torch.equal(before['head.1.weight'], after['head.1.weight'])


def test_image_is_normalised_as_elsewhere(config):
    rgb = torch.arange(2 * 5 * 7 * 3, dtype=torch.uint8).reshape(2, 5, 7, 3)
    image = trainer_of(config).normalised(rgb)
    assert torch.equal(image, normalise(rgb))
    assert image.is_contiguous(memory_format=torch.channels_last)
    # The second pixel is (3, 4, 5): ImageNet's means and deviations.
    expected = [(3 - 123.675) / 58.395, (4 - 116.28) / 57.12, (5 - 103.53) / 57.375]
    assert image[0, :, 0, 1].tolist() == pytest.approx(expected, rel=1e-6)


def test_bfloat16_trains_weights_of_float32(config):
    trainer = trainer_of(changed(config, optim={'precision': 'bfloat16'}))
    seen = []
    trainer.net.head[1].register_forward_hook(lambda *a: seen.append(a[2].dtype))
    trainer.set_train_mode()
    losses = trainer.train_step(*next(trainer.epoch_batches()))
    assert seen == [torch.bfloat16]
    assert losses['loss'].isfinite() and losses['loss'].dtype == torch.float32
    assert {value.dtype for value in trainer.net.parameters()} == {torch.float32}


def test_dropout_repeats_at_the_same_step(config):
    trainer = trainer_of(config)
    batch = next(trainer.epoch_batches())
    drawn = []
    for step in (3, 4, 3):
        trainer.step = step
        trainer.train_step(*batch)
        drawn.append(torch.rand(()).item())
    assert drawn[0] == drawn[2] != drawn[1]


@pytest.mark.parametrize(
    ('optim', 'words'),
    [
        ({'precision': 'float16'}, r'optim.precision: got float16, expected bfloat16 or float32'),
        ({'batch': 3, 'accumulate': 2}, r'optim.batch: got 3, expected a multiple of 2.*2 parts'),
    ],
)
def test_optimisation_that_cannot_be(config, optim, words):
    with pytest.raises(ConfigError, match=words):
        fit(changed(config, optim=optim))


def test_gpu_that_is_not_there(config, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ConfigError, match='device: got cuda:0, expected one of 0 GPUs'):
        fit(dataclasses.replace(config, device='cuda'))


def test_resume_of_another_run_is_refused(config):
    one = changed(config, optim={'epochs': 1})
    fit(one)
    with pytest.raises(
        CheckpointError, match=r'got model.options.planes=8, expected model.options.planes=4'
    ):
        fit(changed(one, model={'options': {'planes': 4, 'head': 16, 'branch': 16}}))
    with pytest.raises(ClassTableError, match=r'class table .*expected .*\(road, car\)'):
        fit(changed(one, data={'keep': ('road', 'car')}))
    with pytest.raises(CheckpointError, match=r'Missing key.*heads.boundary.*heads of the loss'):
        fit(changed(one, loss={'boundary_weight': 0.2}))


def test_command_fits_and_reports_errors_in_one_line(camvid, tmp_path, capsys):
    path = tmp_path / 'tiny.yaml'
    path.write_text(
        f'name: tiny\nout: {tmp_path}/cli\n'
        'model: {options: {planes: 8, head: 16, branch: 16}}\n'
        f'data:\n  train: [{{kind: camvid, root: {camvid}, exclude: [0001TP]}}]\n'
        f'  val: [{{kind: camvid, root: {camvid}, only: [0001TP]}}]\n'
    )
    words = ['fit', '--config', str(path), 'optim.epochs=1', 'optim.batch=2']
    assert main([*words, 'transform.crop=[64, 64]']) == 0
    assert 'best mean IoU on data.val: 0.' in capsys.readouterr().err
    assert main([*words, 'optim.bach=1']) == 2
    error = capsys.readouterr().err
    assert error.startswith("python -m training: error: config key 'optim.bach'")


def test_interrupted_command_ends_as_shells_expect(monkeypatch, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr('training.fit.fit', interrupt)
    path = tmp_path / 'a.yaml'
    path.write_text(f'name: a\nout: {tmp_path}/run\n')
    assert main(['fit', '--config', str(path)]) == 130


def test_domains_are_scored_one_by_one(config, camvid):
    source = SourceConfig('camvid', str(camvid))
    val = tuple(
        dataclasses.replace(source, only=(start,), domain=name, keep=keep)
        for start, name, keep in (('0001TP', 'day', ()), ('0006R0', 'dusk', ('road', 'sky')))
    )
    trainer = trainer_of(changed(config, data={'val': val}))
    row = trainer.evaluate()
    assert row['mean_iou'] == pytest.approx((row['iou_day'] + row['iou_dusk']) / 2)
    assert trainer.best == row['mean_iou'] and set(row) == {
        'mean_iou', 'pixel_accuracy', 'iou_day', 'iou_dusk',
    }  # fmt: skip


def test_a_run_tells_its_sources(config, camvid, caplog):
    source = SourceConfig('camvid', str(camvid), exclude=('0001TP',), share=0.75, about='streets')
    rendered = SourceConfig('synthetic', frames=2, share=0.25)
    with caplog.at_level('INFO'):
        open_training_data(changed(config, data={'train': (source, rendered)}), CPU)
    assert 'streets: 4 frames, 4 of 6 samples an epoch' in caplog.text
    assert 'synthetic: 2 frames, 2 of 6 samples an epoch' in caplog.text
