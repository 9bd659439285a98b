# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
One camera.

    ros2 launch seg_perception camera.launch.py image_topic:=/camera/image_raw
    ros2 launch seg_perception camera.launch.py video:=synthetic rviz:=true
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction

from seg_perception.node.launching import (
    node_arguments,
    perception_node,
    rviz,
    use_sim_time,
    video_source,
)
from seg_perception.node.parameters import extrinsics_parameters
from seg_perception.node.topics import SYNTHETIC
from seg_perception.tools.video_inputs import street_extrinsics

YES_NO = ['true', 'false']

ARGUMENTS = [
    DeclareLaunchArgument(
        'camera',
        default_value='',
        description='name of the camera; empty: from params_file, else front',
    ),
    DeclareLaunchArgument(
        'image_topic',
        default_value='',
        description='image topic; empty: from params_file, else /camera/<camera>/image_raw',
    ),
    DeclareLaunchArgument(
        'camera_info_topic',
        default_value='',
        description='CameraInfo topic; empty: from params_file, else /camera/<camera>/camera_info',
    ),
    DeclareLaunchArgument(
        'transport',
        default_value='',
        choices=['', 'raw', 'compressed'],
        description='raw: Image; compressed: CompressedImage on <image_topic>/compressed; '
        'empty: raw',
    ),
    DeclareLaunchArgument(
        'calibration',
        default_value='',
        description='file of seg-perception calibrate that the camera starts from; empty: from '
        'params_file, else none',
    ),
    DeclareLaunchArgument(
        'video',
        default_value='',
        description='source to play in a loop instead of a camera: a video file, an image '
        'folder, a device such as /dev/video0, or synthetic (a rendered street)',
    ),
    use_sim_time(),
    *node_arguments(),
]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The processes, once the arguments are known."""
    given = context.launch_configurations
    camera = given['camera'] or 'front'
    parameters = {
        'cameras': [camera] if given['camera'] else '',
        f'{camera}.image_topic': given['image_topic'],
        f'{camera}.camera_info_topic': given['camera_info_topic'],
        f'{camera}.transport': given['transport'],
        f'{camera}.calibration_file': given['calibration'],
        'model': given['model'],
        'provider': given['provider'],
    }
    if given['use_sim_time'] == 'true':
        parameters['use_sim_time'] = True
    if given['video'] == SYNTHETIC:
        parameters |= extrinsics_parameters(camera, street_extrinsics(0))
    log_level = given['log_level']
    has_video = given['video'] != ''
    processes = [perception_node(parameters, given['params_file'], log_level, has_video)]
    if has_video:
        source = {
            'source': given['video'],
            'image_topic': given['image_topic'] or f'/camera/{camera}/image_raw',
            'camera_info_topic': given['camera_info_topic'] or f'/camera/{camera}/camera_info',
            'transport': given['transport'] or 'raw',
        }
        processes.append(video_source(camera, source, log_level))
    if given['rviz'] == 'true':
        processes.append(rviz('camera.rviz', [camera]))
    return processes
