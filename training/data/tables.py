# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Class tables of an experiment: whether two are the same, and smaller ones made of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seg_perception.core.classes import UNLABELED, ClassTable, SegClass
from seg_perception.core.errors import ClassTableError
from training.errors import ConfigError, near


def check_table(thing: str, table: ClassTable, data: ClassTable) -> None:
    """
    Refuse classes of one table where the data have those of another.

    By name too: two protocols of CamVid have the same classes, but not the same pixels in them.

    :raises ClassTableError: when the table's name differs, or names or order of its classes.
    """
    if (table.name, table.names) == (data.name, data.names):
        return
    raise ClassTableError(
        f'class table of {thing}',
        f'{table.name} ({", ".join(table.names)})',
        f'{data.name} ({", ".join(data.names)}), that of the data',
        'Use the data.classes and data.keep that it was trained with, such as '
        f'data.classes={table.name}.',
    )


def keep_classes(table: ClassTable, keep: Sequence[str]) -> ClassTable:
    """
    Some classes of a table, in the order given.

    :raises ConfigError: for a name that the table does not have, or has been given twice.
    """
    for name in keep:
        if name not in table.names:
            fix = near(name, table.names)
            raise ConfigError('config key data.keep', repr(name), ', '.join(table.names), fix)
    if len(set(keep)) < len(keep):
        raise ConfigError('config key data.keep', list(keep), 'each class once')
    rows = [table.classes[table.names.index(name)] for name in keep]
    classes = tuple(SegClass(i, row.name, row.rgb, row.role) for i, row in enumerate(rows))
    return ClassTable(f'{table.name}_kept_{len(rows)}', classes)


def keep_lut(table: ClassTable, kept: ClassTable) -> np.ndarray:
    """Id among the kept classes, or 255, of each value of the table's labels, (256,) uint8."""
    lut = np.full(256, UNLABELED, np.uint8)
    lut[[table.names.index(name) for name in kept.names]] = range(len(kept))
    return lut
