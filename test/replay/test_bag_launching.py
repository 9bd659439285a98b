# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the replay launch finds out by itself: the camera of a bag, and who plays it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sensor_msgs.msg import Image

from ros_graph import Graph
from seg_perception.core.errors import ParameterError, SourceError
from seg_perception.options import ReplayOptions
from seg_perception.replay import bag_launching
from seg_perception.replay.bag_launching import (
    Camera,
    choose_player,
    find_camera,
    player_command,
    read_topics,
    waiter_command,
)
from tiny_bags import CAMERA_INFO, COMPRESSED, FIX, IMAGE, foreign_mcap, street_rows, write_bag

PLAY = ['--rate', '1.0', '--clock', '100']


@pytest.mark.parametrize(
    ('types', 'camera'),
    [
        (
            {'/cam/image_raw': IMAGE, '/cam/camera_info': CAMERA_INFO, '/gps': FIX},
            Camera('/cam/image_raw', '/cam/camera_info', 'raw'),
        ),
        (
            {'/cam/image_raw/compressed': COMPRESSED, '/info': CAMERA_INFO},
            Camera('/cam/image_raw', '/info', 'compressed'),
        ),
        (  # both of one camera: raw loses nothing
            {'/cam/image_raw': IMAGE, '/cam/image_raw/compressed': COMPRESSED},
            Camera('/cam/image_raw', '', 'raw'),
        ),
        (  # masks that `record --labels` writes are no camera
            {'/cam/image_raw/compressed': COMPRESSED, '/cam/labels': IMAGE},
            Camera('/cam/image_raw', '', 'compressed'),
        ),
        (  # the name that the node wants is given to it
            {
                '/cam/jpeg': COMPRESSED,
                '/a/camera_info': CAMERA_INFO,
                '/b/camera_info': CAMERA_INFO,
            },
            Camera('/cam/jpeg', '', 'compressed', ('/cam/jpeg:=/cam/jpeg/compressed',)),
        ),
    ],
)
def test_the_only_camera_is_found(types: dict[str, str], camera: Camera) -> None:
    assert find_camera(types) == camera


@pytest.mark.parametrize('asked', ['/left/image_raw', '/left/image_raw/compressed'])
def test_one_of_several_is_asked_for(asked: str) -> None:
    types = {'/left/image_raw/compressed': COMPRESSED, '/right/image_raw': IMAGE}
    assert find_camera(types, asked) == Camera('/left/image_raw', '', 'compressed')
    assert find_camera(types, asked).topic == '/left/image_raw/compressed'
    assert find_camera(types, '/right/image_raw').topic == '/right/image_raw'


@pytest.mark.parametrize(
    ('types', 'asked', 'said'),
    [
        (
            {'/a/image': IMAGE, '/b/image': IMAGE},
            '',
            'got 2 that may .* one of /a/image, /b/image',
        ),
        ({'/a/image': IMAGE}, '/c', 'got /c, expected one of /a/image. Say which'),
        ({'/gps': FIX}, '', 'got 0 that may be the camera, expected one of none'),
    ],
)
def test_no_single_camera_is_an_error(types: dict[str, str], asked: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        find_camera(types, asked)


@pytest.mark.parametrize('has_rosbags', [True, False])
def test_topics_are_read_with_and_without_rosbags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_rosbags: bool
) -> None:
    bag = write_bag(tmp_path / 'drive', street_rows(1))
    if not has_rosbags:
        monkeypatch.setattr(bag_launching, 'find_spec', lambda name: None)
    assert read_topics(bag) == {'/camera/front/image_raw': IMAGE}
    with pytest.raises(SourceError, match='nowhere'):
        read_topics(tmp_path / 'nowhere')


