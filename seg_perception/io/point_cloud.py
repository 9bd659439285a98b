# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Point clouds of a graph or of a bag, as views of the message's bytes, and clouds with more fields.

Messages are anything with the fields of sensor_msgs/PointCloud2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seg_perception.core.errors import CloudError

# The datatypes of sensor_msgs/PointField.
_TYPES = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 8: 'f8'}
UINT8, FLOAT32 = 2, 7
_AXES = ('x', 'y', 'z')


@dataclass(frozen=True)
class Column:
    """A field of a cloud: name, offset in a point, datatype of PointField, values a point."""

    name: str
    offset: int
    datatype: int
    count: int = 1


@dataclass(frozen=True, eq=False)
class PointCloud:
    """The points of a message: places, and the bytes of each point with all its fields."""

    xyz_m: np.ndarray  # (N, 3) float, read-only; a view where the message allows one
    data: np.ndarray  # (N, step) uint8, read-only; a view where rows are not padded
    columns: tuple[Column, ...]
    is_bigendian: bool


def read_cloud(msg: Any) -> PointCloud:
    """
    The points of a sensor_msgs/PointCloud2: any order of fields and bytes, any padding.

    :raises CloudError: when x, y, z are missing or no numbers, or sizes contradict each other.
    """
    columns = tuple(
        Column(field.name, int(field.offset), int(field.datatype), max(1, int(field.count)))
        for field in msg.fields
    )
    _check(msg, columns)
    shape, strides = (msg.height, msg.width), (msg.row_step, msg.point_step, 1)
    rows = np.ndarray((*shape, msg.point_step), np.uint8, msg.data, strides=strides)
    data = rows.reshape(-1, msg.point_step)  # copies padded rows alone
    data.setflags(write=False)
    return PointCloud(
        _places(data, columns, bool(msg.is_bigendian)), data, columns, bool(msg.is_bigendian)
    )


def _places(data: np.ndarray, columns: tuple[Column, ...], is_bigendian: bool) -> np.ndarray:
    """x, y, z (N, 3): a view where they are neighbours of one type."""
    by_name = {column.name: column for column in columns}
    axes = [by_name[name] for name in _AXES]
    kinds = [np.dtype(('>' if is_bigendian else '<') + _TYPES[axis.datatype]) for axis in axes]
    size, first = kinds[0].itemsize, axes[0].offset
    offsets = [axis.offset for axis in axes]
    if offsets == [first, first + size, first + 2 * size] and len(set(kinds)) == 1:
        count, step = data.shape
        return np.ndarray((count, 3), kinds[0], data, first, (step, size))
    record = np.dtype(
        {'names': _AXES, 'formats': kinds, 'offsets': offsets, 'itemsize': data.shape[1]}
    )
    points = np.ndarray((len(data),), record, data, strides=(data.shape[1],))
    return np.stack([points[name] for name in _AXES], axis=1).astype(np.float32)


def _check(msg: Any, columns: Sequence[Column]) -> None:
    names = {column.name: column for column in columns}
    missing = [name for name in _AXES if name not in names]
    if missing:
        expected = 'fields x, y and z'
        raise CloudError('point cloud fields', sorted(names) or 'none', expected)
    for name in _AXES:
        column = names[name]
        if _TYPES.get(column.datatype) not in ('f4', 'f8'):
            seen = f'datatype {column.datatype}'
            raise CloudError(f'point cloud field {name!r}', seen, 'FLOAT32 (7) or FLOAT64 (8)')
    for column in columns:
        size = np.dtype(_TYPES.get(column.datatype, 'u1')).itemsize * column.count
        if column.offset + size > msg.point_step:
            seen = f'bytes {column.offset} to {column.offset + size}'
            expected = f'within point_step {msg.point_step}'
            raise CloudError(f'point cloud field {column.name!r}', seen, expected)
    if msg.row_step < msg.width * msg.point_step or len(msg.data) < msg.row_step * msg.height:
        seen = f'row_step {msg.row_step} and {len(msg.data)} bytes'
        points = f'{msg.height} rows of {msg.width} points of {msg.point_step} bytes'
        raise CloudError('point cloud size', seen, points, 'Send whole clouds.')


def with_columns(
    cloud: PointCloud, added: dict[str, np.ndarray], chosen: np.ndarray | None = None
) -> PointCloud:
    """
    A cloud with more fields behind those that it has; a field of the same name is replaced.

    :param added: values (N,) by name, uint8 or float32.
    :param chosen: (N,) bool, the points that stay; None: all.
    """
    kept = [column for column in cloud.columns if column.name not in added]
    step = (cloud.data.shape[1] + 3) // 4 * 4
    columns, order = list(kept), '>' if cloud.is_bigendian else '<'
    places = {}
    for name, values in sorted(added.items(), key=lambda pair: -pair[1].itemsize):
        places[name], size = step, values.itemsize
        columns.append(Column(name, step, FLOAT32 if size == 4 else UINT8))
        step += size
    source = cloud.data if chosen is None else cloud.data[chosen]
    data = np.zeros((len(source), (step + 3) // 4 * 4), np.uint8)
    data[:, : source.shape[1]] = source
    for name, values in added.items():
        values = values if chosen is None else values[chosen]
        kind = np.dtype(order + values.dtype.str[1:])
        np.ndarray((len(data),), kind, data, places[name], (data.shape[1],))[:] = values
    return PointCloud(
        _places(data, tuple(columns), cloud.is_bigendian), data, tuple(columns), cloud.is_bigendian
    )
