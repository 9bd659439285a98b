# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is published of a camera: road scene, masks, overlay, the ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from geometry_msgs.msg import PolygonStamped
from nav_msgs.msg import OccupancyGrid
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image, LaserScan
from std_msgs.msg import Header

from seg_perception.core.autoware_classes import autoware_ids
from seg_perception.core.classes import ClassTable
from seg_perception.core.draw import draw_scene
from seg_perception.core.masks import colourise
from seg_perception.core.results import SceneRecord
from seg_perception.inference.answer import Extras, FrameContext
from seg_perception.io.encodings import Pixels
from seg_perception.node.cloud_outputs import CloudOutputs
from seg_perception.node.grid_publisher import GridPublisher
from seg_perception.node.ground_msgs import polygon_to_msg, scan_to_msg
from seg_perception.node.image_conversions import (
    autoware_mask_to_msg,
    colour_to_msg,
    mask_to_msg,
    to_compressed_msg,
)
from seg_perception.node.parameters import NodeParams
from seg_perception.node.qos import latched, promised
from seg_perception.node.scene_msgs import LABEL_INFO, ids_of, label_info
from seg_perception_msgs.msg import CameraCalibration, RoadScene

_QOS = promised(0.0)


@dataclass(frozen=True, eq=False)
class Answered:
    """A frame, what it was answered with and the answer."""

    params: NodeParams
    context: FrameContext
    pixels: Pixels
    record: SceneRecord
    convert_ms: float


class CameraOutputs:
    """
    The publishers of one camera, from configure to cleanup.

    Costly outputs are made only while someone listens. CameraInterface fills ``scene``,
    SelfCalibration ``calibration`` and ``ego_mask``.

    :param node: the lifecycle node that owns the topics.
    :param camera: its name.
    :param deadline_s: promised to readers of road_scene and mask; 0: nothing is promised.
    """

    def __init__(
        self, node: LifecycleNode, camera: str, table: ClassTable, deadline_s: float
    ) -> None:
        self._node, self._camera, self._table = node, camera, table
        self._publishers: list[Any] = []
        publisher = self._publisher
        in_time = promised(deadline_s)
        self.scene = publisher(RoadScene, 'road_scene', in_time)
        self._mask = publisher(Image, 'mask', in_time)
        self._mask_color = publisher(Image, 'mask_color')
        self._mask_autoware = publisher(Image, 'mask_autoware')
        self._confidence = publisher(Image, 'confidence')
        self._overlay = publisher(Image, 'overlay')
        self._overlay_compressed = publisher(CompressedImage, 'overlay/compressed')
        self._grid = GridPublisher(publisher(OccupancyGrid, 'drivable_grid', latched()))
        self._scan = publisher(LaserScan, 'free_space')
        self._polygon = publisher(PolygonStamped, 'ground_polygon')
        self._cloud = CloudOutputs(publisher, table)
        self.calibration = publisher(CameraCalibration, 'calibration', latched())
        self.ego_mask = publisher(Image, 'ego_mask', latched())
        self._label_info = None
        if LABEL_INFO is not None:
            self._label_info = publisher(LABEL_INFO, 'label_info', latched())

    def _publisher(self, kind: Any, name: str, qos: QoSProfile = _QOS) -> Any:
        topic = f'~/{self._camera}/{name}'
        publisher = self._node.create_lifecycle_publisher(kind, topic, qos)
        self._publishers.append(publisher)
        return publisher

    def announce(self, params: NodeParams) -> None:
        """Say what the values of the masks mean; publishers have to be active."""
        if self._label_info is not None:
            header = Header(stamp=self._node.get_clock().now().to_msg())
            self._label_info.publish(label_info(self._table, header, params))

    def destroy(self) -> None:
        """Take the topics away."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)

    def extras(self, params: NodeParams, for_fusion: bool) -> Extras:
        """What someone listens to, now; the grid also for all cameras together."""
        grid = for_fusion or self._draws() or self._grid.is_heard
        return Extras(
            params.rules.grid if grid else None,
            params.rules.scan if _is_heard(self._scan) else None,
            has_cloud=self._cloud.is_heard,
        )

    def publish_masks(self, header: Header, record: SceneRecord, params: NodeParams) -> None:
        """The masks, before anything else."""
        labels = record.labels
        if params.class_ids != 'model':
            labels = cv2.LUT(labels, ids_of(self._table, params))
        self._mask.publish(mask_to_msg(labels, header))
        self._confidence.publish(mask_to_msg(record.confidence, header))
        if _is_heard(self._mask_color):
            colours = colourise(record.labels, self._table)
            self._mask_color.publish(colour_to_msg(colours, header, 'rgb8'))
        if _is_heard(self._mask_autoware):
            ids = cv2.LUT(record.labels, autoware_ids(self._table))
            self._mask_autoware.publish(autoware_mask_to_msg(ids, header))

    def publish_rest(self, header: Header, answered: Answered) -> None:
        """The ground and the overlay."""
        self._publish_ground(header, answered.record, answered.params)
        if answered.record.cloud is not None:
            self._cloud.publish(answered.record.cloud, header, answered.params)
        if self._draws():
            self._publish_overlay(header, answered)

    def forget_ground(self, header: Header, params: NodeParams) -> None:
        """Nothing is known any more: the last grid must not stay."""
        self._grid.publish(None, Header(stamp=header.stamp, frame_id=params.base_frame), params)

    def _draws(self) -> bool:
        return _is_heard(self._overlay) or _is_heard(self._overlay_compressed)

    def _publish_ground(self, header: Header, record: SceneRecord, params: NodeParams) -> None:
        ground = Header(stamp=header.stamp, frame_id=params.base_frame)
        self._grid.publish(record.grid, ground, params)
        if record.scan is not None and len(record.scan.ranges_m):
            self._scan.publish(scan_to_msg(record.scan, ground))
        if _is_heard(self._polygon):
            self._polygon.publish(polygon_to_msg(record.area, ground, params.base_height_m))

    def _publish_overlay(self, header: Header, answered: Answered) -> None:
        params, context = answered.params, answered.context
        scene = draw_scene(
            _to_rgb(answered.pixels),
            answered.record,
            self._table,
            corridor=params.rules.corridor,
            opacity=params.overlay_opacity,
            geometry=context.view.geometry if context.view else None,
            curvature_per_m=context.path_curvature_per_m,
            online=context.online,
        )
        if _is_heard(self._overlay):
            bgr = cv2.cvtColor(scene, cv2.COLOR_RGB2BGR)
            self._overlay.publish(colour_to_msg(bgr, header, 'bgr8'))
        if _is_heard(self._overlay_compressed):
            quality = params.overlay_jpeg_quality
            self._overlay_compressed.publish(to_compressed_msg(scene, header, quality=quality))


def _is_heard(publisher: Any) -> bool:
    return bool(publisher.get_subscription_count() > 0)


def _to_rgb(pixels: Pixels) -> np.ndarray:
    if pixels.order == 'rgb':
        return pixels.array
    return cv2.cvtColor(pixels.array, cv2.COLOR_BGR2RGB)
