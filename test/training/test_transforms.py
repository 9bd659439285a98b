# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
import torch

from training.config import TransformConfig
from training.data.camvid import Sample
from training.transforms import augment, normalise

STILL = TransformConfig(
    crop=(32, 48), scale=(1.0, 1.0), rotate_deg=0.0, light=0.0, dark=0.0, colour=0.0,
    saturation=0.0, blur=0.0, noise=0.0,
)  # fmt: skip


@pytest.fixture
def sample():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 11, (32, 48), np.uint8)
    return Sample('a', rng.integers(0, 256, (32, 48, 3), np.uint8), labels)


def test_without_changes_a_view_is_the_frame_or_its_mirror(sample):
    mirrored = 0
    for seed in range(20):
        rgb, labels = augment(sample, STILL, np.random.default_rng(seed))
        flipped = not np.array_equal(labels, sample.labels)
        mirrored += flipped
        assert np.array_equal(labels, sample.labels[:, ::-1] if flipped else sample.labels)
        # The table of light levels may round one level down.
        expected = (sample.rgb[:, ::-1] if flipped else sample.rgb).astype(int)
        assert np.abs(rgb - expected).max() <= 1
    assert 4 <= mirrored <= 16


def test_outside_of_the_frame_is_unlabeled(sample):
    config = dataclasses.replace(STILL, crop=(64, 48))
    _, labels = augment(sample, config, np.random.default_rng(0))
    assert (labels[:16] == 255).all() and (labels[-16:] == 255).all()
    assert (labels[16:48] < 11).all()


def test_scale_enlarges(sample):
    labels = np.zeros((32, 48), np.uint8)
    labels[12:20, 20:28] = 5
    config = dataclasses.replace(STILL, crop=(64, 96), scale=(2.0, 2.0))
    _, view = augment(Sample('a', sample.rgb, labels), config, np.random.default_rng(0))
    assert (view == 5).sum() == pytest.approx(4 * 64, rel=0.15)


def test_same_generator_same_view_and_the_sample_is_untouched(sample):
    before = sample.rgb.copy(), sample.labels.copy()
    config = TransformConfig(crop=(32, 48), blur=1.0, noise=1.0)
    first = augment(sample, config, np.random.default_rng(3))
    second = augment(sample, config, np.random.default_rng(3))
    other = augment(sample, config, np.random.default_rng(4))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert np.array_equal(sample.rgb, before[0]) and np.array_equal(sample.labels, before[1])


def test_dark_frames_are_darker(sample):
    config = dataclasses.replace(STILL, dark=1.0)
    rgb, _ = augment(sample, config, np.random.default_rng(0))
    assert rgb.mean() < 0.8 * sample.rgb.mean()


def test_normalise_is_imagenets():
    rgb = torch.tensor([[[[124, 116, 104], [255, 0, 0]]]], dtype=torch.uint8)
    image = normalise(rgb)
    assert image.shape == (1, 3, 1, 2)
    expected = [[0.00557, 2.24891], [-0.00490, -2.03571], [0.00819, -1.80444]]
    assert image[0, :, 0].tolist() == [pytest.approx(row, abs=1e-4) for row in expected]
