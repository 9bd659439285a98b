# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
What the classes of one table are in another.

Every map is total: each class of its source stands in it once, under the class that it becomes or
under VOID. Cityscapes-19 and street are the hubs: where two tables have no map of their own,
theirs to and from the hubs are joined.

A table may tell fewer classes apart than another: CamVid's road is road or lane marking of street.
``class_sets`` gives all that a label may be, for a loss that does not teach what no label says.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

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
    UNLABELED,
    VISTAS_66,
    VISTAS_124,
    ClassTable,
)
from seg_perception.core.errors import ClassTableError

VOID = ''  # no class of the target: the label becomes 255

# By the labelling policy of Cityscapes: a bicycle lane that is only painted is road, the kerb and
# islands are sidewalk, a sign is its front, bags of a person are the person. What Cityscapes has
# classes for that it does not score (parking, rail track, guard rail, bridge, tunnel, caravan,
# trailer, groups of poles) is void, and so is what it leaves to the eye.
_VISTAS_AS_CITYSCAPES = {
    'road': """Road, Service Lane, Road Shoulder, Bike Lane, Crosswalk - Plain, Catch Basin,
        Manhole, Pothole, Lane Marking - Crosswalk, Lane Marking - General,
        Lane Marking - Dashed Line, Lane Marking - Straight Line, Lane Marking - Zigzag Line,
        Lane Marking - Ambiguous, Lane Marking - Arrow (Left), Lane Marking - Arrow (Other),
        Lane Marking - Arrow (Right), Lane Marking - Arrow (Split Left or Straight),
        Lane Marking - Arrow (Split Right or Straight), Lane Marking - Arrow (Straight),
        Lane Marking - Give Way (Row), Lane Marking - Give Way (Single),
        Lane Marking - Hatched (Chevron), Lane Marking - Hatched (Diagonal), Lane Marking - Other,
        Lane Marking - Stop Line, Lane Marking - Symbol (Bicycle), Lane Marking - Symbol (Other),
        Lane Marking - Text, Lane Marking (only) - Dashed Line, Lane Marking (only) - Crosswalk,
        Lane Marking (only) - Other, Lane Marking (only) - Test""",
    'sidewalk': 'Sidewalk, Curb, Curb Cut, Pedestrian Area, Traffic Island',
    'building': 'Building, Garage',
    'wall': 'Wall',
    'fence': 'Fence',
    'pole': 'Pole, Utility Pole',
    'traffic light': """Traffic Light, Traffic Light - General (Single),
        Traffic Light - Pedestrians, Traffic Light - General (Upright),
        Traffic Light - General (Horizontal), Traffic Light - Cyclists, Traffic Light - Other""",
    'traffic sign': """Traffic Sign (Front), Traffic Sign - Direction (Front),
        Traffic Sign - Parking, Traffic Sign - Temporary (Front)""",
    'vegetation': 'Vegetation',
    'terrain': 'Terrain, Sand',
    'sky': 'Sky',
    'person': 'Person, Person Group',
    'rider': 'Bicyclist, Motorcyclist, Other Rider',
    'car': 'Car',
    'truck': 'Truck',
    'bus': 'Bus',
    'train': 'On Rails',
    'motorcycle': 'Motorcycle',
    'bicycle': 'Bicycle',
    VOID: """Bird, Ground Animal, Guard Rail, Barrier, Ambiguous Barrier, Concrete Block,
        Road Median, Road Side, Lane Separator, Temporary Barrier, Driveway, Parking,
        Parking Aisle, Rail Track, Bridge, Tunnel, Mountain, Snow, Water, Banner, Bench, Bike Rack,
        Billboard, CCTV Camera, Fire Hydrant, Junction Box, Mailbox, Parking Meter, Phone Booth,
        Signage - Advertisement, Signage - Ambiguous, Signage - Back, Signage - Information,
        Signage - Other, Signage - Store, Street Light, Pole Group, Traffic Sign Frame,
        Traffic Cone, Traffic Sign - Ambiguous, Traffic Sign (Back),
        Traffic Sign - Direction (Back), Traffic Sign - Temporary (Back), Trash Can, Boat, Caravan,
        Other Vehicle, Trailer, Vehicle Group, Wheeled Slow, Water Valve, Car Mount, Dynamic,
        Ego Vehicle, Ground, Static, Unlabeled""",
}
# SegNet's groups hold more than their name says (lights in sign_symbol, lorries in car, walls in
# building, bicycles with their riders): each becomes what most of it is.
_CAMVID_AS_CITYSCAPES = {
    'road': 'road',
    'sidewalk': 'pavement',
    'building': 'building',
    'fence': 'fence',
    'pole': 'pole',
    'traffic sign': 'sign_symbol',
    'vegetation': 'tree',
    'sky': 'sky',
    'person': 'pedestrian',
    'rider': 'bicyclist',
    'car': 'car',
}
_CITYSCAPES_AS_CAMVID = {
    'sky': 'sky',
    'building': 'building, wall',
    'pole': 'pole',
    'road': 'road',
    'pavement': 'sidewalk',
    'tree': 'vegetation, terrain',
    'sign_symbol': 'traffic light, traffic sign',
    'fence': 'fence',
    'car': 'car, truck, bus, train',
    'pedestrian': 'person',
    'bicyclist': 'rider, bicycle, motorcycle',
}
_CITYSCAPES_AS_CAMVID_EXACT = {
    'sky': 'sky',
    'building': 'building',
    'pole': 'pole',
    'road': 'road',
    'pavement': 'sidewalk',
    'tree': 'vegetation',
    'sign_symbol': 'traffic sign',
    'fence': 'fence',
    'car': 'car',
    'pedestrian': 'person',
    'bicyclist': 'rider, bicycle',
    VOID: 'wall, traffic light, terrain, truck, bus, train, motorcycle',
}
# Only where the way is free is known: of the background nothing is.
_DRIVABLE_AS_CITYSCAPES = {'road': 'direct, alternative', VOID: 'background'}
_CROWDAI_AS_CITYSCAPES = {
    'car': 'car',
    'truck': 'truck',
    'person': 'pedestrian',
    VOID: 'background',
}
_CITYSCAPES_AS_CROWDAI = {
    'car': 'car',
    'truck': 'truck',
    'pedestrian': 'person',
    'background': """road, sidewalk, building, wall, fence, pole, traffic light, traffic sign,
        vegetation, terrain, sky""",
    VOID: 'rider, bus, train, motorcycle, bicycle',  # boxed by some and not by others
}
# Things alone: most of COCO's are not of the street, and a bicycle may have its rider on it.
_COCO_STREET = {
    'person': 'person',
    'car': 'car',
    'truck': 'truck',
    'bus': 'bus',
    'train': 'train',
    'motorcycle': 'motorcycle',
    'bicycle': 'bicycle',
    'traffic light': 'traffic light',
    'traffic sign': 'stop sign',
}
_COCO_AS_CITYSCAPES = _COCO_STREET | {
    VOID: ','.join(name for name in COCO_80.names if name not in _COCO_STREET.values())
}
_CITYSCAPES_AS_STREET = {
    'road': 'road',
    'sidewalk': 'sidewalk',
    'terrain': 'terrain',
    'building': 'building, wall',
    'fence': 'fence',
    'pole': 'pole',
    'traffic sign': 'traffic light, traffic sign',
    'vegetation': 'vegetation',
    'sky': 'sky',
    'person': 'person',
    'two-wheeler': 'rider, motorcycle, bicycle',
    'car': 'car',
    'large vehicle': 'truck, bus, train',
}
_STREET_AS_CITYSCAPES = {
    'road': 'road, lane marking, road hazard',
    'truck': 'large vehicle',
    'rider': 'two-wheeler',
    VOID: 'ego vehicle',
} | {
    name: name
    for name in (
        *('sidewalk', 'terrain', 'building', 'fence', 'pole', 'traffic sign'),
        *('vegetation', 'sky', 'person', 'car'),
    )
}
_CAMVID_AS_STREET = {
    'road': 'road',
    'sidewalk': 'pavement',
    'building': 'building',
    'fence': 'fence',
    'pole': 'pole',
    'traffic sign': 'sign_symbol',
    'vegetation': 'tree',
    'sky': 'sky',
    'person': 'pedestrian',
    'two-wheeler': 'bicyclist',
    'car': 'car',
}
_STREET_AS_CAMVID = {
    'sky': 'sky',
    'building': 'building',
    'pole': 'pole',
    'road': 'road, lane marking, road hazard',
    'pavement': 'sidewalk',
    'tree': 'vegetation, terrain',
    'sign_symbol': 'traffic sign',
    'fence': 'fence',
    'car': 'car, large vehicle',
    'pedestrian': 'person',
    'bicyclist': 'two-wheeler',
    VOID: 'ego vehicle',
}
_LUMS_AS_STREET = {
    'car': 'obstacle',
    'road': 'road',
    'sidewalk': 'sidewalk',
    'road hazard': 'speed breaker',
    VOID: 'background',
}
_STREET_AS_LUMS = {
    'background': """terrain, building, fence, pole, traffic sign, vegetation, sky,
        ego vehicle""",
    'obstacle': 'person, two-wheeler, car, large vehicle',
    'road': 'road, lane marking',
    'sidewalk': 'sidewalk',
    'speed breaker': 'road hazard',
}
_BRAZIL_AS_STREET = {'road': 'own lane, crack', 'road hazard': 'pothole'}
_STREET_AS_BRAZIL = {
    'own lane': 'road, lane marking',
    'pothole': 'road hazard',
    VOID: """sidewalk, terrain, building, fence, pole, traffic sign, vegetation, sky, person,
        two-wheeler, car, large vehicle, ego vehicle""",
}
_COMMA10K_AS_STREET = {
    'road': 'road',
    'lane marking': 'lane marking',
    'car': 'movable',
    'ego vehicle': 'own car, movable in own car',
    VOID: 'undrivable',
}
_STREET_AS_COMMA10K = {
    'road': 'road, road hazard',
    'lane marking': 'lane marking',
    'undrivable': """sidewalk, terrain, building, fence, pole, traffic sign, vegetation, sky""",
    'movable': 'person, two-wheeler, car, large vehicle',
    'own car': 'ego vehicle',
}


