# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from seg_perception.core.classes import (
    CAMVID_11,
    CITYSCAPES_19,
    STREET,
    UNLABELED,
    ClassTable,
    Role,
)
from seg_perception.core.errors import ClassTableError
from seg_perception.synthetic.surfaces import Surface, class_ids


def test_markings_are_road_and_riders_are_cyclists_in_camvid() -> None:
    ids = class_ids(CAMVID_11)
    names = {surface: CAMVID_11.names[ids[surface]] for surface in set(Surface) - {Surface.EGO}}
    assert names[Surface.MARKING] == 'road'
    assert names[Surface.RIDER] == names[Surface.BICYCLE] == 'bicyclist'
    assert names[Surface.TERRAIN] == 'tree'
    assert names[Surface.TRAFFIC_LIGHT] == 'sign_symbol'


def test_cityscapes_keeps_what_camvid_groups() -> None:
    ids = class_ids(CITYSCAPES_19)
    assert ids[Surface.RIDER] == 12
    assert ids[Surface.BICYCLE] == 18
    assert ids[Surface.WALL] == 3
    assert ids[Surface.BUS] == 15


def test_every_surface_has_the_same_role_in_both_tables() -> None:
    camvid, cityscapes = class_ids(CAMVID_11), class_ids(CITYSCAPES_19)
    for surface in set(Surface) - {Surface.EGO}:
        role = CAMVID_11.classes[camvid[surface]].role
        assert role == CITYSCAPES_19.classes[cityscapes[surface]].role, surface.name


def test_values_without_a_surface_are_unlabeled() -> None:
    assert set(class_ids(CAMVID_11)[len(Surface) :]) == {UNLABELED}


def test_the_own_vehicle_is_unlabeled_where_it_has_no_class() -> None:
    assert STREET.classes[class_ids(STREET)[Surface.EGO]].role is Role.EGO
    assert class_ids(CAMVID_11)[Surface.EGO] == UNLABELED
    assert class_ids(CITYSCAPES_19)[Surface.EGO] == UNLABELED


def test_unknown_table_is_refused() -> None:
    table = ClassTable('mine', CAMVID_11.classes)
    with pytest.raises(ClassTableError, match=r"got 'mine', expected camvid_11 or cityscapes_19"):
        class_ids(table)
