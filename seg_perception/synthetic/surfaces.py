# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The surfaces of the synthetic street, and the class of each in a class table."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from seg_perception.core.classes import CAMVID_11, CITYSCAPES_19, UNLABELED, ClassTable
from seg_perception.core.errors import ClassTableError


class Surface(IntEnum):
    """Kind of a drawn surface; finer than every class table."""

    SKY = 0
    ROAD = 1
    MARKING = 2
    PAVEMENT = 3
    TERRAIN = 4
    BUILDING = 5
    WALL = 6
    FENCE = 7
    POLE = 8
    TRAFFIC_LIGHT = 9
    SIGN = 10
    TREE = 11
    PERSON = 12
    RIDER = 13
    BICYCLE = 14
    CAR = 15
    TRUCK = 16
    BUS = 17


# CamVid groups as SegNet does: walls are building, grass is tree, traffic lights are sign_symbol.
_CAMVID = (
    'sky road road pavement tree building building fence pole sign_symbol sign_symbol tree '
    'pedestrian bicyclist bicyclist car car car'
).split()
_CITYSCAPES = (
    'sky,road,road,sidewalk,terrain,building,wall,fence,pole,traffic light,traffic sign,'
    'vegetation,person,rider,bicycle,car,truck,bus'
).split(',')
_CLASS_OF = {CAMVID_11.name: _CAMVID, CITYSCAPES_19.name: _CITYSCAPES}


def class_ids(table: ClassTable) -> np.ndarray:
    """
    Class id of each surface, (256,) uint8; values that are no surface are unlabeled.

    :raises ClassTableError: when the renderer does not know the table.
    """
    if table.name not in _CLASS_OF:
        raise ClassTableError(
            'class table of the synthetic street',
            repr(table.name),
            ' or '.join(sorted(_CLASS_OF)),
            'Render with one of these and map the labels.',
        )
    ids = np.full(256, UNLABELED, np.uint8)
    ids[: len(Surface)] = [table.names.index(name) for name in _CLASS_OF[table.name]]
    return ids
