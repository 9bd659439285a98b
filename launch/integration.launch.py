# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
One camera within a driving stack; docs/integration.md describes the three.

    ros2 launch seg_perception integration.launch.py stack:=nav2 max_speed:=0.5
    ros2 launch seg_perception integration.launch.py stack:=autoware \
        image_topic:=/sensing/camera/camera0/image_rect
    ros2 launch seg_perception integration.launch.py stack:=own video:=synthetic
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction

from seg_perception.node.launching import (
    YES_NO,
    collision_monitor,
    node_arguments,
    perception_node,
    rviz,
    use_sim_time,
    video_source,
)
from seg_perception.node.parameters import extrinsics_parameters
from seg_perception.node.topics import SYNTHETIC
from seg_perception.tools.video_inputs import street_extrinsics

ARGUMENTS = [
    DeclareLaunchArgument(
        'stack',
        default_value='own',
        choices=['nav2', 'autoware', 'own'],
        description='nav2: a robot with Nav2; autoware: a car with Autoware; own: another stack, '
        'which reads road_scene',
    ),
    DeclareLaunchArgument('camera', default_value='front', description='name of the camera'),
    DeclareLaunchArgument(
        'image_topic', default_value='/camera/front/image_raw', description='topic of the images'
    ),
    DeclareLaunchArgument(
        'camera_info_topic',
        default_value='/camera/front/camera_info',
        description='topic of the calibration, without which nothing is metric',
    ),
    DeclareLaunchArgument(
        'transport',
        default_value='raw',
        choices=['raw', 'compressed'],
        description='raw: Image; compressed: CompressedImage on <image_topic>/compressed',
    ),
    DeclareLaunchArgument(
        'base_frame',
        default_value='base_link',
        description='frame of the vehicle, to which TF leads from the frame of the images',
    ),
    DeclareLaunchArgument(
        'max_speed',
        default_value='0.0',
        description='maximum speed of the vehicle in m/s, which no speed limit exceeds; 0: no '
        'topic speed_limit',
    ),
    DeclareLaunchArgument(
        'monitor',
        default_value='false',
        choices=YES_NO,
        description="with stack nav2: start Nav2's collision monitor on the free space",
    ),
    DeclareLaunchArgument(
        'monitor_params',
        default_value='',
        description='parameter file of the collision monitor; empty: '
        'config/nav2/collision_monitor.yaml',
    ),
    DeclareLaunchArgument(
        'video',
        default_value='',
        description='source to play in a loop instead of a camera: a video file, an image '
        'folder, a device, or synthetic (a rendered street)',
    ),
    use_sim_time(),
    *node_arguments(),
]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The processes, once the arguments are known."""
    given = context.launch_configurations
    camera, log_level, has_video = given['camera'], given['log_level'], given['video'] != ''
    parameters = {
        'cameras': [camera],
        f'{camera}.image_topic': given['image_topic'],
        f'{camera}.camera_info_topic': given['camera_info_topic'],
        f'{camera}.transport': given['transport'],
        'base_frame': given['base_frame'],
        'model': given['model'],
        'provider': given['provider'],
        'speed_limit.maximum_mps': float(given['max_speed']),
        'stale_after_s': 0.5,
    }
    if given['stack'] == 'autoware':
        parameters['diagnostics_period_s'] = 0.1  # its graph waits 0.5 s for a diagnostic
    if given['use_sim_time'] == 'true':
        parameters['use_sim_time'] = True
    if given['video'] == SYNTHETIC:
        parameters |= extrinsics_parameters(camera, street_extrinsics(0))
    processes = [perception_node(parameters, given['params_file'], log_level, has_video)]
    if has_video:
        source = {
            'source': given['video'],
            'image_topic': given['image_topic'],
            'camera_info_topic': given['camera_info_topic'],
            'transport': given['transport'],
        }
        processes.append(video_source(camera, source, log_level))
    if given['stack'] == 'nav2' and given['monitor'] == 'true':
        processes += collision_monitor(camera, given['monitor_params'], log_level)
    if given['rviz'] == 'true':
        processes.append(rviz('camera.rviz', [camera]))
    return processes
