# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pickle

import numpy as np
import pytest

from seg_perception.core.classes import CAMVID_11, CAMVID_EXACT_11
from training.data import frames as frames_module
from training.data.frames import Cached, Joined, Mapped, Resized, Subset, resized
from training.data.sample import Sample
from training.errors import ConfigError


class Counted:
    """Frames of one value each, that count how often they are read."""

    classes = CAMVID_11

    def __init__(self, *names: str) -> None:
        self.names, self.reads = list(names), 0

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        self.reads += 1
        rgb = np.full((2, 4, 3), 10 * index, np.uint8)
        return Sample(self.names[index], rgb, self.labels(index))

    def labels(self, index: int) -> np.ndarray:
        return np.array([[index, index, 7, 255], [index, 7, 7, 255]], np.uint8)

    def encoded(self, index: int) -> tuple[str, bytes]:
        return '.jpg', self.names[index].encode()

    def damage(self, index: int) -> str:
        return f'damage of {self.names[index]}'


def test_subset():
    part = Subset(Counted('a', 'b', 'c'), [2, 0])
    assert len(part) == 2 and part.names == ['c', 'a'] and part.classes == CAMVID_11
    assert part[0].name == 'c' and part[0].rgb[0, 0, 0] == 20
    assert part.labels(1)[0, 0] == 0
    assert part.encoded(0) == ('.jpg', b'c') and part.damage(1) == 'damage of a'
    assert [sample.name for sample in part] == ['c', 'a']


def test_mapped():
    lut = np.full(256, 255, np.uint8)
    lut[[0, 7]] = 5, 6
    mapped = Mapped(Counted('a', 'b'), CAMVID_EXACT_11, lut)
    assert mapped.classes is CAMVID_EXACT_11
    assert mapped[0].labels.tolist() == [[5, 5, 6, 255], [5, 6, 6, 255]]
    assert mapped.labels(1).tolist() == [[255, 255, 6, 255], [255, 6, 6, 255]]
    assert mapped.encoded(1) == ('.jpg', b'b') and mapped.damage(0) == 'damage of a'


def test_resized():
    larger = Resized(Counted('a', 'b'), (4, 8))
    assert larger[1].rgb.shape == (4, 8, 3) and larger[1].rgb[3, 7, 0] == 10
    labels = [[1, 1, 1, 1, 7, 7, 255, 255]] * 2 + [[1, 1, 7, 7, 7, 7, 255, 255]] * 2
    assert larger[1].labels.tolist() == larger.labels(1).tolist() == labels
    assert larger.encoded(0) is None


def test_shrinking_averages_pixels():
    rgb = np.zeros((4, 4, 3), np.uint8)
    rgb[::2, ::2] = 200
    assert (resized(Sample('a', rgb, np.zeros((4, 4), np.uint8)), (2, 2)).rgb == 50).all()


def test_cached_frames_are_read_once_in_each_process():
    source = Counted('a', 'b')
    cached = Cached(source)
    assert cached.labels(1)[0, 0] == 1 and source.reads == 0  # labels alone are not kept
    assert cached[1] is cached[1] and source.reads == 1
    assert cached.labels(1) is cached[1].labels
    copy = pickle.loads(pickle.dumps(cached))
    assert copy[1].name == 'b'
    assert len(pickle.dumps(cached)) < 500


def test_a_cache_that_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '2')
    monkeypatch.setattr(frames_module, 'MEMORY_SHARE', 1e-18)
    with pytest.raises(
        ConfigError,
        match=r'data.cache=true: got 0.0 GB for 2 frames in each of 6 processes, '
        r'expected at most 0.0 GB, 0% of the memory. Set data.cache=false',
    ):
        Cached(Counted('a', 'b'), processes=3)[0]


def test_joined():
    joined = Joined([Counted('a', 'b'), Counted('c'), Counted('d', 'e')])
    assert len(joined) == 5 and joined.names == ['a', 'b', 'c', 'd', 'e']
    assert [sample.name for sample in joined] == ['a', 'b', 'c', 'd', 'e']
    assert [int(joined.labels(index)[0, 0]) for index in range(5)] == [0, 1, 0, 0, 1]
    assert joined.encoded(2) == ('.jpg', b'c') and joined.damage(4) == 'damage of e'
    assert joined[-1].name == 'e'
    with pytest.raises(IndexError):
        joined[5]


def test_joined_names_stay_unique():
    joined = Joined([Counted('a', 'b'), Counted('b')])
    assert joined.names == ['0/a', '0/b', '1/b'] and joined[2].name == '1/b'
