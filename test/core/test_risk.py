# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_perception.core.camera import Calibration, Camera, Extrinsics
from seg_perception.core.camera_geometry import CameraGeometry, ImageGeometry
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
from seg_perception.core.results import RiskLevel, VanishingPoint
from seg_perception.core.risk import assess_risk
from seg_perception.core.risk_params import RiskParams

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


def assess(labels, table=CAMVID_11, params=None, confidence=None, **more):
    params = params or RiskParams()
    if confidence is None:
        confidence = np.full(labels.shape, 230, np.uint8)
    if (camera := more.pop('camera', None)) is not None:
        more['geometry'] = CameraGeometry.of(camera, labels.shape)
    more.setdefault('geometry', ImageGeometry(labels.shape, VanishingPoint(0.5, 0.45)))
    place = {name: more[name] for name in ('geometry', 'curvature_per_m') if name in more}
    area = find_drivable(labels, confidence, table, DrivableParams(params.corridor), **place)
    return assess_risk(labels, confidence, table, area, params, **more)


def factor(risk, name):
    return next(factor for factor in risk.factors if factor.name == name)


def test_seven_factors_in_order_with_reasons():
    risk = assess(street())
    assert [factor.name for factor in risk.factors] == [
        'road_visibility',
        'vulnerable_road_users',
        'vehicles',
        'obstacles',
        'clear_path',
        'lane_clarity',
        'perception_trust',
    ]
    assert [factor.reason for factor in risk.factors] == [
        '100% of the path is known ground',
        'no people, riders or animals near',
        'no vehicles near',
        'no obstacles near',
        '100% of the path is free road',
        'the lane is clear in 100% of the path',
        'mean confidence 90%',
    ]
    assert [factor.weight for factor in risk.factors] == [0.85, 1.0, 0.85, 0.9, 0.85, 0.4, 0.7]


def test_empty_street_is_safe():
    risk = assess(street())
    assert risk.level is LEVELS.LOW
    assert risk.score == 100.0


def test_person_close_in_the_path_is_critical():
    risk = assess(put(street(), PERSON, (0.3, 0.9), (0.45, 0.55)))
    assert risk.level is LEVELS.CRITICAL
    reason = factor(risk, 'vulnerable_road_users').reason
    assert reason == 'pedestrian near in the ego corridor'


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
        assess(put(street(), PERSON, (bottom - 0.3, bottom), (0.45, 0.55))).score
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
    assert 'of the adjacent zones is unknown' in factor(risk, 'road_visibility').reason


def test_a_model_without_people_is_never_safe():
    labels = np.where(street() == ROAD, 0, 2).astype(np.uint8)
    risk = assess(labels, BDD100K_DRIVABLE_3)
    assert risk.level >= LEVELS.MODERATE
    assert factor(risk, 'vehicles').reason == 'the model has no class for vehicles'
    assert factor(risk, 'vehicles').risk == 0.3
    assert risk.hazards == ()


def test_own_bonnet_is_no_hazard():
    names = VISTAS_66.names
    road, ego, unlabeled = (names.index(n) for n in ('Road', 'Ego Vehicle', 'Unlabeled'))
    labels = put(np.full((96, 160), road, np.uint8), names.index('Sky'), (0, 0.45), (0, 1))
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


CAMERA = Camera(
    Calibration.pinhole(np.array([[150.0, 0, 79.5], [0, 150.0, 43.5], [0, 0, 1]]), (96, 160)),
    Extrinsics(height_m=1.5),
)


def standing(value, x_m, y_m=0.0, size_m=(0.5, 1.7), camera=CAMERA):
    """The street with an upright box, its size in metres, on the ground before a camera."""
    (left, foot), (right, _) = camera.ground_to_pixel(
        np.array([[x_m, y_m + size_m[0] / 2], [x_m, y_m - size_m[0] / 2]])
    )
    height_px = size_m[1] * camera.calibration.k[1, 1] / x_m
    labels, (rows, columns) = street(camera.size), np.mgrid[0 : camera.size[0], 0 : camera.size[1]]
    inside = (columns >= left) & (columns <= right) & (rows <= foot) & (rows > foot - height_px)
    return np.where(inside, value, labels).astype(np.uint8)


def test_metres_in_reason_and_hazards():
    risk = assess(standing(PERSON, 6.2), camera=CAMERA)
    assert risk.level is LEVELS.CRITICAL
    seen = next(each for each in risk.hazards if each.zone == 0)
    assert seen.distance_m == pytest.approx(6.2, rel=0.05)
    said = factor(risk, 'vulnerable_road_users').reason
    assert said == f'pedestrian {seen.distance_m:.1f} m ahead in the ego corridor'


@pytest.mark.parametrize(('y_m', 'zone'), [(2.5, -1), (0.3, 0), (-2.5, 1)])
def test_beside_in_metres(y_m, zone):
    risk = assess(standing(PERSON, 8.0, y_m), camera=CAMERA)
    assert max(risk.hazards, key=lambda each: each.risk).zone == zone
    assert risk.level is (LEVELS.CRITICAL if zone == 0 else LEVELS.MODERATE)


