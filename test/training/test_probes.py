# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from training.cli import main
from training.errors import ProbeError
from training.fit import Trainer
from training.probes import Overfit, Sweep, check_overfit, find_learning_rate, overfit, write_sweep
from training.report import write_config


def with_optim(config, **keys):
    return dataclasses.replace(config, optim=dataclasses.replace(config.optim, **keys))


def test_network_learns_one_batch_by_heart(config):
    model = dataclasses.replace(config.model, options={'planes': 16, 'head': 16, 'branch': 16})
    wider = with_optim(dataclasses.replace(config, model=model), learning_rate=1e-2)
    result = overfit(wider, steps=160)
    assert result.loss < 0.1 * result.first_loss
    check_overfit(result, 0.9)


@pytest.mark.parametrize('frozen', [False, True])
def test_running_statistics_decide_only_where_the_norms_are_frozen(config, monkeypatch, frozen):
    config = with_optim(config, freeze_norm=frozen, learning_rate=1e-2)
    plain = overfit(config, steps=4)
    monkeypatch.setattr('training.probes.Trainer', UselessStatistics)
    spoiled = overfit(config, steps=4)
    assert spoiled.loss == plain.loss
    assert (spoiled.mean_iou == plain.mean_iou) is not frozen


class UselessStatistics(Trainer):
    """Its last step leaves running statistics that belong to no image."""

    def train_step(self, rgb, labels):
        losses = super().train_step(rgb, labels)
        if self.step == self.total_steps:
            for module in self.net.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.running_mean.uniform_(-9, 9)
        return losses


def test_network_that_cannot_learn_is_refused(config, tmp_path, capsys):
    path = tmp_path / 'tiny.yaml'
    write_config(with_optim(config, learning_rate=1e-9), path)
    assert main(['overfit', '--config', str(path), '--steps', '3']) == 1
    seen = capsys.readouterr()
    assert seen.out.startswith('one batch, 3 steps: loss ')
    assert 'error: mean IoU on one batch after 3 steps: got 0.0' in seen.err
    assert main(['overfit', '--config', str(path), '--steps', '3', '--least', '0']) == 0


def test_score_that_is_no_number_is_refused():
    with pytest.raises(ProbeError, match=r'got nan, expected at least 0.9.*find-lr'):
        check_overfit(Overfit(5, 3.0, 2.0, float('nan')), 0.9)


def test_loss_that_is_no_number_is_refused(config):
    with pytest.raises(ProbeError, match=r'loss after 4 steps: got (nan|inf).*Lower optim'):
        overfit(with_optim(config, learning_rate=1e30), steps=4)


def test_overfitting_sees_the_batch_as_it_is(config, monkeypatch):
    seen = []
    monkeypatch.setattr(
        'training.fit.Trainer.train_step',
        lambda self, rgb, labels: seen.append((rgb, self.step)) or {'loss': torch.zeros(())},
    )
    overfit(config, steps=3)
    assert len(seen) == 3 and all(torch.equal(rgb, seen[0][0]) for rgb, _ in seen)
    # Sky, road and car as they were drawn, give or take their noise: no light, no colour.
    drawn = {(200, 220, 250), (90, 90, 90), (160, 20, 30)}
    pixels = seen[0][0][:, :, :60].reshape(-1, 3).numpy().astype(int)
    far = np.min([np.abs(pixels - colour).max(axis=1) for colour in drawn], axis=0)
    assert far.max() <= 8


def test_smoothing_is_corrected_for_its_start():
    sweep = Sweep(np.geomspace(1e-3, 1e-1, 3), np.array([4.0, 2.0, 1.0]))
    # 0.4/0.1; (0.36 + 0.2)/0.19; (0.504 + 0.1)/0.271
    assert sweep.smooth == pytest.approx([4.0, 2.947368, 2.228782])


def test_suggestion_is_where_the_loss_falls_fastest():
    rates = np.geomspace(1e-6, 1.0, 61)
    # A slide from 3 to 1 whose steepest place is 1e-3, a rise from 1e-1 on, and a jump at 1e-6
    # that is steeper than all, but of one step.
    slide = 2 - np.tanh(2 * np.log10(rates / 1e-3))
    losses = slide + 20 * np.clip(np.log10(rates / 1e-1), 0, None)
    losses[0] += 1.0
    assert Sweep(rates, losses).suggestion == pytest.approx(1e-3, rel=0.3)


def test_loss_that_blows_up_at_a_low_rate_is_refused(config, monkeypatch):
    monkeypatch.setattr(
        'training.fit.Trainer.train_step', lambda self, *_: {'loss': torch.tensor(float('nan'))}
    )
    with pytest.raises(ProbeError, match=r'blows up: got .*, expected over 0.001.*overfit'):
        find_learning_rate(config, steps=10)


def test_sweep_raises_the_rate_until_the_loss_blows_up(config):
    sweep = find_learning_rate(config, steps=40)
    assert sweep.rates[0] == pytest.approx(1e-6)
    ratios = sweep.rates[1:] / sweep.rates[:-1]
    assert ratios == pytest.approx(np.full(len(ratios), 10 ** (6 / 39)))
    assert 1e-5 < sweep.suggestion < 1.0
    out = Path(config.out)
    write_sweep(sweep, out)
    lines = (out / 'find_lr.csv').read_text().splitlines()
    assert lines[0] == 'learning_rate,loss,smoothed' and len(lines) == len(sweep.rates) + 1
    assert {path.name for path in out.iterdir()} == {'find_lr.csv', 'find_lr.png'}