def _total(source: ClassTable, groups: Mapping[str, str]) -> dict[str, str]:
    """Target class of each class of the source; a group may list classes of other versions."""
    target_of = {
        name.strip(): target for target, names in groups.items() for name in names.split(',')
    }
    return {name: target_of[name] for name in source.names}


MAPS: dict[tuple[str, str], dict[str, str]] = {
    (source.name, target.name): _total(source, groups)
    for source, target, groups in (
        (VISTAS_66, CITYSCAPES_19, _VISTAS_AS_CITYSCAPES),
        (VISTAS_124, CITYSCAPES_19, _VISTAS_AS_CITYSCAPES),
        (CAMVID_11, CITYSCAPES_19, _CAMVID_AS_CITYSCAPES),
        (CAMVID_EXACT_11, CITYSCAPES_19, _CAMVID_AS_CITYSCAPES),
        (CITYSCAPES_19, CAMVID_11, _CITYSCAPES_AS_CAMVID),
        (CITYSCAPES_19, CAMVID_EXACT_11, _CITYSCAPES_AS_CAMVID_EXACT),
        (BDD100K_DRIVABLE_3, CITYSCAPES_19, _DRIVABLE_AS_CITYSCAPES),
        (CROWDAI_4, CITYSCAPES_19, _CROWDAI_AS_CITYSCAPES),
        (CITYSCAPES_19, CROWDAI_4, _CITYSCAPES_AS_CROWDAI),
        (COCO_80, CITYSCAPES_19, _COCO_AS_CITYSCAPES),
        (CITYSCAPES_19, STREET, _CITYSCAPES_AS_STREET),
        (STREET, CITYSCAPES_19, _STREET_AS_CITYSCAPES),
        (CAMVID_11, STREET, _CAMVID_AS_STREET),
        (STREET, CAMVID_11, _STREET_AS_CAMVID),
        (LUMS_5, STREET, _LUMS_AS_STREET),
        (STREET, LUMS_5, _STREET_AS_LUMS),
        (BRAZIL_3, STREET, _BRAZIL_AS_STREET),
        (STREET, BRAZIL_3, _STREET_AS_BRAZIL),
        (COMMA10K_6, STREET, _COMMA10K_AS_STREET),
        (STREET, COMMA10K_6, _STREET_AS_COMMA10K),
    )
}
"""Class in the target, or VOID, of each class of the source, by the names of the two tables."""

