# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of two runs brought together, and how sure a change is."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seg_perception.core.errors import SourceError
from seg_perception.evaluation.bootstrap import changes, pair_frames
from seg_perception.evaluation.run_data import RunData, read_run
from tiny_run import FRONT, write_run


def two_runs(folder: Path, frames: int = 60, **after: object) -> tuple[RunData, RunData]:
    """The run and its baseline."""
    write_run(folder / 'old', frames, with_thumbs=False)
    write_run(folder / 'new', frames, with_thumbs=False, **after)
    return read_run(folder / 'new'), read_run(folder / 'old')


def replace(folder: Path, values: dict[str, np.ndarray | None]) -> RunData:
    """The run with other columns; None drops one."""
    path = folder / 'frames.parquet'
    table = pq.read_table(path)
    for name, column in values.items():
        table = table.drop_columns(name)
        if column is not None:
            table = table.append_column(name, pa.array(column))
    pq.write_table(table, path)
    return read_run(folder)


def test_frames_are_paired_by_stamp(tmp_path: Path) -> None:
    run, baseline = two_runs(tmp_path, 6)
    stamps = run.numbers('stamp_ns')
    run = replace(tmp_path / 'new', {'stamp_ns': stamps + np.array([0, 0, 7, 0, 7, 0])})
    pairs = pair_frames(run, baseline)
    assert pairs.rows.tolist() == pairs.baseline_rows.tolist() == [0, 1, 3, 5]
    np.testing.assert_allclose(pairs.time_s, [0, 0.1, 0.3, 0.5])


def test_other_topics_are_other_frames(tmp_path: Path) -> None:
    write_run(tmp_path / 'old', 4, [('b.mcap', '/rear')], with_thumbs=False)
    write_run(tmp_path / 'new', 4, [('a.mcap', FRONT), ('b.mcap', FRONT)], with_thumbs=False)
    message = (
        r'got 0: 8 frames of a\.mcap /front\S+, b\.mcap /front\S+ here, 4 frames of b\.mcap '
        r'/rear there, expected at least one.*Evaluate both'
    )
    with pytest.raises(SourceError, match=message):
        pair_frames(read_run(tmp_path / 'new'), read_run(tmp_path / 'old'))


def test_iou_is_that_of_all_pixels_together(tmp_path: Path) -> None:
    run, baseline = two_runs(tmp_path)
    pole = np.where(np.arange(60) < 30, 20, 0)  # all right, then all wrong
    run = replace(tmp_path / 'new', {'tp_pole': pole, 'fn_pole': 20 - pole})
    found = {one.name: one for one in changes(run, baseline, pair_frames(run, baseline)).scores}
    assert found['iou.pole'].after == pytest.approx(0.5)  # 600 of 1200, as before
    assert found['iou.pole'].change == pytest.approx(0)
    # 20 blocks, half of them right: 2.5 and 97.5 % of a binomial of 20 are 6 and 14.
    assert found['iou.pole'].low == pytest.approx(6 / 20 - 0.5)
    assert found['iou.pole'].high == pytest.approx(14 / 20 - 0.5)
    assert found['iou.road'].before == pytest.approx(60 / 70)
    assert found['miou'].after == pytest.approx((60 / 70 + 0.5 + 1) / 3)


def test_intervals_are_those_of_independent_blocks(tmp_path: Path) -> None:
    frames, blocks, spread = 2000, 40, 0.05
    run, baseline = two_runs(tmp_path, frames)
    noise = np.random.default_rng(3).normal(0, spread, blocks)
    accuracy = 0.8 + np.repeat(noise, frames // blocks)
    run = replace(tmp_path / 'new', {'pixel_accuracy': accuracy})
    found = changes(run, baseline, pair_frames(run, baseline))
    assert (found.frames, found.blocks, found.block_s) == (2000, 40, 5.0)
    one = next(one for one in found.scores if one.name == 'pixel_accuracy')
    # Of a mean of 40 independent values: 2 * 1.96 * s / sqrt(40)
    assert one.high - one.low == pytest.approx(2 * 1.96 * noise.std() / 40**0.5, rel=0.08)
    assert one.low < one.change < one.high
    assert one.change == pytest.approx(0.8 + noise.mean() - 0.9, abs=1e-6)


def test_same_numbers_each_time(tmp_path: Path) -> None:
    run, baseline = two_runs(tmp_path)
    noisy = np.random.default_rng(0).random(60)
    run = replace(tmp_path / 'new', {'boundary_f': noisy})
    pairs = pair_frames(run, baseline)
    assert changes(run, baseline, pairs) == changes(run, baseline, pairs)


def test_without_pixel_counts_iou_is_the_mean_of_the_frames(tmp_path: Path) -> None:
    run, baseline = two_runs(tmp_path, 10)
    iou = np.linspace(0.1, 1.0, 10)
    run = replace(tmp_path / 'new', {'iou_pole': iou, 'tp_pole': None})
    found = changes(run, baseline, pair_frames(run, baseline))
    assert not found.pixels_counted
    assert next(one for one in found.scores if one.name == 'iou.pole').after == pytest.approx(0.55)


def test_frames_without_truth_in_one_run_are_left_out(tmp_path: Path) -> None:
    run, baseline = two_runs(tmp_path, 10, pole_hits=0)
    miou = run.numbers('miou').copy()
    miou[4:] = np.nan
    run = replace(tmp_path / 'new', {'miou': miou})
    assert changes(run, baseline, pair_frames(run, baseline)).frames == 4


def test_too_few_blocks_give_no_interval(tmp_path: Path) -> None:
    run, baseline = two_runs(tmp_path, 3, pole_hits=0)
    found = changes(run, baseline, pair_frames(run, baseline))
    assert found.blocks == 3
    assert [np.isnan(one.low) and np.isnan(one.high) for one in found.scores] == [True] * 7


def test_no_truth_no_changes(tmp_path: Path) -> None:
    run, baseline = two_runs(tmp_path, 5, with_truth=False)
    assert changes(run, baseline, pair_frames(run, baseline)).scores == ()