def test_suggested_speed_by_hand():
    """v + v^2 / 8 = 10 m of 12 for 1 s and 4 m/s2: v = sqrt(16 + 80) - 4."""
    labels, confidence = street(), np.full((96, 160), 230, np.uint8)
    area = find_drivable(labels, confidence, CAMVID_11)
    known = replace(area, free_distance_m=15.0, free_distance_band_m=(12.0, 19.0))
    speed_mps = assess_risk(labels, confidence, CAMVID_11, known).suggested_speed_mps
    assert speed_mps == pytest.approx(5.798, abs=0.001)
    assert speed_mps * 1.0 + speed_mps**2 / 8.0 == pytest.approx(10.0)
    blocked = replace(area, free_distance_m=1.0, free_distance_band_m=(0.5, 1.5))
    assert assess_risk(labels, confidence, CAMVID_11, blocked).suggested_speed_mps == 0.0
    assert isnan(assess_risk(labels, confidence, CAMVID_11, area).suggested_speed_mps)


def test_end_of_the_free_road_in_metres():
    labels, confidence = street(), np.full((96, 160), 230, np.uint8)
    area = find_drivable(labels, confidence, CAMVID_11)
    known = replace(area, free_distance_m=9.0, free_distance_band_m=(8.0, 11.0))
    clear = factor(assess_risk(labels, confidence, CAMVID_11, known), 'clear_path')
    assert (clear.risk, clear.reason) == (0.5, 'the road is free for 9.0 m')


def test_a_picture_of_nothing_but_road_is_not_safe():
    risk = assess(np.full((96, 160), ROAD, np.uint8))
    assert risk.level >= LEVELS.HIGH
    assert factor(risk, 'perception_trust').reason == '100% ground above the horizon'


def test_a_dark_picture_is_not_safe():
    dark = np.full((96, 160, 3), 3, np.uint8)
    checks = np.kron(np.indices((12, 20)).sum(axis=0) % 2 * 90, np.ones((8, 8)))
    clear = np.repeat(checks[..., None], 3, axis=2)
    risk = assess(street(), rgb=dark)
    assert risk.level >= LEVELS.HIGH
    assert factor(risk, 'perception_trust').reason == 'the image is dark'
    assert assess(street(), rgb=clear.astype(np.uint8)).level is LEVELS.LOW


def test_a_frame_unlike_the_training_is_not_safe():
    risk = assess(street(), ood_score=0.9)
    assert risk.level >= LEVELS.HIGH
    assert factor(risk, 'perception_trust').reason == 'unlike what the model has learned'


