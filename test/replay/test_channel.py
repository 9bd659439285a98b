# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which messages of a bag may go to rclpy as they are, and with which quality of service."""

import pytest
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, ReliabilityPolicy
from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag1,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CameraInfo, Image, Imu, NavSatFix, PointCloud2
from std_msgs.msg import Empty, Header
from visualization_msgs.msg import Marker

from seg_perception.replay.channel import definition, find_type, is_latched, is_same, profile_for

SEPARATOR = '=' * 80
FOREVER = QosTime(9223372036, 854775807)
OFFER = Qos(
    QosHistory.UNKNOWN,  # recorders do not learn it
    0,
    QosReliability.BEST_EFFORT,
    QosDurability.VOLATILE,
    FOREVER,
    FOREVER,
    QosLiveliness.AUTOMATIC,
    FOREVER,
    False,
)
RELIABLE = OFFER._replace(reliability=QosReliability.RELIABLE)


def defined(name: str, text: str, kind: MessageDefinitionFormat = MessageDefinitionFormat.MSG):
    """A connection whose bag defines its type so."""
    ext = ConnectionExtRosbag2('cdr', [])
    return [Connection(1, '/x', name, MessageDefinition(kind, text), '', 1, ext, None)]


def name_of(kind: type) -> str:
    return f'{kind.__module__.split(".")[0]}/msg/{kind.__name__}'


def test_types_are_found_by_their_name() -> None:
    assert find_type('sensor_msgs/msg/Image') is Image
    assert find_type('sensor_msgs/msg/Nothing') is None
    assert find_type('nowhere_msgs/msg/Image') is None


@pytest.mark.parametrize('store', [Stores.ROS2_FOXY, Stores.ROS2_HUMBLE, Stores.ROS2_JAZZY])
@pytest.mark.parametrize('kind', [Image, CameraInfo, Imu, NavSatFix, PointCloud2, Empty, Header])
def test_common_types_are_the_same_in_every_release(kind: type, store: Stores) -> None:
    assert is_same(kind, name_of(kind), get_typestore(store))


@pytest.mark.parametrize('kind', [Image, CameraInfo, Imu, NavSatFix, PointCloud2, Empty, Header])
def test_those_of_ros_1_differ_by_the_counter_of_the_header_alone(kind: type) -> None:
    name = name_of(kind)
    text, _ = get_typestore(Stores.ROS1_NOETIC).generate_msgdef(name, ros_version=1)
    assert is_same(kind, name, definition(defined(name, text), is_ros1=True))
    assert is_same(kind, name, definition(defined(name, text), is_ros1=False)) == (kind is Empty)


def test_the_marker_has_grown_since_ros_1() -> None:
    assert not is_same(Marker, 'visualization_msgs/msg/Marker', get_typestore(Stores.ROS1_NOETIC))
    assert is_same(Marker, 'visualization_msgs/msg/Marker', get_typestore(Stores.ROS2_JAZZY))


@pytest.mark.parametrize(
    ('text', 'same'),
    [
        ('builtin_interfaces/Time stamp\nstring frame_id', True),
        ('builtin_interfaces/Time time\nstring<=9 frame', True),  # names and bounds are not sent
        ('uint32 seq\nbuiltin_interfaces/Time stamp\nstring frame_id', False),
        ('string frame_id\nbuiltin_interfaces/Time stamp', False),
        ('builtin_interfaces/Time stamp\nstring[] frame_id', False),
        ('builtin_interfaces/Time stamp', False),
    ],
)
def test_layout_decides(text: str, same: bool) -> None:
    time = f'{SEPARATOR}\nMSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec'
    store = definition(defined('std_msgs/msg/Header', f'{text}\n{time}'), is_ros1=False)
    assert is_same(Header, 'std_msgs/msg/Header', store) == same


