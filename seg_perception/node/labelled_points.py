# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""LiDAR clouds with the labels of all cameras that see them, and without the ground."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import ClassTable, Role
from seg_perception.core.errors import SegPerceptionError
from seg_perception.core.labelled_cloud import LabelledView, ground_points, label_points
from seg_perception.core.turning import turn_image
from seg_perception.io.point_cloud import with_columns
from seg_perception.node.callbacks import stamp_seconds
from seg_perception.node.camera_outputs import Answered
from seg_perception.node.cloud_msgs import cloud_msg
from seg_perception.node.extrinsics import FrameTree
from seg_perception.node.parameters import NodeParams
from seg_perception.node.range_inputs import RangeInputs, RangeTopic
from seg_perception.node.scene_msgs import ids_of


@dataclass
class _Pending:
    """What is known of one topic: the last answer of each camera, and the cloud that waits."""

    views: dict[str, tuple[float, LabelledView]] = field(default_factory=dict)
    cloud: PointCloud2 | None = None
    done: PointCloud2 | None = None


class LabelledPoints:
    """
    Publishes ``~/points_labelled`` and ``~/points_filtered``, for as long as someone listens.

    A cloud goes out as soon as every camera of its topic has answered a frame near it in time, or
    when a camera that has goes on to its next frame. ``answered`` is for the worker.

    :param node: the lifecycle node that owns the topics.
    :param frames: what TF says.
    """

    def __init__(self, node: LifecycleNode, table: ClassTable, frames: FrameTree) -> None:
        self._node, self._table, self.inputs = node, table, RangeInputs(frames)
        qos = QoSProfile(depth=1)
        self._labelled: Any = node.create_lifecycle_publisher(
            PointCloud2, '~/points_labelled', qos
        )
        self._filtered: Any = node.create_lifecycle_publisher(
            PointCloud2, '~/points_filtered', qos
        )
        self._pending: dict[str, _Pending] = {}

    def reset(self) -> None:
        """Forget every answer and topic."""
        self._pending.clear()
        self.inputs.topics.clear()

    def destroy(self) -> None:
        """Take the topics away."""
        for publisher in (self._labelled, self._filtered):
            self._node.destroy_lifecycle_publisher(publisher)

    @property
    def _is_heard(self) -> bool:
        publishers = self._labelled, self._filtered
        return any(publisher.get_subscription_count() for publisher in publishers)

    def answered(self, camera: str, header: Header, answered: Answered) -> None:
        """Take the answer for a frame, with the time at which it was taken."""
        params = answered.params
        own, view = params.camera(camera), answered.context.view
        source = self.inputs.topics.get(own.points_topic)
        geometry = view.geometry if view else None
        if source is None or not isinstance(geometry, CameraGeometry) or not self._is_heard:
            return
        record, turns = answered.record, geometry.turns
        labels, confidence = (
            turn_image(part, turns) for part in (record.labels, record.confidence)
        )
        stamp_s = stamp_seconds(header.stamp) - own.range_offset_s
        pending = self._pending.setdefault(source.topic, _Pending())
        if camera in self._matched(pending, pending.cloud, params):
            self._publish(pending, source, params)
        pending.views[camera] = (stamp_s, LabelledView(labels, confidence, geometry.image_camera))
        cloud = source.nearest(stamp_s, params.rules.range.tolerance_s)
        if cloud is None or cloud is pending.done:
            return
        pending.cloud = cloud
        expected = [each.name for each in params.cameras if each.points_topic == source.topic]
        if set(expected) <= set(self._matched(pending, cloud, params)):
            self._publish(pending, source, params)

    def _matched(
        self, pending: _Pending, cloud: PointCloud2 | None, params: NodeParams
    ) -> dict[str, LabelledView]:
        """The cameras whose last answer is near a cloud in time."""
        if cloud is None:
            return {}
        time_s, tolerance_s = stamp_seconds(cloud.header.stamp), params.rules.range.tolerance_s
        return {
            name: view
            for name, (stamp_s, view) in pending.views.items()
            if abs(stamp_s - time_s) <= tolerance_s
        }

    def _publish(self, pending: _Pending, source: RangeTopic, params: NodeParams) -> None:
        message, pending.done = pending.cloud, pending.cloud
        views = list(self._matched(pending, message, params).values())
        pending.cloud = None
        assert message is not None
        try:
            cloud, points = source.points(message, self.inputs.frames, params)
        except SegPerceptionError:
            return  # the frames of its cameras say so
        ids, probability = label_points(points, views, self._table)
        fields = {'class_id': ids_of(self._table, params)[ids], 'probability': probability}
        if self._labelled.get_subscription_count():
            self._labelled.publish(cloud_msg(with_columns(cloud, fields), message.header))
        if self._filtered.get_subscription_count():
            roles = [Role(name) for name in params.filter_roles]
            kept = ~ground_points(points, ids, self._table, roles)
            self._filtered.publish(cloud_msg(with_columns(cloud, fields, kept), message.header))
