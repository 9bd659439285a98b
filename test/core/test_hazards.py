# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from math import isnan, nan

import numpy as np
import pytest

from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import CAMVID_11, UNLABELED, VISTAS_66
from seg_perception.core.corridor import Corridor, corridor_shape
from seg_perception.core.errors import ParameterError
from seg_perception.core.hazards import (
    HazardRule,
    HazardView,
    ZoneParams,
    find_hazards,
    group_bits,
    sort_pixels,
    words,
    zones_of,
)
from seg_perception.core.results import Box, DistanceSource, Hazard
from trapezoid import trapezoid

SIZE = (100, 200)
WALL, ROAD, CAR, PERSON, BICYCLIST = 1, 3, 8, 9, 10
PLAIN, IMAGE = trapezoid(SIZE, 0.5, 0.5, 0.1)
NEAR_M = float(corridor_shape(PLAIN, IMAGE).range_m[-1])
EVEN = HazardRule(weight=1.0, in_path=1.0, adjacent=0.5, outer=0.25, fade=1.0)


def find(labels, camera=None, hazard=EVEN, factor='vulnerable_road_users', corridor=PLAIN):
    near_m = 4.5 if camera else NEAR_M
    zones = zones_of(camera or IMAGE, ZoneParams(corridor, near_m))
    return find_hazards(factor, hazard, view_of(labels, zones, camera or IMAGE))


def view_of(labels, zones, geometry):
    rows = labels[zones.rows]
    groups, sure = sort_pixels(rows, CAMVID_11), np.full(rows.shape, 204, np.uint8)
    above = labels[: zones.rows.start]
    return HazardView(rows, groups, sure, above, CAMVID_11, zones, geometry)


def road(*boxes):
    """Road with boxes (value, rows, columns)."""
    labels = np.full(SIZE, ROAD, np.uint8)
    for value, rows, columns in boxes:
        labels[slice(*rows), slice(*columns)] = value
    return labels


def test_zones_by_hand():
    """The corridor is 100 columns wide in row 99 and 20 in row 50."""
    zones = zones_of(IMAGE, ZoneParams(PLAIN, NEAR_M))
    assert zones.rows == slice(50, 100)
    assert zones.edges[-1].tolist() == [0, 0, 50, 150, 200, 200]
    assert zones.edges[0].tolist() == [0, 70, 90, 110, 130, 200]
    assert zones.proximity[-1] == 1.0 and zones.proximity[0] == pytest.approx(0.2)
    assert np.isnan(zones.distance_m).all()
    # Of a corridor that is 100 px wide: a person of 0.3 m by 0.3 m, a vehicle of 0.3 m by 1 m.
    for factor, least_m2 in (('vulnerable_road_users', 0.09), ('vehicles', 0.3)):
        footprint = zones.footprint_px2(factor)[-1]
        assert footprint == pytest.approx(least_m2 * (100 / zones.width_m) ** 2)
    assert zones.lifted[-1] == 0 and zones.lifted[0] == 0


@pytest.mark.parametrize(
    ('columns', 'zone', 'share'),
    [((0, 6), -2, 0.25), ((70, 76), -1, 0.5), ((97, 103), 0, 1.0), ((124, 130), 1, 0.5)],
)
def test_one_place_with_its_risk(columns, zone, share):
    """Rows 51 to 60: the corridor is 35.9 wide in row 60, so proximity is 0.359 there."""
    seen = find(road((PERSON, (51, 61), columns)))
    found = next(each for each in seen if each.zone == zone)
    assert found.risk == pytest.approx(share * (20 + 80 * 10 / 49) / 100 * 1.0, rel=0.02)
    assert found.who == 'pedestrian' and isnan(found.distance_m)


def test_nothing_is_found_on_an_empty_road():
    assert find(road()) == ()


