# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from math import nan

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seg_perception.core.errors import ParameterError
from seg_perception.core.image_quality import (
    Exposure,
    Knowledge,
    PerceptionHealthParams,
    look_at,
    scaled_confidence,
    worst_doubt,
)
from seg_perception.synthetic.street import Street

GOOD = Knowledge(confidence=0.9, unknown_share=0.0, false_ground_share=0.0)
CLEAR = Exposure(light=90, washed_share=0, contrast=40, covered_share=0, sharpness=0.12)


@pytest.fixture(scope='module')
def rgb():
    return Street(seed=1, size=(180, 320)).frame(0).rgb


def test_picture_by_hand():
    """Upper half black, lower half 200: light is that of the lower half."""
    picture = np.zeros((80, 160, 3), np.uint8)
    picture[40:] = 200
    seen = look_at(picture, 0.5)
    assert seen.light == 200.0
    assert seen.washed_share == 0.0
    assert seen.sharpness == 0.0  # nothing changes along the rows
    # Ten rows are looked at; those about the horizon are two black ones, and no white one.
    assert seen.contrast == 0.0
    assert look_at(np.full_like(picture, 250), 0.5).washed_share == 1.0


def test_sharpness_of_stripes_by_hand():
    """Forty stripes of eight pixels: 39 steps of 100 in 319 near, and 100 everywhere across."""
    columns = (np.arange(320) // 8 % 2 * 100).astype(np.uint8)
    picture = np.repeat(np.tile(columns, (80, 1))[..., None], 3, axis=2)
    assert look_at(picture, 0.5).sharpness == pytest.approx(39 / 319)


def test_noise_is_as_sharp_as_can_be():
    noise = np.random.default_rng(0).integers(0, 256, (120, 640, 3)).astype(np.uint8)
    assert look_at(noise, 0.5).sharpness == pytest.approx(1.0, abs=0.05)


def test_a_clear_street_is_not_doubted(rgb):
    assert worst_doubt(GOOD, look_at(rgb, 0.54), PerceptionHealthParams()) == (
        0.0,
        'mean confidence 90%',
    )


SPOILED = {
    'dark': (lambda rgb: rgb // 12, 'the image is dark'),
    'washed out': (lambda rgb: cv2.add(rgb, np.full_like(rgb, 190)), 'the image is overexposed'),
    'blurred': (lambda rgb: cv2.GaussianBlur(rgb, (0, 0), 4), 'the image is blurred'),
    'covered': (lambda rgb: np.full_like(rgb, 90), 'no contrast: fog, or a covered lens'),
}


@pytest.mark.parametrize('name', SPOILED)
def test_what_spoils_a_picture_is_doubted(rgb, name):
    spoil, reason = SPOILED[name]
    doubt, why = worst_doubt(GOOD, look_at(spoil(rgb), 0.54), PerceptionHealthParams())
    assert doubt > 0.5
    assert reason in why


def test_a_covered_half_is_told(rgb):
    rgb = rgb.copy()
    rgb[:, :160] = (30, 25, 20)
    seen = look_at(rgb, 0.54)
    assert seen.covered_share == 0.5
    assert worst_doubt(GOOD, seen, PerceptionHealthParams()) == (
        1.0,
        '50% of the lens sees nothing',
    )


@pytest.mark.parametrize(
    ('knowledge', 'expected'),
    [
        (Knowledge(0.6, 0, 0), (0.5, 'mean confidence 60%')),
        (Knowledge(0.3, 0, 0), (1.0, 'mean confidence 30%')),
        (Knowledge(0.9, 0.215, 0), (0.5, '22% of the view is unknown')),
        (Knowledge(0.9, 0, 0.35), (0.5, '35% ground above the horizon')),
        (Knowledge(0.9, 0, 0, 0.5), (0.5, 'unlike what the model has learned')),
        (Knowledge(0.9, 0, 0, nan), (0.0, 'mean confidence 90%')),
    ],
)
def test_doubts_by_hand(knowledge, expected):
    doubt, why = worst_doubt(knowledge, CLEAR, PerceptionHealthParams())
    assert (doubt, why) == (pytest.approx(expected[0]), expected[1])
    assert worst_doubt(knowledge, None, PerceptionHealthParams())[0] == doubt


@pytest.mark.parametrize(
    ('ood_score', 'expected'),
    [(nan, 200), (0.0, 200), (0.25, 200), (0.5, 130), (0.75, 60), (1.0, 60)],
)
def test_confidence_of_an_ood_frame_by_hand(ood_score, expected):
    """Full doubt takes 0.7 of it, half doubt half of that."""
    confidence = np.full((2, 3), 200, np.uint8)
    assert (scaled_confidence(confidence, ood_score, PerceptionHealthParams()) == expected).all()
    assert (confidence == 200).all()


def test_the_worst_doubt_counts():
    dim = Exposure(light=24, washed_share=0, contrast=40, covered_share=0, sharpness=0.12)
    assert worst_doubt(Knowledge(0.7, 0, 0), dim, PerceptionHealthParams()) == (
        0.5,
        'the image is dark',
    )


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))),
    st.floats(0, 1),
)
def test_any_picture_has_an_answer(picture, road_from):
    seen = look_at(picture, road_from)
    doubt, why = worst_doubt(GOOD, seen, PerceptionHealthParams())
    assert 0.0 <= doubt <= 1.0 and why


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'weight': 1.5}, r'risk trust weight: got 1\.5, expected 0 to 1'),
        ({'sure': 0.4}, r'risk trust sure: got 0\.4, expected above unsure, 0\.45'),
        ({'dim_level': 8}, r'risk trust dim_level: got 8, expected above dark_level, 8'),
        ({'washed_full': 0.1}, r'risk trust washed_full: got 0\.1, expected above washed_from'),
    ],
)
def test_ranges(fields, message):
    with pytest.raises(ParameterError, match=message):
        PerceptionHealthParams(**fields)
