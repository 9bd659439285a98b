# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from functools import lru_cache
from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import (
    BDD100K_DRIVABLE_3,
    CAMVID_11,
    CITYSCAPES_19,
    COCO_80,
    VISTAS_66,
    ClassTable,
    Role,
    SegClass,
)
from seg_perception.core.corridor import Corridor
from seg_perception.core.drivable import DrivableParams, find_drivable, scale_area, under_vehicles
from seg_perception.core.errors import ParameterError
from seg_perception.core.results import DrivableArea
from trapezoid import trapezoid

ROAD, WALK, CAR, EGO, MARK, POLE, MAN = range(7)
TABLE = ClassTable(
    'small',
    (
        SegClass(ROAD, 'road', (0, 0, 0), Role.DRIVABLE),
        SegClass(WALK, 'walk', (0, 0, 0), Role.WALKABLE),
        SegClass(CAR, 'car', (0, 0, 0), Role.VEHICLE),
        SegClass(EGO, 'ego', (0, 0, 0), Role.EGO),
        SegClass(MARK, 'mark', (0, 0, 0), Role.MARKING),
        SegClass(POLE, 'pole', (0, 0, 0), Role.OBSTACLE),
        SegClass(MAN, 'man', (0, 0, 0), Role.VULNERABLE),
    ),
)
VALUES = {'.': ROAD, 'w': WALK, 'c': CAR, 'e': EGO, 'm': MARK, '?': 255, 'p': POLE, 'v': MAN}
# Poles are not seen through here, so that one letter is one thing.
PARAMS = DrivableParams(ego_zone_share=0.2, columns=8, pole_share=0.0)
LETTER_PX = 4  # wider than the gaps that are closed
SIZE = (360, 640)
K = np.array([[500.0, 0, 319.5], [0, 500.0, 179.5], [0, 0, 1]])


def scene(*rows: str) -> np.ndarray:
    """Labels of letters, each of so many pixels."""
    letters = np.array([[VALUES[letter] for letter in row] for row in rows], np.uint8)
    return letters.repeat(LETTER_PX, axis=0).repeat(LETTER_PX, axis=1)


def find(labels, params=PARAMS, table=TABLE, confidence=None, shape=(0.5, 0.5, 0.25), **metric):
    """The area; without a camera the corridor is a trapezoid of a shape, if one is given."""
    if confidence is None:
        confidence = np.full(labels.shape, 204, np.uint8)
    if metric.get('geometry'):
        metric['geometry'] = fitted(metric['geometry'], labels)
    elif shape is not None:
        more = {'ego_mask_share': params.corridor.ego_mask_share}
        corridor, metric['geometry'] = trapezoid(labels.shape, *shape, **more)
        params = replace(params, corridor=corridor)
    return find_drivable(labels, confidence, table, params, **metric)


def fitted(geometry: CameraGeometry, labels) -> CameraGeometry:
    """The same camera for labels of any size."""
    if geometry.size == labels.shape:
        return geometry
    return CameraGeometry.of(geometry.image_camera, labels.shape)


def drawn(mask):
    """A mask in letters again; letters that are not of one value are refused."""
    height, width = mask.shape[0] // LETTER_PX, mask.shape[1] // LETTER_PX
    letters = mask.reshape(height, LETTER_PX, width, LETTER_PX).transpose(0, 2, 1, 3)
    assert (letters == letters[:, :, :1, :1]).all()
    return [''.join('#' if value else '-' for value in row) for row in letters[:, :, 0, 0]]


def letters(area):
    """Boundary rows in letters."""
    return (area.boundary_rows / LETTER_PX).tolist()


@lru_cache
def camera(**extrinsics):
    return CameraGeometry(
        Calibration.pinhole(K, SIZE), Extrinsics(**{'height_m': 1.5} | extrinsics)
    )


