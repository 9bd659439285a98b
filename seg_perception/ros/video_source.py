# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
A camera that plays a video file, an image folder, a device or the synthetic street.

    ros2 run seg_perception video_source --ros-args -p source:=drive.mp4 -p loop:=true
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from seg_perception.core.errors import ParameterError, SegPerceptionError
from seg_perception.ros.calibration import Calibration, read_calibration
from seg_perception.ros.sources import FrameSource, ReadAhead, open_source
from seg_perception.ros.topics import CAMERA_INFO_TOPIC, IMAGE_TOPIC

DIAGNOSTIC_NAME = 'video_source'


@dataclass(frozen=True)
class SourceParams:
    """The parameters of the node; the field's table row is in ``PARAMS``."""

    source: str
    image_topic: str
    camera_info_topic: str
    frame_id: str
    transport: str
    encoding: str
    jpeg_quality: int
    reliable: bool
    rate: float
    loop: bool
    max_frames: int
    height: int
    width: int
    calibration: str
    seed: int
    weather: str
    read_ahead: int
    wait_for_subscribers: int


@dataclass(frozen=True)
class Row:
    """One parameter: default, description, and its range or choices."""

    default: Any
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


PARAMS = {
    'source': Row('synthetic', 'video file, image folder, /dev/video*, camera number, synthetic'),
    'image_topic': Row(IMAGE_TOPIC, 'images; /compressed is added for JPEG'),
    'camera_info_topic': Row(CAMERA_INFO_TOPIC, 'calibration, where it is known'),
    'frame_id': Row('camera_front_optical_frame', 'frame of image and calibration'),
    'transport': Row('raw', 'what to publish', choices=('raw', 'compressed', 'both')),
    'encoding': Row('bgr8', 'of the raw images', choices=('bgr8', 'rgb8')),
    'jpeg_quality': Row(90, 'of the compressed images', 1, 100),
    'reliable': Row(False, 'reliable instead of best effort, for slow networks only'),
    'rate': Row(0.0, 'frames per second [Hz]; 0 is the pace of the source', 0.0, 1000.0),
    'loop': Row(False, 'start again at the end'),
    'max_frames': Row(0, 'stop after so many frames; 0 is no limit', 0, 2**31 - 1),
    'height': Row(0, 'resize to this height [px]; 0 keeps the size', 0, 16384),
    'width': Row(0, 'resize to this width [px]; 0 keeps the size', 0, 16384),
    'calibration': Row('', 'YAML file as camera_calibration writes it; empty for none'),
    'seed': Row(0, 'of the synthetic street', 0, 2**31 - 1),
    'weather': Row(
        'clear',
        'of the synthetic street',
        choices=('clear', 'fog', 'rain', 'night', 'dusk', 'random'),
    ),
    'read_ahead': Row(8, 'frames decoded ahead of time', 1, 1000),
    'wait_for_subscribers': Row(0, 'start when so many listen to the image topic', 0, 100),
}


