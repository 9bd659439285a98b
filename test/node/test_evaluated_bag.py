# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Messages that were serialised without ROS, read by ROS."""

from __future__ import annotations

import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

from seg_perception.core.results import (
    DrivableArea,
    RiskFactor,
    RiskLevel,
    SafetyRisk,
    SceneRecord,
)
from seg_perception.io.cdr_messages import (
    header,
    image_message,
    jpeg_message,
    scene_message,
    typestore,
)
from seg_perception.io.scene_fields import Origin, scene_fields
from seg_perception.replay.channel import is_same
from seg_perception_msgs.msg import RoadScene

HEAD = header(5_000_000_007, 'front_optical')


def test_definitions_are_those_of_the_built_messages() -> None:
    assert is_same(RoadScene, 'seg_perception_msgs/msg/RoadScene', typestore())


def test_road_scene() -> None:
    area = DrivableArea(
        mask=np.zeros((4, 6), np.uint8),
        image_share=0.5,
        corridor_share=0.25,
        boundary_columns=np.array([1, 4], np.int32),
        boundary_rows=np.array([3, 2], np.int32),
        confidence=0.75,
        boundary_class_ids=np.array([8, 255], np.uint8),
        boundary_flags=np.array([1, 3], np.uint8),
        free_distance_m=12.5,
        ground_polygon_m=np.array([[1, 2], [3, -4], [5, 6]], np.float32),
    )
    factor = RiskFactor('vehicles', 0.5, 0.25, 'car near')
    risk = SafetyRisk(62.5, RiskLevel.MODERATE, (factor,), time_to_contact_s=3.5)
    masks = np.zeros((4, 6), np.uint8)
    record = SceneRecord(masks, masks, area, risk, {'resize': 1.5, 'inference': 20.0})
    raw = scene_message(scene_fields(record, Origin('front', 'tiny', 'base_link'), 21.5), HEAD)
    scene = deserialize_message(bytes(raw), RoadScene)
    assert (scene.header.stamp.sec, scene.header.stamp.nanosec) == (5, 7)
    assert (scene.header.frame_id, scene.camera, scene.model) == ('front_optical', 'front', 'tiny')
    assert (scene.image_height, scene.image_width, scene.ground_frame) == (4, 6, 'base_link')
    found = scene.drivable_area
    assert (found.image_share, found.corridor_share, found.confidence) == (0.5, 0.25, 0.75)
    assert list(found.boundary_columns) == [1, 4] and list(found.boundary_rows) == [3, 2]
    assert list(found.boundary_class_ids) == [8, 255]
    assert list(found.boundary_flags) == [1, 3]
    assert found.free_distance_m == 12.5 and np.isnan(found.free_left_m)
    assert [(point.x, point.y) for point in found.ground_polygon] == [(1, 2), (3, -4), (5, 6)]
    assert (scene.safety_risk.score, scene.safety_risk.level) == (62.5, 2)
    assert scene.safety_risk.time_to_contact_s == 3.5
    assert [(f.name, f.risk, f.reason) for f in scene.safety_risk.factors] == [
        ('vehicles', 0.5, 'car near')
    ]
    assert scene.stage_names == ['resize', 'inference']
    assert scene.latency_ms == pytest.approx(21.5)


def test_images() -> None:
    mask = np.arange(24, dtype=np.uint8).reshape(4, 6)
    image = deserialize_message(bytes(image_message(mask, HEAD)), Image)
    assert (image.height, image.width, image.step, image.encoding) == (4, 6, 6, 'mono8')
    assert bytes(image.data) == mask.tobytes()
    colour = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    image = deserialize_message(bytes(image_message(colour, HEAD, 'bgr8')), Image)
    assert (image.step, bytes(image.data)) == (18, colour.tobytes())
    jpeg = deserialize_message(bytes(jpeg_message(np.uint8([1, 2, 3]), HEAD)), CompressedImage)
    assert (jpeg.format, bytes(jpeg.data)) == ('bgr8; jpeg compressed bgr8', b'\x01\x02\x03')
