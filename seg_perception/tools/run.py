# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Start the node, and a video as its camera if asked, where there is no ``ros2 launch``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from seg_perception.core.errors import ParameterError
from seg_perception.io.calibration_file import read_calibration_file
from seg_perception.node.processes import RosProcess, signals_as_exit
from seg_perception.node.topics import CAMERA, CAMERA_INFO_TOPIC, IMAGE_TOPIC
from seg_perception.options import RunOptions
from seg_perception.tools.video_inputs import open_source

NODE_MODULE = 'seg_perception.node.node'


def run_node(options: RunOptions) -> int:
    """
    Run until interrupted or a process ends; its exit code.

    :raises SegPerceptionError: when an input cannot be used.
    """
    if options.video is not None:
        open_source(options.video)  # before a process starts: its error would drown in the log
    topics = _given(
        {'image_topic': options.image_topic, 'camera_info_topic': options.camera_info_topic}
    )
    camera = {**topics, **_calibration_file(options.calibration)}
    own = {'model': options.model and str(options.model.resolve()), 'provider': options.provider}
    parameters = _given(own) | {f'{CAMERA}.{name}': value for name, value in camera.items()}
    if options.video is not None:  # what it teaches is not for the next camera
        parameters['calibration.folder'] = ''
    ros_args = _params_file(options.params_file)
    with signals_as_exit(), ExitStack() as stack:
        node = RosProcess('node', NODE_MODULE, parameters, ros_args=ros_args)
        processes = [stack.enter_context(node)]
        if options.video is not None:
            video = {**topics, 'source': options.video, 'loop': True}
            processes.append(stack.enter_context(start_source(video)))
        while all(process.exit_code is None for process in processes):
            time.sleep(0.1)
        return next(code for process in processes if (code := process.exit_code) is not None)


def start_source(parameters: Mapping[str, object], log: Path | None = None) -> RosProcess:
    """A video source that feeds the node, as a process; ``log`` takes its output."""
    usual = {
        'image_topic': IMAGE_TOPIC,
        'camera_info_topic': CAMERA_INFO_TOPIC,
        'wait_for_subscribers': 1,
    }
    module = 'seg_perception.tools.video_source'
    return RosProcess('video source', module, usual | dict(parameters), log)


def _given(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _calibration_file(path: Path | None) -> dict[str, object]:
    if path is None:
        return {}
    read_calibration_file(path)  # its error would drown in the log
    return {'calibration_file': str(path.resolve())}


def _params_file(path: Path | None) -> list[str]:
    if path is None:
        return []
    path = path.expanduser()
    if not path.is_file():
        raise ParameterError('params_file', repr(str(path)), 'a file', 'Check the path.')
    return ['--params-file', str(path.resolve())]