def test_lane_clarity_by_hand():
    """Pavement over the upper half of the path's rows: the lane is clear in the lower half."""
    labels, middle = street(), VanishingPoint(0.5, 0.45)
    geometry = ImageGeometry(labels.shape, middle)
    top = corridor_shape(Corridor(), geometry).top_row
    upper = slice(top, top + (96 - top) // 2)
    labels[upper] = np.where(labels[upper] == ROAD, PAVEMENT, labels[upper])
    clarity = factor(assess(labels, geometry=geometry), 'lane_clarity')
    assert (96 - top) % 2 == 1  # one more below
    assert clarity.risk == pytest.approx(((96 - top) // 2) / (96 - top), abs=0.001)


def test_a_lane_without_markings_is_less_clear_where_the_model_knows_them():
    names = VISTAS_66.names
    labels = put(np.full((96, 160), names.index('Road'), np.uint8), 27, (0, 0.45), (0, 1))
    clarity = factor(assess(labels, VISTAS_66), 'lane_clarity')
    assert (clarity.risk, clarity.reason) == (0.3, 'lane markings along 0% of the path')
    marked = put(labels, names.index('Lane Marking - General'), (0.6, 1.0), (0.4, 0.41))
    assert factor(assess(marked, VISTAS_66), 'lane_clarity').risk == 0.0


SHARE = st.floats(0, 1)
BOX = st.tuples(SHARE, SHARE, SHARE, SHARE)
KINDS = st.sampled_from([SKY, BUILDING, ROAD, PAVEMENT, CAR, PERSON, UNLABELED])
BOXES = st.lists(st.tuples(KINDS, BOX), max_size=4)
SIZE = (48, 64)
SMALL = Camera(
    Calibration.pinhole(np.array([[60.0, 0, 31.5], [0, 60.0, 21.5], [0, 0, 1]]), SIZE),
    Extrinsics(height_m=1.5),
)
CAMERAS = st.sampled_from([None, SMALL])


def _scene(boxes):
    labels = street(SIZE)
    for value, (top, bottom, left, right) in boxes:
        labels = put(labels, value, sorted((top, bottom)), sorted((left, right)))
    return labels


def _inside(box):
    """Where a box is, as booleans."""
    return _scene([(99, box)]) == 99


def _below_the_sky(where):
    """Of some pixels those where ground can be; farther up it is an error of the labels."""
    return (
        where
        & (np.arange(SIZE[0]) >= corridor_shape(Corridor(), ImageGeometry(SIZE)).top_row)[:, None]
    )


@given(BOXES, BOX, st.sampled_from([BUILDING, CAR, PERSON]), CAMERAS)
def test_more_hazard_never_lowers_the_risk(boxes, box, hazard, camera):
    """On whatever is known to be harmless; what is not known counts as the worst of them."""
    labels = _scene(boxes)
    harmless = ~np.isin(labels, [BUILDING, CAR, PERSON, UNLABELED])
    where = _below_the_sky(_inside(box) & harmless)
    worse = np.where(where, hazard, labels).astype(np.uint8)
    assert assess(worse, camera=camera).score <= assess(labels, camera=camera).score + 1e-9


@given(BOXES, BOX, CAMERAS)
def test_not_knowing_is_never_better(boxes, box, camera):
    """Whatever it hides: road, sky, a pedestrian."""
    labels = _scene(boxes)
    worse = np.where(_below_the_sky(_inside(box)), UNLABELED, labels).astype(np.uint8)
    assert assess(worse, camera=camera).score <= assess(labels, camera=camera).score + 1e-9


@given(BOXES, BOX, st.sampled_from([PAVEMENT, SKY, CAR, UNLABELED]), CAMERAS)
def test_less_road_never_lowers_the_risk(boxes, box, value, camera):
    labels = _scene(boxes)
    where = _below_the_sky(_inside(box) & (labels == ROAD))
    worse = np.where(where, value, labels).astype(np.uint8)
    assert assess(worse, camera=camera).score <= assess(labels, camera=camera).score + 1e-9


@given(BOXES, BOX, st.integers(0, 255), st.integers(0, 255))
def test_less_confidence_never_lowers_the_risk(boxes, box, one, other):
    labels = _scene(boxes)
    sure = np.full(SIZE, max(one, other), np.uint8)
    unsure = np.where(_inside(box), min(one, other), sure).astype(np.uint8)
    before, after = assess(labels, confidence=sure), assess(labels, confidence=unsure)
    assert after.score <= before.score + 1e-9


@given(BOXES)
def test_mirrored_scene_has_the_mirrored_risk(boxes):
    labels = _scene(boxes)
    here, there = assess(labels), assess(np.ascontiguousarray(labels[:, ::-1]))
    assert there.score == pytest.approx(here.score)
    assert there.level is here.level
    places = {(seen.factor, seen.zone): seen for seen in here.hazards}
    assert len(there.hazards) == len(places)
    for seen in there.hazards:
        other = places[seen.factor, -seen.zone]
        assert (seen.risk, seen.proximity) == pytest.approx((other.risk, other.proximity))


@given(BOXES)
def test_mirrored_scene_has_the_mirrored_risk_in_metres(boxes):
    camera, labels = SMALL, _scene(boxes)
    here = assess(labels, camera=camera)
    there = assess(np.ascontiguousarray(labels[:, ::-1]), camera=camera)
    assert there.score == pytest.approx(here.score, abs=0.5)
    assert there.suggested_speed_mps == pytest.approx(
        here.suggested_speed_mps, rel=0.02, nan_ok=True
    )


@given(
    st.sampled_from([PERSON, CAR, POLE]),
    st.floats(5.0, 40.0),
    st.floats(5.0, 40.0),
    st.floats(-0.7, 0.7),
    st.booleans(),
)
def test_nearer_in_the_corridor_is_never_safer(value, one_m, other_m, y_m, metric):
    """A box of 1.8 m: the same thing, so it grows as it comes nearer."""
    near_m, far_m = sorted((one_m, other_m))
    near, far = (
        assess(
            standing(value, x_m, y_m, (1.8, 1.8), LARGE), camera=LARGE if metric else None
        ).score
        for x_m in (near_m, far_m)
    )
    # A pixel more or less of road about the box.
    assert near <= far + 0.5


LARGE = CAMERA.scaled((192, 320))


@given(BOXES, st.booleans(), st.integers(0, 255), st.floats(-0.1, 0.1))
def test_nothing_is_nan_but_what_may_be(boxes, metric, value, curvature_per_m):
    labels = _scene(boxes)
    rgb = np.full((*SIZE, 3), value, np.uint8)
    camera = SMALL if metric else None
    risk = assess(labels, camera=camera, curvature_per_m=curvature_per_m, rgb=rgb)
    assert 0.0 <= risk.score <= 100.0
    assert all(0.0 <= each.risk <= 1.0 and each.reason for each in risk.factors)
    assert isnan(risk.time_to_contact_s)
    if metric and isnan(risk.suggested_speed_mps):  # nothing of the path is known
        assert risk.level is RiskLevel.CRITICAL
    else:
        assert isnan(risk.suggested_speed_mps) is not metric
    for seen in risk.hazards:
        assert 0.0 < seen.risk <= 1.0 and 0.0 < seen.proximity <= 1.0 and seen.width_px > 0.0
        assert isnan(seen.distance_m) is not metric


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
        ({'critical_from': 1.5}, r'risk critical_from: got 1\.5, expected 0 to 1'),
        ({'near_m': float('nan')}, r'risk near_m: got nan, expected 0\.5 to 50'),
    ],
)
def test_ranges(fields, message):
    with pytest.raises(ParameterError, match=message):
        RiskParams(**fields)
