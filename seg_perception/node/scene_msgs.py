# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The messages of seg_perception_msgs, filled from the one table of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from geometry_msgs.msg import Point32
from std_msgs.msg import Header

from seg_perception.core.autoware_classes import AUTOWARE_NAMES, autoware_ids
from seg_perception.core.classes import ClassTable
from seg_perception.io.scene_fields import check_fields
from seg_perception.node.image_conversions import copy_header
from seg_perception.node.parameters import NodeParams
from seg_perception_msgs import msg as messages

try:
    import vision_msgs.msg as vision
except ImportError:  # not everywhere
    vision = None

LABEL_INFO: Any = vision.LabelInfo if vision else None
"""The type of the topic label_info; None where vision_msgs is not installed."""

_SAME = np.arange(256, dtype=np.uint8)


def to_msg(kind: Any, values: Mapping[str, Any], header: Header | None = None) -> Any:
    """
    A message of a type of ``seg_perception_msgs`` with these values and a copy of the header.

    :raises MessageError: when a field has no value, or a value no field.
    """
    kinds = _field_kinds(kind)
    given = values if header is None else {'header': copy_header(header), **values}
    check_fields(kind.__name__, kinds, given)
    return kind(**{name: _value(kinds[name], value) for name, value in given.items()})


@cache
def _field_kinds(kind: Any) -> dict[str, Any]:
    """Of each field the type of the messages in it; None for plain values."""
    names = kind.get_fields_and_field_types().items()
    return {name: _message(text.removeprefix('sequence<').rstrip('>')) for name, text in names}


def _message(text: str) -> Any:
    package, _, name = text.partition('/')
    if package == 'seg_perception_msgs':
        return getattr(messages, name)
    return Point32 if text == 'geometry_msgs/Point32' else None


def _value(kind: Any, value: Any) -> Any:
    if kind is None:
        return value
    if isinstance(value, Mapping):
        return to_msg(kind, value)
    return [to_msg(kind, item) for item in value]


def ids_of(table: ClassTable, params: NodeParams) -> np.ndarray:
    """Lookup table (256,) uint8 from the ids of the model to those that are published."""
    if params.class_ids == 'autoware':
        return table.lookup(autoware_ids)
    return _SAME


def label_info(table: ClassTable, header: Header, params: NodeParams) -> Any:
    """
    What each value of a mask means, as vision_msgs/LabelInfo.

    Only where vision_msgs is installed.
    """
    names = AUTOWARE_NAMES if params.class_ids == 'autoware' else table.names
    classes = [vision.VisionClass(class_id=id, class_name=name) for id, name in enumerate(names)]
    return LABEL_INFO(header=copy_header(header), class_map=classes, threshold=0.0)
