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
from dataclasses import asdict, dataclass, fields
from typing import Any

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from seg_perception.core.camera import Calibration
from seg_perception.core.errors import ParameterError, SegPerceptionError
from seg_perception.core.settings import Settings, items, load, setting
from seg_perception.io.camera_info import read_calibration
from seg_perception.io.read_ahead import ReadAhead
from seg_perception.node.camera_info import to_camera_info
from seg_perception.node.image_conversions import colour_to_msg, to_compressed_msg
from seg_perception.node.parameter_names import FOREIGN, is_close
from seg_perception.node.parameters import declare, overrides_of
from seg_perception.node.processes import interrupt, interruptible
from seg_perception.node.topics import CAMERA_INFO_TOPIC, IMAGE_TOPIC, SYNTHETIC
from seg_perception.node.transport import ensure_transport
from seg_perception.synthetic.weather import WEATHERS
from seg_perception.tools.video_inputs import FrameSource, open_source

NODE_NAME = 'video_source'
DISCOVERY_S = 4.0  # DDS needs up to three to find a reader
SPIN_TIMEOUT_S = 0.1  # a signal is heard of when a spin ends
EXIT_FAILED = 2


@dataclass(frozen=True)
class SourceParams(Settings):
    """The parameters of the video source; all of them are read when it starts."""

    source: str = setting(
        SYNTHETIC, 'video file, image folder, /dev/video*, camera number or synthetic'
    )
    image_topic: str = setting(
        IMAGE_TOPIC, 'topic of the images; /compressed is appended for JPEG'
    )
    camera_info_topic: str = setting(
        CAMERA_INFO_TOPIC, 'topic of the calibration, if there is one'
    )
    frame_id: str = setting('camera_front_optical_frame', 'frame of images and calibration')
    transport: str = setting(
        'raw', 'kind of images to publish', choices=('raw', 'compressed', 'both')
    )
    encoding: str = setting('bgr8', 'encoding of the raw images', choices=('bgr8', 'rgb8'))
    jpeg_quality: int = setting(90, 'JPEG quality of the compressed images', '', 1, 100)
    reliable: bool = setting(False, 'reliable delivery, which a slow reader can hold up')
    rate: float = setting(0.0, 'frame rate; 0: that of the source', 'Hz', 0, 1000)
    loop: bool = setting(False, 'start again at the end')
    max_frames: int = setting(
        0, 'number of frames to stop after; 0: no limit, ten seconds if synthetic', '', 0, 10**9
    )
    height: int = setting(0, 'height to resize to; 0 keeps the size', 'px', 0, 16384)
    width: int = setting(0, 'width to resize to; 0 keeps the size', 'px', 0, 16384)
    calibration: str = setting('', 'YAML file of camera_calibration; empty: none')
    seed: int = setting(0, 'seed of the synthetic street', '', 0, 10**9)
    weather: str = setting(
        'clear', 'weather of the synthetic street', choices=(*WEATHERS, 'random')
    )
    read_ahead: int = setting(8, 'number of frames to decode ahead', '', 1, 1000)
    wait_for_subscribers: int = setting(0, 'number of image subscribers to wait for', '', 0, 100)


