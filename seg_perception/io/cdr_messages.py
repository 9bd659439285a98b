# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Results as serialised messages of ROS 2, made without ROS."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from seg_perception.core.camera import Calibration
from seg_perception.core.errors import SourceError
from seg_perception.io.scene_fields import check_fields

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
SCENE = 'seg_perception_msgs/msg/RoadScene'
_NS = 1_000_000_000
# In the repository, and where setup.py installs them: below the prefix of Python or of the
# workspace.
_DEFINITIONS = ('seg_perception_msgs/msg', 'share/seg_perception/msg')
_TEXT = 'string'


@cache
def typestore() -> Typestore:
    """
    The types of ROS 2 and ours, with their definitions, which go into every bag.

    :raises SourceError: when the definitions of ours are not there.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    for file in sorted(_definitions().glob('*.msg')):
        text = file.read_text(encoding='utf-8')
        store.register(get_types_from_msg(text, f'seg_perception_msgs/msg/{file.stem}'))
    return store


def header(stamp_ns: int, frame_id: str) -> dict[str, Any]:
    """The fields of a std_msgs/Header."""
    sec, nanosec = divmod(stamp_ns, _NS)
    return {'stamp': {'sec': sec, 'nanosec': nanosec}, 'frame_id': frame_id}


def image_message(
    pixels: np.ndarray, head: Mapping[str, Any], encoding: str = 'mono8'
) -> memoryview:
    """Pixels, (H, W) uint8 for mono8 or (H, W, 3) for bgr8 and rgb8, as an image."""
    values = {
        'header': head,
        'height': pixels.shape[0],
        'width': pixels.shape[1],
        'encoding': encoding,
        'is_bigendian': 0,
        'step': pixels[0].size,
        'data': np.ascontiguousarray(pixels).ravel(),
    }
    return _serialised(IMAGE, values)


def jpeg_message(jpeg: np.ndarray, head: Mapping[str, Any]) -> memoryview:
    """A JPEG file (N,) uint8 as image_transport names it."""
    values = {'header': head, 'format': 'bgr8; jpeg compressed bgr8', 'data': jpeg.ravel()}
    return _serialised(COMPRESSED, values)


def camera_info_message(calibration: Calibration, head: Mapping[str, Any]) -> memoryview:
    """The calibration of a camera."""
    height, width = calibration.size
    values = {
        'header': head,
        'height': height,
        'width': width,
        'distortion_model': calibration.distortion_model,
        **{name: np.ravel(getattr(calibration, name)) for name in 'dkrp'},
        'binning_x': 0,
        'binning_y': 0,
        'roi': {'x_offset': 0, 'y_offset': 0, 'height': 0, 'width': 0, 'do_rectify': False},
    }
    return _serialised(CAMERA_INFO, values)


def scene_message(fields: Mapping[str, Any], head: Mapping[str, Any]) -> memoryview:
    """The road scene of a frame, from the fields of ``scene_fields``."""
    return _serialised(SCENE, {'header': head, **fields})


def _serialised(kind: str, values: Mapping[str, Any]) -> memoryview:
    return typestore().serialize_cdr(_filled(kind, values), kind)


def _filled(kind: str, values: Mapping[str, Any]) -> Any:
    """
    A message of a type.

    :raises MessageError: when a field has no value, or a value no field.
    """
    fields = dict(typestore().fielddefs[kind][1])
    check_fields(kind, fields, values)
    made = {name: _value(description, values[name]) for name, description in fields.items()}
    return typestore().types[kind](**made)


def _value(description: Any, value: Any) -> Any:
    node, what = description
    if node == Nodetype.NAME:
        return _filled(what, value)
    if node == Nodetype.BASE:
        return value
    inner, inner_what = what[0]
    if inner == Nodetype.NAME:
        return [_filled(inner_what, item) for item in value]
    if inner_what[0] == _TEXT:
        return list(value)
    return np.ascontiguousarray(value, dtype=inner_what[0])


def _definitions() -> Path:
    for parent in Path(__file__).resolve().parents:
        for name in _DEFINITIONS:
            if (parent / name / 'RoadScene.msg').is_file():
                return parent / name
    raise SourceError(
        'definitions of seg_perception_msgs',
        'no RoadScene.msg next to or above the package',
        ' or '.join(_DEFINITIONS),
        'Reinstall seg_perception, or leave out bags: --outputs video thumbs.',
    )
