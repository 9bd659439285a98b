# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The surfaces of the synthetic street, and the class of each in a class table."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from seg_perception.core.classes import CAMVID_11, CITYSCAPES_19, STREET, UNLABELED, ClassTable
from seg_perception.core.errors import ClassTableError


class Surface(IntEnum):
    """Kind of a drawn surface; finer than every class table."""

    SKY, ROAD, MARKING, PAVEMENT, TERRAIN, BUILDING, WALL, FENCE, POLE = range(9)
    TRAFFIC_LIGHT, SIGN, TREE, PERSON, RIDER, BICYCLE, CAR, TRUCK, BUS, EGO = range(9, 19)


SURFACE_OF = {
    'person': Surface.PERSON, 'cyclist': Surface.RIDER, 'tree': Surface.TREE,
    'hedge': Surface.TREE, 'building': Surface.BUILDING, 'fence': Surface.FENCE,
    'rail': Surface.FENCE, 'wall': Surface.WALL, 'lamp': Surface.POLE, 'sign': Surface.SIGN,
    'bollard': Surface.POLE, 'traffic_light': Surface.TRAFFIC_LIGHT, 'bus': Surface.BUS,
    'truck': Surface.TRUCK, 'hatchback': Surface.CAR, 'sedan': Surface.CAR,
    'estate': Surface.CAR, 'suv': Surface.CAR, 'van': Surface.CAR,
}  # fmt: skip
"""What each kind of thing on the street shows; a cyclist's bicycle is ``BICYCLE``."""

# CamVid groups as SegNet does: walls are building, grass is tree, traffic lights are sign_symbol.
# The own vehicle comes last, where the table has a class of it.
_CLASS_OF = {
    CAMVID_11.name: 'sky,road,road,pavement,tree,building,building,fence,pole,sign_symbol,'
    'sign_symbol,tree,pedestrian,bicyclist,bicyclist,car,car,car',
    CITYSCAPES_19.name: 'sky,road,road,sidewalk,terrain,building,wall,fence,pole,traffic light,'
    'traffic sign,vegetation,person,rider,bicycle,car,truck,bus',
    STREET.name: 'sky,road,lane marking,sidewalk,terrain,building,building,fence,pole,'
    'traffic sign,traffic sign,vegetation,person,two-wheeler,two-wheeler,car,large vehicle,'
    'large vehicle,ego vehicle',
}


def class_ids(table: ClassTable) -> np.ndarray:
    """
    Class id of each surface, (256,) uint8; values that are no surface are unlabeled.

    :raises ClassTableError: when the renderer does not know the table.
    """
    if table.name not in _CLASS_OF:
        raise ClassTableError(
            'class table of the synthetic street',
            repr(table.name),
            ' or '.join(_CLASS_OF),
            'Render with one of these and map the labels.',
        )
    ids = np.full(256, UNLABELED, np.uint8)
    names = _CLASS_OF[table.name].split(',')
    ids[: len(names)] = [table.names.index(name) for name in names]
    return ids
