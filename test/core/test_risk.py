# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_perception.core.classes import (
    BDD100K_DRIVABLE_3,
    CAMVID_11,
    CITYSCAPES_19,
    UNLABELED,
    VISTAS_66,
)
from seg_perception.core.corridor import Corridor, corridor_shape
from seg_perception.core.drivable import DrivableParams, find_drivable
from seg_perception.core.errors import ParameterError
from seg_perception.core.results import RiskLevel
from seg_perception.core.risk import RiskParams, assess_risk

SKY, BUILDING, POLE, ROAD, PAVEMENT, CAR, PERSON = 0, 1, 2, 3, 4, 8, 9
LEVELS = RiskLevel


def street(size=(96, 160)) -> np.ndarray:
    """An empty street: sky, houses and pavement left and right, road that narrows upwards."""
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width]
    depth = (rows - 0.45 * height) / (0.55 * height)
    aside = np.abs(columns - (width - 1) / 2) / width
    labels = np.where(aside < 0.6 * depth, ROAD, PAVEMENT)
    labels = np.where(depth < 0.04, np.where(aside > 0.1, BUILDING, SKY), labels)
    return labels.astype(np.uint8)


def put(labels: np.ndarray, value: int, rows, columns) -> np.ndarray:
    """A copy with a box of one value; the box in shares of the image."""
    height, width = labels.shape
    labels = labels.copy()
    labels[
        round(rows[0] * height) : round(rows[1] * height),
        round(columns[0] * width) : round(columns[1] * width),
    ] = value
    return labels


def assess(labels, table=CAMVID_11, params=None, confidence=None):
    params = params or RiskParams()
    if confidence is None:
        confidence = np.full(labels.shape, 230, np.uint8)
    area = find_drivable(labels, confidence, table, DrivableParams(params.corridor))
    return assess_risk(labels, confidence, table, area, params)


def factor(risk, name):
    return next(factor for factor in risk.factors if factor.name == name)


def test_five_factors_in_order_with_reasons():
    risk = assess(street())
    assert [factor.name for factor in risk.factors] == [
        'road_visibility',
        'vulnerable_road_users',
        'vehicles',
        'obstacles',
        'clear_path',
    ]
    assert [factor.reason for factor in risk.factors] == [
        '100% of the path is known ground',
        'no people, riders or animals near',
        'no vehicles near',
        'no obstacles near',
        '100% of the path is free road',
    ]


def test_empty_street_is_safe():
    risk = assess(street())
    assert risk.level is LEVELS.LOW
    assert risk.score == 100.0


def test_person_close_in_the_path_is_critical():
    risk = assess(put(street(), PERSON, (0.3, 0.9), (0.45, 0.55)))
    assert risk.level is LEVELS.CRITICAL
    assert factor(risk, 'vulnerable_road_users').reason == (
        'people, riders or animals in the path, near'
    )


def test_person_filling_the_path_is_the_worst():
    risk = assess(put(street(), PERSON, (0.1, 1.0), (0.2, 0.8)))
    assert risk.level is LEVELS.CRITICAL
    assert risk.score < 5


def test_people_on_the_pavement_are_a_concern_but_not_critical():
    labels = put(street(), PERSON, (0.4, 0.75), (0.02, 0.08))
    labels = put(labels, PERSON, (0.4, 0.7), (0.9, 0.97))
    risk = assess(labels)
    assert risk.level in (LEVELS.MODERATE, LEVELS.LOW)
    assert risk.score < assess(street()).score


def test_the_nearer_the_worse():
    scores = [
        assess(put(street(), PERSON, (bottom - 0.1, bottom), (0.45, 0.55))).score
        for bottom in (0.58, 0.65, 0.75, 0.85, 0.95)
    ]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) == 5


def test_the_farther_aside_the_better():
    scores = [
        assess(put(street(), PERSON, (0.6, 0.72), (left, left + 0.06))).score
        for left in (0.47, 0.25, 0.02)
    ]
    assert scores == sorted(scores) and len(set(scores)) == 3


