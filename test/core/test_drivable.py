# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_perception.core.classes import (
    CAMVID_11,
    CITYSCAPES_19,
    VISTAS_66,
    ClassTable,
    Role,
    SegClass,
)
from seg_perception.core.corridor import Corridor
from seg_perception.core.drivable import DrivableParams, find_drivable, scale_area
from seg_perception.core.errors import ParameterError

ROAD, WALK, CAR, EGO, MARK = 0, 1, 2, 3, 4
TABLE = ClassTable(
    'small',
    (
        SegClass(ROAD, 'road', (0, 0, 0), Role.DRIVABLE),
        SegClass(WALK, 'walk', (0, 0, 0), Role.WALKABLE),
        SegClass(CAR, 'car', (0, 0, 0), Role.VEHICLE),
        SegClass(EGO, 'ego', (0, 0, 0), Role.EGO),
        SegClass(MARK, 'mark', (0, 0, 0), Role.MARKING),
    ),
)
VALUES = {'.': ROAD, 'w': WALK, 'c': CAR, 'e': EGO, 'm': MARK, '?': 255}
PARAMS = DrivableParams(Corridor(0.5, 0.5, 0.25), ego_zone_share=0.2, columns=8)


def scene(*rows: str) -> np.ndarray:
    return np.array([[VALUES[letter] for letter in row] for row in rows], np.uint8)


def find(labels, params=PARAMS, table=TABLE, confidence=None):
    if confidence is None:
        confidence = np.full(labels.shape, 204, np.uint8)
    return find_drivable(labels, confidence, table, params)


def drawn(mask):
    return [''.join('#' if value else '-' for value in row) for row in mask]


def test_only_what_is_connected_to_the_ego_zone():
    area = find(
        scene(
            'wwwwwwww',
            '..wwwwww',
            '..w..m.w',
            'www.c..w',
            'w.w....w',
            'w.w....w',
        )
    )
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
    assert area.boundary_columns.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert area.boundary_rows.tolist() == [6, 6, 6, 2, 4, 2, 2, 6]
    assert isnan(area.free_distance_m) and area.ground_polygon_m.shape == (0, 2)


def test_diagonal_pixels_do_not_connect():
    area = find(scene('...wwwww', '...wwwww', 'wwww....', 'wwww....'))
    assert drawn(area.mask)[:2] == ['--------', '--------']


def test_both_sides_of_a_blocked_middle_are_reached():
    area = find(scene('www..www', 'ww.cc.ww', 'ww.cc.ww', 'ww.cc.ww', 'ww.cc.ww'))
    assert drawn(area.mask)[1:] == ['--#--#--'] * 4
    assert area.boundary_rows.tolist() == [5, 5, 1, 5, 5, 1, 5, 5]


def test_blocked_ego_zone_has_no_area():
    area = find(scene('........', '........', '........', '........', 'cccccccc'))
    assert not area.mask.any()
    assert (area.image_share, area.corridor_share, area.confidence) == (0.0, 0.0, 0.0)
    assert area.boundary_rows.tolist() == [5] * 8


def test_road_to_the_top_row_has_boundary_zero():
    assert find(scene('........', '........')).boundary_rows.tolist() == [0] * 8


def test_corridor_share_by_hand():
    # Corridor 4 wide at the bottom of 8 columns: rows 2 and 3 hold 2 and 4 pixels of it.
    area = find(scene('wwwwwwww', 'wwwwwwww', 'ccccc...', '........'))
    assert area.corridor_share == pytest.approx(4 / 6)


def test_bonnet_rows_are_ignored():
    params = DrivableParams(Corridor(0.2, 0.5, 0.25, ego_mask_share=0.4), 0.2, 8)
    area = find(scene('wwwwwwww', 'www..www', 'w......w', 'cccccccc', '?????...'), params)
    assert drawn(area.mask) == ['--------', '---##---', '-######-', '--------', '--------']
    assert area.boundary_rows.tolist() == [5, 2, 2, 1, 1, 2, 2, 5]
    assert area.corridor_share == pytest.approx(1.0)


def test_own_vehicle_is_passed_through_but_no_road():
    area = find(scene('wwwwwwww', 'ww....ww', 'w.eeee.w', 'eeeeeeee', 'eeeeeeee'))
    assert drawn(area.mask) == ['--------', '--####--', '-#----#-', '--------', '--------']
    assert area.boundary_rows.tolist() == [5, 2, 1, 1, 1, 1, 2, 5]


def test_confidence_is_the_mean_over_the_mask_alone():
    labels = scene('wwwwwwww', '........')
    confidence = np.array([[255] * 8, [0, 51, 0, 51, 0, 51, 0, 51]], np.uint8)
    assert find(labels, confidence=confidence).confidence == pytest.approx(0.1)


