# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files under the real `ros2 launch`, where a built workspace is sourced."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from ros_graph import Graph
from seg_perception_msgs.msg import FusedScene
from tiny_bags import street_rows, write_bag
from tiny_model import write_tiny_model

PART = ('start:=1', 'duration:=2', 'rate:=4', 'loop:=true', 'camera:=on')


def _has(package: str) -> bool:
    prefixes = filter(None, os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep))
    return any(Path(prefix, 'share', package).exists() for prefix in prefixes)


def _missing() -> str:
    """Why `ros2 launch` cannot run here; empty if it can."""
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    built = [Path(prefix, 'lib', 'seg_perception', 'node') for prefix in prefixes if prefix]
    if shutil.which('ros2') is None:
        return 'no `ros2` command: the wheels have none'
    if not any(path.exists() for path in built):
        return 'seg_perception is not built: colcon build, then source install/setup.bash'
    return ''


pytestmark = pytest.mark.skipif(bool(_missing()), reason=_missing() or 'it can run')


@pytest.fixture
def graph() -> Iterator[Graph]:
    graph = Graph()
    yield graph
    graph.close()


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """A folder of images, for which the tiny model answers class 3, road."""
    folder = tmp_path / 'street'
    folder.mkdir()
    road = np.full((48, 64, 3), (128, 64, 128), np.uint8)
    for index in range(3):
        cv2.imwrite(str(folder / f'{index}.png'), road)
    return folder


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Eight images in 3.5 s, half sky and half road."""
    return write_bag(tmp_path / 'drive', street_rows(8, fps=2.0))


@pytest.fixture
def launch(
    tmp_path: Path, spawn: Callable[..., subprocess.Popen]
) -> Callable[..., subprocess.Popen]:
    """`ros2 launch seg_perception ...` with the tiny model; interrupted at the end."""
    model = write_tiny_model(tmp_path / 'tiny.onnx')

    def start(file: str, *words: str) -> subprocess.Popen:
        command = ['ros2', 'launch', 'seg_perception', file, f'model:={model}', *words]
        how = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT, 'text': True}
        return spawn(command, start_new_session=True, **how)

    return start


def test_camera_launch_turns_a_folder_into_masks(graph, launch, street) -> None:
    process = launch('camera.launch.py', f'video:={street}', 'camera:=on')
    masks = graph.read(Image, '/seg_perception/on/mask')
    graph.spin_until(lambda: len(masks) >= 2, 'masks')
    assert set(masks[-1].data) == {3}
    assert (masks[-1].height, masks[-1].width) == (48, 64)
    assert masks[-1].header.frame_id == 'camera_on_optical_frame'
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0


def test_integration_launch_gives_each_stack_what_it_takes(graph, launch, street) -> None:
    launch('integration.launch.py', 'stack:=autoware', f'video:={street}', 'base_frame:=vehicle')
    arrays = graph.read(DiagnosticArray, '/diagnostics')
    wanted = '/seg_perception: emergency'
    told = graph.spin_until(
        lambda: [row for array in arrays for row in array.status if row.name == wanted]
    )
    assert told[-1].values[0].key == 'velocity_limit_mps'
    arrays.clear()
    graph.spin_for(2.0)
    assert len(arrays) > 8, 'ten a second, as its graph wants'
    fused = graph.read(FusedScene, '/seg_perception/road_scene')
    graph.spin_until(lambda: fused and fused[-1].header.frame_id == 'vehicle', 'road scene')


@pytest.mark.skipif(_has('nav2_collision_monitor'), reason='nav2_collision_monitor is installed')
def test_a_monitor_that_is_not_installed_ends_the_launch(launch, street) -> None:
    process = launch('integration.launch.py', 'stack:=nav2', 'monitor:=true', f'video:={street}')
    output, _ = process.communicate(timeout=120)
    assert 'apt install ros-$ROS_DISTRO-nav2-collision-monitor' in output
    assert process.returncode == 1


def test_multi_camera_launch_serves_each(graph, launch, street) -> None:
    launch('multi_camera.launch.py', 'cameras:=left,right', f'video:={street}')
    masks = [graph.read(Image, f'/seg_perception/{camera}/mask') for camera in ('left', 'right')]
    graph.spin_until(lambda: all(masks), 'a mask of each camera')
    frames = [messages[-1].header.frame_id for messages in masks]
    assert frames == ['camera_left_optical_frame', 'camera_right_optical_frame']


def test_replay_launch_turns_a_bag_into_masks_and_ends_with_it(graph, launch, bag) -> None:
    process = launch('replay.launch.py', f'bag:={bag}', 'player:=ours', 'rate:=0.5')
    masks = graph.read(Image, '/seg_perception/front/mask')
    graph.spin_until(lambda: masks, 'masks')
    output, _ = process.communicate(timeout=120)
    assert '[launch]: process[' in output and process.returncode == 0, output
    graph.spin_for(0.3)
    stamps = [mask.header.stamp.sec for mask in masks]
    assert stamps == sorted(stamps) and set(stamps) <= set(range(1_700_000_000, 1_700_000_004))
    assert {mask.data[-1] for mask in masks} == {3}


def test_replay_launch_loops_over_a_part_as_another_camera(graph, launch, bag) -> None:
    launch('replay.launch.py', f'bag:={bag}', 'player:=ours', *PART)
    masks = graph.read(Image, '/seg_perception/on/mask')
    seconds: list[int] = []

    def has_jumped() -> bool:
        seconds[:] = [mask.header.stamp.sec - 1_700_000_000 for mask in masks]
        return any(after < before for before, after in itertools.pairwise(seconds))

    graph.spin_until(has_jumped, 'second turn')
    assert set(seconds) <= {1, 2}


@pytest.mark.parametrize(
    ('words', 'said', 'code'),
    [
        (['bag:=nowhere'], "'bag': got 'nowhere', expected a file that exists", 1),
        (['bag:={bag}', 'image_topic:=/x'], 'got /x, expected one of /camera/front/image_raw', 1),
        (['bag:={bag}', 'rate:=0', 'player:=ours'], 'got 0.0, expected 0.001 to 1000', 1),
    ],
)
def test_what_cannot_be_replayed_ends_the_launch(launch, bag, words, said, code) -> None:
    process = launch('replay.launch.py', *(word.format(bag=bag) for word in words))
    output, _ = process.communicate(timeout=120)
    assert said in output
    assert process.returncode == code


@pytest.mark.parametrize(
    ('name', 'file'),
    [
        ('video', 'nowhere.mp4'), ('video', '~/nowhere.mp4'), ('params_file', 'nowhere.yaml'),
        ('params_file', '~/nowhere.yaml'), ('model', '~/nowhere.onnx'),
    ],
)  # fmt: skip
def test_a_missing_file_ends_the_launch(launch, name: str, file: str) -> None:
    process = launch('camera.launch.py', f'{name}:={file}')
    output, _ = process.communicate(timeout=120)
    assert f"launch argument '{name}': got '{file}', expected a file that exists" in output
    assert process.returncode == 1


def test_a_wrong_number_of_videos_ends_the_launch(launch) -> None:
    process = launch('multi_camera.launch.py', 'cameras:=a,b,c', 'video:=x,y')
    output, _ = process.communicate(timeout=120)
    assert 'got 2 sources, expected 1 or 3' in output
    assert process.returncode == 1