def road_to(row, *, left=0, right=640):
    """Labels of a flat road below a row and pavement above it."""
    labels = np.full(SIZE, WALK, np.uint8)
    labels[row:, left:right] = ROAD
    return labels


def test_only_what_is_connected_to_the_ego_zone():
    area = find(scene('wwwwwwww', '..wwwwww', '..w..m.w', 'www.c..w', 'w.w....w', 'w.w....w'))
    assert drawn(area.mask) == [
        '--------',
        '--------',
        '---####-',
        '---#-##-',
        '---####-',
        '---####-',
    ]
    assert area.mask.dtype == np.uint8 and set(np.unique(area.mask)) == {0, 255}
    assert area.image_share == pytest.approx(15 / 48)
    assert area.confidence == pytest.approx(0.8)
    # Column 4 is reached to below the car only; 1 is road, but cut off.
    assert area.boundary_columns.tolist() == [2, 6, 10, 14, 18, 22, 26, 30]
    assert letters(area) == [6, 6, 6, 2, 4, 2, 2, 6]
    # The class that ends the road; column 1 sees the road's next neighbour up.
    assert area.boundary_class_ids.tolist() == [WALK, WALK, WALK, WALK, CAR, WALK, WALK, WALK]
    assert area.mask_alternative is None
    assert isnan(area.free_distance_m) and area.ground_polygon_m.shape == (0, 2)
    assert isnan(area.free_distance_std_m) and isnan(area.free_left_m + area.free_right_m)


def test_diagonal_pixels_do_not_connect():
    area = find(scene('...wwwww', '...wwwww', 'wwww....', 'wwww....'))
    assert drawn(area.mask)[:2] == ['--------', '--------']


def test_both_sides_of_a_blocked_middle_are_reached():
    area = find(scene('www..www', 'ww.cc.ww', 'ww.cc.ww', 'ww.cc.ww', 'ww.cc.ww'))
    assert drawn(area.mask)[1:] == ['--#--#--'] * 4
    assert letters(area) == [5, 5, 1, 5, 5, 1, 5, 5]


def test_blocked_ego_zone_has_no_area():
    area = find(scene('........', '........', '........', '........', 'cccccccc'))
    assert not area.mask.any()
    assert (area.image_share, area.corridor_share, area.confidence) == (0.0, 0.0, 0.0)
    assert letters(area) == [5] * 8 and set(area.boundary_class_ids.tolist()) == {CAR}


def test_road_to_the_top_row_has_boundary_zero():
    area = find(scene('........', '........'))
    assert area.boundary_rows.tolist() == [0] * 8
    assert area.boundary_class_ids.tolist() == [255] * 8


def test_corridor_share_by_hand():
    labels = scene('wwwwwwww', 'wwwwwwww', 'ccccc...', '........')
    # Rows 8 to 15 of the corridor are 8 10 10 12 | 12 14 14 16 px wide around 15.5. The car in the
    # upper four ends at column 20, 4.5 px aside: 0 1 1 2 of theirs are free.
    assert find(labels).corridor_share == pytest.approx((0 + 1 + 1 + 2 + 56) / 96)


def test_bonnet_rows_are_ignored():
    params = replace(PARAMS, corridor=Corridor(ego_mask_share=0.4))
    labels = scene('wwwwwwww', 'www..www', 'w......w', 'cccccccc', '?????...')
    area = find(labels, params, shape=(0.2, 0.5, 0.25))
    assert drawn(area.mask) == ['--------', '---##---', '-######-', '--------', '--------']
    # Without road above it, a column ends where the own vehicle does.
    assert letters(area) == [3, 2, 2, 1, 1, 2, 2, 3]
    # The trapezoid begins in the lower letter row 1, wider there than the road of two letters.
    assert 0.9 < area.corridor_share < 1.0


