# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One camera of the node: its topics, its health, and what is said when it is silent."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import inf, isfinite, nan
from threading import Lock
from typing import Any

import cv2
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from seg_perception.core.classes import ClassTable, Role
from seg_perception.core.errors import ImageError
from seg_perception.core.results import Result
from seg_perception.core.risk_filter import RiskFilter
from seg_perception.inference.model_file import ModelCard
from seg_perception.inference.pipeline import Extras
from seg_perception.io.encodings import Pixels
from seg_perception.node.calibration import CameraGeometry, View
from seg_perception.node.camera_outputs import CameraOutputs, Context
from seg_perception.node.diagnostics import CameraHealth, CameraReport, State
from seg_perception.node.extrinsics import FrameTree
from seg_perception.node.fused_outputs import FusedPort
from seg_perception.node.parameters import CameraParams, NodeParams
from seg_perception.node.qos import matched_publishers
from seg_perception.node.scene_msgs import Ground, Origin, scene_to_msg, unknown_scene
from seg_perception_msgs.msg import RoadScene

STALE_REPEAT_S = 1.0  # so that who comes late hears of it too
LOG_PERIOD_S = 5.0
PITCH_PERIOD_S = 0.5
MAX_AGE_MS = 10e3  # an older stamp is of a bag or another clock


@dataclass(frozen=True)
class Frame:
    """An image message and when it came, on the steady clock."""

    msg: Image | CompressedImage
    arrived_s: float


