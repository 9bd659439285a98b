# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Class tables: the meaning of each pixel value of a mask.

One row per class. ``role`` is what drivable area and risk read, so they work for every table. The
tables that ship with the package are read from ``class_tables.csv``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from seg_perception.core.errors import ClassTableError, did_you_mean

Lookup = TypeVar('Lookup')

UNLABELED = 255
"""Mask value of pixels without a class: ignored in scores, unknown to drivable and risk."""


class Role(str, Enum):
    """What a class means to a vehicle."""

    DRIVABLE = 'drivable'  # a vehicle may be there
    MARKING = 'marking'  # paint on the drivable surface
    WALKABLE = 'walkable'  # flat, but for people
    VULNERABLE = 'vulnerable'  # people, riders and what they ride, animals
    VEHICLE = 'vehicle'
    OBSTACLE = 'obstacle'  # static and solid
    NATURE = 'nature'
    SKY = 'sky'
    EGO = (
        'ego'  # the own vehicle in its own image: hood, camera extrinsics; neither road nor hazard
    )
    OTHER = 'other'  # none of the above and no more, as BDD100K's background; counts as unknown


@dataclass(frozen=True)
class SegClass:
    """One row of a class table: id 0..254, display colour as RGB 0..255."""

    id: int
    name: str
    rgb: tuple[int, int, int]
    role: Role


@dataclass(frozen=True)
class ClassTable:
    """A named list of classes whose ids are 0..N-1 in order."""

    name: str
    classes: tuple[SegClass, ...]

    def __post_init__(self) -> None:
        ids = [row.id for row in self.classes]
        if not 1 <= len(ids) <= UNLABELED or ids != list(range(len(ids))):
            raise ClassTableError(
                f'class table {self.name!r}: ids',
                ids,
                '0, 1, 2 ... in order, 1 to 255 of them',
                'Number the rows from 0 without gaps.',
            )
        names = [row.name for row in self.classes]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ClassTableError(
                f'class table {self.name!r}: names', doubled, 'each name once', 'Rename them.'
            )

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def names(self) -> list[str]:
        return [row.name for row in self.classes]

    @cached_property
    def palette(self) -> np.ndarray:
        """Display colours, (256, 3) uint8 RGB; values without a class are black."""
        palette = np.zeros((256, 3), np.uint8)
        for row in self.classes:
            palette[row.id] = row.rgb
        palette.setflags(write=False)
        return palette

    def role_mask(self, *roles: Role) -> np.ndarray:
        """
        Lookup table of the classes with one of the roles, (256,) uint8 of 0 or 255.

        ``cv2.LUT(labels, table.role_mask(Role.DRIVABLE))`` is the mask of drivable pixels.
        """
        lut = np.zeros(256, np.uint8)
        lut[[row.id for row in self.classes if row.role in roles]] = 255
        return lut

    def lookup(self, make: Callable[[ClassTable], Lookup]) -> Lookup:
        """What ``make(table)`` gives, such as an array by class id; made once for this table."""
        if make not in self._lookups:
            self._lookups[make] = make(self)
        return self._lookups[make]  # type: ignore[no-any-return]

    @cached_property
    def _lookups(self) -> dict[Any, Any]:
        return {}

    def to_dict(self) -> dict[str, Any]:
        """The table as JSON types; ``from_dict`` reads it back."""
        rows = [
            {'id': row.id, 'name': row.name, 'rgb': list(row.rgb), 'role': row.role.value}
            for row in self.classes
        ]
        return {'name': self.name, 'classes': rows}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ClassTable:
        """
        Read a table from JSON types.

        :raises ClassTableError: when a key is missing or a value cannot be.
        """
        try:
            name, rows = str(data['name']), data['classes']
            return cls(name, tuple(_row_from_dict(name, row) for row in rows))
        except (KeyError, TypeError, ValueError) as error:
            raise ClassTableError(
                'class table',
                repr(error),
                "{'name': ..., 'classes': [{'id', 'name', 'rgb', 'role'}, ...]}",
                'Write the table with ClassTable.to_dict().',
            ) from error


def _row_from_dict(table: str, row: Mapping[str, Any]) -> SegClass:
    roles = [role.value for role in Role]
    if row['role'] not in roles:
        raise ClassTableError(
            f'class table {table!r}: role of {row["name"]!r}', repr(row['role']), ', '.join(roles)
        )
    rgb = tuple(int(value) for value in row['rgb'])
    if len(rgb) != 3 or not all(0 <= value <= 255 for value in rgb):
        raise ClassTableError(
            f'class table {table!r}: rgb of {row["name"]!r}', rgb, 'three numbers 0..255'
        )
    return SegClass(int(row['id']), str(row['name']), rgb, Role(row['role']))


def _read_tables() -> dict[str, ClassTable]:
    """The shipped tables by name, in the order of the file."""
    lines = Path(__file__).with_name('class_tables.csv').read_text().splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith('#'))
    return {
        name: ClassTable(
            name, tuple(_row_from_dict(name, row | {'rgb': row['rgb'].split()}) for row in group)
        )
        for name, group in groupby(rows, lambda row: row['table'])
    }


_READ = _read_tables()

# SegNet grouping of the 32 CamVid classes; colours of the CamVid label definition.
CAMVID_11 = _READ['camvid_11']

# The other protocol of CamVid, that of PIDNet and PaddleSeg: eleven of its 32 colours; what the
# grouping above adds to them is ignored. Road is without markings, car without trucks and buses.
CAMVID_EXACT_11 = replace(CAMVID_11, name='camvid_exact_11')

# Train ids of Cityscapes; BDD100K's semantic segmentation uses the same nineteen.
CITYSCAPES_19 = _READ['cityscapes_19']

# Mapillary Vistas v1.2 and v2.0: order, names and colours of config_v1.2.json and
# config_v2.0.json (the pixel is the row), doubled colours included.
VISTAS_66 = _READ['vistas_66']
VISTAS_124 = _READ['vistas_124']

# Drivable masks of BDD100K since 2020; the older files order the three differently.
BDD100K_DRIVABLE_3 = _READ['bdd100k_drivable_3']

# Udacity's CrowdAI set has boxes of three kinds; what is in none of them is background.
CROWDAI_4 = _READ['crowdai_4']

# COCO's things in the order of YOLO's exports; the colours are ours. Nothing in it is drivable.
COCO_80 = _READ['coco_80']

# What the default model tells apart: the classes of all the streets that it learned from.
STREET = _READ['street']

# A campus in Lahore, the own lane on Brazilian highways, and American roads of openpilot's users;
# ids as in their masks. What the first two do not label is no class of theirs.
LUMS_5 = _READ['lums_5']
BRAZIL_3 = _READ['brazil_3']
COMMA10K_6 = _READ['comma10k_6']

TABLES = {CAMVID_11.name: CAMVID_11, CAMVID_EXACT_11.name: CAMVID_EXACT_11, **_READ}
"""The shipped class tables by name."""


def table_named(name: str) -> ClassTable:
    """
    The shipped class table of that name.

    :raises ClassTableError: when there is none; the message offers the nearest names.
    """
    if name in TABLES:
        return TABLES[name]
    expected = 'one of ' + ', '.join(TABLES)
    raise ClassTableError('class table', repr(name), expected, did_you_mean(name, TABLES))
