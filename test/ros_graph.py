# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""This process's side of a real graph, and messages to send into it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from seg_perception.core.classes import CAMVID_11
from seg_perception.node.processes import RosProcess

TIMEOUT_S = 120.0
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)


class Graph:
    """This process's side of the graph."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('tester', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.process: RosProcess | None = None

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()

    def spin_until(
        self, done: Callable[[], Any], what: str = 'condition', timeout_s: float = TIMEOUT_S
    ) -> Any:
        """Spin until done() is true, and return what it returned; fail after the timeout."""
        end_s = time.monotonic() + timeout_s
        while not (value := done()):
            assert time.monotonic() < end_s, f'no {what} within {timeout_s:g} s'
            if self.process is not None:
                assert self.process.exit_code is None, f'node ended: {self.process.exit_code}'
            self.executor.spin_once(timeout_sec=0.02)
        return value

    def publish_until(self, publisher: Any, msg: Any, done: Callable[[], Any], what: str) -> Any:
        """
        Publish and spin until done(), as spin_until does.

        Again now and then: the other side may see the match later, and what is sent best effort
        before is lost.
        """
        next_s = 0.0

        def tried() -> Any:
            nonlocal next_s
            if time.monotonic() >= next_s:
                publisher.publish(msg)
                next_s = time.monotonic() + 2.0
            return done()

        return self.spin_until(tried, what)

    def spin_for(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=min(left_s, 0.02))

    def read(self, kind: Any, topic: str, qos: QoSProfile = RELIABLE, wait: bool = True) -> list:
        """A list that grows by what comes on the topic, once its publisher is matched."""
        messages: list[Any] = []
        subscription = self.node.create_subscription(kind, topic, messages.append, qos)
        if wait:
            self.spin_until(subscription.get_publisher_count, f'publisher of {topic}')
        return messages

    def publisher(self, kind: Any, topic: str, qos: QoSProfile = BEST_EFFORT) -> Any:
        """A publisher, once the node is matched with it."""
        publisher = self.node.create_publisher(kind, topic, qos)
        self.spin_until(publisher.get_subscription_count, f'reader of {topic}')
        return publisher

    def call(self, kind: Any, service: str, request: Any) -> Any:
        client = self.node.create_client(kind, service)
        self.spin_until(client.service_is_ready, f'service {service}')
        future = client.call_async(request)
        self.spin_until(future.done, f'answer of {service}')
        self.node.destroy_client(client)
        return future.result()


def painted(labels: np.ndarray) -> np.ndarray:
    """The picture, (H, W, 3) RGB, for which the tiny model answers these labels."""
    colours = np.array([row.rgb for row in CAMVID_11.classes], np.uint8)
    return colours[labels]


def stamped(seconds: int, nanosec: int = 0, frame_id: str = 'camera') -> Header:
    header = Header(frame_id=frame_id)
    header.stamp.sec, header.stamp.nanosec = seconds, nanosec
    return header


def image_msg(rgb: np.ndarray, header: Header, encoding: str = 'rgb8') -> Image:
    data = rgb if encoding == 'rgb8' else rgb[..., ::-1]
    msg = Image(header=header, encoding=encoding, height=rgb.shape[0], width=rgb.shape[1])
    msg.step = 3 * rgb.shape[1]
    msg.data.frombytes(np.ascontiguousarray(data).tobytes())
    return msg


def png_msg(rgb: np.ndarray, header: Header) -> CompressedImage:
    data = cv2.imencode('.png', np.ascontiguousarray(rgb[..., ::-1]))[1]
    msg = CompressedImage(header=header, format='bgr8; png compressed bgr8')
    msg.data.frombytes(data.tobytes())
    return msg


def pixels_of(msg: Image) -> np.ndarray:
    channels = {'mono8': 1, 'bgr8': 3, 'rgb8': 3}[msg.encoding]
    assert msg.step == msg.width * channels
    array = np.frombuffer(msg.data, np.uint8).reshape(msg.height, msg.width, channels)
    return array[..., 0] if channels == 1 else array
