# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
A topic of a bag as rclpy can publish it: messages are handed on as they are.

Serialised data carries no field names: with a definition other than the installed one, readers
would take garbage for a message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag1,
    MessageDefinitionFormat,
    Nodetype,
    Qos,
    QosDurability,
    QosLiveliness,
    QosReliability,
)
from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)
from rosbags.typesys.store import Typestore

from seg_perception.io.bag_files import CDR, ROS1
from seg_perception.io.bags import encoding_of

if TYPE_CHECKING:
    from rosbags.interfaces.typing import Typesdict

IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
DEPTH = 10  # recorders do not learn the depth of a publisher
LATCHED_DEPTH = 100  # each of several static transforms has to be there for who comes late
STATIC_TRANSFORMS = '/tf_static'
INFINITE_S = 2**31 - 1  # from here on a duration means "for ever", and so does zero

_HEADER = 'std_msgs/msg/Header'
# What rosbags and rclpy call the same bytes.
_SAME = {
    'boolean': 'bool',
    'octet': 'uint8',
    'byte': 'uint8',
    'char': 'uint8',
    'float': 'float32',
    'double': 'float64',
}


@dataclass(frozen=True, eq=False)
class Channel:
    """A topic of the bag that can be published."""

    topic: str
    type_name: str
    type: Any
    qos: QoSProfile
    is_latched: bool
    count: int
    ros1: Typestore | None  # the bag's own types, where it is one of ROS 1

    @property
    def is_image(self) -> bool:
        return self.type_name in IMAGE_TYPES

    def to_cdr(self, raw: bytes) -> bytes:
        """
        A message of the bag as rclpy publishes it.

        :raises SerdeError: when one of ROS 1 is not of the type.
        """
        return bytes(raw if self.ros1 is None else self.ros1.ros1_to_cdr(raw, self.type_name))


def channel_of(connections: Sequence[Connection]) -> Channel | str:
    """The channel of one topic, or the reason why it has none."""
    encodings = {encoding_of(connection) for connection in connections}
    if foreign := encodings - {CDR, ROS1}:
        return f'its messages are {" and ".join(sorted(foreign))}: convert them to ROS 2 (cdr)'
    is_ros1 = ROS1 in encodings
    names = sorted({connection.msgtype for connection in connections})
    if len(names) > 1:
        return f'it has messages of {" and ".join(names)}'
    name = names[0]
    kind = find_type(name)
    if kind is None:
        return f'{name} is not installed'
    store = definition(connections, is_ros1)
    if store is None:
        return f'the definition of {name} in the bag cannot be read'
    if not is_same(kind, name, store):
        return f'{name} is not defined as the installed one'
    return Channel(
        connections[0].topic,
        name,
        kind,
        profile_for(connections),
        is_latched(connections),
        sum(connection.msgcount for connection in connections),
        store if is_ros1 else None,
    )


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


def profile_for(connections: Sequence[Connection]) -> QoSProfile:
    """
    The profile of one publisher that stands for those that were recorded on a topic.

    Where they differ, the stronger offer wins: it matches every reader. Nothing recorded means
    reliable and, but for latched topics of ROS 1 and static transforms, volatile.
    """
    offers = [offer for connection in connections for offer in _offers(connection)]
    latched = is_latched(connections)
    weak = offers and all(offer.reliability == QosReliability.BEST_EFFORT for offer in offers)
    is_same = offers and all(offer == offers[0] for offer in offers)
    return QoSProfile(
        depth=max([LATCHED_DEPTH if latched else DEPTH, *(offer.depth for offer in offers)]),
        reliability=ReliabilityPolicy.BEST_EFFORT if weak else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        **(_times(offers[0]) if is_same else {}),
    )


def is_latched(connections: Sequence[Connection]) -> bool:
    """Whether late subscribers receive earlier messages."""
    return any(
        connection.topic == STATIC_TRANSFORMS
        or (isinstance(connection.ext, ConnectionExtRosbag1) and bool(connection.ext.latching))
        or any(offer.durability == QosDurability.TRANSIENT_LOCAL for offer in _offers(connection))
        for connection in connections
    )


def _offers(connection: Connection) -> list[Qos]:
    ext = connection.ext
    return [] if isinstance(ext, ConnectionExtRosbag1) else ext.offered_qos_profiles


def _times(offer: Qos) -> dict[str, Any]:
    """Deadline, lifespan and liveliness that differ from the default."""
    times: dict[str, Any] = {}
    for name in ('deadline', 'lifespan', 'liveliness_lease_duration'):
        time = getattr(offer, name)
        if time.sec < INFINITE_S and (time.sec, time.nsec) != (0, 0):
            times[name] = Duration(seconds=time.sec, nanoseconds=time.nsec)
    if offer.liveliness == QosLiveliness.MANUAL_BY_TOPIC:
        times['liveliness'] = LivelinessPolicy.MANUAL_BY_TOPIC
    return times
