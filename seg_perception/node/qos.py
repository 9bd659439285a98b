# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Who is connected to whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

_BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
_RELIABLE, _LATCHED = ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL


def latched(depth: int = 1) -> QoSProfile:
    """For what late readers have to get too, as maps and static transforms."""
    return QoSProfile(depth=depth, reliability=_RELIABLE, durability=_LATCHED)


def promised(deadline_s: float) -> QoSProfile:
    """
    Reliable, newest only, for readers that ask to hear when a message or the node is missing.

    :param deadline_s: offered as deadline and as lease of the liveliness; 0: nothing is offered.
    """
    if not deadline_s:
        return QoSProfile(depth=1, reliability=_RELIABLE)
    within = Duration(seconds=deadline_s)
    return QoSProfile(
        depth=1,
        reliability=_RELIABLE,
        deadline=within,
        liveliness=LivelinessPolicy.AUTOMATIC,
        liveliness_lease_duration=within,
    )


class EveryDurability:
    """
    A subscription to what is published latched by some and volatile by others.

    A volatile one misses what was published before it, a latched one all of volatile publishers,
    and ROS warns both sides of it. So the kind that a publisher turns out to need is added.

    :param subscribe: subscribes with a profile.
    :param volatile: of the volatile subscription; best effort matches every publisher.
    :param is_latched: whether the first subscription is, before any publisher is seen.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        subscribe: Callable[[QoSProfile], None],
        volatile: QoSProfile = _BEST_EFFORT,
        is_latched: bool = False,
    ) -> None:
        self._node, self._topic, self._subscribe = node, topic, subscribe
        self._missing = {False: volatile, True: latched(volatile.depth)}
        subscribe(self._missing.pop(is_latched))

    def watch(self) -> None:
        """Add the other subscription as soon as a publisher needs it; call it now and then."""
        if not self._missing:
            return
        for publisher in self._node.get_publishers_info_by_topic(self._topic):
            is_latched = publisher.qos_profile.durability == _LATCHED
            if is_latched in self._missing:
                self._subscribe(self._missing.pop(is_latched))


def matched_publishers(node: Node, subscription: Subscription[Any]) -> int:
    """Publishers connected to the subscription; before Jazzy, publishers seen on its topic."""
    if hasattr(subscription, 'get_publisher_count'):
        return subscription.get_publisher_count()
    return node.count_publishers(subscription.topic_name)
