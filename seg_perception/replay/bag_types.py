# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Whether messages of a bag can be handed to rclpy as they are.

Serialised data carries no field names: with a definition other than the installed one, readers
would take garbage for a message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rosbags.interfaces import Connection, MessageDefinitionFormat, Nodetype
from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)
from rosbags.typesys.store import Typestore

if TYPE_CHECKING:
    from rosbags.interfaces.typing import Typesdict

# What rosbags and rclpy call the same bytes.
_SAME = {
    'boolean': 'bool',
    'octet': 'uint8',
    'byte': 'uint8',
    'char': 'uint8',
    'float': 'float32',
    'double': 'float64',
}


_HEADER = 'std_msgs/msg/Header'


def find_type(name: str) -> Any | None:
    """The class of a message such as ``sensor_msgs/msg/Image``; None if it is not installed."""
    package, _, kind = name.partition('/msg/')
    try:
        return getattr(import_module(f'{package}.msg'), kind, None)
    except ImportError:
        return None


def definition(connections: Sequence[Connection], is_ros1: bool) -> Typestore | None:
    """
    The types of a topic as its bag defines them; None where that cannot be read.

    Bags that define nothing, old or damaged ones, are taken to have the usual types.
    """
    found = [item for item in connections if item.msgdef.format != MessageDefinitionFormat.NONE]
    store = get_typestore(Stores.EMPTY)
    try:
        types = _read_definition(found[0]) if found else _usual(is_ros1)
        if is_ros1 and _HEADER in types:
            # rosbags drops the counter of ROS 1 headers when it converts, and expects it gone.
            constants, fields = types[_HEADER]
            types[_HEADER] = constants, [field for field in fields if field[0] != 'seq']
        store.register(types)
        _of_bag(connections[0].msgtype, store)
    except (TypesysError, KeyError):
        return None
    return store


def _usual(is_ros1: bool) -> Typesdict:
    return dict(get_typestore(Stores.ROS1_NOETIC if is_ros1 else Stores.LATEST).fielddefs)


def _read_definition(connection: Connection) -> Typesdict:
    text = connection.msgdef.data
    if connection.msgdef.format == MessageDefinitionFormat.MSG:
        return get_types_from_msg(text, connection.msgtype)
    parts = re.split(r'^=+\nIDL: .*\n', text, flags=re.MULTILINE)
    return {name: row for part in parts if part for name, row in get_types_from_idl(part).items()}


def is_same(kind: Any, name: str, bag: Typestore) -> bool:
    """Whether the installed type has the wire layout that the bag defines."""
    return _of_class(kind) == _of_bag(name, bag)


def _of_class(kind: Any) -> str:
    """All fields down to primitive types, as text: ``{uint32,{...},sequence<uint8>}``."""
    texts = [_of_field(text) for text in kind.get_fields_and_field_types().values()]
    return '{' + ','.join(texts) + '}'


def _of_field(text: str) -> str:
    if sequence := re.fullmatch(r'sequence<(.+?)(?:, \d+)?>', text):
        return f'sequence<{_of_field(sequence[1])}>'
    if array := re.fullmatch(r'(.+)\[(\d+)\]', text):
        return f'{_of_field(array[1])}[{array[2]}]'
    if '/' in text:
        return _of_class(find_type(text.replace('/', '/msg/')))
    plain = re.sub(r'<\d+>', '', text)  # a bound is not in the data
    return _SAME.get(plain, plain)


def _of_bag(name: str, bag: Typestore) -> str:
    texts = [
        _of_description(description, bag)
        for field, description in bag.fielddefs[name][1]
        if field != 'structure_needs_at_least_one_member'  # which rclpy hides
    ]
    return '{' + ','.join(texts) + '}'


def _of_description(description: Any, bag: Typestore) -> str:
    kind, what = description
    if kind == Nodetype.NAME:
        return _of_bag(what, bag)
    if kind == Nodetype.BASE:
        return _SAME.get(what[0], what[0])
    inner = _of_description(what[0], bag)
    return f'{inner}[{what[1]}]' if kind == Nodetype.ARRAY else f'sequence<{inner}>'