class VideoSourceNode(Node):
    """
    Publishes frames as a camera would: in real time, stamped when published.

    :raises SegPerceptionError: when a parameter, the source or the calibration cannot be used.
    """

    def __init__(self, **node_options: Any) -> None:
        super().__init__('video_source', **node_options)
        self.params = _declare(self)
        self.published = 0
        self.late = 0
        self._source = _open(self.params)
        self._calibration = _calibration(self.params, self._source)
        self._create_publishers()
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self)
        self._state = 'waiting'
        self._started_s = time.monotonic()
        self.create_timer(1.0, self._publish_diagnostics)

    def run(self) -> None:
        """
        Publish to the end of the source, or for ever when it loops.

        :raises SourceError: when the source fails on the way.
        """
        params = self.params
        self.get_logger().info(
            f'{self._source.name}: {self._source.size[1]}x{self._source.size[0]} at '
            f'{self._source.fps:g} Hz on {params.image_topic}'
        )
        reader = ReadAhead(self._source, params.loop, params.max_frames, params.read_ahead)
        try:
            self._wait_for_subscribers()
            self._play(reader)
            self._finish()
        finally:
            reader.close()

    def _create_publishers(self) -> None:
        params = self.params
        policy = ReliabilityPolicy.RELIABLE if params.reliable else ReliabilityPolicy.BEST_EFFORT
        qos = QoSProfile(depth=1, reliability=policy)
        self._raw = self._jpeg = self._info = None
        if params.transport in ('raw', 'both'):
            self._raw = self.create_publisher(Image, params.image_topic, qos)
        if params.transport in ('compressed', 'both'):
            topic = f'{params.image_topic}/compressed'
            self._jpeg = self.create_publisher(CompressedImage, topic, qos)
        if self._calibration is not None:
            self._info = self.create_publisher(CameraInfo, params.camera_info_topic, qos)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def _wait_for_subscribers(self) -> None:
        publishers = [publisher for publisher in (self._raw, self._jpeg) if publisher is not None]
        while (
            sum(publisher.get_subscription_count() for publisher in publishers)
            < self.params.wait_for_subscribers
        ):
            self._executor.spin_once(timeout_sec=0.02)

    def _play(self, reader: ReadAhead) -> None:
        period_s = 0.0 if self._source.live else 1.0 / self._source.fps
        self._state = 'playing'
        self._started_s = due_s = time.monotonic()
        for bgr in reader:
            if time.monotonic() > due_s + period_s:
                self.late += not self._source.live and self.published > 0
                due_s = time.monotonic()  # the camera slips; it does not catch up in a burst
            self._spin_until(due_s)
            self._publish(bgr)
            due_s += period_s

    def _spin_until(self, due_s: float) -> None:
        self._executor.spin_once(timeout_sec=0)
        while (left_s := due_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)

    def _publish(self, bgr: np.ndarray) -> None:
        swap = self.params.encoding == 'rgb8' and self._raw is not None
        pixels = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB) if swap else bgr
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self.params.frame_id)
        if self._info is not None and self._calibration is not None:
            self._info.publish(self._calibration.scaled(bgr.shape[:2]).to_msg(header))
        if self._raw is not None:
            self._raw.publish(_to_image(pixels, self.params.encoding, header))
        if self._jpeg is not None:
            self._jpeg.publish(_to_jpeg(bgr, self.params.jpeg_quality, header))
        self.published += 1

    def _finish(self) -> None:
        self._state = 'finished'
        self._publish_diagnostics()
        seconds = max(time.monotonic() - self._started_s, 1e-9)
        self.get_logger().info(
            f'published {self.published} frames in {seconds:.1f} s '
            f'({self.published / seconds:.1f} Hz), {self.late} late'
        )
        self._diagnostics.wait_for_all_acked(rclpy.duration.Duration(seconds=1.0))
        # Best effort has no acknowledgement: let readers take the last image before it goes.
        self._spin_until(time.monotonic() + 0.3)

    def _publish_diagnostics(self) -> None:
        seconds = max(time.monotonic() - self._started_s, 1e-9)
        values = {
            'state': self._state,
            'source': self._source.name,
            'image_topic': self.params.image_topic,
            'frames_published': self.published,
            'frames_late': self.late,
            'rate_hz': f'{self.published / seconds:.1f}',
        }
        status = DiagnosticStatus(
            level=DiagnosticStatus.OK,
            name=f'{self.get_name()}: {DIAGNOSTIC_NAME}',
            message=self._state,
            hardware_id=self._source.name,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def _declare(node: Node) -> SourceParams:
    values = {}
    for name, row in PARAMS.items():
        try:
            values[name] = node.declare_parameter(name, row.default, _descriptor(row)).value
        except InvalidParameterTypeException as error:
            raise ParameterError(
                f'parameter {name!r}', error, f'a {type(row.default).__name__}', row.description
            ) from error
    unknown = set(node._parameter_overrides) - set(PARAMS) - {'use_sim_time'}
    if unknown:
        raise ParameterError('parameters', sorted(unknown), ', '.join(PARAMS))
    for name, row in PARAMS.items():
        if row.choices and values[name] not in row.choices:
            raise ParameterError(f'parameter {name!r}', repr(values[name]), ', '.join(row.choices))
    return SourceParams(**{field.name: values[field.name] for field in fields(SourceParams)})


def _descriptor(row: Row) -> ParameterDescriptor:
    choices = f'; one of {", ".join(row.choices)}' if row.choices else ''
    # Read once at the start: a change afterwards would be ignored, so it is refused.
    descriptor = ParameterDescriptor(description=row.description + choices, read_only=True)
    if isinstance(row.default, float) and row.low is not None and row.high is not None:
        limits = FloatingPointRange(from_value=row.low, to_value=row.high, step=0.0)
        descriptor.floating_point_range = [limits]
    elif row.low is not None and row.high is not None:
        span = IntegerRange(from_value=int(row.low), to_value=int(row.high), step=1)
        descriptor.integer_range = [span]
    return descriptor


def _open(params: SourceParams) -> FrameSource:
    if (params.height == 0) != (params.width == 0):
        raise ParameterError(
            "parameters 'height' and 'width'",
            f'{params.height} and {params.width}',
            'both 0 or both larger than 0',
        )
    size = (params.height, params.width) if params.height else None
    return open_source(params.source, size, params.rate, params.seed, params.weather)


def _calibration(params: SourceParams, source: FrameSource) -> Calibration | None:
    if params.calibration:
        return read_calibration(params.calibration)
    if source.camera_matrix is None:
        return None
    return Calibration.pinhole(source.camera_matrix, source.size)


def _to_image(pixels: np.ndarray, encoding: str, header: Header) -> Image:
    height, width = pixels.shape[:2]
    image = Image(header=header, height=height, width=width, encoding=encoding, step=3 * width)
    image.data.frombytes(np.ascontiguousarray(pixels))
    return image


def _to_jpeg(bgr: np.ndarray, quality: int, header: Header) -> CompressedImage:
    _, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    image = CompressedImage(header=header, format='bgr8; jpeg compressed bgr8')
    image.data.frombytes(data)
    return image


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until its source ends or it is interrupted."""
    rclpy.init(args=args)
    try:
        VideoSourceNode().run()
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except SegPerceptionError as error:
        print(f'video_source: error: {error}', file=sys.stderr)
        return 2
    finally:
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