def test_own_vehicle_is_passed_through_but_no_road():
    area = find(scene('wwwwwwww', 'ww....ww', 'w.eeee.w', 'eeeeeeee', 'eeeeeeee'))
    assert drawn(area.mask) == ['--------', '--####--', '-#----#-', '--------', '--------']
    assert letters(area) == [3, 2, 1, 1, 1, 1, 2, 3]


def test_confidence_is_the_mean_over_the_mask_alone():
    labels = scene('wwwwwwww', '........')
    confidence = np.full(labels.shape, 255, np.uint8)
    confidence[4:] = np.tile([0, 51], 16)
    params = replace(PARAMS, min_confidence=0.0)
    assert find(labels, params, confidence=confidence).confidence == pytest.approx(0.1)


def test_unsure_road_is_no_road():
    labels = scene('wwwwwwww', '........', '........', '........')
    confidence = np.full(labels.shape, 77, np.uint8)  # 0.302
    confidence[8:12, :16] = 75  # 0.294
    area = find(labels, confidence=confidence)
    assert drawn(area.mask) == ['--------', '########', '----####', '########']
    # What ends the road is found behind the road that is not sure.
    assert letters(area) == [3, 3, 3, 3, 1, 1, 1, 1]
    assert set(area.boundary_class_ids.tolist()) == {WALK}


def test_gaps_of_two_pixels_are_closed_and_of_three_are_not():
    labels = scene('........', '........', '........', '........')
    labels[6:8], labels[2, 5] = WALK, 255  # a wire and a speck
    assert find(labels).mask.all()
    labels[8] = WALK
    assert not find(labels).mask[:9].any()


def test_people_and_vehicles_of_two_pixels_stay():
    labels = scene('........', '........', '........', '........')
    labels[5, 5], labels[5, 9] = MAN, CAR  # noise
    assert find(labels).mask.all()
    labels[6, 5] = MAN
    mask = find(labels).mask
    assert not mask[5:7, 5].any() and mask.sum() == 255 * (mask.size - 2)


def test_a_narrow_pole_cuts_no_road_off_and_stays_an_obstacle():
    labels = np.full((40, 100), ROAD, np.uint8)
    labels[:, 70:75] = POLE
    seen = find(labels, replace(PARAMS, pole_share=0.05)).mask > 0
    assert seen[:, :70].all() and seen[:, 75:].all() and not seen[:, 70:75].any()
    cut = find(labels, replace(PARAMS, pole_share=0.04)).mask > 0
    assert cut[:, :70].all() and not cut[:, 70:].any()
    labels[:, 70:75] = MAN
    assert not find(labels, replace(PARAMS, pole_share=0.05)).mask[:, 70:].any()


def test_one_column_draws_no_spike():
    labels = scene('wwwwwwww', '........', '........', '........')
    labels[6:, 10] = CAR  # on a sampled column
    area = find(labels)
    assert letters(area) == [1] * 8 and not area.mask[6:, 10].any()
    labels[6:, 11] = CAR
    assert area.boundary_columns[2] == 10
    assert find(labels).boundary_rows.tolist() == [4, 4, 16, 4, 4, 4, 4, 4]


def test_what_is_between_the_wheels_is_not_free():
    # A lane of 30 px is 2.5 m: wheels up to 1.8 m apart, a body up to 0.5 m off the ground.
    vehicles = np.zeros((20, 60), np.uint8)
    vehicles[4:10, 10:30] = vehicles[10:14, 10:12] = vehicles[10:14, 28:30] = 255
    under = under_vehicles(vehicles, np.full(20, 30, np.float32)) > 0
    expected = np.zeros((20, 60), bool)
    expected[10:14, 12:28] = True
    np.testing.assert_array_equal(under, expected)
    # Too far apart for wheels, and too high for a body.
    assert not under_vehicles(vehicles, np.full(20, 22, np.float32)).any()
    vehicles[7:10, 12:28] = 0
    assert not under_vehicles(vehicles, np.full(20, 30, np.float32))[13].any()