def test_people_weigh_more_than_vehicles_and_obstacles():
    scores = [
        assess(put(street(), value, (0.5, 0.7), (0.45, 0.55))).score
        for value in (PERSON, POLE, CAR)
    ]
    assert scores[0] == min(scores) and scores[0] < scores[1]


def test_car_ahead_by_distance():
    far = assess(put(street(), CAR, (0.5, 0.58), (0.47, 0.53)))
    close = assess(put(street(), CAR, (0.3, 0.95), (0.25, 0.75)))
    assert far.level in (LEVELS.LOW, LEVELS.MODERATE)
    assert close.level is LEVELS.CRITICAL


def test_one_hazard_is_not_averaged_away():
    """Four harmless factors do not thin out the fifth."""
    risk = assess(put(street(), PERSON, (0.8, 1.0), (0.47, 0.53)))
    worst = factor(risk, 'vulnerable_road_users')
    assert risk.score <= 100 * (1 - worst.weight * worst.risk)


def test_a_few_wrong_pixels_raise_no_alarm():
    labels = street()
    labels[90, 80] = PERSON
    labels[70, 75:77] = PERSON
    assert assess(labels).level is LEVELS.LOW


def test_nothing_known_is_dangerous():
    risk = assess(np.full((96, 160), UNLABELED, np.uint8))
    assert risk.level is LEVELS.CRITICAL
    assert factor(risk, 'road_visibility').risk == 1.0
    assert factor(risk, 'road_visibility').reason == '0% of the path is known ground'


def test_no_confidence_is_dangerous():
    risk = assess(street(), confidence=np.zeros((96, 160), np.uint8))
    assert risk.level is LEVELS.CRITICAL


def test_unknown_beside_the_path_raises_the_risk():
    labels = street()
    labels[50:, :25] = UNLABELED
    labels[50:, -25:] = UNLABELED
    risk = assess(labels)
    assert risk.score < 90
    assert 'of what is beside the path is unknown' in factor(risk, 'road_visibility').reason


def test_a_model_without_people_is_never_safe():
    labels = np.where(street() == ROAD, 0, 2).astype(np.uint8)
    risk = assess(labels, BDD100K_DRIVABLE_3)
    assert risk.level >= LEVELS.MODERATE
    assert factor(risk, 'vehicles').reason == 'the model has no class for vehicles'
    assert factor(risk, 'vehicles').risk == 0.3


def test_own_bonnet_is_no_hazard():
    names = VISTAS_66.names
    road, ego, unlabeled = (names.index(n) for n in ('Road', 'Ego Vehicle', 'Unlabeled'))
    labels = np.full((96, 160), road, np.uint8)
    assert assess(put(labels, ego, (0.9, 1.0), (0, 1)), VISTAS_66).level is LEVELS.LOW
    unknown = assess(put(labels, unlabeled, (0.6, 1.0), (0, 1)), VISTAS_66)
    assert unknown.level is LEVELS.CRITICAL


def test_bonnet_rows_are_ignored():
    labels = put(street(), UNLABELED, (0.85, 1.0), (0, 1))
    ignoring = RiskParams(Corridor(ego_mask_share=0.16))
    assert assess(labels, params=ignoring).score == pytest.approx(100.0)
    assert assess(labels).score < 80


@pytest.mark.parametrize('table', [CAMVID_11, CITYSCAPES_19, VISTAS_66, BDD100K_DRIVABLE_3])
@pytest.mark.parametrize('size', [(1, 1), (1, 7), (7, 1), (2, 2), (5, 3)])
@pytest.mark.parametrize('value', [0, 2, 255])
def test_degenerate_images_have_a_score(table, size, value):
    risk = assess(np.full(size, value, np.uint8), table)
    assert 0.0 <= risk.score <= 100.0
    assert all(0.0 <= factor.risk <= 1.0 for factor in risk.factors)


