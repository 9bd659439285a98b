# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Start the node, and a video as its camera if asked, where there is no ``ros2 launch``."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from seg_perception.core.errors import ParameterError
from seg_perception.node.processes import RosProcess, sigterm_as_exit
from seg_perception.node.topics import CAMERA, CAMERA_INFO_TOPIC, IMAGE_TOPIC
from seg_perception.options import RunOptions
from seg_perception.tools.video_inputs import open_source


def run_node(options: RunOptions) -> int:
    """
    Run until interrupted or a process ends; its exit code.

    :raises SegPerceptionError: when an input cannot be used.
    """
    if options.video is not None:
        open_source(options.video)  # before a process starts: its error would drown in the log
    with sigterm_as_exit(), ExitStack() as stack:
        processes = [stack.enter_context(_start_node(options))]
        if options.video is not None:
            processes.append(stack.enter_context(_start_source(options)))
        while all(process.exit_code is None for process in processes):
            time.sleep(0.1)
        return next(code for process in processes if (code := process.exit_code) is not None)


def _start_node(options: RunOptions) -> RosProcess:
    wanted = {
        'model': options.model and str(options.model.resolve()),
        'provider': options.provider,
        f'{CAMERA}.image_topic': options.image_topic,
        f'{CAMERA}.camera_info_topic': options.camera_info_topic,
    }
    parameters = {name: value for name, value in wanted.items() if value is not None}
    return RosProcess(
        'node', 'seg_perception.node.node', parameters, ros_args=_params_file(options.params_file)
    )


def _params_file(path: Path | None) -> list[str]:
    if path is None:
        return []
    if not path.is_file():
        raise ParameterError('params_file', repr(str(path)), 'a file', 'Check the path.')
    return ['--params-file', str(path.resolve())]


def _start_source(options: RunOptions) -> RosProcess:
    parameters = {
        'source': options.video,
        'image_topic': options.image_topic or IMAGE_TOPIC,
        'camera_info_topic': options.camera_info_topic or CAMERA_INFO_TOPIC,
        'loop': True,
        'wait_for_subscribers': 1,
    }
    return RosProcess('video source', 'seg_perception.tools.video_source', parameters)