def _slow_under(vehicles, widths, share):
    """Pixel by pixel."""
    under = np.zeros(vehicles.shape, bool)
    for row, column in np.argwhere(vehicles == 0):
        above = np.flatnonzero(vehicles[:row, column])
        if not len(above):
            continue
        left = np.flatnonzero(vehicles[row, :column])
        right = np.flatnonzero(vehicles[row, column:])
        drop = row - above[-1]
        if len(left) and len(right):
            gap = right[0] + column - left[-1] - 1
            under[row, column] = gap <= 0.72 * widths[row] and drop <= round(
                float(0.2 * widths[row])
            )
        under[row, column] |= drop <= round(float(share * widths[row]))
    return under


@given(
    st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 12), st.floats(0.1, 0.9),
    st.sampled_from([0.0, 0.1]),
)  # fmt: skip
def test_between_wheels_equals_a_walk_over_pixels(seed, height, width, share, clearance):
    rng = np.random.default_rng(seed)
    vehicles = np.where(rng.random((height, width)) < share, 255, 0).astype(np.uint8)
    widths = rng.uniform(1, 20, height).astype(np.float32)
    under = under_vehicles(vehicles, widths, clearance) > 0
    np.testing.assert_array_equal(under, _slow_under(vehicles, widths, clearance))


def test_alternative_lanes_of_bdd100k():
    labels = np.full((20, 40), 2, np.uint8)  # background
    labels[8:, :20], labels[8:, 20:] = 0, 1
    area = find(labels, table=BDD100K_DRIVABLE_3)
    assert area.mask[8:].all() and not area.mask[:8].any()
    assert area.mask_alternative[8:, 20:].all() and not area.mask_alternative[:, :20].any()
    scaled = scale_area(area, (40, 80))
    assert scaled.mask_alternative.shape == (40, 80) and scaled.mask_alternative[16:, 40:].all()


def test_columns_spread_evenly_and_never_exceed_the_width():
    labels = np.zeros((4, 20), np.uint8)
    four = find(labels, DrivableParams(columns=4))
    assert four.boundary_columns.tolist() == [2, 7, 12, 17]
    assert four.boundary_columns.dtype == four.boundary_rows.dtype == np.int32
    assert find(labels, DrivableParams(columns=99)).boundary_columns.tolist() == list(range(20))


@pytest.mark.parametrize('size', [(1, 1), (1, 9), (9, 1), (2, 2), (3, 5)])
@pytest.mark.parametrize('value', [0, 3, 255])
@pytest.mark.parametrize('table', [CAMVID_11, CITYSCAPES_19, VISTAS_66])
@pytest.mark.parametrize('calibrated', [False, True])
def test_degenerate_images(size, value, table, calibrated):
    labels = np.full(size, value, np.uint8)
    area = find(
        labels, DrivableParams(), table, geometry=camera() if calibrated else None, shape=None
    )
    drivable = table.role_mask(Role.DRIVABLE, Role.MARKING)[value] > 0
    assert (area.mask[-1] > 0).all() == drivable
    if not calibrated:  # a camera knows what is above the horizon
        assert (area.mask > 0).all() == drivable
        assert area.corridor_share == area.image_share == (1.0 if drivable else 0.0)
        assert set(area.boundary_rows.tolist()) == ({0} if drivable else {size[0]})
    assert isnan(area.free_distance_m), 'so few pixels tell no distance'
    assert len(area.ground_polygon_m) == 0


@pytest.mark.parametrize(
    'table',
    [
        COCO_80,
        ClassTable('none', TABLE.classes[:0] + (SegClass(0, 'wall', (0, 0, 0), Role.OBSTACLE),)),
    ],
)
def test_table_without_road_gives_an_empty_area(table):
    area = find(np.zeros(SIZE, np.uint8), DrivableParams(), table=table, geometry=camera())
    assert not area.mask.any() and set(area.boundary_rows.tolist()) == {360}
    assert isnan(area.free_distance_m) and isnan(area.free_left_m)
    assert len(area.ground_polygon_m) == 0