SHARE = st.floats(0, 1)
BOX = st.tuples(SHARE, SHARE, SHARE, SHARE)
KINDS = st.sampled_from([SKY, BUILDING, ROAD, PAVEMENT, CAR, PERSON, UNLABELED])
BOXES = st.lists(st.tuples(KINDS, BOX), max_size=4)
SIZE = (48, 64)


def _scene(boxes):
    labels = street(SIZE)
    for value, (top, bottom, left, right) in boxes:
        labels = put(labels, value, sorted((top, bottom)), sorted((left, right)))
    return labels


def _inside(box):
    """Where a box is, as booleans."""
    return _scene([(99, box)]) == 99


@given(BOXES, BOX, st.sampled_from([BUILDING, CAR, PERSON]))
def test_more_hazard_never_lowers_the_risk(boxes, box, hazard):
    """On whatever is known to be harmless, and in the path on what is not known too."""
    labels = _scene(boxes)
    path = corridor_shape(Corridor(), SIZE).inside > 0
    where = _inside(box) & ~np.isin(labels, [BUILDING, CAR, PERSON])
    where &= (labels != UNLABELED) | path
    worse = np.where(where, hazard, labels).astype(np.uint8)
    assert assess(worse).score <= assess(labels).score + 1e-9


@given(BOX, BOX, st.sampled_from([BUILDING, CAR, PERSON]))
def test_a_hazard_in_the_path_is_no_better_than_not_knowing(unknown, box, hazard):
    labels = np.where(_inside(unknown), UNLABELED, street(SIZE)).astype(np.uint8)
    path = corridor_shape(Corridor(), SIZE).inside > 0
    worse = np.where(_inside(box) & path, hazard, labels).astype(np.uint8)
    assert assess(worse).score <= assess(labels).score + 1e-9


@given(BOXES, BOX, st.sampled_from([PAVEMENT, SKY, CAR, UNLABELED]))
def test_less_road_never_lowers_the_risk(boxes, box, value):
    labels = _scene(boxes)
    worse = np.where(_inside(box) & (labels == ROAD), value, labels).astype(np.uint8)
    assert assess(worse).score <= assess(labels).score + 1e-9


@given(BOXES, BOX, st.integers(0, 255), st.integers(0, 255))
def test_less_confidence_never_lowers_the_risk(boxes, box, one, other):
    labels = _scene(boxes)
    sure = np.full(SIZE, max(one, other), np.uint8)
    unsure = np.where(_inside(box), min(one, other), sure).astype(np.uint8)
    before, after = assess(labels, confidence=sure), assess(labels, confidence=unsure)
    assert after.score <= before.score + 1e-9


@given(BOXES)
def test_mirrored_scene_has_the_same_risk(boxes):
    labels = _scene(boxes)
    here, there = assess(labels), assess(np.ascontiguousarray(labels[:, ::-1]))
    assert there.score == pytest.approx(here.score)
    assert there.level is here.level


@given(BOXES)
def test_level_follows_the_score(boxes):
    risk = assess(_scene(boxes))
    expected = (
        LEVELS.CRITICAL
        if risk.score <= 25
        else LEVELS.HIGH
        if risk.score <= 50
        else LEVELS.MODERATE
        if risk.score <= 75
        else LEVELS.LOW
    )
    assert risk.level is expected or min(abs(risk.score - edge) for edge in (25, 50, 75)) < 1e-9


def test_arguments_stay_as_they_are():
    labels, confidence = street(), np.full((96, 160), 230, np.uint8)
    for array in (labels, confidence):
        array.setflags(write=False)
    assert assess(labels, confidence=confidence).score == 100.0


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'low_confidence': 0.7}, r'risk high_confidence: got 0\.6, expected above 0\.7'),
        ({'high_from': 0.2}, r'risk levels: got \(0\.25, 0\.2, 0\.75\), expected moderate_from <'),
        ({'critical_from': 1.5}, r'risk levels: got \(0\.25, 0\.5, 1\.5\)'),
    ],
)
def test_ranges(fields, message):
    with pytest.raises(ParameterError, match=message):
        RiskParams(**fields)
