# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import builtins
import sys

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from seg_perception.core.errors import OutputError
from training.errors import DivergedError
from training.record import CsvLog, Meter, RunRecord


def losses(total, dice):
    return {'loss': torch.tensor(total), 'loss_dice': torch.tensor(dice)}


def test_meter_gives_means_of_the_fetched_and_of_the_epoch():
    meter = Meter()
    meter.add(1, 0.1, losses(4.0, 1.0))
    meter.add(2, 0.2, losses(2.0, 0.0))
    assert meter.fetch() == {'loss': 3.0, 'loss_dice': 0.5, 'learning_rate': 0.2}
    assert meter.fetch() == {}
    meter.add(3, 0.3, losses(0.0, 2.0))
    assert meter.fetch() == {'loss': 0.0, 'loss_dice': 2.0, 'learning_rate': 0.3}
    assert meter.row() == {'learning_rate': 0.3, 'loss': 2.0, 'loss_dice': 1.0, 'wait_share': 0.0}


def test_meter_continues_from_its_state():
    meter = Meter()
    meter.add(1, 0.1, losses(4.0, 1.0))
    meter.fetch()
    again = Meter.from_state(meter.state())
    again.add(2, 0.2, losses(2.0, 3.0))
    again.fetch()
    assert again.row()['loss'] == 3.0
    assert meter.steps == 1


def test_meter_names_step_and_rate_of_a_loss_that_is_no_number():
    meter = Meter()
    meter.add(7, 0.125, losses(4.0, 1.0))
    meter.add(8, 0.25, losses(float('nan'), float('nan')))
    meter.add(9, 0.5, losses(float('nan'), 1.0))
    with pytest.raises(DivergedError, match=r'loss of step 8 at learning rate 0.25: got nan'):
        meter.fetch()


def test_share_of_waiting(monkeypatch):
    # The clock of: start, first batch there, worked, second there, worked, end.
    clock = iter([0.0, 1.0, 4.0, 6.0, 10.0, 10.0])
    monkeypatch.setattr('time.perf_counter', lambda: next(clock))
    meter = Meter()
    assert list(meter.timed([1, 2])) == [1, 2]
    assert (meter.wait_s, meter.work_s) == (3.0, 7.0)
    assert meter.row()['wait_share'] == 0.3


def test_log_keeps_columns_and_replaces_later_epochs(tmp_path):
    log = CsvLog(tmp_path / 'run/log.csv')
    log.add({'epoch': 1, 'loss': 3.5})
    log.add({'epoch': 2, 'loss': 2.5, 'mean_iou': 0.25})
    log.add({'epoch': 3, 'loss': 1.5})
    log.add({'epoch': 2, 'loss': 2.0})  # of a run that was killed before it saved
    assert (tmp_path / 'run/log.csv').read_bytes() == b'epoch,loss,mean_iou\n1,3.5,\n2,2.0,\n'
    assert log.rows()[1] == {'epoch': '2', 'loss': '2.0', 'mean_iou': ''}


def test_full_disk_stops_the_log_with_its_name(tmp_path, fill_disk):
    log = CsvLog(tmp_path / 'log.csv')
    log.add({'epoch': 1, 'loss': 3.5})
    fill_disk()
    with pytest.raises(OutputError, match=r"log.csv': got No space left on device"):
        log.add({'epoch': 2, 'loss': 2.5})
    assert len(log.rows()) == 1


def test_record_writes_csv_board_and_a_line(tmp_path, capsys):
    record = RunRecord('tiny', tmp_path, steps=4, step=0)
    record.step(1, {})
    record.step(2, {'loss': 3.0, 'learning_rate': 0.5})
    record.epoch({'epoch': 1, 'step': 2, 'minutes': 0.1, 'loss': 3.5, 'mean_iou': 0.25})
    record.close()
    assert CsvLog(tmp_path / 'log.csv').rows()[0]['mean_iou'] == '0.25'
    board = EventAccumulator(str(tmp_path / 'tensorboard'))
    board.Reload()
    assert [(e.step, e.value) for e in board.Scalars('step/loss')] == [(2, 3.0)]
    assert [(e.step, e.value) for e in board.Scalars('epoch/mean_iou')] == [(2, 0.25)]
    assert 'epoch 1: loss 3.5000, mean IoU 0.2500, 0.1 minutes' in capsys.readouterr().err


def test_without_tensorboard_one_line_says_so(tmp_path, caplog, monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name == 'torch.utils.tensorboard':
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, 'torch.utils.tensorboard', raising=False)
    monkeypatch.setattr(builtins, '__import__', absent)
    record = RunRecord('tiny', tmp_path, steps=1, step=0)
    record.step(1, {'loss': 3.0})
    record.close()
    assert caplog.text.count('TensorBoard is not installed: only log.csv') == 1
    assert not (tmp_path / 'tensorboard').exists()