def test_unlabeled_image_tells_no_distance():
    area = find(np.full(SIZE, 255, np.uint8), DrivableParams(), CAMVID_11, geometry=camera())
    assert not area.mask.any() and area.image_share == area.corridor_share == 0.0
    assert isnan(area.free_distance_m) and isnan(area.free_distance_std_m)
    assert all(isnan(value) for value in area.free_distance_band_m)
    assert set(area.boundary_class_ids.tolist()) == {255}


def test_views_and_read_only_arrays_work():
    labels = np.zeros((12, 16), np.uint8)[::2, ::2]
    labels.setflags(write=False)
    assert find(labels).image_share == 1.0


# Metres. A row v below the horizon of a level camera 1.5 m up sees 750 / v metres at 500 px.


def test_free_distance_by_hand():
    area = find(road_to(230), DrivableParams(), geometry=camera())
    # Row 230 is road; its upper edge, 229.5, is 50 px below the horizon.
    assert area.free_distance_m == pytest.approx(15.0)
    assert area.free_left_m == area.free_right_m == pytest.approx(15.0)
    # (15^2 / 1.5 + 1.5) m a radian, of 0.009 and a pixel of 0.002 / sqrt(12).
    assert area.free_distance_std_m == pytest.approx(151.5 * np.hypot(0.009, 0.000577), rel=1e-3)
    # 1.5 / tan(0.09967 + 0.01864) and 1.5 / tan(0.09967 - 0.01864): 1.96 * 0.009 and half a pixel.
    assert area.free_distance_band_m == pytest.approx((12.619, 18.471), abs=0.001)


def test_free_distance_counts_from_the_origin_of_the_vehicle():
    area = find(road_to(230), DrivableParams(), geometry=camera(forward_m=2.0))
    assert area.free_distance_m == pytest.approx(17.0)
    assert area.free_distance_band_m == pytest.approx((14.619, 20.471), abs=0.001)


def test_vehicles_are_nearer_than_they_seem():
    labels = road_to(200)
    labels[190:230, 312:328] = CAR
    area = find(labels, DrivableParams(), geometry=camera())
    assert area.free_distance_m == pytest.approx(15.0 * (1 - 0.06 / 1.5))
    # Beside the car the road goes on: row 199.5 is 20 below the horizon.
    assert area.free_left_m == area.free_right_m == pytest.approx(37.5)
    # The band reaches from twice as much clearance to none.
    assert area.free_distance_band_m == pytest.approx((11.756, 18.471), abs=0.001)
    moved = find(labels, DrivableParams(), geometry=camera(forward_m=2.0))
    assert moved.free_distance_m == pytest.approx(2.0 + 15.0 * (1 - 0.06 / 1.5))
    labels[190:230, 312:328] = POLE
    assert find(labels, DrivableParams(), geometry=camera()).free_distance_m == pytest.approx(15.0)


def test_a_free_road_is_free_as_far_as_it_is_seen():
    area = find(road_to(170), DrivableParams(), geometry=camera())
    assert area.free_distance_m == pytest.approx(57.7, abs=0.1)  # row 192.5: 750 / 13
    assert area.free_distance_band_m[1] == inf


def test_an_obstacle_at_the_lower_edge_leaves_nothing_free():
    labels = road_to(200)
    labels[340:, 250:390] = CAR
    area = find(labels, DrivableParams(), geometry=camera())
    assert area.free_distance_m == 0.0
    # It begins somewhere before the lower edge of the image, 180 px below the horizon.
    assert area.free_distance_band_m == pytest.approx((0.0, 750 / 180))
    assert area.free_distance_std_m == pytest.approx(750 / 180 / 12**0.5)


