# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from training.batches import TrainingSet, prefetch
from training.config import TransformConfig
from training.data.camvid import Sample

VIEW = TransformConfig(crop=(16, 16), scale=(1.0, 1.0))


def flat(label):
    return Sample(f'{label}', np.zeros((32, 32, 3), np.uint8), np.full((32, 32), label, np.uint8))


@pytest.fixture
def frames():
    real = [flat(label) for label in range(6)]
    return TrainingSet(real, [flat(9), flat(10)], 0.25, batch=4, seed=0)


def seen(frames, number):
    return [labels.amax((1, 2)).tolist() for _, labels in prefetch(frames.epoch(number, VIEW))]


def test_real_frames_come_once_among_a_quarter_of_synthetic_ones(frames):
    first, second = seen(frames, 0)
    drawn = sorted(first + second)
    assert [label for label in drawn if label < 9] == [0, 1, 2, 3, 4, 5]
    assert len(drawn) == 8 and set(drawn[6:]) <= {9, 10}


def test_an_epoch_repeats_and_the_next_differs(frames):
    assert seen(frames, 0) == seen(frames, 0)
    assert seen(frames, 0) != seen(frames, 1)


def test_errors_of_the_thread_reach_the_caller(frames):
    def broken():
        yield next(frames.epoch(0, VIEW))
        raise OSError('disk')

    batches = prefetch(broken())
    next(batches)
    with pytest.raises(OSError, match='disk'):
        next(batches)