class CameraPort:
    """
    The topics of one camera, from configure to cleanup.

    ``open`` and ``close`` follow activation; ``publish``, ``reject`` and ``fail`` are for the
    worker, ``watch`` and ``report`` for the timers.

    :param node: the lifecycle node that owns the topics.
    :param frames: what TF says.
    :param fused: hears of every answer, and of none.
    """

    def __init__(
        self,
        node: LifecycleNode,
        params: CameraParams,
        card: ModelCard,
        frames: FrameTree,
        fused: FusedPort,
    ) -> None:
        self.name = params.name
        self.health = CameraHealth(params.name, time.monotonic())
        self._node, self._params, self._fused = node, params, fused
        self._lack = _lack_of(card.classes)
        self._origin = Origin(params.name, card.name)
        self._geometry = CameraGeometry(frames)
        self._filter = RiskFilter()
        self._subscriptions: list[Any] = []
        self._lock = Lock()  # what is said of a frame, and that there is none, in one order
        self._last_header = Header()  # of what was said last
        self._spoke_s = self._stale_said_s = 0.0
        self._is_stale = False
        self._pitch_asked_s = -inf
        self._outputs = CameraOutputs(node, params.name, card.classes)

    def open(self, on_frame: Callable[[CameraPort, Frame], None]) -> None:
        """Subscribe; publishers have to be active."""
        self.health = CameraHealth(self.name, time.monotonic())
        self._geometry.reset()
        self._filter.reset()
        self._spoke_s, self._is_stale, self._last_header = time.monotonic(), False, Header()
        self._outputs.announce()
        params = self._params
        reliable, best_effort = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
        qos = QoSProfile(depth=1, reliability=reliable if params.reliable else best_effort)
        kind = CompressedImage if params.compressed else Image
        subscribe = self._node.create_subscription
        self._subscriptions = [
            subscribe(kind, params.topic, partial(self._on_image, on_frame), qos)
        ]
        if params.camera_info_topic:
            info_qos = QoSProfile(depth=1, reliability=best_effort)
            self._subscriptions.append(
                subscribe(CameraInfo, params.camera_info_topic, self._on_camera_info, info_qos)
            )

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def destroy(self) -> None:
        """Take the topics away."""
        self.close()
        self._outputs.destroy()

    def _on_image(
        self, on_frame: Callable[[CameraPort, Frame], None], msg: Image | CompressedImage
    ) -> None:
        frame = Frame(msg, time.monotonic())
        self.health.arrived(frame.arrived_s, Time.from_msg(msg.header.stamp).nanoseconds)
        on_frame(self, frame)

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self.health.calibrated((msg.height, msg.width))
        self._geometry.on_camera_info(msg)

    def view(self, frame: Frame, size: tuple[int, int], params: NodeParams) -> View:
        """The geometry of a frame of a size (H, W)."""
        return self._geometry.view(frame.msg.header, size, params, self.name)

    def extras(self, params: NodeParams) -> Extras:
        """What is wanted of the next frame: what someone listens to, now and then the pitch."""
        extras = self._outputs.extras(params, self._fused.wants_grid)
        now_s = time.monotonic()
        if not params.warn_pitch_rad or now_s - self._pitch_asked_s < PITCH_PERIOD_S:
            return extras
        self._pitch_asked_s = now_s
        return replace(extras, pitch=params.horizon)

    def publish(self, frame: Frame, pixels: Pixels, result: Result, context: Context) -> None:
        """Publish everything that is said about one frame."""
        header, params, view = frame.msg.header, context.params, context.view
        self._outputs.publish_masks(header, result)
        result = self._remembered(result, header, params)
        latency_ms = (time.monotonic() - frame.arrived_s) * 1e3
        degraded = '; '.join([*self._lack, *_doubts(result, latency_ms, context)])
        stage_ms = {'convert': context.convert_ms}
        ground = Ground(params.base_frame if view.camera else '', view.reason)
        scene = scene_to_msg(result, header, self._origin, latency_ms, degraded, stage_ms, ground)
        self._say(scene)
        now_s = time.monotonic()
        latency_ms = (now_s - frame.arrived_s) * 1e3
        size = result.labels.shape[0], result.labels.shape[1]
        age_ms = self._age_ms(header)
        answer = size, degraded, view.reason, result.strange
        self.health.answered(now_s, latency_ms, age_ms, *answer)
        if view.camera is not None and result.pitch is not None and isfinite(result.pitch.std_rad):
            self.health.pitch_seen(result.pitch.pitch_rad - view.camera.mount.pitch_rad)
        status = 'DEGRADED' if degraded else 'OK'
        self._outputs.publish_rest(header, pixels, result, context, status)
        self._fused.answered(self.name, header, result, view.camera)

    def _remembered(self, result: Result, header: Header, params: NodeParams) -> Result:
        """The result with the risk that follows from the frames before too."""
        self._filter.params = params.risk
        stamp_s = Time.from_msg(header.stamp).nanoseconds / 1e9
        return replace(result, risk=self._filter.update(result.risk, stamp_s, header.frame_id))

    def reject(self, frame: Frame, error: ImageError) -> None:
        """Say and count that a frame cannot be used."""
        self.health.rejected(error.thing, str(error))
        self._node.get_logger().warning(
            f'camera {self.name}: frame dropped: {error}', throttle_duration_sec=LOG_PERIOD_S
        )
        self._say_invalid(frame, str(error))

    def fail(self, frame: Frame, error: Exception) -> None:
        """Say and count that processing a frame failed."""
        reason = f'{type(error).__name__}: {error}'
        self.health.failed(reason)
        trace = ''.join(traceback.format_exception(error))
        self._node.get_logger().error(
            f'camera {self.name}: processing failed: {trace}', throttle_duration_sec=LOG_PERIOD_S
        )
        self._say_invalid(frame, reason)

    def watch(self, now_s: float, stale_after_s: float) -> None:
        """Say STALE, now and then, for as long as nothing can be said about frames."""
        with self._lock:
            silent_s = now_s - self._spoke_s
            if silent_s <= stale_after_s:
                return
            if self._is_stale and now_s - self._stale_said_s < STALE_REPEAT_S:
                return
            begins, self._is_stale, self._stale_said_s = not self._is_stale, True, now_s
            reason = f'no answer for {silent_s:.1f} s: {self._connection()}'
            self._outputs.scene.publish(
                unknown_scene(self._last_header, self._origin, RoadScene.STALE, reason)
            )
            self._fused.silent(self.name, reason)
        if begins:
            self._node.get_logger().warning(f'camera {self.name}: stale: {reason}')

    def report(self, stale_after_s: float, is_active: bool) -> tuple[CameraReport, str]:
        """Health, and the state of the connection in words."""
        report = self.health.report(time.monotonic(), stale_after_s)
        if not is_active:
            return replace(report, state=State.INACTIVE), 'not subscribed'
        return report, self._connection()

    def _connection(self) -> str:
        if not self._subscriptions:
            return 'not subscribed'
        subscription = self._subscriptions[0]
        topic = subscription.topic_name
        matched = matched_publishers(self._node, subscription)
        if matched:
            return f'{matched} publishing on {topic}'
        if self._node.count_publishers(topic):
            return f'a publisher on {topic} does not match: check `transport` and `reliable`'
        return f'nobody publishes on {topic}'

    def _say(self, scene: RoadScene) -> None:
        with self._lock:
            self._outputs.scene.publish(scene)
            self._spoke_s, self._last_header = time.monotonic(), scene.header
            was_stale, self._is_stale = self._is_stale, False
        if was_stale:
            self._node.get_logger().info(f'camera {self.name}: frames again')

    def _say_invalid(self, frame: Frame, reason: str) -> None:
        self._say(unknown_scene(frame.msg.header, self._origin, RoadScene.INVALID, reason))
        self._fused.invalid(self.name, frame.msg.header, reason)

    def _age_ms(self, header: Header) -> float:
        """From stamp to now by the node's clock; NaN where the stamp is of another clock."""
        now_ns = self._node.get_clock().now().nanoseconds
        age_ms = (now_ns - Time.from_msg(header.stamp).nanoseconds) / 1e6
        return age_ms if 0.0 <= age_ms <= MAX_AGE_MS else nan


def _lack_of(table: ClassTable) -> list[str]:
    """What the model cannot tell at all, in words."""
    has_road = any(row.role is Role.DRIVABLE for row in table.classes)
    return [] if has_road else [f'no class of {table.name} is drivable: no road is ever found']


def _doubts(result: Result, latency_ms: float, context: Context) -> list[str]:
    """Why this answer is not to be trusted fully, in words."""
    params, view = context.params, context.view
    reasons = [why for why in (view.reason if view.is_fault else '', context.complaint) if why]
    if latency_ms > params.warn_latency_ms:
        reasons.append(f'took {latency_ms:.0f} ms, above {params.warn_latency_ms:g}')
    if result.strange >= params.risk.trust.strange_full:
        reasons.append(f'unlike what the model has learned: {result.strange:.2f} of 1')
    confidence = cv2.mean(result.confidence)[0] / 255.0
    if confidence < params.warn_confidence:
        reasons.append(f'mean confidence {confidence:.2f}, below {params.warn_confidence:g}')
    return reasons