def test_narrow_things_end_the_road_from_blocking_m_on():
    labels = road_to(200)
    labels[190:230, 318:321] = POLE  # 9 cm at 15 m
    wide = DrivableParams(replace(Corridor(), blocking_m=0.3))
    assert find(labels, wide, geometry=camera()).free_distance_m == pytest.approx(37.5)
    assert find(labels, DrivableParams(), geometry=camera()).free_distance_m == pytest.approx(15.0)


def test_free_distance_along_a_curve():
    # A wall ahead on the right, from 12.5 m on; the path of 1 / 25 m to the left passes it.
    labels = road_to(200)
    labels[190:240, 320:] = POLE
    straight = find(labels, DrivableParams(), geometry=camera())
    left = find(labels, DrivableParams(), geometry=camera(), curvature_per_m=0.04)
    right = find(labels, DrivableParams(), geometry=camera(), curvature_per_m=-0.04)
    assert straight.free_distance_m == pytest.approx(12.5, abs=0.05)
    assert left.free_distance_m > 20 > 13.5 > right.free_distance_m
    assert right.free_distance_m < straight.free_distance_m * 1.06


def test_a_path_that_leaves_the_image_is_free_as_far_as_it_is_seen():
    labels = np.full(SIZE, ROAD, np.uint8)
    area = find(labels, DrivableParams(), geometry=camera(), curvature_per_m=0.05)
    # The image ends at a slope of 320 / 500: tan(0.05 s / 2) after s = 22.77 m. The last whole row
    # of the path ends a little sooner.
    assert 21.8 < area.free_distance_m < 22.77
    assert area.free_distance_band_m[1] == inf


def test_ground_polygon_by_hand():
    area = find(road_to(230, left=220, right=420), DrivableParams(), geometry=camera())
    corners = area.ground_polygon_m
    # Columns 220 and 419 at the bottom (v = 179.5) and at row 230 (v = 50.5), metres.
    expected = [[4.178, -0.831], [14.851, -2.955], [14.851, 2.955], [4.178, 0.831]]
    assert corners.dtype == np.float32 and len(corners) == 4
    first = int(np.abs(corners - expected[0]).sum(axis=1).argmin())
    np.testing.assert_allclose(np.roll(corners, -first, axis=0), expected, atol=0.01)


def test_ground_polygon_keeps_its_tolerance():
    labels = road_to(230)
    labels[230:360, 100:] = WALK
    labels[np.arange(360)[:, None] - 230 > (np.arange(640) - 320) ** 2 / 500] = ROAD
    fine = find(labels, DrivableParams(polygon_tolerance_m=0.02), geometry=camera())
    rough = find(labels, DrivableParams(polygon_tolerance_m=1.0), geometry=camera())
    assert 4 <= len(rough.ground_polygon_m) < len(fine.ground_polygon_m)
    for corner in fine.ground_polygon_m:
        ends = np.roll(rough.ground_polygon_m, -1, axis=0) - rough.ground_polygon_m
        starts = corner - rough.ground_polygon_m
        share = (starts * ends).sum(axis=1) / np.maximum((ends**2).sum(axis=1), 1e-9)
        gaps = np.linalg.norm(starts - share.clip(0, 1)[:, None] * ends, axis=1)
        assert gaps.min() <= 1.05


def test_labels_of_half_the_size_give_the_same_metres():
    whole = find(road_to(230), DrivableParams(), geometry=camera())
    half = find(road_to(230)[::2, ::2], DrivableParams(), geometry=camera())
    assert half.free_distance_m == pytest.approx(whole.free_distance_m, rel=0.01)
    assert half.free_left_m == pytest.approx(whole.free_left_m, rel=0.01)


def test_what_hangs_above_the_horizon_is_no_road():
    labels = np.full(SIZE, ROAD, np.uint8)  # a tunnel, taken for road all round
    assert find(labels, DrivableParams()).mask.all()
    mask = find(labels, DrivableParams(), geometry=camera()).mask
    # A hill of a tenth is 0.1 * 500 px above row 179.5.
    assert not mask[:130].any() and mask[130:].all()


