# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import csv
import dataclasses
from pathlib import Path

import pytest
import torch

from training.cli import main
from training.errors import CheckpointError, DivergedError
from training.fit import Trainer, fit, load_frames


def rows(config):
    with (Path(config.out) / 'log.csv').open() as file:
        return list(csv.DictReader(file))


def curve(config):
    return [(int(row['epoch']), float(row['loss'])) for row in rows(config)]


def test_overfits_one_batch(config):
    long = dataclasses.replace(config, optim=dataclasses.replace(config.optim, epochs=100))
    trainer = Trainer(long, load_frames(long))
    trainer.net.train()
    rgb, labels = next(trainer.epoch_batches())
    losses = [trainer.train_step(rgb, labels) for _ in range(60)]
    assert losses[-1] < 0.1 * losses[0]


def test_resumed_run_has_the_same_curve(config, tmp_path, monkeypatch):
    fit(config)
    whole = curve(config)
    cut = dataclasses.replace(config, out=str(tmp_path / 'cut'))
    trainer = Trainer(cut, load_frames(cut))

    class KilledError(Exception):
        pass

    def die_in_epoch_three(self=trainer, train_epoch=trainer.train_epoch):
        if self.epoch == 2:
            next(self.epoch_batches())
            raise KilledError
        return train_epoch()

    monkeypatch.setattr(trainer, 'train_epoch', die_in_epoch_three)
    with pytest.raises(KilledError):
        trainer.fit()
    assert len(curve(cut)) == 2
    fit(cut)
    assert [epoch for epoch, _ in whole] == [1, 2, 3, 4]
    assert curve(cut) == pytest.approx(whole, rel=1e-6)


def test_epoch_that_was_logged_but_not_saved_is_logged_once(config):
    trainer = Trainer(config, load_frames(config))
    trainer.fit()
    Trainer(config, trainer.frames)._log({'epoch': 3, 'loss': 7.0})
    assert [epoch for epoch, _ in curve(config)] == [1, 2, 3]
    assert curve(config)[-1] == (3, 7.0)


def test_loss_that_is_no_number_stops_the_run(config):
    trainer = Trainer(config, load_frames(config))
    trainer.net.head[1].bias.data.fill_(float('nan'))
    with pytest.raises(DivergedError, match=r'loss of epoch 1: got nan.*learning_rate'):
        trainer.fit()
    assert not (Path(config.out) / 'last.pt').exists()


class SlowTrainer(Trainer):
    """Each step takes half a second, on any machine."""

    @property
    def seconds(self):
        return 0.5 * self.step


def test_run_ends_in_time(config):
    optim = dataclasses.replace(config.optim, epochs=100000, max_minutes=2 / 60)
    hurried = dataclasses.replace(config, optim=optim)
    SlowTrainer(hurried, load_frames(hurried)).fit()
    assert len(curve(hurried)) == 2  # of two steps each
    assert rows(hurried)[-1]['mean_iou'] != ''
    # Three quarters of the time are over before the fourth step: (1 - 0.75) ** 0.9.
    rate = float(rows(hurried)[-1]['learning_rate'])
    assert rate == pytest.approx(0.2872 * config.optim.learning_rate, rel=1e-3)


def test_early_epochs_see_small_views(config):
    view = dataclasses.replace(config.transform, early_share=0.5, early_crop=(32, 40))
    trainer = Trainer(dataclasses.replace(config, transform=view), load_frames(config))
    assert next(trainer.epoch_batches())[0].shape == (2, 32, 40, 3)
    trainer.step = 6  # of 8
    assert next(trainer.epoch_batches())[0].shape == (2, 64, 64, 3)


def test_epoch_holds_each_frame_once_and_a_share_of_synthetic_ones(config):
    data = dataclasses.replace(config.data, synthetic_frames=1, synthetic_share=0.5)
    frames = load_frames(dataclasses.replace(config, data=data))
    assert (frames.train.synthetic_per_epoch, frames.train.steps_per_epoch) == (4, 4)
    assert {sample.name[:6] for sample in frames.train.real} == {'0006R0'}
    assert [sample.name for sample in frames.holdout] == ['0001TP_1', '0001TP_2']


def test_resume_of_another_network_is_refused(config):
    one = dataclasses.replace(config, optim=dataclasses.replace(config.optim, epochs=1))
    fit(one)
    other = dataclasses.replace(one, model=dataclasses.replace(one.model, planes=4))
    with pytest.raises(CheckpointError, match=r"model of the checkpoint.*'planes': 8.*planes': 4"):
        fit(other)


def test_command_fits_and_reports_errors_in_one_line(config, camvid, tmp_path, capsys):
    path = tmp_path / 'tiny.yaml'
    path.write_text(f'name: tiny\nout: {tmp_path}/cli\nmodel: {{planes: 4}}\n')
    words = ['fit', '--config', str(path), 'optim.epochs=1', 'optim.batch=2']
    small = ['transform.crop=[64, 64]', f'data.camvid={camvid}']
    assert main([*words, *small]) == 0
    assert 'best mean IoU on the hold-out: 0.' in capsys.readouterr().out
    assert main([*words, 'optim.bach=1']) == 1
    assert capsys.readouterr().err.startswith("error: config key: got 'optim.bach'")
    assert torch.get_num_threads() == 1
