# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Heights from a car drawn as a camera of known height sees it, and from a known speed."""

from __future__ import annotations

import numpy as np
import pytest

from seg_perception.core.camera_height import HeightEvidence, heights_from_vehicles
from seg_perception.core.classes import CAMVID_11
from seg_perception.core.results import VanishingPoint

SKY, ROAD, CAR = (CAMVID_11.names.index(name) for name in ('sky', 'road', 'car'))
POINT = VanishingPoint(0.5, 0.5)


def labels_with_car(height_m: float, left_m: float = -0.9, high_m: float = 1.5) -> np.ndarray:
    """A car 1.8 m wide, 12 m ahead; focal length 400 px, horizon in the middle."""
    labels = np.full((360, 640), SKY, np.uint8)
    labels[180:] = ROAD
    scale = 400 / 12.0
    bottom, columns = 180 + height_m * scale, 320 + np.array([left_m, left_m + 1.8]) * scale
    top = bottom - high_m * scale
    labels[round(top) : round(bottom), round(columns[0]) : round(columns[1])] = CAR
    return labels


@pytest.mark.parametrize('height_m', [1.0, 1.4, 2.2])
def test_height_from_the_width_of_a_car(height_m) -> None:
    (found,) = heights_from_vehicles(labels_with_car(height_m), CAMVID_11, POINT, (720, 1280))
    assert found == pytest.approx(height_m, rel=0.03)


def test_squeezed_labels_give_the_same() -> None:
    labels = labels_with_car(1.4)[:, ::2]
    (found,) = heights_from_vehicles(labels, CAMVID_11, POINT, (720, 1280))
    assert found == pytest.approx(1.4, rel=0.05)


@pytest.mark.parametrize(
    ('left_m', 'high_m'), [(2.0, 1.5), (-0.9, 0.6), (-0.9, 4.0)], ids=['aside', 'low', 'lorry']
)
def test_what_is_no_car_straight_ahead_tells_nothing(left_m, high_m) -> None:
    labels = labels_with_car(1.4, left_m, high_m)
    assert heights_from_vehicles(labels, CAMVID_11, POINT, (720, 1280)) == []


def test_few_samples_claim_nothing_and_speed_is_preferred() -> None:
    evidence = HeightEvidence()
    evidence.add('vehicle width', [1.5] * 7)
    assert np.isnan(evidence.estimate()[:2]).all() and evidence.estimate()[2] == ''
    evidence.add('vehicle width', [1.5, 1.6, 90.0])
    height_m, std_m, source = evidence.estimate()
    assert (height_m, source) == (1.5, 'vehicle width') and 0.25 < std_m < 0.35
    evidence.add('speed', [1.3, 1.32, 1.28] * 4)
    height_m, std_m, source = evidence.estimate()
    assert (height_m, source) == (pytest.approx(1.3), 'speed') and 0.06 < std_m < 0.08
    again = HeightEvidence(evidence.samples)
    assert again.estimate() == evidence.estimate()
