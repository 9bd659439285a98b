# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import threading
import time

import numpy as np
import pytest

from training.data.reading import THREADS, read_ahead
from training.data.sample import Sample
from training.errors import DatasetError


class Slow:
    """Frames of which the even ones take longer; counts how many were read."""

    def __init__(self, broken: int = -1) -> None:
        self.started, self.broken, self.lock = 0, broken, threading.Lock()

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> Sample:
        with self.lock:
            self.started += 1
        if index == self.broken:
            raise DatasetError(f'frame {index}', 'damage', 'a PNG image')
        if index % 2 == 0:
            time.sleep(0.002)
        return Sample(str(index), np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint8))


def test_frames_come_in_order():
    assert [sample.name for sample in read_ahead(Slow())] == [str(i) for i in range(20)]


def test_only_the_wanted_frames():
    assert [sample.name for sample in read_ahead(Slow(), range(1, 20, 8))] == ['1', '9', '17']


def test_no_more_frames_are_read_than_are_soon_needed():
    frames = Slow()
    reader = read_ahead(frames)
    for taken in range(1, 8):
        next(reader)
        assert frames.started <= taken + THREADS
    reader.close()
    assert frames.started <= 7 + THREADS


def test_error_of_a_frame_comes_at_its_place():
    reader = read_ahead(Slow(broken=5))
    assert [next(reader).name for _ in range(5)] == ['0', '1', '2', '3', '4']
    with pytest.raises(DatasetError, match='frame 5: got damage'):
        next(reader)