HUBS = ((), (CITYSCAPES_19,), (STREET,), (STREET, CITYSCAPES_19), (CITYSCAPES_19, STREET))
"""Tables between two others, the ways that are tried in turn."""

PROTOCOLS = {CAMVID_11.name, CAMVID_EXACT_11.name}
"""The same names for other pixels: neither becomes the other, for no score would tell."""


def class_lut(source: ClassTable, target: ClassTable) -> np.ndarray:
    """
    Class id in the target, or 255, of each value of the source's labels, (256,) uint8.

    :raises ClassTableError: when a class of the source has neither a map nor its name in the
        target, or the two are different protocols of the same names.
    """
    if {source.name, target.name} == PROTOCOLS:
        raise ClassTableError(
            'classes of CamVid',
            f'labels of {source.name}',
            f'{target.name}: the same names, but other pixels',
            'Use data of one protocol.',
        )
    for hubs in HUBS:
        steps = [_direct_lut(*pair) for pair in pairwise((source, *hubs, target))]
        if all(steps):
            lut: np.ndarray = np.arange(256)
            for step in steps:
                lut = np.array(step, np.uint8)[lut]
            return lut
    missing = [name for name in source.names if name not in target.names]
    raise ClassTableError(
        f'classes of {source.name}: {", ".join(missing[:5])}{", ..." * (len(missing) > 5)}',
        f'no class of that name in {target.name}',
        f'a map from {source.name} to {target.name}',
        f'There are maps from {", ".join(sorted({name for name, _ in MAPS}))}.',
    )


