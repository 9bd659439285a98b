# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Labels that may be any of several classes, as those of data sets that tell fewer apart.

In masks of uint8 the labels 0..C-1 are classes, C, C + 1 ... are sets of them, 255 is ignored.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from seg_perception.core.classes import UNLABELED, ClassTable
from seg_perception.evaluation.class_mapping import class_sets
from training.errors import ConfigError


class LabelSets(tuple[tuple[int, ...], ...]):
    """The sets in the order of their labels; each is two or more class ids."""

    __slots__ = ()

    @classmethod
    def of(cls, tables: Iterable[ClassTable], target: ClassTable) -> LabelSets:
        """
        The sets that labels of some tables are in the target.

        :raises ClassTableError: when a class of a table is nothing in the target.
        :raises ConfigError: when classes and sets are more than a mask can tell apart.
        """
        found = {ids for table in tables for ids in class_sets(table, target) if len(ids) > 1}
        if len(target) + len(found) > UNLABELED:
            seen = f'{len(target)} classes and {len(found)} sets of them'
            raise ConfigError('data.partial_labels=true', seen, f'together at most {UNLABELED}')
        return cls(sorted(found))

    def lut(self, table: ClassTable, target: ClassTable) -> np.ndarray:
        """Class or set of each label of a table that was counted in, or 255, (256,) uint8."""
        lut = np.full(256, UNLABELED, np.uint8)
        for label, ids in enumerate(class_sets(table, target)):
            if ids:
                lut[label] = ids[0] if len(ids) == 1 else len(target) + self.index(ids)
        return lut

    def allowed(self, num_classes: int) -> np.ndarray:
        """Whether each label may be each class, (256, C) bool; an ignored one may be none."""
        allowed = np.zeros((256, num_classes), bool)
        allowed[range(num_classes), range(num_classes)] = True
        for label, ids in enumerate(self, start=num_classes):
            allowed[label, list(ids)] = True
        return allowed


NO_SETS = LabelSets()