@pytest.fixture
def ros2bag(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if `ros2 bag` were installed."""
    monkeypatch.setattr(bag_launching.shutil, 'which', lambda name: f'/bin/{name}')
    monkeypatch.setattr(bag_launching, 'find_spec', lambda name: name)


def test_ros2_bag_plays_where_it_is_and_can(ros2bag: None, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'drive', street_rows(1))
    assert choose_player('auto', ReplayOptions(bag)) == 'ros2bag'
    assert choose_player('auto', ReplayOptions(bag / 'drive.mcap')) == 'ros2bag'
    assert choose_player('ours', ReplayOptions(bag)) == 'ours'
    assert choose_player('auto', ReplayOptions(bag, duration_s=3.0)) == 'ours'
    ros1 = write_bag(tmp_path / 'drive.bag', street_rows(1), 'ros1')
    assert choose_player('auto', ReplayOptions(ros1)) == 'ours'
    (bag / 'metadata.yaml').unlink()
    assert choose_player('auto', ReplayOptions(bag)) == 'ours'


@pytest.mark.parametrize(
    ('data', 'player'),
    [
        (foreign_mcap('cdr', 'ros2', 'ZSTD'), 'ros2bag'),
        (foreign_mcap('ros1', 'ros1', 'LZ4'), 'ours'),
        (foreign_mcap('ros1'), 'ours'),
        (foreign_mcap('cdr', 'ros2', 'ZSTD')[:-40], 'ours'),  # cut
    ],
    ids=['ros2', 'ros1', 'ros1 without profile', 'cut'],
)
def test_ros2_bag_gets_no_mcap_that_it_cannot_play(
    ros2bag: None, tmp_path: Path, data: bytes, player: str
) -> None:
    (tmp_path / 'drive.mcap').write_bytes(data)
    assert choose_player('auto', ReplayOptions(tmp_path / 'drive.mcap')) == player


def test_ours_plays_where_there_is_no_ros2_bag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bag_launching.shutil, 'which', lambda name: None)
    bag = write_bag(tmp_path / 'drive', street_rows(1))
    assert choose_player('auto', ReplayOptions(bag)) == 'ours'
    with pytest.raises(ParameterError, match='player: got ros2bag, expected ours or auto'):
        choose_player('ros2bag', ReplayOptions(bag))


def test_command_of_ours() -> None:
    ours = [sys.executable, '-m', 'seg_perception', 'replay', 'drive']
    assert player_command('ours', ReplayOptions(Path('drive'))) == [
        *ours, *PLAY, '--start', '0.0', '--wait', '120',
    ]  # fmt: skip
    playing = ReplayOptions(Path('drive'), 2.0, 3.0, 4.0, loop=True, remap=('/a:=/b',))
    assert player_command('ours', playing) == [
        *ours, '--rate', '2.0', '--clock', '100', '--loop', '--remap', '/a:=/b',
        '--start', '3.0', '--wait', '120', '--duration', '4.0',
    ]  # fmt: skip


def test_command_of_ros2_bag(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'drive', street_rows(1), 'sqlite3')
    theirs = ['ros2', 'bag', 'play', str(bag)]
    sqlite3 = ['--storage', 'sqlite3', '--disable-keyboard-controls']
    assert player_command('ros2bag', ReplayOptions(bag)) == [*theirs, *PLAY, *sqlite3]
    playing = ReplayOptions(bag, 1.0, 3.0, 4.0)
    assert player_command('ros2bag', playing) == [
        *theirs, *PLAY, *sqlite3, '--start-offset', '3.0', '--playback-duration', '4.0',
    ]  # fmt: skip


def test_the_waiter_ends_with_the_first_reader(
    graph: Graph, spawn: Callable[..., subprocess.Popen]
) -> None:
    waiter = spawn(waiter_command('/waited_for'))
    graph.spin_until(lambda: _sees(graph, 'waiting_for_reader'), 'the waiter')
    assert waiter.poll() is None
    graph.read(Image, '/waited_for', wait=False)
    assert waiter.wait(120) == 0


def _sees(graph: Graph, name: str) -> bool:
    return any(re.fullmatch(name, found) for found in graph.node.get_node_names())


@pytest.mark.parametrize('name', ['rosbags', 'mcap'])
def test_a_single_file_without_the_packages_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / 'x.mcap').write_bytes(b'')
    monkeypatch.setattr(bag_launching, 'find_spec', lambda other: None if other == name else 1)
    with pytest.raises(SourceError, match=rf'without {name}, which read it.*pip install {name}$'):
        bag_launching.read_topics(tmp_path / 'x.mcap')
