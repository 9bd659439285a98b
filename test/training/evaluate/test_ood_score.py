# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
import torch

from seg_perception.core.classes import CAMVID_11
from seg_perception.inference.model_file import OodCalibration
from seg_perception.inference.onnx_engine import OnnxEngine
from tiny_model import write_tiny_model
from training.data.sample import Sample
from training.evaluate import ood_score
from training.evaluate.ood_score import SCORES, fit_scale, of_images, scale_of

LN3 = 1.0986123


def logits(*values):
    """One pixel (1, C, 1, 1)."""
    return torch.tensor(values)[None, :, None, None]


@pytest.mark.parametrize(
    ('name', 'temperature', 'expected'),
    [
        # Shares of 3/4 and 1/4; at half the temperature 9/10 and 1/10.
        ('max_softmax', 1.0, 0.25),
        ('max_softmax', 0.5, 0.1),
        ('max_logit', 1.0, -LN3),
        ('max_logit', 0.5, -LN3),
        ('energy', 1.0, -math.log(4)),
        ('energy', 0.5, -0.5 * math.log(10)),
        ('entropy', 1.0, (0.75 * math.log(4 / 3) + 0.25 * math.log(4)) / math.log(2)),
    ],
)
def test_scores_by_hand(name, temperature, expected):
    score = SCORES[name](logits(LN3, 0.0), temperature)
    assert score.shape == (1, 1, 1)
    assert float(score) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('name', SCORES)
def test_no_logit_is_too_large(name):
    for values in ((1e4, 0.0), (-1e4, -1e4), (0.0, 1e4)):
        assert SCORES[name](logits(*values), 1.0).isfinite().all()


def test_entropy_goes_from_0_to_1():
    assert float(SCORES['entropy'](logits(*[2.0] * 11), 1.4)) == pytest.approx(1.0)
    assert float(SCORES['entropy'](logits(1e3, *[0.0] * 10), 1.4)) == pytest.approx(0.0)


@pytest.mark.parametrize('name', SCORES)
def test_weaker_answers_are_stranger(name):
    strong, weak = logits(8.0, 0.0, 0.0), logits(1.0, 0.0, 0.0)
    assert float(SCORES[name](strong, 1.0)) < float(SCORES[name](weak, 1.0))


def test_an_image_has_the_mean_of_its_own_pixels():
    pixels = torch.tensor([[[[1.0, 3.0]]], [[[5.0, 7.0]]]])  # (2, 1, 1, 2)
    assert of_images(pixels, 1.0, 'max_logit').tolist() == [-2.0, -6.0]


def test_scale_by_hand():
    """Of the values 1 to 40 the middle is 20.5, and 38 are no higher than 38."""
    assert scale_of(list(range(1, 41))) == OodCalibration('energy', 20.5, 38.0)


@pytest.mark.parametrize('values', [[3.0], [3.0, 3.0, 3.0], [3.0, 3.0, 3.00001]])
def test_frames_that_do_not_differ_make_no_scale(values):
    assert scale_of(values) is None


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
    scale = OodCalibration('distance', 0, 1)  # what is in the file already does not matter
    path = tmp_path_factory.mktemp('model') / 'm.onnx'
    return OnnxEngine(write_tiny_model(path, ood_calibration=scale), 'cpu', threads=1)


def test_scale_of_a_file_by_hand(engine):
    """The ood_score of a frame that is k off is 3 k k: 0, 3, 12, 27."""
    assert fit_scale(engine, Painted(0, 1, 2, 3)) == OodCalibration('energy', 7.5, 27.0)


def test_frames_that_are_all_alike_make_no_scale(engine):
    assert fit_scale(engine, Painted(2, 2, 2)) is None


def test_many_frames_are_thinned(engine, monkeypatch):
    monkeypatch.setattr(ood_score, 'MAX_FRAMES', 3)
    assert fit_scale(engine, Painted(0, 1, 2, 1, 4)) == OodCalibration('energy', 12.0, 48.0)