class VideoSourceNode(Node):
    """
    Publishes frames as a camera would: in real time, stamped when published.

    :raises SegPerceptionError: when a parameter, the source or the calibration cannot be used.
    """

    def __init__(self, **node_options: Any) -> None:
        super().__init__(NODE_NAME, **node_options)
        # First: half made, by an interrupt, it ends with a traceback of rclpy's.
        self._executor = SingleThreadedExecutor(context=self.context)
        self.params = _declare(self)
        self.published = 0
        self.late = 0
        self._source = _open(self.params)
        self._calibration = _calibration(self.params, self._source)
        self._create_publishers()
        self._executor.add_node(self)
        self._state = 'preparing'
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
        frames = self._source.frames(params.loop, params.max_frames)
        with ReadAhead(frames, params.read_ahead) as reader:
            self._wait_until_ready(reader)
            self._play(reader)
            self._finish()

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

    def _wait_until_ready(self, reader: ReadAhead[np.ndarray]) -> None:
        self._state = 'preparing'
        if not reader.is_ready:
            self.get_logger().info('preparing the first images; they are published after that')
        while not reader.is_ready:
            self._executor.spin_once(timeout_sec=0.02)
        self._state = 'waiting for subscribers'
        while self._listeners() < self.params.wait_for_subscribers:
            self._executor.spin_once(timeout_sec=0.02)

    def _listeners(self) -> int:
        publishers = [publisher for publisher in (self._raw, self._jpeg) if publisher is not None]
        return sum(publisher.get_subscription_count() for publisher in publishers)

    def _play(self, reader: ReadAhead[np.ndarray]) -> None:
        period_s = 0.0 if self._source.live else 1.0 / self._source.fps
        self._state = 'playing'
        self._started_s = due_s = time.monotonic()
        while (bgr := self._next(reader)) is not None:
            if time.monotonic() > due_s + period_s:
                self.late += not self._source.live and self.published > 0
                due_s = time.monotonic()  # the camera slips; it does not catch up in a burst
            self._spin_until(due_s)
            self._publish(bgr)
            due_s += period_s

    def _next(self, reader: ReadAhead[np.ndarray]) -> np.ndarray | None:
        """The next frame; callbacks go on while it is not ready. None at the end."""
        while (bgr := reader.take()) is None and not reader.is_at_end:
            self._executor.spin_once(timeout_sec=0.01)
        return bgr

    def _spin_until(self, due_s: float) -> None:
        self._executor.spin_once(timeout_sec=0)
        while (left_s := due_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=min(left_s, SPIN_TIMEOUT_S))

    def _publish(self, bgr: np.ndarray) -> None:
        swap = self.params.encoding == 'rgb8' and self._raw is not None
        pixels = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB) if swap else bgr
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self.params.frame_id)
        if self._info is not None and self._calibration is not None:
            calibration = self._calibration.scaled(bgr.shape[:2])
            self._info.publish(to_camera_info(calibration, header))
        if self._raw is not None:
            self._raw.publish(colour_to_msg(pixels, header, self.params.encoding))
        if self._jpeg is not None:
            rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            quality = self.params.jpeg_quality
            self._jpeg.publish(to_compressed_msg(rgb, header, quality=quality))
        self.published += 1

    def _finish(self) -> None:
        self._state = 'finished'
        # Who counts the frames may not have been found yet when a clip is short.
        end_s = time.monotonic() + DISCOVERY_S
        while not self._diagnostics.get_subscription_count() and time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.02)
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
            'frames_prepared': self._source.prepared(),
            'frames_published': self.published,
            'frames_late': self.late,
            'rate_hz': f'{self.published / seconds:.1f}',
        }
        status = DiagnosticStatus(
            level=DiagnosticStatus.OK,
            name=f'{self.get_fully_qualified_name()}: {self.params.image_topic}',
            message=self._state,
            hardware_id=self._source.name,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def _declare(node: Node) -> SourceParams:
    given = overrides_of(node)
    known = [row.name for row in fields(SourceParams)]
    own = {name: given[name] for name in given if name in known or is_close(name, known)}
    if others := sorted({name for name in given if not FOREIGN.match(name)} - {*own}):
        node.get_logger().warning(
            f'parameters of other nodes, without effect: {", ".join(others)}'
        )
    params = load(SourceParams, own, 'parameter')
    declare(node, items(params), asdict(params))
    return params


def _open(params: SourceParams) -> FrameSource:
    if (params.height == 0) != (params.width == 0):
        raise ParameterError(
            "parameters 'height' and 'width'",
            f'{params.height} and {params.width}',
            'both 0 or both larger than 0',
        )
    size = (params.height, params.width) if params.height else None
    return open_source(
        params.source, size, params.rate, params.seed, params.weather, params.max_frames
    )


def _calibration(params: SourceParams, source: FrameSource) -> Calibration | None:
    if params.calibration:
        return read_calibration(params.calibration)
    if source.camera_matrix is None:
        return None
    return Calibration.pinhole(source.camera_matrix(), source.size)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until its source ends or it is interrupted; 2 when it cannot go on."""
    if args is None:
        ensure_transport()
    with interruptible(interrupt):
        try:
            # rclpy's own handlers end ROS and raise besides.
            rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
            VideoSourceNode().run()
        except KeyboardInterrupt:
            return 0
        except SegPerceptionError as error:
            rclpy.logging.get_logger(NODE_NAME).fatal(str(error))
            return EXIT_FAILED
        finally:
            rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
