# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Class tables of one's own, from YAML files."""

from __future__ import annotations

from pathlib import Path

from seg_perception.core.classes import ClassTable, table_named
from seg_perception.core.errors import ClassTableError
from seg_perception.io.yaml_file import read_mapping

EXAMPLE = 'classes: [{name: road, rgb: [128, 64, 128], role: drivable}, ...]'


def load_table(text: str) -> ClassTable:
    """
    The shipped class table of that name, or the one in a YAML file.

    A file holds ``classes``, a list of rows with name, rgb and role in the order of their ids, and
    may hold ``name``.

    :raises ClassTableError: when there is no such table or file, or its content cannot be.
    """
    path = Path(text)
    if path.suffix not in ('.yaml', '.yml'):
        return table_named(text)
    data = read_mapping(path, 'class table', ClassTableError)
    if not isinstance(data.get('classes'), list):
        raise ClassTableError(f'class table {text!r}', 'no list of classes', EXAMPLE)
    rows = [
        {'id': number, **row} if isinstance(row, dict) else row
        for number, row in enumerate(data['classes'])
    ]
    return ClassTable.from_dict({'name': str(data.get('name', path.stem)), 'classes': rows})
