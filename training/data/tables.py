# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Class tables of an experiment: whether two are the same, and smaller ones made of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seg_perception.core.classes import UNLABELED, ClassTable, SegClass
from seg_perception.core.errors import ClassTableError, SegPerceptionError
from seg_perception.inference.class_file import load_table
from training.errors import ConfigError, check_known


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


def open_table(name: str, key: str, error: type[SegPerceptionError] = ConfigError) -> ClassTable:
    """
    The class table of a name or file that a configuration key gives.

    :raises ConfigError: or another ``error``, when there is none, or its file cannot be.
    """
    try:
        return load_table(name)
    except ClassTableError as wrong:
        thing = f'{key}{name!r}: {wrong.thing}'
        raise error(thing, wrong.seen, wrong.expected, wrong.fix) from wrong


def class_id(name: str, classes: ClassTable, thing: str) -> int:
    """
    Id of the class of that name.

    :param thing: that the name is given for, for the message.
    :raises ConfigError: when the table has no such class.
    """
    check_known(thing, name, classes.names)
    return classes.names.index(name)


JOINT = '+'
"""Between names of ``data.keep`` that become one class, which has the first of them."""


def keep_classes(table: ClassTable, keep: Sequence[str]) -> ClassTable:
    """
    Some classes of a table, in the order given; ``car+truck`` is one, named car.

    :raises ConfigError: for a name that the table does not have, or has been given twice.
    """
    names = [name for group in keep for name in group.split(JOINT)]
    for name in names:
        class_id(name, table, 'config key data.keep')
    if len(set(names)) < len(names):
        raise ConfigError('config key data.keep', list(keep), 'each class once')
    rows = [table.classes[table.names.index(group.split(JOINT)[0])] for group in keep]
    classes = tuple(SegClass(i, row.name, row.rgb, row.role) for i, row in enumerate(rows))
    how = 'joined' if len(names) > len(keep) else 'kept'
    return ClassTable(f'{table.name}_{how}_{len(rows)}', classes)


def keep_lut(table: ClassTable, keep: Sequence[str]) -> np.ndarray:
    """Id among the kept classes, or 255, of each value of the table's labels, (256,) uint8."""
    lut = np.full(256, UNLABELED, np.uint8)
    for kept_id, group in enumerate(keep):
        lut[[table.names.index(name) for name in group.split(JOINT)]] = kept_id
    return lut
