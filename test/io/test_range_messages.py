# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Depth images and point clouds as messages hold them."""

from types import SimpleNamespace

import numpy as np
import pytest

from seg_perception.core.errors import CloudError, ImageError
from seg_perception.io.depth_image import read_depth
from seg_perception.io.point_cloud import PointCloud, read_cloud, with_columns


def depth_msg(values: np.ndarray, encoding: str, padding: int = 0) -> SimpleNamespace:
    height, width = values.shape
    step = width * values.itemsize + padding
    data = np.zeros((height, step), np.uint8)
    data[:, : step - padding] = values.view(np.uint8).reshape(height, -1)
    return SimpleNamespace(
        height=height, width=width, encoding=encoding, step=step, data=data.tobytes(),
        is_bigendian=int(values.dtype.byteorder == '>'),
    )  # fmt: skip


@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize(
    ('kind', 'encoding', 'unit_m'),
    [('<u2', '16UC1', 0.001), ('>u2', '16UC1', 0.001), ('<f4', '32FC1', 1.0), ('>f4', '32fc1', 1)],
)
def test_depth_is_read_without_a_copy(kind, encoding, unit_m, padding):
    values = np.arange(12, dtype=kind).reshape(3, 4)
    depth = read_depth(depth_msg(values, encoding, padding))
    assert depth.unit_m == unit_m and not depth.values.flags.owndata
    np.testing.assert_array_equal(depth.values.astype(float), values.astype(float))


@pytest.mark.parametrize(
    ('change', 'thing', 'seen'),
    [
        ({'encoding': 'rgb8'}, 'encoding', "'rgb8'"),
        ({'width': 0}, 'size', '0 x 3'),
        ({'step': 7}, 'step', '7 bytes'),
        ({'data': b'123'}, 'data length', '3 bytes'),
    ],
)
def test_depth_that_cannot_be_is_refused(change, thing, seen):
    msg = depth_msg(np.ones((3, 4), '<u2'), '16UC1')
    vars(msg).update(change)
    with pytest.raises(ImageError, match=f'depth {thing}: got {seen}'):
        read_depth(msg)


def cloud_msg(
    dtype: np.dtype, height: int = 1, row_padding: int = 0, **changes
) -> SimpleNamespace:
    """Six points whose x, y, z are 1 to 18, with the fields of a structured type."""
    codes = {'u1': 2, 'u2': 4, 'f4': 7, 'f8': 8}
    points = np.zeros(6, dtype)
    for number, name in enumerate('xyz'):
        points[name] = np.arange(6) * 3 + 1 + number
    fields = [
        SimpleNamespace(name=name, offset=offset, datatype=codes[kind.str[1:]], count=1)
        for name, (kind, offset) in dtype.fields.items()
    ]
    width = 6 // height
    row_step = width * dtype.itemsize + row_padding
    data = np.zeros((height, row_step), np.uint8)
    data[:, : width * dtype.itemsize] = points.view(np.uint8).reshape(height, -1)
    msg = SimpleNamespace(
        height=height, width=width, fields=fields, is_bigendian=dtype['x'].byteorder == '>',
        point_step=dtype.itemsize, row_step=row_step, data=data.tobytes(), is_dense=True,
    )  # fmt: skip
    vars(msg).update(changes)
    return msg


PLAIN = np.dtype({'names': 'xyz', 'formats': ['<f4'] * 3, 'offsets': [0, 4, 8], 'itemsize': 16})
LAYOUTS = {
    'plain': PLAIN,
    'with intensity': np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('intensity', '<f4')]),
    'odd step, z first': np.dtype(
        [('ring', 'u1'), ('z', '<f4'), ('t', '<u2'), ('x', '<f4'), ('y', '<f4')]
    ),
    'big-endian': np.dtype([('x', '>f4'), ('y', '>f4'), ('z', '>f4')]),
    'doubles': np.dtype([('x', '<f8'), ('y', '<f8'), ('z', '<f8')]),
    'mixed': np.dtype([('x', '<f4'), ('y', '<f8'), ('z', '<f4')]),
}  # fmt: skip


@pytest.mark.parametrize(('height', 'padding'), [(1, 0), (2, 0), (3, 5)])
@pytest.mark.parametrize('layout', LAYOUTS)
def test_points_of_any_layout(layout, height, padding):
    cloud = read_cloud(cloud_msg(LAYOUTS[layout], height, padding))
    np.testing.assert_array_equal(cloud.xyz_m.astype(float), np.arange(1, 19.0).reshape(6, 3))


def test_points_are_a_view_where_x_y_z_are_neighbours():
    assert not read_cloud(cloud_msg(PLAIN)).xyz_m.flags.owndata


def test_a_cloud_without_points():
    empty = cloud_msg(PLAIN, width=0, row_step=0, data=b'')
    assert read_cloud(empty).xyz_m.shape == (0, 3)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'fields': []}, 'fields: got none, expected fields x, y and z'),
        ({'data': b'12'}, 'size: got row_step 96 and 2 bytes'),
        ({'point_step': 8}, "field 'z': got bytes 8 to 12, expected within point_step 8"),
        ({'row_step': 15}, 'size: got row_step 15'),
    ],
)
def test_clouds_that_cannot_be_are_refused(change, message):
    with pytest.raises(CloudError, match=message):
        read_cloud(cloud_msg(PLAIN, **change))


def test_whole_numbers_are_no_places():
    msg = cloud_msg(PLAIN)
    msg.fields[0].datatype = 5
    with pytest.raises(CloudError, match="field 'x': got datatype 5, expected FLOAT32"):
        read_cloud(msg)


@pytest.mark.parametrize('layout', LAYOUTS)
def test_added_fields_go_behind_those_of_the_cloud(layout):
    cloud = read_cloud(cloud_msg(LAYOUTS[layout]))
    ids, chosen = np.arange(6, dtype=np.uint8), np.array([1, 0, 1, 1, 0, 0], bool)
    sure = np.linspace(0, 1, 6).astype(np.float32)
    more = with_columns(cloud, {'class_id': ids, 'probability': sure}, chosen)
    np.testing.assert_array_equal(more.xyz_m, cloud.xyz_m[chosen])
    assert _values(more, 'class_id', 'u1').tolist() == [0, 2, 3]
    np.testing.assert_allclose(_values(more, 'probability', 'f4'), sure[chosen])
    again = with_columns(more, {'class_id': np.full(3, 9, np.uint8)})
    assert [column.name for column in again.columns].count('class_id') == 1
    assert _values(again, 'class_id', 'u1').tolist() == [9, 9, 9]


def _values(cloud: PointCloud, name: str, kind: str) -> np.ndarray:
    offset = next(column.offset for column in cloud.columns if column.name == name)
    size = int(kind[1])
    raw = np.ascontiguousarray(cloud.data[:, offset : offset + size])
    return raw.view(('>' if cloud.is_bigendian else '<') + kind).ravel()
