# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
A bag and the node that watches it; the launch ends with the bag.

    ros2 launch seg_perception replay.launch.py bag:=drive
    ros2 launch seg_perception replay.launch.py bag:=drive rate:=0.5 loop:=true rviz:=true
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction

from seg_perception.node.launching import YES_NO, existing, node_arguments, perception_node, rviz
from seg_perception.options import ReplayOptions
from seg_perception.replay.bag_launching import find_camera, read_topics
from seg_perception.replay.launching import bag_player

ARGUMENTS = [
    DeclareLaunchArgument(
        'bag', description='bag to play: rosbag2 folder or file, or rosbag1 file'
    ),
    DeclareLaunchArgument(
        'player',
        default_value='auto',
        choices=['auto', 'ours', 'ros2bag'],
        description='ours: seg-perception replay; ros2bag: ros2 bag play; '
        'auto: ros2 bag play where it is installed and can play this, else ours',
    ),
    DeclareLaunchArgument(
        'rate', default_value='1.0', description='speed as a multiple of the recorded pace'
    ),
    DeclareLaunchArgument(
        'start',
        default_value='0.0',
        description='start time in seconds from the beginning of the bag',
    ),
    DeclareLaunchArgument(
        'duration',
        default_value='',
        description='duration in seconds; empty: to the end of the bag',
    ),
    DeclareLaunchArgument(
        'loop', default_value='false', choices=YES_NO, description='start again when the bag ends'
    ),
    DeclareLaunchArgument('camera', default_value='front', description='name of the camera'),
    DeclareLaunchArgument(
        'image_topic',
        default_value='',
        description='image topic in the bag; empty: the only image topic',
    ),
    *node_arguments(),
]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The processes, once the arguments are known."""
    given = context.launch_configurations
    bag = Path(existing('bag', given['bag']))
    found = find_camera(read_topics(bag), given['image_topic'])
    camera = given['camera']
    parameters = {
        'cameras': [camera],
        f'{camera}.image_topic': found.image_topic,
        f'{camera}.camera_info_topic': found.camera_info_topic,
        f'{camera}.transport': found.transport,
        'model': given['model'],
        'provider': given['provider'],
    }
    parameters['use_sim_time'] = True
    playing = ReplayOptions(
        bag,
        float(given['rate']),
        float(given['start']),
        float(given['duration']) if given['duration'] else None,
        given['loop'] == 'true',
        remap=found.remap,
    )
    processes = [
        perception_node(parameters, given['params_file'], given['log_level'], True),
        *bag_player(given['player'], playing, found.topic),
    ]
    if given['rviz'] == 'true':
        processes.append(rviz('camera.rviz', [camera]))
    return processes
