# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from torch import nn

from seg_perception.core.classes import CAMVID_11
from training.config import parse_config
from training.data.sample import Sample
from training.errors import CheckpointError
from training.evaluate.predictors import (
    checkpoint_network,
    fit_temperature,
    holdout_temperature,
    network_labels,
    network_predictor,
    score_network,
)
from training.evaluate.views import Mode
from training.models import build_model


class RedIsCar(nn.Module):
    """Logits at an eighth of the size: car 8 where the image is red, else road 3."""

    def __init__(self, dtype=torch.float32, strength=1.0):
        super().__init__()
        self.dtype, self.strength, self.sizes = dtype, strength, []

    def forward(self, image):
        self.sizes.append(tuple(image.shape[2:]))
        red = nn.functional.avg_pool2d(image[:, 0], 8)
        logits = torch.zeros(len(image), 11, *red.shape[1:], dtype=self.dtype)
        logits[:, 8], logits[:, 3] = self.strength * red.sign(), -self.strength * red.sign()
        return logits


def half_red(height=32, width=64):
    """A frame whose right half is red, with its labels and a void row."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[:, width // 2 :, 0] = 255
    labels = np.full((height, width), 3, np.uint8)
    labels[:, width // 2 :] = 8
    labels[0] = 255
    return Sample('half', rgb, labels)


def double(size):
    return 2 * size[0], 2 * size[1]


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_labels_are_worked_at_a_size_and_come_at_that_of_the_frame(dtype):
    net = RedIsCar(dtype)
    labels = network_labels(net, half_red().rgb, (64, 128))
    assert net.sizes == [(64, 128)]
    assert labels.dtype == np.uint8
    assert labels.tolist() == [[3] * 32 + [8] * 32] * 32


def test_score_of_a_network_is_one_matrix(frame_set):
    frames = frame_set(half_red().labels, half_red().labels)
    frames.samples = [half_red(), half_red()]
    matrix = score_network(RedIsCar(), frames, double)
    assert matrix.counts[3, 3] == matrix.counts[8, 8] == 2 * 31 * 32
    assert matrix.counts.sum() == 2 * 31 * 64
    part = score_network(RedIsCar(), frames, double, indices=[1])
    assert part.counts.sum() == 31 * 64


def test_autocast_around_the_scoring_changes_no_label(frame_set):
    torch.manual_seed(0)
    net = nn.Conv2d(3, 11, 8, stride=8)
    frames = frame_set(half_red().labels)
    frames.samples = [half_red()]
    with torch.autocast('cpu', torch.bfloat16):
        matrix = score_network(net, frames, double)
    assert matrix.counts.sum() == 31 * 64


def test_confidence_is_the_softmax_at_the_temperature():
    labels, confidence = network_predictor(RedIsCar(strength=2.0), temperature=4.0)(half_red().rgb)
    assert labels.tolist() == [[3] * 32 + [8] * 32] * 32
    # Logits of 2, -2 and nine times 0, divided by 4: e^.5 / (e^.5 + e^-.5 + 9) = 0.1462.
    assert confidence[5, 5] == round(255 * 0.14624)


def test_average_of_views_has_labels_and_confidence():
    predict = network_predictor(RedIsCar(strength=2.0), Mode(flip=True), temperature=4.0)
    labels, confidence = predict(half_red().rgb)
    assert labels.tolist() == [[3] * 32 + [8] * 32] * 32
    assert confidence[5, 5] == round(255 * 0.14624)


class Overconfident(nn.Module):
    """Two classes; says class 0 with logits of 2 where it should with those of 1."""

    def forward(self, image):
        n, _, height, width = image.shape
        logits = torch.zeros(n, 2, height // 8, width // 8)
        logits[:, 0] = 2.0
        return logits


def overconfident_sample():
    # sigmoid(1) = 0.731 of the pixels are right, so the temperature is 2.
    labels = np.ones((640, 640), np.uint8)
    flat = np.zeros(80 * 80, np.uint8)
    flat[4679:] = 1
    labels[4::8, 4::8] = flat.reshape(80, 80)
    return Sample('a', np.zeros((640, 640, 3), np.uint8), labels)


def test_temperature_of_an_overconfident_network():
    sample = overconfident_sample()
    assert fit_temperature(Overconfident(), [sample]) == pytest.approx(2.0, rel=0.02)


def test_temperature_of_many_frames_and_void(frame_set):
    sample = overconfident_sample()
    sample.labels[:, 320:] = 255
    frames = frame_set(sample.labels, sample.labels)
    config = parse_config({'name': 'x', 'out': 'x', 'deploy': {'input_size': [640, 640]}})
    assert holdout_temperature(Overconfident(), frames, config) == pytest.approx(2.0, rel=0.05)


def test_temperature_is_fitted_at_the_working_size(frame_set):
    net = RedIsCar()
    frames = frame_set(half_red().labels)
    deploy = {'input_size': [64, 128], 'upscale': 2.0}
    config = parse_config({'name': 'x', 'out': 'x', 'deploy': deploy})
    holdout_temperature(net, frames, config)
    assert net.sizes == [(64, 128)]


def checkpoint_of(net, **options):
    return {
        'config': {'name': 'x', 'out': 'x', 'model': {'options': options}},
        'classes': CAMVID_11.to_dict(),
        'net': {},
        'average': net.state_dict(),
    }


def test_network_of_a_checkpoint_is_its_average_to_evaluate():
    net = build_model('ddrnet23_slim', 11, {'planes': 8, 'head': 16})
    loaded = checkpoint_network(checkpoint_of(net, planes=8, head=16))
    assert not loaded.training
    image = torch.randn(1, 3, 32, 64)
    with torch.no_grad():
        torch.testing.assert_close(loaded(image), net.eval()(image), atol=1e-3, rtol=1e-3)


def test_checkpoint_whose_weights_do_not_fit():
    net = build_model('ddrnet23_slim', 11, {'planes': 8, 'head': 16})
    with pytest.raises(CheckpointError, match=r'checkpoint for DDRNet: .*size mismatch'):
        checkpoint_network(checkpoint_of(net, planes=8, head=24))