# Properties.

METRIC = ('free_distance_m', 'free_left_m', 'free_right_m')
SMALL = (45, 80)


def _blobs(seed, values, count):
    """A road with rectangles of classes on it, at a small size."""
    rng = np.random.default_rng(seed)
    labels = np.full(SMALL, WALK, np.uint8)
    labels[22:] = ROAD
    for _ in range(count):
        top, left = rng.integers(18, 45), rng.integers(0, 80)
        height, width = rng.integers(1, 14, 2)
        labels[top : top + height, left : left + width] = rng.choice(values)
    return labels


def _all(area: DrivableArea):
    return [getattr(area, name) for name in METRIC]


SCENES = st.builds(
    _blobs, st.integers(0, 2**32), st.just([ROAD, WALK, CAR, MARK, POLE, MAN, EGO, 255]),
    st.integers(0, 8),
)  # fmt: skip
FINE = DrivableParams(Corridor(reach_m=40.0), columns=80, pole_share=0.03)


@settings(max_examples=150)
@given(
    SCENES, st.sampled_from([WALK, CAR, POLE, MAN, 255]), st.integers(20, 44), st.integers(0, 79),
    st.integers(1, 6), st.floats(-0.05, 0.05),
)  # fmt: skip
def test_less_road_never_frees_more(labels, other, row, column, size, curvature):
    fewer = labels.copy()
    patch = fewer[row : row + size, column : column + size]
    patch[(patch == ROAD) | (patch == MARK)] = other
    path = {'geometry': camera(), 'curvature_per_m': curvature}
    before, after = find(labels, FINE, **path), find(fewer, FINE, **path)
    assert not (after.mask & ~before.mask).any()
    assert after.corridor_share <= before.corridor_share
    assert (after.boundary_rows >= before.boundary_rows).all()
    for name in METRIC:
        assert not getattr(after, name) > getattr(before, name), name


@given(SCENES, st.floats(-0.05, 0.05))
def test_mirrored_scene_has_the_mirrored_area(labels, curvature):
    area = find(labels, FINE, geometry=camera(), curvature_per_m=curvature)
    mirrored = find(labels[:, ::-1], FINE, geometry=camera(), curvature_per_m=-curvature)
    np.testing.assert_array_equal(mirrored.mask, area.mask[:, ::-1])
    assert mirrored.corridor_share == area.corridor_share
    assert mirrored.boundary_rows.tolist() == area.boundary_rows.tolist()[::-1]
    assert mirrored.boundary_class_ids.tolist() == area.boundary_class_ids.tolist()[::-1]
    expected = area.free_distance_m, area.free_right_m, area.free_left_m
    assert _all(mirrored) == pytest.approx(expected, nan_ok=True)


@settings(max_examples=200)
@given(
    st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 40), st.floats(-0.4, 0.8),
    st.floats(-0.5, 0.5), st.floats(-3.1, 3.1), st.floats(-1, 1),
)  # fmt: skip
@example(0, 10, 6, 0.78125, 0.125, -0.8125, 0.125)  # no row shows the middle of the path
@example(0, 10, 5, 0.78125, 0.125, -0.8125, 0.125)
def test_no_input_makes_nan_elsewhere_or_an_exception(
    seed, height, width, pitch, roll, yaw, curvature
):
    rng = np.random.default_rng(seed)
    labels, confidence = rng.integers(0, 256, (2, height, width), np.uint8)
    labels[rng.random(labels.shape) < rng.random()] = ROAD
    extrinsics = Extrinsics(1.4, max(pitch, -0.2), roll, yaw)
    cam = CameraGeometry(Calibration.pinhole(K, SIZE), extrinsics)
    area = find(
        labels, DrivableParams(), TABLE, confidence, geometry=cam, curvature_per_m=curvature
    )
    for value in (area.image_share, area.corridor_share, area.confidence):
        assert 0.0 <= value <= 1.0
    assert ((area.boundary_rows >= 0) & (area.boundary_rows <= height)).all()
    assert all(value >= 0 or isnan(value) for value in _all(area))
    assert isnan(area.free_distance_m) == isnan(area.free_distance_std_m)
    assert np.isfinite(area.ground_polygon_m).all()
    low, high = area.free_distance_band_m
    assert isnan(area.free_distance_m) or low <= area.free_distance_m <= high


