# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from seg_perception.core.classes import (
    BDD100K_DRIVABLE_3,
    BRAZIL_3,
    CAMVID_11,
    CAMVID_EXACT_11,
    CITYSCAPES_19,
    COCO_80,
    COMMA10K_6,
    CROWDAI_4,
    LUMS_5,
    STREET,
    TABLES,
    VISTAS_66,
    VISTAS_124,
    ClassTable,
    Role,
    SegClass,
)
from seg_perception.core.errors import ClassTableError
from seg_perception.evaluation import class_mapping as mapping
from seg_perception.evaluation.class_mapping import MAPS, class_lut, class_sets


def own_table(*names: str) -> ClassTable:
    return ClassTable(
        'own', tuple(SegClass(i, name, (0, 0, 0), Role.OTHER) for i, name in enumerate(names))
    )


def named(source: ClassTable, target: ClassTable) -> dict[str, str]:
    """Target class name of each source class, as the lookup table has it."""
    names = [*target.names, *['?'] * (255 - len(target)), 'void']
    return {row.name: names[class_lut(source, target)[row.id]] for row in source.classes}


@pytest.mark.parametrize('pair', MAPS, ids=' to '.join)
def test_maps_are_total(pair):
    source, target = (TABLES[name] for name in pair)
    assert list(MAPS[pair]) == source.names
    assert set(MAPS[pair].values()) <= {*target.names, ''}
    lut = class_lut(source, target)
    assert lut.shape == (256,) and lut.dtype == np.uint8
    assert (lut[len(source) :] == 255).all()
    assert set(lut[: len(source)].tolist()) <= {*range(len(target)), 255}


def test_each_class_of_vistas_stands_in_one_group():
    groups = mapping._VISTAS_AS_CITYSCAPES
    listed = [name.strip() for names in groups.values() for name in names.split(',')]
    assert len(listed) == len(set(listed))
    assert set(listed) == {*VISTAS_66.names, *VISTAS_124.names}
    assert set(groups) == {*CITYSCAPES_19.names, ''}


@pytest.mark.parametrize('target', [CITYSCAPES_19, CAMVID_11, CAMVID_EXACT_11, STREET], ids=str)
def test_every_shipped_table_reaches_the_street_tables(target):
    for source in TABLES.values():
        if {source, target} != {CAMVID_11, CAMVID_EXACT_11}:
            assert class_lut(source, target).shape == (256,)


@pytest.mark.parametrize('source', [CAMVID_11, CAMVID_EXACT_11], ids=str)
def test_no_protocol_of_camvid_passes_for_the_other(source):
    (target,) = {CAMVID_11, CAMVID_EXACT_11} - {source}
    with pytest.raises(
        ClassTableError,
        match=f'got labels of {source.name}, expected {target.name}: the same names, but other',
    ):
        class_lut(source, target)


def test_cityscapes_as_camvid():
    assert class_lut(CITYSCAPES_19, CAMVID_11)[:19].tolist() == [
        3, 4, 1, 1, 7, 2, 6, 6, 5, 5, 0, 9, 10, 8, 8, 8, 8, 10, 10,
    ]  # fmt: skip
    exact = class_lut(CITYSCAPES_19, CAMVID_EXACT_11)[:19].tolist()
    assert exact == [3, 4, 1, 255, 7, 2, 255, 6, 5, 255, 0, 9, 10, 8, 255, 255, 255, 255, 10]


def test_camvid_as_cityscapes():
    expected = [10, 2, 5, 0, 1, 8, 7, 4, 13, 11, 12]
    assert class_lut(CAMVID_11, CITYSCAPES_19)[:12].tolist() == [*expected, 255]
    assert class_lut(CAMVID_EXACT_11, CITYSCAPES_19)[:12].tolist() == [*expected, 255]


def test_camvid_to_cityscapes_and_back_is_where_it_was():
    there, back = class_lut(CAMVID_11, CITYSCAPES_19), class_lut(CITYSCAPES_19, CAMVID_11)
    assert back[there[:11]].tolist() == list(range(11))


@pytest.mark.parametrize(
    ('table', 'name', 'expected'),
    [
        (VISTAS_66, 'Road', 'road'),
        (VISTAS_66, 'Lane Marking - General', 'road'),
        (VISTAS_66, 'Curb', 'sidewalk'),
        (VISTAS_66, 'Traffic Sign (Back)', 'void'),
        (VISTAS_66, 'Motorcyclist', 'rider'),
        (VISTAS_66, 'On Rails', 'train'),
        (VISTAS_66, 'Bridge', 'void'),
        (VISTAS_66, 'Ego Vehicle', 'void'),
        (VISTAS_66, 'Unlabeled', 'void'),
        (VISTAS_124, 'Person Group', 'person'),
        (VISTAS_124, 'Traffic Light - Cyclists', 'traffic light'),
        (VISTAS_124, 'Lane Marking (only) - Crosswalk', 'road'),
        (VISTAS_124, 'Traffic Island', 'sidewalk'),
        (VISTAS_124, 'Vehicle Group', 'void'),
        (VISTAS_124, 'Garage', 'building'),
    ],
)
def test_vistas_as_cityscapes(table, name, expected):
    assert named(table, CITYSCAPES_19)[name] == expected


