# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
What ``replay.launch.py`` has to find out: the camera in a bag, and who plays it.

As a program it waits for a reader of a topic, since ``ros2 bag play`` waits for nobody:

    python -m seg_perception.replay.bag_launching TOPIC
"""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import rclpy
import yaml
from rclpy.executors import ExternalShutdownException

from seg_perception.core.errors import ParameterError, SourceError
from seg_perception.options import ReplayOptions

READ_BAGS = ('rosbags', 'mcap', 'lz4')  # packages
OURS, ROS2BAG, AUTO = 'ours', 'ros2bag', 'auto'
CLOCK_HZ = 100
NODE_START_S = 120  # the node loads its model, on a GPU maybe for the first time

_RAW, _JPEG = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
_INFO = 'sensor_msgs/msg/CameraInfo'
_SUFFIX = '/compressed'
_STORAGE = {'.mcap': 'mcap', '.db3': 'sqlite3'}


@dataclass(frozen=True)
class Camera:
    """Node parameters for the camera of a bag, and the topics that the player must remap."""

    image_topic: str
    camera_info_topic: str
    transport: str
    remap: tuple[str, ...] = ()

    @property
    def topic(self) -> str:
        """Topic to which the node subscribes for images."""
        return self.image_topic + (_SUFFIX if self.transport == 'compressed' else '')


def read_topics(bag: Path) -> dict[str, str]:
    """
    Type by topic.

    :raises SourceError: when the bag cannot be read.
    """
    missing = [name for name in READ_BAGS if find_spec(name) is None]
    if missing and bag.is_file():
        raise SourceError(
            f'bag {str(bag)!r}',
            f'a single file, and a Python without {" and ".join(missing)}, which read it',
            'the folder of a rosbag2 with metadata.yaml, or these packages',
            f'Run: pip install {" ".join(missing)}',
        )
    if missing:
        return _topics_of_metadata(bag)
    from seg_perception.io.bags import Bag

    with Bag(bag) as opened:
        return {name: topic.type for name, topic in opened.topics.items()}


def find_camera(types: dict[str, str], image_topic: str = '') -> Camera:
    """
    The camera of a bag.

    :param types: type by topic.
    :param image_topic: with or without /compressed; needed where a bag has several.
    :raises SourceError: when the topic is not there, or there is no single one.
    """
    images = [topic for topic, kind in types.items() if kind in (_RAW, _JPEG)]
    if image_topic:
        found = [topic for topic in (image_topic, image_topic + _SUFFIX) if topic in images][:1]
    else:
        found = _likely(images)
    if len(found) != 1:
        raise SourceError(
            'image_topic of the bag',
            image_topic or f'{len(found)} that may be the camera',
            f'one of {", ".join(images) or "none: it has no images"}',
            'Say which with image_topic:=' if images else '',
        )
    topic, base = found[0], found[0].removesuffix(_SUFFIX)
    info = _info_of(base, types)
    if types[topic] == _RAW:
        return Camera(topic, info, 'raw')
    # The node adds the suffix by itself; a topic without it gets it.
    remap = () if topic.endswith(_SUFFIX) else (f'{topic}:={topic}{_SUFFIX}',)
    return Camera(base, info, 'compressed', remap)


def choose_player(asked: str, playing: ReplayOptions) -> str:
    """
    Who plays it: as asked; ``auto`` takes ``ros2 bag play`` where it is and can.

    :raises ParameterError: when ``ros2 bag`` is asked for and is not there.
    """
    there = shutil.which('ros2') is not None and all(map(find_spec, ('ros2bag', 'rosbag2_py')))
    if asked == ROS2BAG and not there:
        raise ParameterError(
            'player', ROS2BAG, f'{OURS} or {AUTO}', '`ros2 bag` is not installed here.'
        )
    if asked != AUTO:
        return asked
    return ROS2BAG if there and _can_ros2bag(playing) else OURS


def player_command(player: str, playing: ReplayOptions) -> list[str]:
    """The command that plays a bag, with its time on /clock."""
    words = ['--rate', str(playing.rate), '--clock', str(CLOCK_HZ)]
    words += ['--loop'] if playing.loop else []
    words += ['--remap', *playing.remap] if playing.remap else []
    if player == OURS:
        words += ['--start', str(playing.start_s), '--wait', str(NODE_START_S)]
        words += [] if playing.duration_s is None else ['--duration', str(playing.duration_s)]
        return [sys.executable, '-m', 'seg_perception', 'replay', str(playing.bag), *words]
    words += ['--storage', _storage_of(playing.bag) or 'mcap', '--disable-keyboard-controls']
    words += ['--start-offset', str(playing.start_s)] if playing.start_s else []
    if playing.duration_s is not None:
        words += ['--playback-duration', str(playing.duration_s)]
    return ['ros2', 'bag', 'play', str(playing.bag), *words]


def waiter_command(topic: str) -> list[str]:
    """The command that ends when a topic has a subscriber."""
    return [sys.executable, '-m', 'seg_perception.replay.bag_launching', topic]


def _can_ros2bag(playing: ReplayOptions) -> bool:
    """
    Whether ``ros2 bag play`` can play it.

    It knows no rosbag1, no ROS 1 messages inside an MCAP, no damage, and a duration only since
    Iron.
    """
    if not _storage_of(playing.bag) or playing.duration_s is not None:
        return False
    if any(find_spec(name) is None for name in READ_BAGS):
        return True  # nobody else could
    from seg_perception.io.bag_files import CDR
    from seg_perception.io.bags import Bag

    with Bag(playing.bag) as bag:
        return not bag.problems and {topic.encoding for topic in bag.topics.values()} <= {CDR}


def _likely(images: list[str]) -> list[str]:
    """Image topics by name; if a camera has raw and compressed images, the raw topic."""
    named = [topic for topic in images if 'image' in topic.removesuffix(_SUFFIX).split('/')[-1]]
    found = named or images
    doubled = {topic for topic in found if topic.endswith(_SUFFIX)} & {
        topic + _SUFFIX for topic in found
    }
    return [topic for topic in found if topic not in doubled]


def _info_of(base: str, types: dict[str, str]) -> str:
    infos = [topic for topic, kind in types.items() if kind == _INFO]
    sibling = f'{base.rpartition("/")[0]}/camera_info'
    if sibling in infos or len(infos) != 1:
        return sibling if sibling in infos else ''
    return infos[0]


def _storage_of(bag: Path) -> str:
    """Name of the storage format in rosbag2; empty for another format."""
    if bag.is_file():
        return _STORAGE.get(bag.suffix, '')
    try:
        return str(_metadata(bag)['storage_identifier'])
    except (SourceError, KeyError):
        return ''


def _metadata(bag: Path) -> dict[str, Any]:
    path = bag / 'metadata.yaml'
    try:
        return yaml.safe_load(path.read_text(encoding='utf-8'))['rosbag2_bagfile_information']
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError) as error:
        raise SourceError(
            f'metadata of the bag {str(path)!r}', f'{type(error).__name__}: {error}', 'a rosbag2'
        ) from error


def _topics_of_metadata(bag: Path) -> dict[str, str]:
    rows = [row['topic_metadata'] for row in _metadata(bag)['topics_with_message_count']]
    return {row['name']: row['type'] for row in rows}


def main() -> int:
    """Wait until the topic has a subscriber; 1 on timeout."""
    rclpy.init()
    node = rclpy.create_node('waiting_for_reader', start_parameter_services=False)
    end_s = time.monotonic() + NODE_START_S
    try:
        while not node.count_subscribers(sys.argv[1]):
            if time.monotonic() > end_s:
                node.get_logger().fatal(f'nobody listens to {sys.argv[1]}')
                return 1
            rclpy.spin_once(node, timeout_sec=0.1)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 1
    finally:
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