def test_a_foot_is_where_a_hazard_stands():
    """Thin legs below a wide body: the legs count."""
    legs = road((PERSON, (60, 80), (95, 105)), (PERSON, (80, 90), (97, 101)))
    body = road((PERSON, (60, 80), (95, 105)))
    assert find(body)[0].proximity == pytest.approx((20 + 80 * 29 / 49) / 100, abs=0.02)
    assert find(legs)[0].proximity == pytest.approx((20 + 80 * 39 / 49) / 100, abs=0.05)


def test_a_speck_near_is_no_wall_far_off():
    speck_and_wall = road((PERSON, (97, 98), (100, 101)), (PERSON, (50, 53), (90, 110)))
    wall = road((PERSON, (50, 53), (90, 110)))
    assert find(speck_and_wall)[0].risk == pytest.approx(find(wall)[0].risk, abs=0.03)


def test_few_pixels_count_in_proportion():
    """Of a footprint in row 99, 36 pixels are so much."""
    zones = zones_of(IMAGE, ZoneParams(PLAIN, NEAR_M))
    footprint = zones.footprint_px2('vulnerable_road_users')[-1]
    seen = find(road((PERSON, (94, 100), (97, 103))))
    assert seen[0].risk == pytest.approx(36 / footprint, rel=0.15) and footprint > 100


def test_patch_too_low_for_its_class_counts_less():
    """What is as low as a bump may be one of the obstacles, but is hardly a car."""
    patch = (95, 99), (94, 106)
    as_car, as_wall = (
        find(road((value, *patch)), factor=factor)[0].risk
        for value, factor in ((CAR, 'vehicles'), (WALL, 'obstacles'))
    )
    assert as_car < 0.4 * as_wall


@pytest.mark.parametrize(
    ('value', 'factor', 'share'),
    [(PERSON, 'vulnerable_road_users', 1.0), (WALL, 'obstacles', 0.5), (CAR, 'vehicles', 0.5)],
)
def test_what_stands_in_the_margin_is_passed(value, factor, share):
    """The corridor is 100 px wide in row 99, from column 50; an eighth of it is a margin."""
    in_track, in_margin = (
        next(each for each in find(road((value, (94, 100), columns)), factor=factor))
        for columns in ((70, 73), (55, 58))
    )
    assert in_margin.risk == pytest.approx(share * in_track.risk, rel=0.05)
    assert in_track.centred > 0 and in_margin.centred == 0


def test_centred_is_the_share_of_the_track():
    seen = find(road((CAR, (40, 90), (50, 150))), factor='vehicles')
    assert next(h for h in seen if h.zone == 0).centred == pytest.approx(1.0, abs=0.02)
    seen = find(road((CAR, (40, 90), (100, 150))), factor='vehicles')
    assert next(h for h in seen if h.zone == 0).centred == pytest.approx(0.5, abs=0.05)


def test_who_is_the_class_of_most_pixels():
    seen = find(road((BICYCLIST, (70, 85), (95, 105)), (PERSON, (85, 90), (95, 105))))
    assert seen[0].who == 'bicyclist'
    mostly_unknown = find(road((UNLABELED, (70, 85), (95, 105)), (PERSON, (85, 90), (95, 105))))
    assert mostly_unknown[0].who == 'something unknown'


@pytest.mark.parametrize('factor', ['vulnerable_road_users', 'vehicles', 'obstacles'])
def test_what_is_unknown_may_be_anything(factor):
    seen = find(road((UNLABELED, (60, 90), (90, 110))), factor=factor)
    assert seen[0].who == 'something unknown'
    known = {'vulnerable_road_users': PERSON, 'vehicles': CAR, 'obstacles': WALL}[factor]
    assert seen[0].risk == find(road((known, (60, 90), (90, 110))), factor=factor)[0].risk


def test_width_is_that_above_the_foot():
    """In the 21 rows above row 89, as many as a quarter of the corridor's width."""
    seen = find(road((CAR, (60, 90), (85, 115))), factor='vehicles')
    assert seen[0].width_px == pytest.approx(30.0, rel=0.05)


