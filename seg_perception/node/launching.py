# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the launch files share: their processes, each with the settings that big images need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch.actions import DeclareLaunchArgument, Shutdown
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from seg_perception.core.errors import ParameterError
from seg_perception.models import EMBEDDED
from seg_perception.node.topics import SYNTHETIC
from seg_perception.node.transport import transport_env

PACKAGE = 'seg_perception'
RVIZ_SLOTS = ('front', 'left', 'right', 'rear')
"""Camera names in the RViz layouts; they are remapped to those of the node."""
TOPICS = (
    'overlay',
    'mask_color',
    'ego_mask',
    'confidence',
    'drivable_grid',
    'free_space',
    'ground_polygon',
)

Parameters = Mapping[str, str | bool | int | float | list[str]]

YES_NO = ('true', 'false')


def node_arguments() -> list[DeclareLaunchArgument]:
    """The arguments of all launch files: model, provider, parameters, RViz and log level."""
    return [
        DeclareLaunchArgument(
            'model',
            default_value='',
            description='model file, or default.int8, street, free (or .int8); empty: the default',
        ),
        DeclareLaunchArgument(
            'provider',
            default_value='',
            choices=['', 'auto', 'cpu', 'cuda', 'tensorrt'],
            description='hardware for the model; empty: from params_file, else auto',
        ),
        DeclareLaunchArgument(
            'params_file',
            default_value='',
            description='parameter file; launch arguments have precedence',
        ),
        DeclareLaunchArgument(
            'rviz', default_value='false', choices=YES_NO, description='open RViz with the cameras'
        ),
        DeclareLaunchArgument(
            'log_level',
            default_value='info',
            choices=['debug', 'info', 'warn', 'error', 'fatal'],
            description='log level of all processes',
        ),
    ]


def existing(name: str, given: str) -> str:
    """
    The path that a launch argument names, ``~`` expanded, which bash does not do behind ``:=``.

    :raises ParameterError: when nothing is there; launch_ros only warns of a missing params_file.
    """
    path = Path(given).expanduser()
    if not path.exists():
        thing = f'launch argument {name!r}'
        raise ParameterError(thing, repr(given), 'a file that exists', 'Check the path.')
    return str(path)


def use_sim_time() -> DeclareLaunchArgument:
    """The argument use_sim_time, for launch files that do not play a bag."""
    return DeclareLaunchArgument(
        'use_sim_time',
        default_value='false',
        choices=YES_NO,
        description='use the time on /clock, as published by ros2 bag play --clock',
    )


def perception_node(parameters: Parameters, params_file: str, log_level: str, plays: bool) -> Node:
    """
    The node that segments.

    :param parameters: those that win over the file; empty strings leave it to file and defaults.
    :param plays: a recording is played: the whole launch ends with the node, and what its cameras
        learn of themselves is not kept for the cameras of the next launch.
    :raises ParameterError: when a file is not there.
    """
    wanted = {name: value for name, value in parameters.items() if value != ''}
    if wanted.get('model', 'default') not in EMBEDDED:
        wanted['model'] = existing('model', str(wanted['model']))
    for name in wanted:
        if name.endswith('.calibration_file'):
            wanted[name] = existing('calibration', str(wanted[name]))
    if plays:
        wanted['calibration.folder'] = ''
    files = [existing('params_file', params_file)] if params_file else []
    return Node(
        executable='node',
        name=PACKAGE,
        parameters=[*files, _typed(wanted)],
        on_exit=shutdown('node') if plays else None,
        **_common(log_level),
    )


def video_source(camera: str, parameters: Parameters, log_level: str) -> Node:
    """
    A video in place of a camera, looping; the launch ends with it.

    :raises ParameterError: when its source is not there.
    """
    source = str(parameters['source'])
    if source != SYNTHETIC and not source.isdigit() and '://' not in source:
        source = existing('video', source)
    fixed: Parameters = {
        'frame_id': f'camera_{camera}_optical_frame',
        'source': source,
        'loop': True,
        'wait_for_subscribers': 1,
    }
    return Node(
        executable='video_source',
        name=f'video_source_{camera}',
        parameters=[_typed({**parameters, **fixed})],
        on_exit=shutdown('video source'),
        **_common(log_level),
    )


def collision_monitor(camera: str, params_file: str, log_level: str) -> list[Node]:
    """
    Nav2's collision monitor on the free space of a camera, and what brings it up.

    :param params_file: of both; empty: the one of the package.
    :raises ParameterError: when it is not there, or Nav2 is not installed.
    """
    try:
        get_package_share_directory('nav2_collision_monitor')
    except PackageNotFoundError:
        thing, expected = "launch argument 'monitor'", 'false: no package nav2_collision_monitor'
        fix = 'Install it: apt install ros-$ROS_DISTRO-nav2-collision-monitor.'
        raise ParameterError(thing, "'true'", expected, fix) from None
    shipped = Path(get_package_share_directory(PACKAGE), 'config/nav2/collision_monitor.yaml')
    file = existing('monitor_params', params_file or str(shipped))
    topic = f'/{PACKAGE}/{{}}/free_space'.format
    monitor = Node(
        package='nav2_collision_monitor',
        executable='collision_monitor',
        name='collision_monitor',
        output='screen',
        parameters=[file],
        remappings=[(topic(RVIZ_SLOTS[0]), topic(camera))],
        ros_arguments=['--log-level', log_level],
    )
    manager = Node(
        package='nav2_lifecycle_manager',
        executable='lifecycle_manager',
        name='lifecycle_manager_perception',
        output='screen',
        parameters=[file],
        ros_arguments=['--log-level', log_level],
    )
    return [monitor, manager]


def rviz(layout: str, cameras: Sequence[str]) -> Node:
    """RViz with a layout of the package, its camera names replaced by these, in order."""
    config = Path(get_package_share_directory(PACKAGE), 'config', layout)
    pairs = list(zip(RVIZ_SLOTS, cameras, strict=False))
    return Node(
        package='rviz2',
        executable='rviz2',
        arguments=['-d', str(config)],
        remappings=[
            (f'/{PACKAGE}/{slot}/{topic}', f'/{PACKAGE}/{camera}/{topic}')
            for slot, camera in pairs
            for topic in TOPICS
        ],
        additional_env=transport_env(),
    )


def shutdown(name: str) -> list[Shutdown]:
    """End the launch when a process of that name has ended."""
    return [Shutdown(reason=f'the {name} has ended')]


def _common(log_level: str) -> dict[str, Any]:
    return {
        'package': PACKAGE,
        'output': 'screen',
        'ros_arguments': ['--log-level', log_level],
        'additional_env': transport_env(),
    }


def _typed(parameters: Parameters) -> dict[str, ParameterValue]:
    """With their types said: unsaid, launch takes a camera called 'on' for a boolean."""
    kinds = {str: str, bool: bool, int: int, float: float, list: list[str]}
    return {
        name: ParameterValue(value, value_type=kinds[type(value)])
        for name, value in parameters.items()
    }
