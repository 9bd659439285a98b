# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What driving stacks take: a speed limit, a stop signal, and diagnostics that say both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Bool, Header

from seg_perception.core.results import UNKNOWN_RISK, SafetyRisk
from seg_perception.core.speed_limit import speed_limit
from seg_perception.node.image_conversions import copy_header
from seg_perception.node.parameters import Parameters
from seg_perception.node.qos import promised

try:
    import nav2_msgs.msg as nav2
except ImportError:  # not everywhere
    nav2 = None

SPEED_LIMIT: Any = nav2.SpeedLimit if nav2 else None
"""The type of the topic speed_limit; None where nav2_msgs is not installed."""

EMERGENCY, VELOCITY_LIMIT = 'emergency', 'velocity_limit'
"""Names of the diagnostics, after that of the node; Autoware's graph and others refer to them."""
_QOS = promised(0.0)


class DrivingOutputs:
    """
    Publishes what the risk of all cameras together means for the speed.

    :param node: the lifecycle node that owns the topics.
    :param settings: its parameters.
    :param changed: called when the vehicle is to stop, and when it may go on.
    """

    def __init__(
        self, node: LifecycleNode, settings: Parameters, changed: Callable[[], None]
    ) -> None:
        self._node, self._settings, self._changed = node, settings, changed
        publisher = node.create_lifecycle_publisher
        self._stop: Any = publisher(Bool, '~/stop', promised(settings.now.deadline_s))
        self._heartbeat: Any = None
        self._timer: Any = None
        if period_s := settings.now.heartbeat_period_s:
            self._heartbeat = publisher(Header, '~/heartbeat', _QOS)
            clock = Clock(clock_type=ClockType.STEADY_TIME)  # that of a bag may stand still
            self._timer = node.create_timer(period_s, self._beat, clock=clock)
        self._limit: Any = None
        if SPEED_LIMIT is not None and settings.now.speed_limit.maximum_mps:
            self._limit = publisher(SPEED_LIMIT, '~/speed_limit', _QOS)
        self.reset()

    def reset(self) -> None:
        """Nothing is known."""
        self._risk = UNKNOWN_RISK
        self._advice = speed_limit(UNKNOWN_RISK, self._settings.now.speed_limit)

    def destroy(self) -> None:
        """Take the topics away."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
        for publisher in filter(None, (self._stop, self._limit, self._heartbeat)):
            self._node.destroy_lifecycle_publisher(publisher)

    def _beat(self) -> None:
        """The node is active, and its callbacks run."""
        stamp, name = self._node.get_clock().now().to_msg(), self._node.get_fully_qualified_name()
        self._heartbeat.publish(Header(stamp=stamp, frame_id=name))

    def publish(self, risk: SafetyRisk, header: Header) -> None:
        """The consequence of a risk, which is that of all cameras."""
        before, self._risk = self._advice, risk
        self._advice = advice = speed_limit(risk, self._settings.now.speed_limit)
        self._stop.publish(Bool(data=advice.stop))
        if self._limit is not None:
            message = SPEED_LIMIT(header=copy_header(header), speed_limit=advice.limit_mps)
            self._limit.publish(message)
        if advice.stop != before.stop:
            self._changed()

    def statuses(self, node: str, is_active: bool) -> list[DiagnosticStatus]:
        """The diagnostics ``emergency`` and ``velocity_limit``; STALE while inactive."""
        if not is_active:
            levels = ((DiagnosticStatus.STALE, 'inactive'),) * 2
        else:
            levels = self._emergency(), self._velocity_limit()
        values = {
            'velocity_limit_mps': f'{self._advice.limit_mps:.2f}',
            'suggested_speed_mps': f'{self._risk.suggested_speed_mps:.2f}',
            'stop': str(self._advice.stop),
            'risk_level': self._risk.level.name,
        }
        return [
            DiagnosticStatus(
                level=level,
                name=f'{node}: {name}',
                hardware_id='all cameras',
                message=message,
                values=[KeyValue(key=key, value=value) for key, value in values.items()],
            )
            for name, (level, message) in zip((EMERGENCY, VELOCITY_LIMIT), levels, strict=True)
        ]

    def _emergency(self) -> tuple[bytes, str]:
        if self._advice.stop:
            return DiagnosticStatus.ERROR, f'stop: {self._advice.reason}'
        return DiagnosticStatus.OK, 'no emergency'

    def _velocity_limit(self) -> tuple[bytes, str]:
        level = DiagnosticStatus.WARN if self._advice.reason else DiagnosticStatus.OK
        message = f'{self._advice.limit_mps:.2f} m/s'
        return level, ': '.join(filter(None, (message, self._advice.reason)))
