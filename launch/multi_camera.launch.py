# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Several cameras, served fairly by one node and one model.

    ros2 launch seg_perception multi_camera.launch.py cameras:=front,left,right
    ros2 launch seg_perception multi_camera.launch.py cameras:=front,rear video:=synthetic
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
        'cameras',
        default_value='front,rear',
        description='names of the cameras, separated by commas',
    ),
    DeclareLaunchArgument(
        'image_topic',
        default_value='/camera/{camera}/image_raw',
        description='image topic of each camera; {camera} stands for its name',
    ),
    DeclareLaunchArgument(
        'camera_info_topic',
        default_value='/camera/{camera}/camera_info',
        description='CameraInfo topic of each camera; {camera} stands for its name',
    ),
    DeclareLaunchArgument(
        'transport',
        default_value='raw',
        choices=['raw', 'compressed'],
        description='raw: Image; compressed: CompressedImage on <image_topic>/compressed',
    ),
    DeclareLaunchArgument(
        'calibration',
        default_value='',
        description='file of seg-perception calibrate that each camera starts from; {camera} '
        'stands for its name; empty: from params_file, else none',
    ),
    DeclareLaunchArgument(
        'video',
        default_value='',
        description='sources to play in a loop instead of the cameras: one for all, or one for '
        'each, separated by commas; video files, image folders, devices or synthetic',
    ),
    use_sim_time(),
    *node_arguments(),
]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The processes, once the arguments are known."""
    given = context.launch_configurations
    cameras = [name.strip() for name in given['cameras'].split(',')]
    topics = {camera: camera_topics(camera, given) for camera in cameras}
    parameters = {'cameras': cameras, 'model': given['model'], 'provider': given['provider']}
    if given['use_sim_time'] == 'true':
        parameters['use_sim_time'] = True
    for camera in cameras:
        parameters |= {f'{camera}.{name}': value for name, value in topics[camera].items()}
        file = given['calibration'].replace('{camera}', camera)
        parameters |= {f'{camera}.calibration_file': file}
    log_level = given['log_level']
    videos = videos_for(cameras, given['video'])
    for seed, (camera, video) in enumerate(videos.items()):
        if video == SYNTHETIC:
            parameters |= extrinsics_parameters(camera, street_extrinsics(seed))
    processes = [perception_node(parameters, given['params_file'], log_level, bool(videos))]
    for seed, (camera, video) in enumerate(videos.items()):
        source = {'source': video, 'seed': seed, **topics[camera]}
        processes.append(video_source(camera, source, log_level))
    if given['rviz'] == 'true':
        processes.append(rviz('multi_camera.rviz', cameras))
    return processes


def camera_topics(camera: str, given: dict[str, str]) -> dict[str, str]:
    """Topics and transport of one camera, by parameter."""
    return {
        'image_topic': given['image_topic'].replace('{camera}', camera),
        'camera_info_topic': given['camera_info_topic'].replace('{camera}', camera),
        'transport': given['transport'],
    }


def videos_for(cameras: list[str], video: str) -> dict[str, str]:
    """The source of each camera; none where none is played."""
    sources = [source.strip() for source in video.split(',')] if video else []
    if len(sources) == 1:
        sources *= len(cameras)
    if sources and len(sources) != len(cameras):
        raise ValueError(
            f'video: got {len(sources)} sources, expected 1 or {len(cameras)}, one a camera'
        )
    return dict(zip(cameras, sources, strict=False))
