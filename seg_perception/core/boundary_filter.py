# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The free-space boundary over time: what one frame alone shows, it does not show.

Each column is the median of the last three frames. A person or a vehicle that is nearer than that
counts at once; anything else new counts when the second frame shows it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from seg_perception.core.classes import ClassTable, Role
from seg_perception.core.results import BoundaryFlag, DrivableArea

_MOST_APART_S = 0.2  # between two frames; what is older says nothing about the present one
_SAME_SHARE = 0.02  # of the image height: what a row may differ and still be called seen


@dataclass(frozen=True, eq=False)
class Boundary:
    """The boundary of an area in (K,) columns, without the area."""

    rows: np.ndarray
    class_ids: np.ndarray
    flags: np.ndarray
    height: int  # of the image

    @classmethod
    def of(cls, area: DrivableArea) -> Boundary:
        rows, class_ids, flags = area.boundary_rows, area.boundary_class_ids, area.boundary_flags
        return cls(rows, class_ids, flags, len(area.mask))

    def put_into(self, area: DrivableArea) -> DrivableArea:
        """The area with this boundary; the same object if that is its own."""
        if self.rows is area.boundary_rows:
            return area
        return replace(
            area,
            boundary_rows=self.rows,
            boundary_class_ids=self.class_ids,
            boundary_flags=self.flags,
        )


class BoundaryFilter:
    """
    Remembers the last two boundaries of one camera.

    :param table: of the class ids.
    """

    def __init__(self, table: ClassTable) -> None:
        self._is_solid = table.role_mask(Role.VULNERABLE, Role.VEHICLE) > 0
        self._before: deque[Boundary] = deque(maxlen=2)
        self._last: tuple[float, str] = 0.0, ''

    def reset(self) -> None:
        """Forget every frame."""
        self._before.clear()

    def update(self, new: Boundary, stamp_s: float, frame_id: str = '') -> Boundary:
        """
        The boundary of a frame, given those before; in the order of the frames.

        It starts anew with another camera or image size, and after more than 0.2 s.
        """
        last_s, last_id = self._last
        self._last = stamp_s, frame_id
        follows = frame_id == last_id and 0 < stamp_s - last_s <= _MOST_APART_S
        if not follows or any(len(old.rows) != len(new.rows) for old in self._before):
            self.reset()
        if any(old.height != new.height for old in self._before):
            self.reset()
        steady = self._median([new, *self._before]) if len(self._before) == 2 else new
        self._before.append(new)
        return steady

    def _median(self, three: list[Boundary]) -> Boundary:
        new, rows = three[0], np.stack([one.rows for one in three])
        place = rows.argsort(axis=0, kind='stable')[1]
        columns = np.arange(len(new.rows))
        median = rows[place, columns]
        at_once = (new.rows > median) & self._is_solid[new.class_ids]
        place[at_once | (new.rows == median)] = 0
        rows = rows[place, columns]
        flags = np.stack([one.flags for one in three])[place, columns]
        flags[np.abs(rows - new.rows) > _SAME_SHARE * new.height] = BoundaryFlag.BRIDGED
        class_ids = np.stack([one.class_ids for one in three])[place, columns]
        return Boundary(rows, class_ids, flags, new.height)
