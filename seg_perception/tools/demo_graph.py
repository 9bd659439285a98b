# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The real graph on one machine: video source and node as processes, a recorder in this one.

    video_source --Image--> node --mask, road scene, overlay--> recorder
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from seg_perception.node.processes import RosProcess, free_domain, signals_as_exit
from seg_perception.node.topics import CAMERA, CAMERA_INFO_TOPIC, IMAGE_TOPIC
from seg_perception.tools.recorder import Recorder
from seg_perception.tools.run import NODE_MODULE, start_source

START_TIMEOUT_S = 60.0
QUIET_S = 1.0  # no answer for so long after the last image: none is coming
NODE_LOG, SOURCE_LOG = 'node.log', 'video_source.log'


@dataclass(frozen=True)
class Cast:
    """Further parameters of the two processes, and where they log."""

    node: Mapping[str, object]
    source: Mapping[str, object]
    logs: Path


@contextmanager
def private_graph() -> Iterator[None]:
    """ROS in a domain of its own on this machine alone; SIGTERM unwinds as Ctrl-C does."""
    os.environ['ROS_DOMAIN_ID'] = str(free_domain())
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        with signals_as_exit():
            yield
    finally:
        rclpy.try_shutdown()


def play(cast: Cast, recorder: Recorder, on_step: Callable[[RosProcess], None]) -> None:
    """
    Start the node, then the source; listen until the last frame is answered.

    :param on_step: called with the node's process some times a second while the source plays.
    :raises ProcessError: when one of the two fails.
    """
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)
    with RosProcess('node', NODE_MODULE, _node_parameters(cast), cast.logs / NODE_LOG) as node:
        _await_node(node, recorder, executor)
        with start_source(cast.source, cast.logs / SOURCE_LOG) as source:
            while source.exit_code is None:
                executor.spin_once(timeout_sec=0.2)
                node.check_running()
                on_step(node)
            source.check()
        _await_quiet(recorder, executor)
        node.check_running()
    executor.shutdown()


def _node_parameters(cast: Cast) -> dict[str, object]:
    topics = {'image_topic': IMAGE_TOPIC, 'camera_info_topic': CAMERA_INFO_TOPIC}
    own = {f'{CAMERA}.{name}': topic for name, topic in topics.items()}
    # What a video teaches is not for the camera that the node has next.
    return {'cameras': [CAMERA], 'calibration.folder': '', **own, **cast.node}


def _await_node(node: RosProcess, recorder: Recorder, executor: SingleThreadedExecutor) -> None:
    end_s = time.monotonic() + START_TIMEOUT_S
    while not recorder.is_matched:
        executor.spin_once(timeout_sec=0.05)
        node.check_running()
        if time.monotonic() > end_s:
            raise node.failure(f'no topics after {START_TIMEOUT_S:.0f} s')


def _await_quiet(recorder: Recorder, executor: SingleThreadedExecutor) -> None:
    arrivals, since_s = recorder.arrivals, time.monotonic()
    while time.monotonic() < since_s + QUIET_S:
        executor.spin_once(timeout_sec=0.1)
        if recorder.arrivals != arrivals:
            arrivals, since_s = recorder.arrivals, time.monotonic()
