# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which images go into the report."""

import base64
from pathlib import Path

from seg_perception.evaluation.run_data import read_run
from seg_perception.report.images import data_uri, embed
from tiny_run import write_run


def test_all_of_a_short_drive(tmp_path: Path) -> None:
    images = embed(read_run(write_run(tmp_path, 6)), [])
    assert images.rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert (images.offered, images.missing) == (6, 0)
    head, data = images.uri_of_row[3].split(',')
    assert head == 'data:image/jpeg;base64'
    assert base64.b64decode(data) == (tmp_path / 'thumbs/drive.mcap/000003.jpg').read_bytes()


def test_a_long_one_keeps_what_is_asked_for_and_is_spread(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, 100))
    one = len(embed(run, []).uri_of_row[0])
    images = embed(run, [41, 42], budget_bytes=14 * one)
    rows = images.rows.tolist()
    assert {41, 42} <= set(rows)
    assert 8 <= len(rows) <= 14
    assert rows[0] == 0 and rows[-1] >= 75
    assert sum(map(len, images.uri_of_row.values())) <= 14 * one


def test_missing_ones_are_counted(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, 5))
    (tmp_path / 'thumbs/drive.mcap/000001.jpg').unlink()
    (tmp_path / 'thumbs/drive.mcap/000004.jpg').write_text('no picture')
    images = embed(run, [])
    assert images.rows.tolist() == [0, 2, 3]
    assert (images.offered, images.missing) == (5, 2)


def test_none_at_all(tmp_path: Path) -> None:
    images = embed(read_run(write_run(tmp_path, 5, with_thumbs=False)), [2])
    assert (images.uri_of_row, images.offered, images.missing) == ({}, 0, 0)


def test_only_images_are_embedded(tmp_path: Path) -> None:
    (tmp_path / 'secret').write_text('password')
    assert data_uri(tmp_path / 'secret') == ''
    assert data_uri(tmp_path) == ''
    (tmp_path / 'x.png').write_bytes(b'\x89PNG...')
    assert data_uri(tmp_path / 'x.png') == 'data:image/png;base64,iVBORy4uLg=='
