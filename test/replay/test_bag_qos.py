# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service of a replay, from what was recorded."""

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

from seg_perception.replay.bag_qos import is_latched, profile_for

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
