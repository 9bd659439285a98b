# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service with which a topic of a bag is published again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag1,
    Qos,
    QosDurability,
    QosLiveliness,
    QosReliability,
)

DEPTH = 10  # recorders do not learn the depth of a publisher
LATCHED_DEPTH = 100  # each of several static transforms has to be there for who comes late
STATIC_TRANSFORMS = '/tf_static'
INFINITE_S = 2**31 - 1  # from here on a duration means "for ever", and so does zero


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
