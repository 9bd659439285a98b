# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One camera of the node: its topics, its health, and what is said when it is silent."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import nan
from threading import Lock
from typing import Any

import cv2
import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from seg_perception.core.classes import ClassTable
from seg_perception.core.draw import draw_scene
from seg_perception.core.errors import ImageError
from seg_perception.core.results import Result
from seg_perception.inference.model_file import ModelCard
from seg_perception.ros.conversions import Pixels, colour_to_msg, mask_to_msg, to_compressed_msg
from seg_perception.ros.diagnostics import CameraHealth, CameraReport, State
from seg_perception.ros.matching import matched_publishers
from seg_perception.ros.params import CameraParams, NodeParams
from seg_perception.ros.scene_msgs import (
    LABEL_INFO,
    Origin,
    label_info,
    scene_to_msg,
    unknown_scene,
)
from seg_perception_msgs.msg import RoadScene

STALE_REPEAT_S = 1.0  # so that who comes late hears of it too
LOG_PERIOD_S = 5.0
MAX_AGE_MS = 10e3  # an older stamp is of a bag or another clock

_MASK_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
_LATCHED_QOS = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


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
    """

    def __init__(self, node: LifecycleNode, params: CameraParams, card: ModelCard) -> None:
        self.name = params.name
        self.health = CameraHealth(params.name, time.monotonic())
        self._node, self._params = node, params
        self._table: ClassTable = card.classes
        self._origin = Origin(params.name, card.name)
        self._subscriptions: list[Any] = []
        self._lock = Lock()  # what is said of a frame, and that there is none, in one order
        self._last_header = Header()  # of what was said last
        self._spoke_s = self._stale_said_s = 0.0
        self._is_stale = False
        self._create_publishers()

    def _create_publishers(self) -> None:
        def publisher(kind: Any, name: str, qos: QoSProfile = _MASK_QOS) -> Any:
            return self._node.create_lifecycle_publisher(kind, f'~/{self.name}/{name}', qos)

        self._mask = publisher(Image, 'mask')
        self._confidence = publisher(Image, 'confidence')
        self._overlay = publisher(Image, 'overlay')
        self._overlay_compressed = publisher(CompressedImage, 'overlay/compressed')
        self._scene = publisher(RoadScene, 'road_scene')
        self._publishers = [
            self._mask,
            self._confidence,
            self._overlay,
            self._overlay_compressed,
            self._scene,
        ]
        self._label_info = None
        if LABEL_INFO is not None:
            self._label_info = publisher(LABEL_INFO, 'label_info', _LATCHED_QOS)
            self._publishers.append(self._label_info)

    def open(self, on_frame: Callable[[CameraPort, Frame], None]) -> None:
        """Subscribe; publishers have to be active."""
        self.health = CameraHealth(self.name, time.monotonic())
        self._spoke_s, self._is_stale, self._last_header = time.monotonic(), False, Header()
        if self._label_info is not None:
            header = Header(stamp=self._node.get_clock().now().to_msg())
            self._label_info.publish(label_info(self._table, header))
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
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)

    def _on_image(
        self, on_frame: Callable[[CameraPort, Frame], None], msg: Image | CompressedImage
    ) -> None:
        frame = Frame(msg, time.monotonic())
        self.health.arrived(frame.arrived_s, Time.from_msg(msg.header.stamp).nanoseconds)
        on_frame(self, frame)

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self.health.calibrated((msg.height, msg.width))

    def publish(
        self, frame: Frame, pixels: Pixels, result: Result, params: NodeParams, convert_ms: float
    ) -> None:
        """Publish everything that is said about one frame."""
        header = frame.msg.header
        self._mask.publish(mask_to_msg(result.labels, header))
        self._confidence.publish(mask_to_msg(result.confidence, header))
        latency_ms = (time.monotonic() - frame.arrived_s) * 1e3
        degraded = _degraded(result, latency_ms, params)
        stage_ms = {'convert': convert_ms}
        scene = scene_to_msg(result, header, self._origin, latency_ms, degraded, stage_ms)
        self._say(scene)
        now_s = time.monotonic()
        latency_ms = (now_s - frame.arrived_s) * 1e3
        size = result.labels.shape[0], result.labels.shape[1]
        self.health.answered(now_s, latency_ms, self._age_ms(header), size, degraded)
        self._publish_overlay(header, pixels, result, params, 'DEGRADED' if degraded else 'OK')

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
            self._scene.publish(
                unknown_scene(self._last_header, self._origin, RoadScene.STALE, reason)
            )
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
            self._scene.publish(scene)
            self._spoke_s, self._last_header = time.monotonic(), scene.header
            was_stale, self._is_stale = self._is_stale, False
        if was_stale:
            self._node.get_logger().info(f'camera {self.name}: frames again')

    def _say_invalid(self, frame: Frame, reason: str) -> None:
        self._say(unknown_scene(frame.msg.header, self._origin, RoadScene.INVALID, reason))

    def _age_ms(self, header: Header) -> float:
        """From stamp to now by the node's clock; NaN where the stamp is of another clock."""
        now_ns = self._node.get_clock().now().nanoseconds
        age_ms = (now_ns - Time.from_msg(header.stamp).nanoseconds) / 1e6
        return age_ms if 0.0 <= age_ms <= MAX_AGE_MS else nan

    def _publish_overlay(
        self, header: Header, pixels: Pixels, result: Result, params: NodeParams, status: str
    ) -> None:
        """Only what someone listens to is drawn and compressed."""
        raw = self._overlay.get_subscription_count() > 0
        compressed = self._overlay_compressed.get_subscription_count() > 0
        if not (raw or compressed):
            return
        scene = draw_scene(
            _to_rgb(pixels),
            result.labels,
            self._table,
            result.area,
            result.risk,
            status,
            params.risk.corridor,
            params.overlay_opacity,
        )
        if raw:
            bgr = cv2.cvtColor(scene, cv2.COLOR_RGB2BGR)
            self._overlay.publish(colour_to_msg(bgr, header, 'bgr8'))
        if compressed:
            quality = params.overlay_jpeg_quality
            self._overlay_compressed.publish(to_compressed_msg(scene, header, quality=quality))


def _to_rgb(pixels: Pixels) -> np.ndarray:
    if pixels.order == 'rgb':
        return pixels.array
    return cv2.cvtColor(pixels.array, cv2.COLOR_BGR2RGB)


def _degraded(result: Result, latency_ms: float, params: NodeParams) -> str:
    """Why an answer is not to be trusted fully; empty if it is."""
    reasons = []
    if latency_ms > params.warn_latency_ms:
        reasons.append(f'took {latency_ms:.0f} ms, above {params.warn_latency_ms:g}')
    confidence = cv2.mean(result.confidence)[0] / 255.0
    if confidence < params.warn_confidence:
        reasons.append(f'mean confidence {confidence:.2f}, below {params.warn_confidence:g}')
    return '; '.join(reasons)
