# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Listens to one camera of the node as any user would, and keeps what a report needs."""

from __future__ import annotations

from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from seg_perception.io.video_writer import LiveVideoWriter
from seg_perception.node.callbacks import stamp_ns
from seg_perception.node.qos import matched_publishers
from seg_perception_msgs.msg import RoadScene


def stage_ms(scene: RoadScene) -> dict[str, float]:
    """Times of the stages that a frame went through."""
    return dict(zip(scene.stage_names, scene.stage_ms, strict=True))


class Recorder(Node):
    """
    Subscribes to mask, road scene and overlay of one camera, and to the diagnostics.

    :param camera: name of the camera.
    :param video: takes the overlays; without it the node need not draw any.
    """

    def __init__(
        self, camera: str, video: LiveVideoWriter | None = None, node_name: str = 'seg_perception'
    ) -> None:
        super().__init__('recorder')
        self.latency_ms: dict[int, float] = {}  # by stamp [ns]: image stamp to mask received
        self.scenes: dict[int, RoadScene] = {}  # by stamp [ns], those with an answer
        self._reports: dict[str, dict[str, str]] = {}  # of /diagnostics, by name
        self.arrivals = 0
        self._video = video
        base = f'/{node_name}/{camera}'
        # Deeper than the publisher's queue: a busy moment here is no drop of the node's.
        reliable = QoSProfile(depth=10)
        best_effort = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._subscriptions_of_camera = [
            self.create_subscription(Image, f'{base}/mask', self._on_mask, reliable),
            self.create_subscription(RoadScene, f'{base}/road_scene', self._on_scene, reliable),
        ]
        if video is not None:
            self._subscriptions_of_camera.append(
                self.create_subscription(Image, f'{base}/overlay', self._on_overlay, best_effort)
            )
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)

    @property
    def is_matched(self) -> bool:
        """Whether every topic of the camera has its publisher."""
        return all(matched_publishers(self, item) for item in self._subscriptions_of_camera)

    @property
    def source_report(self) -> dict[str, str]:
        """What the video source last said of itself; empty before it did."""
        return self._report_with('frames_published')

    @property
    def node_report(self) -> dict[str, str]:
        """What the node last said of its camera; empty before it did."""
        return self._report_with('provider')

    def _report_with(self, key: str) -> dict[str, str]:
        return next((report for report in self._reports.values() if key in report), {})

    def _on_mask(self, mask: Image) -> None:
        stamp = _stamp_ns(mask)
        self.latency_ms[stamp] = (self.get_clock().now().nanoseconds - stamp) / 1e6
        self.arrivals += 1

    def _on_scene(self, message: RoadScene) -> None:
        if message.status in (RoadScene.OK, RoadScene.DEGRADED):
            self.scenes[_stamp_ns(message)] = message

    def _on_overlay(self, overlay: Image) -> None:
        rows = np.frombuffer(overlay.data, np.uint8).reshape(overlay.height, overlay.step)
        bgr = rows[:, : 3 * overlay.width].reshape(overlay.height, overlay.width, 3)
        if self._video is not None:
            self._video.add(_stamp_ns(overlay), bgr)
        self.arrivals += 1

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        for status in array.status:
            self._reports[status.name] = {item.key: item.value for item in status.values}


def _stamp_ns(message: Any) -> int:
    return stamp_ns(message.header.stamp)