def _letters(values):
    rows = st.lists(st.text(values, min_size=12, max_size=12), min_size=9, max_size=9)
    return rows.map(lambda rows: scene(*rows))


def _reference_mask(labels, zone_rows, left, right):
    """Grow from the zone one step at a time until nothing changes."""
    road = (labels == ROAD) | (labels == MARK)
    reached = np.zeros_like(road)
    reached[-zone_rows:, left:right] = road[-zone_rows:, left:right]
    while True:
        padded = np.pad(reached, 1)
        grown = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
        grown = (grown | reached) & road
        if (grown == reached).all():
            return reached
        reached = grown


@settings(max_examples=50)
@given(_letters('....wvmp?'))
def test_mask_equals_slow_growing(labels):
    # The trapezoid is 24 px of 48 wide at the bottom; 0.22 of 36 rows are 8.
    params = DrivableParams(ego_zone_share=0.22, columns=12, pole_share=0.0)
    area = find(labels, params, shape=(0.5, 0.5, 0.1))
    np.testing.assert_array_equal(area.mask > 0, _reference_mask(labels, 8, 12, 36))


@settings(max_examples=50)
@given(_letters('...wp'))
def test_boundary_equals_a_walk_up_each_column(labels):
    area = find(labels, replace(PARAMS, columns=12))
    for column, row in zip(area.boundary_columns, area.boundary_rows, strict=True):
        top = 36
        while top > 0 and area.mask[top - 1, column]:
            top -= 1
        assert row == top


def test_scaled_to_another_size():
    area = find(scene('wwwwwwww', 'www.....', 'www.....', '........'))
    large = scale_area(area, (32, 96))
    assert large.mask.shape == (32, 96)
    assert large.boundary_columns.tolist() == [7, 19, 31, 43, 55, 67, 79, 91]
    assert large.boundary_rows.tolist() == [24, 24, 24, 8, 8, 8, 8, 8]
    assert large.mask[8:, 36:].all() and not large.mask[:8].any()
    assert (large.image_share, large.corridor_share) == (area.image_share, area.corridor_share)
    assert large.boundary_rows.dtype == large.boundary_columns.dtype == np.int32


def test_scaling_keeps_blocked_columns_blocked_and_open_ones_open():
    area = find(scene('...ccccc', '...ccccc', '...ccccc'))
    assert set(area.boundary_rows.tolist()) == {0, 12}
    for size in ((1080, 1920), (2, 3), (1, 1)):
        scaled = scale_area(area, size)
        assert scaled.boundary_rows.tolist() == [
            0 if row == 0 else size[0] for row in (area.boundary_rows)
        ]
        assert (scaled.boundary_columns < size[1]).all()


@pytest.mark.parametrize(
    ('field', 'value', 'expected'),
    [
        ('ego_zone_share', 0, '0.001 to 1'),
        ('columns', 0, '1 to 4096'),
        ('min_confidence', nan, '0 to 1'),
        ('pole_share', 0.5, '0 to 0.2'),
        ('patch_share', 1.5, '0 to 1'),
        ('polygon_tolerance_m', -1, '0 to 10'),
        ('clearance_m', 2, '0 to 0.5'),
    ],
)
def test_ranges(field, value, expected):
    with pytest.raises(
        ParameterError, match=f'drivable {field}: got {value}, expected {expected}'
    ):
        DrivableParams(**{field: value})
