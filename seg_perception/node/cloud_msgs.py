# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Point clouds as messages."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from seg_perception.core.results import LabelledImage
from seg_perception.io.point_cloud import PointCloud
from seg_perception.node.image_conversions import copy_header

_FIELDS = {
    'x': ('<f4', 0),
    'y': ('<f4', 4),
    'z': ('<f4', 8),
    'confidence': ('<f4', 12),
    'class_id': ('u1', 16),
}
_POINT = np.dtype(
    {
        'names': list(_FIELDS),
        'formats': [kind for kind, _ in _FIELDS.values()],
        'offsets': [offset for _, offset in _FIELDS.values()],
        'itemsize': 20,
    }
)
_CODES = {'<f4': PointField.FLOAT32, 'u1': PointField.UINT8}


def labelled_cloud_msg(cloud: LabelledImage, header: Header, base_height_m: float) -> PointCloud2:
    """
    An organised cloud in the frame of the header, which is copied; NaN where nothing is known.

    :param base_height_m: of the origin of that frame above the ground.
    """
    points = np.zeros(cloud.labels.shape, _POINT)
    for name, plane in zip('xyz', cloud.xyz_m, strict=True):
        points[name] = plane
    points['z'] -= np.float32(base_height_m)
    points['class_id'] = cloud.labels
    points['confidence'] = cloud.confidence * np.float32(1 / 255)
    msg = PointCloud2(header=copy_header(header), point_step=_POINT.itemsize, is_dense=False)
    msg.height, msg.width = cloud.labels.shape
    msg.row_step = msg.width * msg.point_step
    msg.fields = [
        PointField(name=name, offset=offset, datatype=_CODES[kind], count=1)
        for name, (kind, offset) in _FIELDS.items()
    ]
    msg.data.frombytes(points.view(np.uint8))
    return msg


def cloud_msg(cloud: PointCloud, header: Header) -> PointCloud2:
    """A cloud in one row, with a copy of the header."""
    count, step = cloud.data.shape
    msg = PointCloud2(header=copy_header(header), height=1, width=count, point_step=step)
    msg.row_step, msg.is_bigendian = count * step, cloud.is_bigendian
    msg.is_dense = bool(np.isfinite(cloud.xyz_m).all())
    msg.fields = [
        PointField(
            name=column.name, offset=column.offset, datatype=column.datatype, count=column.count
        )
        for column in cloud.columns
    ]
    msg.data.frombytes(np.ascontiguousarray(cloud.data))
    return msg
