# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The folder of an evaluation is read, or refused with a reason."""

import json
import sys
from math import nan
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seg_perception.core.errors import SegPerceptionError, SourceError
from seg_perception.evaluation.run_data import read_run
from tiny_run import FRONT, frame_table, write_run

REAR = '/rear/image/compressed'


def test_inputs_are_topics_of_sources_in_the_order_of_their_stamps(tmp_path: Path) -> None:
    write_run(tmp_path, 3, [('b.mcap', FRONT), ('a.mcap', FRONT), ('a.mcap', REAR)])
    path = tmp_path / 'frames.parquet'
    pq.write_table(pq.read_table(path).take([8, 4, 0, 3, 1, 7, 5, 2, 6]), path)
    run = read_run(tmp_path)
    assert [(one.source, one.topic) for one in run.inputs] == [
        ('a.mcap', FRONT),
        ('a.mcap', REAR),
        ('b.mcap', FRONT),
    ]
    index = run.numbers('index')
    assert [index[one.rows].tolist() for one in run.inputs] == [[0, 1, 2]] * 3


def test_total_is_the_sum_of_all_stages(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, 3))
    np.testing.assert_allclose(run.total_ms, [2 + 10, 2 + 20, 2 + 30])


def test_a_column_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, 3, with_truth=False))
    assert np.isnan(run.numbers('miou')).all()
    assert run.names('iou_') == []
    assert run.names('share_') == ['road', 'pole', 'car']


def test_missing_text_is_empty(tmp_path: Path) -> None:
    table = frame_table(3, [('a', '')]).drop_columns('thumbnail')
    write_run(tmp_path, 3)
    texts = pa.array(['x', None, 'x'], pa.string())
    pq.write_table(table.append_column('thumbnail', texts), tmp_path / 'frames.parquet')
    codes, names = read_run(tmp_path).coded('thumbnail')
    assert [names[code] for code in codes] == ['x', '', 'x']


def test_worst_frames_are_two_seconds_apart(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, 40, [('a', ''), ('b', '')], with_thumbs=False))
    values = np.full(80, nan)
    values[[5, 6, 24, 25, 45, 60]] = [1, 2, 3, 4, 5, 6]
    # 6 and 24 are less than 2 s from 5, 60 less than 2 s from 45; 45 is row 5 of the other input.
    assert run.worst_rows(values) == [5, 25, 45]
    assert run.worst_rows(values, count=2) == [5, 25]
    assert run.worst_rows(np.full(80, nan)) == []


def test_nearest_image_is_of_the_same_input_and_close(tmp_path: Path) -> None:
    write_run(tmp_path, 20, [('a', ''), ('b', '')], with_thumbs=False)
    path = tmp_path / 'frames.parquet'
    table = pq.read_table(path).drop_columns('thumbnail')
    names = ['x.jpg' if row in (3, 30) else '' for row in range(40)]
    pq.write_table(table.append_column('thumbnail', [names]), path)
    # A tenth of a second a frame: row 9 is 0.6 s from row 3, rows 21 to 24 too far from row 30.
    assert read_run(tmp_path).nearest_images([3, 5, 8, 9, 22, 26]) == {3: 3, 5: 3, 8: 3, 26: 30}


def test_statistics_of_an_input(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, 10, [('a.mcap', FRONT), ('clip.mp4', '')]))
    one = run.statistics(run.inputs[0].rows)
    # Times of all 20 frames go from 12 to 32 ms; road 60/70, pole 10/20, car 20/20.
    assert one == {
        'frames': 10,
        'score_median': 80,
        'score_p5': pytest.approx(20 + 0.45 * 60),
        'score_lowest': 20,
        'dangerous_share': 0.1,
        'ms_p50': pytest.approx(12 + 4.5 * 20 / 19),
        'ms_p95': pytest.approx(12 + 8.55 * 20 / 19),
        'ms_p99': pytest.approx(12 + 8.91 * 20 / 19),
        'miou': pytest.approx((6 / 7 + 1 / 2 + 1) / 3),
    }


def test_statistics_of_no_frame_are_unknown(tmp_path: Path) -> None:
    one = read_run(write_run(tmp_path, 3, with_truth=False)).statistics(np.zeros(0, int))
    assert one.pop('frames') == 0
    assert np.isnan(list(one.values())).all()


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no': got nothing"):
        read_run(tmp_path / 'no')


def test_no_frames(tmp_path: Path) -> None:
    write_run(tmp_path).joinpath('frames.parquet').unlink()
    with pytest.raises(
        SourceError, match=r"frames.*parquet': got nothing there.*where it stopped"
    ):
        read_run(tmp_path)


def test_damaged_frames(tmp_path: Path) -> None:
    path = write_run(tmp_path) / 'frames.parquet'
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(SourceError, match=r'got 900 bytes that do not read .*whole parquet file'):
        read_run(tmp_path)


def test_frames_without_a_column(tmp_path: Path) -> None:
    path = write_run(tmp_path) / 'frames.parquet'
    pq.write_table(pq.read_table(path).drop_columns(['score', 'level']), path)
    with pytest.raises(SourceError, match=r'got no column score, level, expected all columns'):
        read_run(tmp_path)


def test_no_summary(tmp_path: Path) -> None:
    write_run(tmp_path).joinpath('summary.json').unlink()
    with pytest.raises(SourceError, match=r"summary.json': got .*No such file"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"format": 1', r'expected readable JSON'),
        ('[]', r"format: got 'list', expected 1"),
        ('{"format": 9}', r'format: got 9, expected 1'),
        ('{"format": 1, "model": {}}', r'got no environment, inputs, frames, fps, .*all of its'),
    ],
)
def test_damaged_summary(tmp_path: Path, text: str, message: str) -> None:
    write_run(tmp_path).joinpath('summary.json').write_text(text)
    with pytest.raises(SourceError, match=message):
        read_run(tmp_path)


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path)
    monkeypatch.setitem(sys.modules, 'pyarrow.parquet', None)
    with pytest.raises(SegPerceptionError, match=r'without pyarrow.*pip install pyarrow'):
        read_run(tmp_path)


def test_summary_is_what_was_written(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, summary={'fps': 12.5}))
    assert run.summary == json.loads((tmp_path / 'summary.json').read_text())
    assert run.summary['fps'] == 12.5
