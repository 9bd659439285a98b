# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest

from seg_perception.core.classes import (
    BDD100K_DRIVABLE_3,
    CAMVID_11,
    CAMVID_EXACT_11,
    CITYSCAPES_19,
    COCO_80,
    CROWDAI_4,
    TABLES,
    VISTAS_66,
    VISTAS_124,
    ClassTable,
    Role,
    SegClass,
    table_named,
)
from seg_perception.core.errors import ClassTableError


def row(index: int, name: str, role: Role = Role.OTHER) -> SegClass:
    return SegClass(index, name, (1, 2, 3), role)


def rows_of(table: ClassTable) -> dict[str, tuple[int, tuple[int, int, int], Role]]:
    return {row.name: (row.id, row.rgb, row.role) for row in table.classes}


@pytest.mark.parametrize(
    ('table', 'count', 'roles'),
    [
        (CAMVID_11, 11, 7),
        (CAMVID_EXACT_11, 11, 7),
        (CITYSCAPES_19, 19, 7),
        (VISTAS_66, 66, 10),
        (VISTAS_124, 124, 10),
        (BDD100K_DRIVABLE_3, 3, 2),
        (CROWDAI_4, 4, 3),
        (COCO_80, 80, 3),
    ],
)
def test_shipped_tables(table, count, roles):
    assert len(table) == count
    assert len({row.role for row in table.classes}) == roles
    assert TABLES[table.name] is table


def test_published_ids_and_colours():
    cityscapes, vistas = rows_of(CITYSCAPES_19), rows_of(VISTAS_66)
    assert cityscapes['road'] == (0, (128, 64, 128), Role.DRIVABLE)
    assert cityscapes['person'] == (11, (220, 20, 60), Role.VULNERABLE)
    assert cityscapes['bicycle'] == (18, (119, 11, 32), Role.VULNERABLE)
    assert rows_of(CAMVID_11)['bicyclist'] == (10, (0, 128, 192), Role.VULNERABLE)
    assert vistas['Bird'] == (0, (165, 42, 42), Role.VULNERABLE)
    assert vistas['Road'] == (13, (128, 64, 128), Role.DRIVABLE)
    assert vistas['Lane Marking - General'] == (24, (255, 255, 255), Role.MARKING)
    assert vistas['Car'] == (55, (0, 0, 142), Role.VEHICLE)
    assert vistas['Ego Vehicle'] == (64, (120, 10, 10), Role.EGO)
    assert vistas['Unlabeled'] == (65, (0, 0, 0), Role.OTHER)
    vistas_2 = rows_of(VISTAS_124)
    assert vistas_2['Road'] == (21, (128, 64, 128), Role.DRIVABLE)
    assert vistas_2['Lane Marking - Stop Line'] == (51, (255, 255, 255), Role.MARKING)
    assert vistas_2['Traffic Light - Pedestrians'] == (91, (250, 170, 30), Role.OBSTACLE)
    assert vistas_2['Car'] == (108, (0, 0, 142), Role.VEHICLE)
    assert vistas_2['Unlabeled'] == (123, (0, 0, 0), Role.OTHER)
    assert CROWDAI_4.names == ['background', 'car', 'truck', 'pedestrian']
    assert BDD100K_DRIVABLE_3.names == ['direct', 'alternative', 'background']


def test_palette_is_black_and_frozen_beyond_the_classes():
    palette = CAMVID_11.palette
    assert palette.shape == (256, 3) and palette.dtype == np.uint8
    assert palette[3].tolist() == [128, 64, 128]
    assert not palette[11:].any()
    with pytest.raises(ValueError, match='read-only'):
        palette[0] = 1


def test_role_mask_is_a_lookup_table():
    lut = CITYSCAPES_19.role_mask(Role.VULNERABLE, Role.DRIVABLE)
    assert np.flatnonzero(lut).tolist() == [0, 11, 12, 17, 18]
    assert set(lut.tolist()) == {0, 255}


def test_json_round_trip():
    for table in TABLES.values():
        assert ClassTable.from_dict(json.loads(json.dumps(table.to_dict()))) == table


def test_table_named():
    assert table_named('camvid_11') is CAMVID_11
    with pytest.raises(ClassTableError, match=r"got 'cityscape', .*Did you mean cityscapes_19"):
        table_named('cityscape')
    with pytest.raises(ClassTableError, match="class table: got 'xyz', expected one of camvid_11"):
        table_named('xyz')


def test_ids_and_names_are_checked():
    with pytest.raises(ClassTableError, match=r"table 't': ids: got \[0, 2\], expected 0"):
        ClassTable('t', (row(0, 'a'), row(2, 'b')))
    with pytest.raises(ClassTableError, match=r'ids: got \[\], expected .*1 to 255 of them'):
        ClassTable('t', ())
    with pytest.raises(ClassTableError, match=r"names: got \['a'\], expected each name once"):
        ClassTable('t', (row(0, 'a'), row(1, 'a')))
    with pytest.raises(ClassTableError, match='1 to 255 of them'):
        ClassTable('t', tuple(row(index, str(index)) for index in range(256)))


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        ({'classes': []}, r"class table: got KeyError\('name'\)"),
        ({'name': 't', 'classes': [{'id': 0}]}, r"class table: got KeyError\('role'\)"),
        ({'name': 't', 'classes': 3}, 'class table: got TypeError'),
        (
            {'name': 't', 'classes': [{'id': 'a', 'name': 'a', 'rgb': [0, 0, 0], 'role': 'sky'}]},
            'class table: got ValueError',
        ),
        (
            {'name': 't', 'classes': [{'id': 0, 'name': 'a', 'rgb': [0, 0, 0], 'role': 'roof'}]},
            "class table 't': role of 'a': got 'roof', expected drivable, marking",
        ),
        (
            {'name': 't', 'classes': [{'id': 0, 'name': 'a', 'rgb': [0, 0, 256], 'role': 'sky'}]},
            r"rgb of 'a': got \(0, 0, 256\), expected three numbers 0..255",
        ),
    ],
)
def test_damaged_json(data, message):
    with pytest.raises(ClassTableError, match=message):
        ClassTable.from_dict(data)


def test_coco_is_in_the_order_of_yolo():
    rows = rows_of(COCO_80)
    assert [rows[name][0] for name in ('person', 'car', 'dog', 'toothbrush')] == [0, 2, 16, 79]
    assert len({row.rgb for row in COCO_80.classes}) == 80