def test_columns_spread_evenly_and_never_exceed_the_width():
    labels = np.zeros((4, 20), np.uint8)
    four = find(labels, DrivableParams(columns=4))
    assert four.boundary_columns.tolist() == [2, 7, 12, 17]
    assert four.boundary_columns.dtype == four.boundary_rows.dtype == np.int32
    assert find(labels, DrivableParams(columns=99)).boundary_columns.tolist() == list(range(20))


@pytest.mark.parametrize('size', [(1, 1), (1, 9), (9, 1), (2, 2), (3, 5)])
@pytest.mark.parametrize('value', [0, 3, 255])
@pytest.mark.parametrize('table', [CAMVID_11, CITYSCAPES_19, VISTAS_66])
def test_degenerate_images(size, value, table):
    labels = np.full(size, value, np.uint8)
    area = find(labels, DrivableParams(), table)
    drivable = table.role_mask(Role.DRIVABLE, Role.MARKING)[value] > 0
    assert (area.mask > 0).all() == drivable
    assert area.corridor_share == area.image_share == (1.0 if drivable else 0.0)
    assert set(area.boundary_rows.tolist()) == ({0} if drivable else {size[0]})


def test_table_without_road_gives_an_empty_area():
    table = ClassTable('none', (SegClass(0, 'wall', (0, 0, 0), Role.OBSTACLE),))
    area = find(np.zeros((8, 8), np.uint8), table=table)
    assert not area.mask.any() and area.boundary_rows.tolist() == [8] * 8


def test_views_and_read_only_arrays_work():
    labels = np.zeros((12, 16), np.uint8)[::2, ::2]
    labels.setflags(write=False)
    assert find(labels).image_share == 1.0


def _labels(values: str):
    return st.lists(st.text(values, min_size=12, max_size=12), min_size=9, max_size=9).map(
        lambda rows: scene(*rows)
    )


def _reference_mask(labels: np.ndarray, zone_rows: int, left: int, right: int) -> np.ndarray:
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


@given(_labels('....wcm?'))
def test_mask_equals_slow_growing(labels):
    params = DrivableParams(Corridor(0.5, 0.5, 0.1), ego_zone_share=0.22, columns=12)
    area = find(labels, params)
    np.testing.assert_array_equal(area.mask > 0, _reference_mask(labels, 2, 3, 9))


@given(_labels('...wc'))
def test_boundary_equals_a_walk_up_each_column(labels):
    area = find(labels, DrivableParams(columns=12))
    for column, row in zip(area.boundary_columns, area.boundary_rows, strict=True):
        top = 9
        while top > 0 and area.mask[top - 1, column]:
            top -= 1
        assert row == top


@given(_labels('....wc?'), st.integers(0, 8), st.integers(0, 11))
def test_less_road_never_frees_more(labels, row, column):
    fewer = labels.copy()
    fewer[row, column] = CAR
    before, after = find(labels), find(fewer)
    assert not (after.mask & ~before.mask).any()
    assert after.corridor_share <= before.corridor_share
    assert (after.boundary_rows >= before.boundary_rows).all()


@given(_labels('....wc?'))
def test_mirrored_scene_has_the_mirrored_area(labels):
    params = DrivableParams(columns=12)
    area, mirrored = find(labels, params), find(labels[:, ::-1], params)
    np.testing.assert_array_equal(mirrored.mask, area.mask[:, ::-1])
    assert mirrored.corridor_share == area.corridor_share
    assert mirrored.boundary_rows.tolist() == area.boundary_rows.tolist()[::-1]


def test_scaled_to_another_size():
    area = find(scene('wwwwwwww', 'www.....', 'www.....', '........'))
    large = scale_area(area, (8, 24))
    assert large.mask.shape == (8, 24)
    assert large.boundary_columns.tolist() == [1, 4, 7, 10, 13, 16, 19, 22]
    assert large.boundary_rows.tolist() == [6, 6, 6, 2, 2, 2, 2, 2]
    assert large.mask[2:, 9:].all() and not large.mask[:2].any()
    assert (large.image_share, large.corridor_share) == (area.image_share, area.corridor_share)
    assert large.boundary_rows.dtype == large.boundary_columns.dtype == np.int32


def test_scaling_keeps_blocked_columns_blocked_and_open_ones_open():
    area = find(scene('...ccccc', '...ccccc', '...ccccc'))
    for size in ((1080, 1920), (2, 3), (1, 1)):
        scaled = scale_area(area, size)
        assert scaled.boundary_rows.tolist() == [
            0 if row == 0 else size[0] for row in (area.boundary_rows)
        ]
        assert (scaled.boundary_columns < size[1]).all()


def test_ranges():
    with pytest.raises(ParameterError, match='ego_zone_share: got 0, expected above 0, to 1'):
        DrivableParams(ego_zone_share=0)
    with pytest.raises(ParameterError, match='drivable columns: got 0, expected 1 to 4096'):
        DrivableParams(columns=0)
