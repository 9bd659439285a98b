# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Depth images and point clouds in: subscribed, matched to frames by time, and measured with.

    on_message -> the newest few -> (labels of a frame are known) -> nearest in time -> Surface

Cameras that name one topic share its subscription. What is missing, stale or contradicts the
calibration is left out, and the frame says so.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import nan
from threading import Lock
from typing import Any

import numpy as np
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from seg_perception.core.camera import Calibration
from seg_perception.core.camera_geometry import CameraGeometry, Missing
from seg_perception.core.classes import ClassTable
from seg_perception.core.errors import CalibrationError, SegPerceptionError
from seg_perception.core.range_image import RangeImage, merged, range_of_depth, range_of_points
from seg_perception.core.terrain import GroundCheck, check_ranges, surface_of
from seg_perception.inference.answer import Measured
from seg_perception.io.camera_info import calibration_of, is_rectified, numbers_of
from seg_perception.io.depth_image import read_depth
from seg_perception.io.point_cloud import PointCloud, read_cloud
from seg_perception.node.callbacks import stamp_seconds
from seg_perception.node.diagnostics import rate_hz
from seg_perception.node.extrinsics import FrameTree
from seg_perception.node.parameters import CameraParams, NodeParams

_KEPT = 10  # messages of a topic: a second of a LiDAR
_WINDOW = 100  # frames, of the share that is matched
_LEAST_SHARE = 0.0005  # of the pixels; less is nothing
_SKY_SHARE = 0.2  # of the points of a cloud: no LiDAR measures the sky
_REGISTERED_M, _REGISTERED_RAD = 0.02, 0.01  # by which the frames of depth and colour may differ

_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)

Subscribe = Callable[[Any, str, Callable[[Any], None], QoSProfile], None]


