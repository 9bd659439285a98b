# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np

from seg_perception.core.classes import CAMVID_11
from training.data.synthetic import render_samples


def test_frames_repeat_and_differ_from_each_other():
    first, second = render_samples(2, (96, 128))
    again = render_samples(1, (96, 128))[0]
    assert first.rgb.shape == (96, 128, 3)
    assert np.array_equal(first.rgb, again.rgb) and np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.labels, second.labels)


def test_labels_are_camvid_classes_with_a_road():
    labels = render_samples(1, (96, 128))[0].labels
    assert (labels < len(CAMVID_11)).all()
    assert (labels == 3).mean() > 0.1