JOINT = '+'
"""Between the names of a class that may be any of them, such as ``car+large vehicle``."""


def class_sets(source: ClassTable, target: ClassTable) -> list[tuple[int, ...]]:
    """
    Ids in the target of all that each class of the source may be; none where it says nothing.

    That is what its name lists (``car+large vehicle``), or the class that it becomes and all those
    that the target's map makes it of: CamVid's car is a car or, with SegNet's lorries, a large
    vehicle.

    :raises ClassTableError: when a class of the source is nothing in the target.
    """
    names = [name.split(JOINT) for name in source.names]
    if all(set(parts) <= set(target.names) for parts in names):
        return [tuple(sorted(map(target.names.index, parts))) for parts in names]
    forth = class_lut(source, target)
    if _direct_lut(source, target) is None and _direct_lut(source, CITYSCAPES_19):
        of_hub = class_sets(CITYSCAPES_19, target)
        hub_ids = class_lut(source, CITYSCAPES_19)[: len(source)]
        return [() if label == UNLABELED else of_hub[label] for label in hub_ids]
    back = class_lut(target, source) if (target.name, source.name) in MAPS else ()
    sets = [{int(forth[row.id])} - {UNLABELED} for row in source.classes]
    for target_id, source_id in enumerate(back[: len(target)]):
        if source_id != UNLABELED:
            sets[source_id].add(target_id)
    return [tuple(sorted(found)) for found in sets]


def _direct_lut(source: ClassTable, target: ClassTable) -> list[int] | None:
    """The table without a detour; none when the two tables have no map and share no names."""
    names = MAPS.get((source.name, target.name))
    if names is None or list(names) != source.names:
        if not set(source.names) <= set(target.names):
            return None
        names = {name: name for name in source.names}
    ids = {row.name: row.id for row in target.classes} | {VOID: UNLABELED}
    lut = [ids[names[name]] for name in source.names]
    return lut + [UNLABELED] * (256 - len(lut))
