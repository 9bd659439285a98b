# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Results as serialised messages of ROS 2, made without ROS."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from seg_perception.core.errors import SourceError
from seg_perception.core.results import DrivableArea, Result, SafetyRisk

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
SCENE = 'seg_perception_msgs/msg/RoadScene'
_NS = 1_000_000_000
# In the repository, and where setup.py installs them: below the prefix of Python or of the
# workspace.
_DEFINITIONS = ('seg_perception_msgs/msg', 'share/seg_perception/msg')
_TEXT, _FLAG = 'string', 'bool'


@lru_cache(maxsize=1)
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
        'step': pixels[0].size,
        'data': np.ascontiguousarray(pixels).ravel(),
    }
    return _serialised(IMAGE, values)


def jpeg_message(jpeg: np.ndarray, head: Mapping[str, Any]) -> memoryview:
    """A JPEG file (N,) uint8 as image_transport names it."""
    values = {'header': head, 'format': 'bgr8; jpeg compressed bgr8', 'data': jpeg.ravel()}
    return _serialised(COMPRESSED, values)


def scene_message(
    result: Result, head: Mapping[str, Any], camera: str, model: str, ground_frame: str = ''
) -> memoryview:
    """The road scene of a frame; times are those of the evaluation."""
    values = {
        'header': head,
        'camera': camera,
        'model': model,
        'image_height': result.labels.shape[0],
        'image_width': result.labels.shape[1],
        'ground_frame': ground_frame,
        'ground_text': '' if ground_frame else 'no calibration or mounting',
        'drivable_area': _area(result.area),
        'safety_risk': _risk(result.risk),
        'stage_names': list(result.stage_ms),
        'stage_ms': list(result.stage_ms.values()),
        'latency_ms': sum(result.stage_ms.values()),
    }
    return _serialised(SCENE, values)


def _area(area: DrivableArea) -> dict[str, Any]:
    low_m, high_m = area.free_distance_band_m
    other = area.mask_alternative
    return vars(area) | {
        'alternative_share': 0.0 if other is None else cv2.countNonZero(other) / other.size,
        'free_distance_low_m': low_m,
        'free_distance_high_m': high_m,
        'ground_polygon': [{'x': float(x), 'y': float(y)} for x, y in area.ground_polygon_m],
    }


def _risk(risk: SafetyRisk) -> dict[str, Any]:
    return vars(risk) | {'factors': [vars(factor) for factor in risk.factors]}


def _serialised(kind: str, values: Mapping[str, Any]) -> memoryview:
    return typestore().serialize_cdr(_filled(kind, values), kind)


def _filled(kind: str, values: Mapping[str, Any]) -> Any:
    """A message of a type; fields without a value are zero or empty, as ROS has it."""
    fields = typestore().fielddefs[kind][1]
    made = {name: _value(description, values.get(name)) for name, description in fields}
    return typestore().types[kind](**made)


def _value(description: Any, value: Any) -> Any:
    node, what = description
    if node == Nodetype.NAME:
        return _filled(what, value or {})
    if node == Nodetype.BASE:
        return value if value is not None else _zero(what[0])
    inner, inner_what = what[0]
    values = [] if value is None else value
    if inner == Nodetype.NAME:
        return [_filled(inner_what, item) for item in values]
    if inner_what[0] == _TEXT:
        return list(values)
    return np.ascontiguousarray(values, dtype=inner_what[0])


def _zero(kind: str) -> Any:
    return {_TEXT: '', _FLAG: False}.get(kind, 0)


def _definitions() -> Path:
    for parent in Path(__file__).resolve().parents:
        for name in _DEFINITIONS:
            if (parent / name / 'RoadScene.msg').is_file():
                return parent / name
    raise SourceError(
        'definitions of seg_perception_msgs',
        'no RoadScene.msg beside or above the package',
        ' or '.join(_DEFINITIONS),
        'Reinstall seg_perception, or leave out bags: --outputs video thumbs.',
    )