def test_idl_of_several_types() -> None:
    text = (
        f'{SEPARATOR}\nIDL: std_msgs/msg/Header\n'
        'module std_msgs { module msg { struct Header {'
        ' builtin_interfaces::msg::Time stamp; string frame_id; }; }; };\n'
        f'{SEPARATOR}\nIDL: builtin_interfaces/msg/Time\n'
        'module builtin_interfaces { module msg {'
        ' struct Time { int32 sec; uint32 nanosec; }; }; };'
    )
    connections = defined('std_msgs/msg/Header', text, MessageDefinitionFormat.IDL)
    assert is_same(Header, 'std_msgs/msg/Header', definition(connections, is_ros1=False))


@pytest.mark.parametrize('text', ['uint32 (', 'nowhere_msgs/Thing thing'])
def test_a_damaged_definition_is_none(text: str) -> None:
    assert definition(defined('std_msgs/msg/Header', text), is_ros1=False) is None


@pytest.mark.parametrize('is_ros1', [True, False])
def test_without_a_definition_the_usual_types_are_taken(is_ros1: bool) -> None:
    name = 'sensor_msgs/msg/Image'
    store = definition(defined(name, '', MessageDefinitionFormat.NONE), is_ros1)
    assert is_same(Image, name, store)


def recorded(*offers: Qos, topic: str = '/image') -> list[Connection]:
    ext = ConnectionExtRosbag2('cdr', list(offers))
    none = MessageDefinition(MessageDefinitionFormat.NONE, '')
    return [Connection(1, topic, 'sensor_msgs/msg/Image', none, '', 1, ext, None)]


def test_a_recorded_offer_is_made_again() -> None:
    qos = profile_for(recorded(OFFER))
    assert qos.reliability == ReliabilityPolicy.BEST_EFFORT
    assert qos.durability == DurabilityPolicy.VOLATILE
    assert qos.depth == 10
    assert qos.deadline == qos.lifespan == Duration()
    assert profile_for(recorded(OFFER._replace(depth=40))).depth == 40


def test_times_and_liveliness_are_offered_again() -> None:
    offer = RELIABLE._replace(
        deadline=QosTime(0, 500_000_000),
        lifespan=QosTime(2, 0),
        liveliness=QosLiveliness.MANUAL_BY_TOPIC,
        liveliness_lease_duration=QosTime(1, 0),
    )
    qos = profile_for(recorded(offer))
    assert (qos.deadline, qos.lifespan) == (Duration(seconds=0.5), Duration(seconds=2))
    assert qos.liveliness == LivelinessPolicy.MANUAL_BY_TOPIC
    assert qos.liveliness_lease_duration == Duration(seconds=1)


def test_of_different_offers_the_stronger_wins() -> None:
    latched = OFFER._replace(durability=QosDurability.TRANSIENT_LOCAL, deadline=QosTime(1, 0))
    qos = profile_for(recorded(latched, RELIABLE))
    assert qos.reliability == ReliabilityPolicy.RELIABLE
    assert qos.durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert qos.deadline == Duration()


def test_nothing_recorded_is_reliable_and_volatile() -> None:
    qos = profile_for(recorded())
    assert qos.reliability == ReliabilityPolicy.RELIABLE
    assert qos.durability == DurabilityPolicy.VOLATILE


def test_static_transforms_and_latched_topics_of_ros_1_wait_for_late_readers() -> None:
    static = recorded(topic='/tf_static')
    latched = [recorded()[0]._replace(ext=ConnectionExtRosbag1('/node', 1))]
    plain = [recorded()[0]._replace(ext=ConnectionExtRosbag1('/node', 0))]
    assert is_latched(static) and is_latched(latched) and not is_latched(plain)
    for connections in (static, latched):
        qos = profile_for(connections)
        assert qos.durability == DurabilityPolicy.TRANSIENT_LOCAL
        assert qos.reliability == ReliabilityPolicy.RELIABLE
        assert qos.depth == 100
    assert profile_for(plain).durability == DurabilityPolicy.VOLATILE