def test_sets_that_know_little():
    assert class_lut(BDD100K_DRIVABLE_3, CITYSCAPES_19)[:4].tolist() == [0, 0, 255, 255]
    assert class_lut(CROWDAI_4, CITYSCAPES_19)[:5].tolist() == [255, 13, 14, 11, 255]
    crowdai = named(CITYSCAPES_19, CROWDAI_4)
    assert (crowdai['sky'], crowdai['truck'], crowdai['bus']) == ('background', 'truck', 'void')


def test_tables_without_a_map_meet_in_cityscapes():
    vistas = named(VISTAS_66, CAMVID_11)
    assert vistas['Wall'] == 'building' and vistas['Truck'] == 'car'
    assert vistas['Bicyclist'] == 'bicyclist' and vistas['Bridge'] == 'void'


def test_tables_of_the_same_names():
    assert class_lut(CAMVID_11, CAMVID_11)[:12].tolist() == [*range(11), 255]
    assert class_lut(own_table('sky', 'car'), CAMVID_11)[:3].tolist() == [0, 8, 255]
    # Through the hub, from the names that it has.
    assert class_lut(own_table('person', 'bus'), CAMVID_11)[:3].tolist() == [9, 8, 255]


def test_classes_that_nothing_knows():
    with pytest.raises(
        ClassTableError,
        match=r'classes of own: dog: got no class of that name in cityscapes_19, '
        'expected a map from own to cityscapes_19. There are maps from bdd100k_drivable_3, brazil',
    ):
        class_lut(own_table('road', 'dog'), CITYSCAPES_19)
    with pytest.raises(ClassTableError, match=r'no class of that name in bdd100k_drivable_3'):
        class_lut(CITYSCAPES_19, BDD100K_DRIVABLE_3)


def test_coco_as_cityscapes_keeps_the_things_of_the_street():
    lut = class_lut(COCO_80, CITYSCAPES_19)
    assert lut[[0, 1, 2, 3, 5, 6, 7, 9, 11]].tolist() == [11, 18, 13, 17, 15, 16, 14, 6, 7]
    assert (np.delete(lut[:80], [0, 1, 2, 3, 5, 6, 7, 9, 11]) == 255).all()


def sets_of(source: ClassTable, target: ClassTable) -> dict[str, set[str]]:
    sets = class_sets(source, target)
    return {row.name: {target.names[i] for i in sets[row.id]} for row in source.classes}


def test_a_label_may_be_all_that_its_table_does_not_tell_apart():
    camvid = sets_of(CAMVID_11, STREET)
    assert camvid['road'] == {'road', 'lane marking', 'road hazard'}
    assert camvid['car'] == {'car', 'large vehicle'}
    assert camvid['pavement'] == {'sidewalk'}
    cityscapes = sets_of(CITYSCAPES_19, STREET)
    assert cityscapes['wall'] == cityscapes['building'] == {'building'}
    assert cityscapes['road'] == camvid['road']
    lums = sets_of(LUMS_5, STREET)
    assert lums['obstacle'] == {'person', 'two-wheeler', 'car', 'large vehicle'}
    assert not lums['background'] & {'road', 'sidewalk', 'person', 'car'}
    assert sets_of(BRAZIL_3, STREET)['crack'] == {'road'}
    assert sets_of(COMMA10K_6, STREET)['own car'] == {'ego vehicle'}


def test_sets_of_a_table_without_a_map_are_those_of_the_hub():
    vistas = sets_of(VISTAS_66, STREET)
    assert vistas['Lane Marking - General'] == {'road', 'lane marking', 'road hazard'}
    assert vistas['Bus'] == {'large vehicle'} and vistas['Bridge'] == set()


def test_names_joined_by_plus_are_a_set():
    table = own_table('car+large vehicle', 'sky')
    assert sets_of(table, STREET) == {
        'car+large vehicle': {'car', 'large vehicle'},
        'sky': {'sky'},
    }


def test_a_label_that_can_be_nothing_is_refused():
    with pytest.raises(ClassTableError, match='got no class of that name in street'):
        class_sets(own_table('car+lorry', 'sky'), STREET)


@pytest.mark.parametrize(
    'source', [CAMVID_11, CITYSCAPES_19, LUMS_5, BRAZIL_3, COMMA10K_6], ids=str
)
def test_street_returns_to_the_label_that_it_came_from(source):
    back = class_lut(STREET, source)
    for label, ids in enumerate(class_sets(source, STREET)):
        joint = {int(back[i]) for i in ids} - {255}
        assert label in joint or class_lut(source, STREET)[label] in ids


def test_tables_meet_in_street():
    assert named(CAMVID_11, COMMA10K_6)['car'] == 'movable'
    assert named(CAMVID_11, LUMS_5)['tree'] == 'background'