class RangeTopic:
    """The newest messages of one topic; heard in one thread, asked for in another."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._lock = Lock()
        self._messages: deque[tuple[float, Any]] = deque(maxlen=_KEPT)
        self._arrivals_s: deque[float] = deque(maxlen=_WINDOW)
        self._placed: tuple[Any, PointCloud, np.ndarray] | None = None

    def heard(self, message: Any) -> None:
        """Take a message."""
        with self._lock:
            self._messages.append((stamp_seconds(message.header.stamp), message))
            self._arrivals_s.append(time.monotonic())

    def nearest(self, stamp_s: float, tolerance_s: float) -> Any | None:
        """The message whose stamp is nearest; None where none is near enough."""
        with self._lock:
            off = [(abs(each - stamp_s), message) for each, message in self._messages]
        best = min(off, key=lambda pair: pair[0], default=(np.inf, None))
        return best[1] if best[0] <= tolerance_s else None

    def points(
        self, message: PointCloud2, frames: FrameTree, params: NodeParams
    ) -> tuple[PointCloud, np.ndarray]:
        """
        A cloud of this topic, and its points (N, 3) float32 in the vehicle frame.

        :raises CloudError: when it cannot be read.
        :raises TransformError: when TF does not connect it with ``base_frame``.
        """
        placed = self._placed
        if placed is None or placed[0] is not message:
            cloud = read_cloud(message)
            pose = frames.pose(
                message.header.frame_id,
                params.base_frame,
                stamp_seconds(message.header.stamp),
                params.transform_max_age_s,
            )
            rotation = pose.rotation.astype(np.float32)
            shift = np.add(pose.translation_m, (0, 0, params.base_height_m)).astype(np.float32)
            points = np.ascontiguousarray(cloud.xyz_m, np.float32) @ rotation.T + shift
            self._placed = placed = message, cloud, points
        return placed[1], placed[2]

    @property
    def rate_hz(self) -> float:
        """Messages a second, over the last ones; it sinks while nothing comes."""
        with self._lock:
            return rate_hz(list(self._arrivals_s), time.monotonic())

    @property
    def age_s(self) -> float:
        """Since the newest message came; infinite before the first."""
        with self._lock:
            return time.monotonic() - self._arrivals_s[-1] if self._arrivals_s else np.inf


@dataclass
class _Use:
    """One input of one camera, and how it went."""

    kind: str  # depth or points
    source: RangeTopic
    matched: deque[bool] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    fault: str = ''
    check: GroundCheck | None = None  # how far the measured ground is off the calibration

    def values(self) -> dict[str, str]:
        """For the diagnostics."""
        share = 100 * sum(self.matched) / len(self.matched) if self.matched else 0.0
        named = {
            'rate_hz': f'{self.source.rate_hz:.1f}',
            'age_s': f'{self.source.age_s:.2f}',
            'matched_percent': f'{share:.0f}',
            'ground_off': str(self.check or ''),
            'fault': self.fault,
        }
        return {f'{self.kind}_{name}': value for name, value in named.items()}


class RangeInputs:
    """The topics of all cameras, while the node is active."""

    def __init__(self, frames: FrameTree) -> None:
        self.frames = frames
        self.topics: dict[str, RangeTopic] = {}

    def topic(self, name: str, kind: Any, subscribe: Subscribe) -> RangeTopic:
        """A topic, subscribed when it is asked for first."""
        if name not in self.topics:
            self.topics[name] = RangeTopic(name)
            subscribe(kind, name, self.topics[name].heard, _QOS)
        return self.topics[name]


class CameraRange:
    """
    The range inputs of one camera.

    :param params: of the camera, which name the topics.
    :param inputs: of all cameras.
    :param subscribe: subscribes a callback to a type and topic.
    """

    def __init__(
        self, params: CameraParams, table: ClassTable, inputs: RangeInputs, subscribe: Subscribe
    ) -> None:
        self._params, self._table, self._frames = params, table, inputs.frames
        self._lens: Calibration | Missing | None = None
        self._uses: list[_Use] = []
        if params.depth_topic:
            self._uses.append(_Use('depth', inputs.topic(params.depth_topic, Image, subscribe)))
            info_topic = f'{params.depth_topic.rpartition("/")[0]}/camera_info'
            if info_topic != params.camera_info_topic:
                subscribe(CameraInfo, info_topic, self._on_depth_info, _QOS)
        if params.points_topic:
            topic = inputs.topic(params.points_topic, PointCloud2, subscribe)
            self._uses.append(_Use('points', topic))

    def __bool__(self) -> bool:
        return bool(self._uses)

    def values(self) -> dict[str, str]:
        """For the diagnostics."""
        return {key: value for use in self._uses for key, value in use.values().items()}

    @property
    def pitch_off_rad(self) -> float:
        """Pitch that depth sees in the ground of the last frame, less that configured; or NaN."""
        checks = (use.check for use in self._uses if use.kind == 'depth' and not use.fault)
        return next((check.pitch_off_rad for check in checks if check), nan)

    def measure(
        self, header: Header, params: NodeParams, geometry: CameraGeometry, labels: np.ndarray
    ) -> Measured:
        """What is measured of the labels of a frame; a LiDAR fills the gaps of depth."""
        ranges, faults = None, []
        for use in self._uses:
            found, use.fault = self._ranges(use, header, params, geometry, labels)
            use.matched.append(found is not None)
            if found is not None:
                ranges = found if ranges is None else merged(ranges, found)
            if use.fault:
                faults.append(f'{use.kind}: {use.fault}')
        surface = None
        if ranges is not None:
            yaw_rad = geometry.camera.extrinsics.yaw_rad
            surface = surface_of(ranges, labels, self._table, yaw_rad, params.rules.range)
        return Measured(surface, '; '.join(faults))

    def _ranges(
        self,
        use: _Use,
        header: Header,
        params: NodeParams,
        geometry: CameraGeometry,
        labels: np.ndarray,
    ) -> tuple[RangeImage | None, str]:
        """The range image by one input, or why there is none."""
        stamp_s = stamp_seconds(header.stamp) - self._params.range_offset_s
        tolerance_s = params.rules.range.tolerance_s
        message = use.source.nearest(stamp_s, tolerance_s)
        if message is None:
            return None, f'nothing within {tolerance_s:g} s of the image on {use.source.topic}'
        try:
            if use.kind == 'depth':
                ranges = self._depth_ranges(message, header, params, geometry)
            else:
                _, points = use.source.points(message, self._frames, params)
                ranges = range_of_points(points, geometry, labels, self._table)
        except SegPerceptionError as error:
            return None, str(error)
        if ranges.share < _LEAST_SHARE:
            return None, f'no range in the image on {use.source.topic}'
        if ranges.sky_share > _SKY_SHARE:
            seen = f'{ranges.sky_share:.0%} of the points are in the sky of the image'
            return None, f'{seen}: check frame_id and TF'
        use.check = check_ranges(ranges, labels, self._table)
        if use.check is not None and use.check.is_gross:
            return None, f'ground off by {use.check}: check unit, frame_id and TF'
        return ranges, ''

    def _depth_ranges(
        self, message: Image, header: Header, params: NodeParams, geometry: CameraGeometry
    ) -> RangeImage:
        self._check_registered(message.header, header, params)
        if isinstance(self._lens, Missing):
            raise CalibrationError('camera_info of depth', self._lens.reason, 'a calibration')
        return range_of_depth(read_depth(message), geometry, self._lens)

    def _check_registered(self, depth: Header, image: Header, params: NodeParams) -> None:
        """Refuse depth that is seen from elsewhere than the colour image."""
        if depth.frame_id.lstrip('/') == image.frame_id.lstrip('/'):
            return
        stamp_s, max_age_s = stamp_seconds(image.stamp), params.transform_max_age_s
        pose = self._frames.pose(depth.frame_id, image.frame_id, stamp_s, max_age_s)
        off_m = float(np.linalg.norm(pose.translation_m))
        off_rad = float(np.linalg.norm(pose.rotation - np.eye(3)))
        if off_m > _REGISTERED_M or off_rad > _REGISTERED_RAD:
            seen = f'frame {depth.frame_id!r}, {off_m:.3f} m from {image.frame_id!r}'
            expected = 'depth registered to the colour image'
            fix = 'Use the aligned depth topic of the driver.'
            raise CalibrationError('depth image', seen, expected, fix)

    def _on_depth_info(self, info: CameraInfo) -> None:
        rectified = self._params.rectified or is_rectified(self._params.depth_topic)
        lens = calibration_of(numbers_of(info), rectified)
        if lens != self._lens:
            self._lens = lens
