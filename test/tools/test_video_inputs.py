# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Frames in order, each once, whatever they come from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from seg_perception.core.errors import SourceError
from seg_perception.synthetic.street import Street
from seg_perception.tools.video_inputs import open_source, street_extrinsics


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures 32x24, blue and numbered by their level."""
    for index in range(4):
        picture = np.zeros((24, 32, 3), np.uint8)
        picture[..., 0] = 50 * index
        cv2.imwrite(str(tmp_path / f'{index:03d}.png'), picture)
    return tmp_path


def test_folder_is_read_by_name_in_bgr(folder: Path) -> None:
    source = open_source(str(folder), fps=5.0)
    assert (source.fps, source.size, source.count, source.live) == (5.0, (24, 32), 4, False)
    assert [frame[0, 0].tolist() for frame in source.read()] == [
        [0, 0, 0],
        [50, 0, 0],
        [100, 0, 0],
        [150, 0, 0],
    ]
    assert open_source(str(folder)).fps == 20.0


def test_size_is_height_and_width(folder: Path) -> None:
    source = open_source(str(folder), size=(48, 16))
    assert source.size == (48, 16)
    assert [frame.shape for frame in source.read()] == [(48, 16, 3)] * 4


def test_street_is_as_long_as_asked_and_the_same_again() -> None:
    source = open_source('synthetic', size=(96, 128), fps=7.0, max_frames=2, seed=3)
    assert (source.fps, source.size, source.count) == (7.0, (96, 128), 2)
    first, second = list(source.read()), list(source.read())
    assert source.prepared() == 2
    assert len(first) == 2
    assert all(np.array_equal(*pair) for pair in zip(first, second, strict=True))
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize(
    ('loop', 'max_frames', 'levels'),
    [(False, 0, [0, 50, 100, 150]), (False, 3, [0, 50, 100]), (True, 6, [0, 50, 100, 150, 0, 50])],
)
def test_frames_go_on_in_a_loop(
    folder: Path, loop: bool, max_frames: int, levels: list[int]
) -> None:
    frames = open_source(str(folder)).frames(loop, max_frames)
    assert [frame[0, 0, 0] for frame in frames] == levels


def test_the_street_is_prepared_in_steps_before_its_frames() -> None:
    source = open_source('synthetic', size=(64, 96), max_frames=2)
    assert [frame is None for frame in source.frames()] == [True, True, False, False]


def test_the_error_comes_after_the_whole_frames(folder: Path) -> None:
    frames = open_source(str(folder)).frames()
    (folder / '002.png').write_bytes(b'broken')
    assert [next(frames)[0, 0, 0] for _ in range(2)] == [0, 50]
    with pytest.raises(SourceError, match=r'002\.png.*6 bytes that do not decode'):
        next(frames)


@pytest.mark.parametrize('seed', [0, 7])
def test_mount_of_the_street_is_that_of_its_pictures(seed: int) -> None:
    """The camera nods by a few milliradians on the way."""
    street = Street(seed, size=(64, 96))
    extrinsics = street_extrinsics(seed)
    assert extrinsics.height_m == street.camera(0).height_m
    pitches = [street.camera(index).pitch_rad for index in range(0, 200, 7)]
    assert max(abs(pitch - extrinsics.pitch_rad) for pitch in pitches) < 0.005
    source = open_source('synthetic', (64, 96), seed=seed)
    assert source.extrinsics is not None and source.extrinsics() == extrinsics


def test_folders_have_no_mount(folder: Path) -> None:
    assert open_source(str(folder)).extrinsics is None