def test_a_hazard_says_what_it_is_and_where_it_is_seen():
    """Its box reaches above the corridor, whose first row is 50, and no farther than a gap."""
    person = road((PERSON, (20, 25), (97, 103)), (PERSON, (30, 80), (97, 103)))
    seen = find(person)[0]
    assert (seen.class_id, seen.role, seen.who) == (PERSON, 'vulnerable', 'pedestrian')
    assert seen.box == Box(97, 30, 6, 50)
    assert seen.confidence == pytest.approx(0.8)
    unknown = find(road((UNLABELED, (60, 90), (90, 110))))[0]
    assert (unknown.class_id, unknown.role, unknown.box) == (255, 'other', Box(90, 60, 20, 30))


def test_own_vehicle_and_sky_are_no_hazards():
    bits = group_bits(VISTAS_66)
    names = VISTAS_66.names
    assert bits[names.index('Ego Vehicle')] & 7 == 0
    assert bits[names.index('Sky')] & 7 == 0
    assert bits[names.index('Unlabeled')] & 7 == bits[255] & 7 == 7
    assert [bits[names.index(name)] & 7 for name in ('Person', 'Car', 'Wall')] == [1, 2, 4]


CAMERA = CameraGeometry(
    Calibration.pinhole(np.array([[160.0, 0, 99.5], [0, 160.0, 49.5], [0, 0, 1]]), SIZE),
    Extrinsics(height_m=1.5),
)


def test_distance_with_a_camera():
    """Level camera 1.5 m up, focal length 160 px: row 49.5 + 24 is 10 m ahead."""
    seen = find(road((PERSON, (55, 74), (97, 103))), CAMERA, corridor=Corridor())
    assert seen[0].distance_m == pytest.approx(10.0, rel=0.06)
    assert seen[0].proximity == pytest.approx(0.45, rel=0.06)
    # 0.009 rad of pitch and a pixel of 1 / 160 rad, where a radian is 10^2 / 1.5 + 1.5 m.
    assert seen[0].distance_std_m == pytest.approx(0.63, rel=0.1)
    assert seen[0].distance_source is DistanceSource.FLAT_GROUND
    assert seen[0].position_m == pytest.approx((10.0, 0.0), abs=0.6)
    assert seen[0].bearing_rad == pytest.approx(0.0, abs=0.01)
    assert words(seen[0]) == f'pedestrian {seen[0].distance_m:.1f} m ahead in the ego corridor'


def test_the_corridor_bends_with_the_path():
    """6 m ahead on a circle of 10 m to the left the path is 1.9 m to the left."""
    labels = road((PERSON, (60, 89), (45, 52)))
    zones = {
        curvature: zones_of(CAMERA, ZoneParams(Corridor(), 4.5, curvature))
        for curvature in (0.0, 0.1)
    }
    found = {}
    for curvature, each in zones.items():
        seen = find_hazards('vulnerable_road_users', EVEN, view_of(labels, each, CAMERA))
        found[curvature] = max(seen, key=lambda hazard: hazard.risk).zone
    assert found == {0.0: -1, 0.1: 0}


@pytest.mark.parametrize(
    ('zone', 'proximity', 'distance_m', 'said'),
    [
        (0, 0.9, 6.23, 'car 6.2 m ahead in the ego corridor'),
        (-1, 0.9, nan, 'car near left of the ego corridor'),
        (1, 0.3, nan, 'car ahead right of the ego corridor'),
        (2, 0.2, nan, 'car far ahead far right of the ego corridor'),
    ],
)
def test_words(zone, proximity, distance_m, said):
    assert words(Hazard('vehicles', zone, 0.5, proximity, distance_m, 'car')) == said


def test_ranges():
    with pytest.raises(ParameterError, match=r'risk hazard adjacent: got 1\.2, expected 0 to 1'):
        HazardRule(adjacent=1.2)
