# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Who is connected to whom."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription


def matched_publishers(node: Node, subscription: Subscription[Any]) -> int:
    """Publishers connected to the subscription; before Jazzy, publishers seen on its topic."""
    if hasattr(subscription, 'get_publisher_count'):
        return subscription.get_publisher_count()
    return node.count_publishers(subscription.topic_name)
