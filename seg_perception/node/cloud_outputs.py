# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The labelled cloud of a camera: small mask and confidence, their CameraInfo, and an aligned cloud.

What Nav2's semantic segmentation layer reads, as it is; all four carry the stamp of the image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from seg_perception.core.classes import ClassTable
from seg_perception.core.results import LabelledImage
from seg_perception.node.camera_info import to_camera_info
from seg_perception.node.cloud_msgs import labelled_cloud_msg
from seg_perception.node.image_conversions import copy_header, mask_to_msg
from seg_perception.node.parameters import NodeParams
from seg_perception.node.scene_msgs import ids_of


class CloudOutputs:
    """
    The topics of one camera's labelled cloud.

    :param publisher: makes a publisher of a type and a name below the camera's.
    """

    def __init__(self, publisher: Callable[[Any, str], Any], table: ClassTable) -> None:
        self._table = table
        self._points = publisher(PointCloud2, 'points')
        self._mask = publisher(Image, 'mask_small')
        self._confidence = publisher(Image, 'confidence_small')
        self._info = publisher(CameraInfo, 'mask_small/camera_info')

    @property
    def is_heard(self) -> bool:
        """Whether someone listens to any of them."""
        publishers = self._points, self._mask, self._confidence, self._info
        return any(publisher.get_subscription_count() for publisher in publishers)

    def publish(self, cloud: LabelledImage, header: Header, params: NodeParams) -> None:
        """Publish all four; the cloud in ``base_frame``, with the stamp of the image."""
        labels = cv2.LUT(cloud.labels, ids_of(self._table, params))
        cloud = LabelledImage(labels, cloud.confidence, cloud.xyz_m, cloud.lens)
        self._mask.publish(mask_to_msg(labels, header))
        self._confidence.publish(mask_to_msg(cloud.confidence, header))
        self._info.publish(to_camera_info(cloud.lens, copy_header(header)))
        if self._points.get_subscription_count():
            ground = Header(stamp=header.stamp, frame_id=params.base_frame)
            self._points.publish(labelled_cloud_msg(cloud, ground, params.base_height_m))
