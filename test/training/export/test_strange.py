# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The scale of a file, from frames that its palette paints more or less exactly."""

import numpy as np
import pytest

from seg_perception.core.classes import CAMVID_11
from seg_perception.inference.model_file import StrangeScale
from seg_perception.inference.onnx_engine import OnnxEngine
from tiny_model import write_tiny_model
from training.data.sample import Sample
from training.export import strange
from training.export.strange import fit_scale


class Painted:
    """Frames of road, each of whose channels are so far off its colour."""

    classes = CAMVID_11

    def __init__(self, *off):
        self.off, self.names = off, [str(each) for each in off]

    def __len__(self):
        return len(self.off)

    def __getitem__(self, index):
        labels = np.full((24, 32), 3, np.uint8)
        rgb = self.classes.palette[labels] + np.uint8(self.off[index])
        return Sample(self.names[index], rgb, labels)


@pytest.fixture(scope='module')
def engine(tmp_path_factory):
    scale = StrangeScale('distance', 0, 1)  # what is in the file already does not matter
    path = tmp_path_factory.mktemp('model') / 'm.onnx'
    return OnnxEngine(write_tiny_model(path, strange=scale), 'cpu', threads=1)


def test_scale_by_hand(engine):
    """The strangeness of a frame that is k off is 3 k k: 0, 3, 12, 27."""
    assert fit_scale(engine, Painted(0, 1, 2, 3)) == StrangeScale('energy', 7.5, 27.0)


def test_frames_that_are_all_alike_make_no_scale(engine):
    assert fit_scale(engine, Painted(2, 2, 2)) is None


def test_many_frames_are_thinned(engine, monkeypatch):
    monkeypatch.setattr(strange, 'MAX_FRAMES', 3)
    assert fit_scale(engine, Painted(0, 1, 2, 1, 4)) == StrangeScale('energy', 12.0, 48.0)
