# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Numbers that a user may set, declared once: range, unit and meaning beside the default.

ROS parameters and the table in the documentation follow from the dataclass fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

from seg_perception.core.errors import ParameterError

Record = TypeVar('Record')


@dataclass(frozen=True)
class Tunable:
    """One number of a record; ``path`` names it, with dots into records inside."""

    path: str
    default: float
    low: float
    high: float
    unit: str
    description: str
    is_whole: bool = False


def tunable(default: float, low: float, high: float, unit: str, description: str) -> Any:
    """A dataclass field for a number from low to high."""
    meta = {'low': low, 'high': high, 'unit': unit, 'description': description}
    return field(default=default, metadata=meta)


def tunables(record: object, prefix: str = '') -> Iterator[Tunable]:
    """Every number that a record declares, those of records inside it too."""
    for each in fields(record):  # type: ignore[arg-type]
        value, path = getattr(record, each.name), prefix + each.name
        if is_dataclass(value):
            yield from tunables(value, f'{path}.')
        elif 'unit' in each.metadata:
            yield Tunable(path, value, **each.metadata, is_whole=each.type in (int, 'int'))


def tuned(record: Record, values: Mapping[str, float]) -> Record:
    """
    A copy of a record with other numbers, by the paths of ``tunables``.

    :raises ParameterError: when a path is none of them, or a number is out of its range.
    """
    unknown = sorted(set(values) - {each.path for each in tunables(record)})
    if unknown:
        known = ', '.join(each.path for each in tunables(record))
        raise ParameterError(f'numbers of {type(record).__name__}', ', '.join(unknown), known)
    changes: dict[str, Any] = {path: value for path, value in values.items() if '.' not in path}
    for name in {path.split('.')[0] for path in values if '.' in path}:
        inner = {
            path.removeprefix(f'{name}.'): value
            for path, value in values.items()
            if path.startswith(f'{name}.')
        }
        changes[name] = tuned(getattr(record, name), inner)
    return replace(record, **changes)  # type: ignore[type-var]


def check_tunables(record: object, name: str) -> None:
    """
    Refuse a record with a number out of its range.

    :raises ParameterError: that says which.
    """
    for each in fields(record):  # type: ignore[arg-type]
        if 'unit' in each.metadata:
            value, low, high = (
                getattr(record, each.name),
                each.metadata['low'],
                each.metadata['high'],
            )
            if not low <= value <= high:
                raise ParameterError(f'{name} {each.name}', value, f'{low:g} to {high:g}')
