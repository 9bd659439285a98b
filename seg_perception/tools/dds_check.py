# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Does a stream of big images arrive between two processes here? Sends one and counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import Image

from seg_perception.core.errors import SegPerceptionError
from seg_perception.node.processes import end, free_domain
from seg_perception.node.qos import matched_publishers
from seg_perception.node.transport import MALLOC_SETTINGS, PROFILE_VARIABLES, transport_env

MATCH_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Stream:
    """What is sent: best-effort bgr8 images at a steady rate."""

    frames: int = 20
    rate_hz: float = 20.0
    height: int = 720
    width: int = 1280


@dataclass(frozen=True)
class Arrival:
    """What came of it; latency from before the publisher's copy to the reader's callback."""

    sent: int
    arrived: int
    latency_ms: tuple[float, ...]

    @property
    def share(self) -> float:
        return self.arrived / self.sent


def stock_environ() -> dict[str, str]:
    """This process's environment without any transport setting."""
    settings = {*PROFILE_VARIABLES, *MALLOC_SETTINGS}
    return {name: value for name, value in os.environ.items() if name not in settings}


def shipped_environ() -> dict[str, str]:
    """The stock environment with the settings that the package ships."""
    stock = stock_environ()
    return stock | transport_env(stock)


def measure_arrival(stream: Stream, environ: Mapping[str, str]) -> Arrival:
    """
    Send a stream from one process to another, on this machine alone.

    :param stream: what to send.
    :param environ: environment of both processes.
    :raises SegPerceptionError: when one of the two fails.
    """
    private = dict(environ, ROS_DOMAIN_ID=str(free_domain()))
    private['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    listener = _start('listen', stream, private)
    publisher = _start('publish', stream, private)
    try:
        timeout_s = stream.frames / stream.rate_hz + 2 * MATCH_TIMEOUT_S
        _result(publisher, timeout_s)
        latency_ms = _result(listener, timeout_s)['ms']
    finally:
        for process in (listener, publisher):
            end(process)
    return Arrival(stream.frames, len(latency_ms), tuple(latency_ms))


def _start(role: str, stream: Stream, environ: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, '-m', 'seg_perception.tools.dds_check', role, json.dumps(asdict(stream))],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _result(process: subprocess.Popen[str], timeout_s: float) -> dict[str, list[float]]:
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise SegPerceptionError('transport probe', 'no end', f'{timeout_s:.0f} s') from error
    if process.returncode:
        raise SegPerceptionError('transport probe', err.strip() or process.returncode, 'exit 0')
    return json.loads(out.strip().splitlines()[-1])


def _publish(stream: Stream) -> dict[str, object]:
    node = rclpy.create_node('probe_publisher')
    publisher = node.create_publisher(Image, 'probe', _best_effort(1))
    _wait_for(publisher.get_subscription_count)
    pixels = np.random.default_rng(0).integers(0, 255, (stream.height, stream.width, 3), np.uint8)
    # The other side may match a moment later than this one; best effort has no second chance.
    start_s = time.monotonic() + 0.5
    for index in range(stream.frames):
        time.sleep(max(0.0, start_s + index / stream.rate_hz - time.monotonic()))
        image = Image(height=stream.height, width=stream.width, encoding='bgr8')
        image.header.stamp = node.get_clock().now().to_msg()
        image.step = 3 * stream.width
        image.data.frombytes(pixels)
        publisher.publish(image)
    time.sleep(0.5)  # let the reader take the last one before the memory goes
    return {'sent': stream.frames}


def _listen(stream: Stream) -> dict[str, object]:
    node = rclpy.create_node('probe_listener')
    ms: list[float] = []

    def on_image(image: Image) -> None:
        age = node.get_clock().now() - Time.from_msg(image.header.stamp)
        ms.append(age.nanoseconds / 1e6)

    subscription = node.create_subscription(Image, 'probe', on_image, _best_effort(5))
    _wait_for(lambda: matched_publishers(node, subscription))
    end_s = time.monotonic() + stream.frames / stream.rate_hz + 2.0
    while len(ms) < stream.frames and time.monotonic() < end_s:
        rclpy.spin_once(node, timeout_sec=0.1)
    return {'ms': ms}


def _best_effort(depth: int) -> QoSProfile:
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)


def _wait_for(count: Callable[[], int]) -> None:
    end_s = time.monotonic() + MATCH_TIMEOUT_S
    while count() == 0:
        if time.monotonic() > end_s:
            raise SegPerceptionError(
                'transport probe', f'no match in {MATCH_TIMEOUT_S:.0f} s', 'two matched endpoints'
            )
        time.sleep(0.01)


def main() -> None:
    """Play one of the two roles and print its record as JSON."""
    role, stream = sys.argv[1], Stream(**json.loads(sys.argv[2]))
    rclpy.init()
    try:
        print(json.dumps(_publish(stream) if role == 'publish' else _listen(stream)))
    except SegPerceptionError as error:
        sys.exit(str(error))
    finally:
        rclpy.try_shutdown()


if __name__ == '__main__':
    main()
