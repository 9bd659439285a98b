# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
What a class table is: the meaning of each pixel value of a mask.

One row a class. ``role`` is what drivable area and risk read, so they work for every table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from seg_perception.core.errors import ClassTableError

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
        'ego'  # the own vehicle in its own picture: bonnet, camera mount; neither road nor hazard
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
