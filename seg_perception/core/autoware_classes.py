# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Class ids in the order of Autoware's segmentation point cloud fusion."""

from __future__ import annotations

import numpy as np

from seg_perception.core.classes import ClassTable, Role, SegClass

AUTOWARE_NAMES = (
    'UNKNOWN', 'BUILDING', 'WALL', 'OBSTACLE', 'TRAFFIC_LIGHT', 'TRAFFIC_SIGN', 'PERSON',
    'VEHICLE', 'BIKE', 'ROAD', 'SIDEWALK', 'ROAD_PAINT', 'CURBSTONE', 'CROSSWALK', 'VEGETATION',
    'SKY',
)  # fmt: skip
"""The id of a name is its place."""

# Words of class names, the first that fits; else the role decides.
_WORDS = {
    'crosswalk': 'CROSSWALK', 'curb': 'CURBSTONE', 'kerb': 'CURBSTONE', 'wall': 'WALL',
    'building': 'BUILDING', 'traffic light': 'TRAFFIC_LIGHT', 'sign': 'TRAFFIC_SIGN',
    'bicycl': 'BIKE', 'cyclist': 'BIKE', 'rider': 'BIKE', 'motorcycle': 'BIKE',
    'two-wheeler': 'BIKE',
}  # fmt: skip
_ROLES = {
    Role.DRIVABLE: 'ROAD', Role.MARKING: 'ROAD_PAINT', Role.WALKABLE: 'SIDEWALK',
    Role.VULNERABLE: 'PERSON', Role.VEHICLE: 'VEHICLE', Role.OBSTACLE: 'OBSTACLE',
    Role.NATURE: 'VEGETATION', Role.SKY: 'SKY',
}  # fmt: skip


def autoware_ids(table: ClassTable) -> np.ndarray:
    """Lookup table from class id to Autoware's, (256,) uint8; what has none is UNKNOWN, 0."""
    ids = np.zeros(256, np.uint8)
    for row in table.classes:
        ids[row.id] = AUTOWARE_NAMES.index(_name(row))
    ids.setflags(write=False)
    return ids


def _name(row: SegClass) -> str:
    name = row.name.lower()
    if row.role in (Role.OBSTACLE, Role.VULNERABLE, Role.MARKING, Role.WALKABLE):
        found = next((value for word, value in _WORDS.items() if word in name), None)
        if found:
            return found
    return _ROLES.get(row.role, 'UNKNOWN')
