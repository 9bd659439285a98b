# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Launch files and layouts agree with the node. They are parsed: launch need not be there."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from seg_perception.core.settings import items
from seg_perception.inference.engine import PROVIDERS
from seg_perception.node import parameters as params
from seg_perception.replay import bag_launching
from seg_perception.tools import video_source

ROOT = Path(__file__).parents[2]
LAUNCH_FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
RVIZ_FILES = sorted((ROOT / 'config').glob('*.rviz'))
FOXGLOVE = json.loads((ROOT / 'config' / 'foxglove.json').read_text())
OUTPUTS = {
    'mask': 'sensor_msgs/Image',
    'mask_color': 'sensor_msgs/Image',
    'ego_mask': 'sensor_msgs/Image',
    'calibration': 'seg_perception_msgs/CameraCalibration',
    'confidence': 'sensor_msgs/Image',
    'overlay': 'sensor_msgs/Image',
    'overlay/compressed': 'sensor_msgs/CompressedImage',
    'road_scene': 'seg_perception_msgs/RoadScene',
    'drivable_grid': 'nav_msgs/OccupancyGrid',
    'free_space': 'sensor_msgs/LaserScan',
    'ground_polygon': 'geometry_msgs/PolygonStamped',
}
FUSED = {'road_scene': 'seg_perception_msgs/FusedScene', 'drivable_grid': 'nav_msgs/OccupancyGrid'}
RVIZ_TYPES = {  # what each display subscribes to
    'Image': 'sensor_msgs/Image',
    'Map': 'nav_msgs/OccupancyGrid',
    'LaserScan': 'sensor_msgs/LaserScan',
    'Polygon': 'geometry_msgs/PolygonStamped',
}
CAMERAS = ('front', 'left', 'right', 'rear')
LAUNCHING = ROOT / 'seg_perception' / 'node' / 'launching.py'


def arguments(file: Path) -> dict[str, dict[str, Any]]:
    """Declared arguments by name, with default, description and choices; shared ones too."""
    declared = {}
    tree, shared = (ast.parse(path.read_text()) for path in (file, LAUNCHING))
    called = {node.func.id for node in ast.walk(tree) if is_call(node)}
    parts = [each for each in ast.walk(shared) if getattr(each, 'name', '') in called]
    for node in [node for part in (tree, *parts) for node in ast.walk(part)]:
        if is_call(node) and node.func.id == 'DeclareLaunchArgument':
            declared[node.args[0].value] = {
                word.arg: ['true', 'false']
                if isinstance(word.value, ast.Name)
                else ast.literal_eval(word.value)
                for word in node.keywords
            }
    return declared


def is_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def written_keys(file: Path) -> Iterator[str]:
    """Keys of the dicts in a launch file, ``f'{camera}.x'`` as ``<cam>.x``."""
    for node in ast.walk(ast.parse(file.read_text())):
        for key in node.keys if isinstance(node, ast.Dict) else []:
            if isinstance(key, ast.JoinedStr):
                last = key.values[-1]
                yield f'<cam>{last.value}' if isinstance(last, ast.Constant) else '<cam>.*'
            elif isinstance(key, ast.Constant):
                yield key.value


def displays(file: Path) -> list[dict[str, Any]]:
    return yaml.safe_load(file.read_text())['Visualization Manager']['Displays']


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from strings_in(item)
    elif isinstance(value, str):
        yield value


def test_there_are_four() -> None:
    names = ('camera', 'integration', 'multi_camera', 'replay')
    assert [file.name for file in LAUNCH_FILES] == [f'{name}.launch.py' for name in names]


@pytest.mark.parametrize('file', LAUNCH_FILES, ids=lambda file: file.name)
def test_every_argument_is_described_and_in_the_readme(file: Path) -> None:
    readme = (ROOT / 'README.md').read_text()
    declared = arguments(file)
    assert len(declared) >= 10
    for name, words in declared.items():
        assert len(words['description']) > 10, name
        default = words.get('default_value', '')  # without one it has to be given
        assert default in words.get('choices', [default]), name
        assert f'`{name}`' in readme, name


@pytest.mark.parametrize('file', LAUNCH_FILES, ids=lambda file: file.name)
def test_every_argument_is_used(file: Path) -> None:
    text = file.read_text()
    assert [name for name in arguments(file) if f"given['{name}']" not in text] == []


@pytest.mark.parametrize('file', LAUNCH_FILES, ids=lambda file: file.name)
def test_choices_are_those_of_the_node(file: Path) -> None:
    declared = arguments(file)
    assert [choice for choice in declared['provider']['choices'] if choice] == list(PROVIDERS)
    if 'transport' in declared:  # a bag says it itself
        transports = [choice for choice in declared['transport']['choices'] if choice]
        assert transports == list(params.TRANSPORTS)


def test_players_are_those_that_can_be_chosen() -> None:
    declared = arguments(ROOT / 'launch' / 'replay.launch.py')
    players = {bag_launching.AUTO, bag_launching.OURS, bag_launching.ROS2BAG}
    assert set(declared['player']['choices']) == players


@pytest.mark.parametrize('file', LAUNCH_FILES, ids=lambda file: file.name)
def test_parameters_set_are_those_of_the_nodes(file: Path) -> None:
    source = items(video_source.SourceParams())
    known = {*params.table(), *(row.path for row in source)}
    written = set(written_keys(file))
    has_source = 'video' in arguments(file)
    assert {'cameras', 'model', 'provider'} | ({'source'} if has_source else set()) <= written
    assert written - known - {'<cam>.*'} == set()


def type_of(topic: str) -> str | None:
    """Type of a topic of the node; None if it has none of that name."""
    name = topic.removeprefix('/seg_perception/')
    camera, _, rest = name.partition('/')
    return OUTPUTS.get(rest) if camera in CAMERAS else FUSED.get(name)


def test_these_are_the_topics_of_the_node() -> None:
    """As its sources name them; tests of the node subscribe to them."""
    sources = ROOT / 'seg_perception' / 'node'
    port = (sources / 'camera_outputs.py').read_text()
    fused = (sources / 'fused_outputs.py').read_text()
    for topic, kind in OUTPUTS.items():
        assert f"publisher({kind.split('/')[1]}, '{topic}'" in port
    for topic, kind in FUSED.items():
        assert f"publisher({kind.split('/')[1]}, '~/{topic}', " in fused


@pytest.mark.parametrize('file', RVIZ_FILES, ids=lambda file: file.name)
def test_rviz_shows_topics_of_the_node(file: Path) -> None:
    shown = [row for row in displays(file) if 'Topic' in row]
    for row in shown:
        kind = row['Class'].removeprefix('rviz_default_plugins/')
        assert type_of(row['Topic']['Value']) == RVIZ_TYPES[kind], row['Name']
    kinds = {row['Class'].removeprefix('rviz_default_plugins/') for row in shown}
    assert kinds == set(RVIZ_TYPES)


@pytest.mark.parametrize('file', RVIZ_FILES, ids=lambda file: file.name)
def test_rviz_stands_on_the_vehicle(file: Path) -> None:
    manager = yaml.safe_load(file.read_text())['Visualization Manager']
    base_frame = params.table()['base_frame'].default
    assert manager['Global Options']['Fixed Frame'] == base_frame


def test_rviz_topics_of_cameras_are_remapped() -> None:
    """Or another camera's name would leave its display empty."""
    launching = LAUNCHING.read_text()
    remapped = ast.literal_eval(re.search(r'TOPICS = (\(.*?\))', launching, re.DOTALL).group(1))
    for file in RVIZ_FILES:
        for row in displays(file):
            camera = re.match(r'/seg_perception/(\w+)/(.+)', row.get('Topic', {}).get('Value', ''))
            assert camera is None or camera.group(2) in remapped, row['Name']


def test_foxglove_layout_shows_every_panel() -> None:
    placed = {text for text in strings_in(FOXGLOVE['layout']) if '!' in text}
    assert placed == set(FOXGLOVE['configById'])


def test_foxglove_paths_are_fields_of_the_messages() -> None:
    messages = pytest.importorskip('seg_perception_msgs.msg')
    paths = [text for text in strings_in(FOXGLOVE['configById']) if '/road_scene.' in text]
    assert len(paths) >= 10
    for path in paths:
        topic, *names = re.sub(r'\.@.*|\[.*', '', path).split('.')
        message = getattr(messages, type_of(topic).split('/')[1])()
        for name in names:
            message = getattr(message, name)


def test_foxglove_images_and_ground_are_topics_of_the_node() -> None:
    panels = FOXGLOVE['configById'].values()
    images = [panel['imageMode']['imageTopic'] for panel in panels if 'imageMode' in panel]
    ground = [topic for panel in panels for topic in panel.get('topics', {})]
    raw = [panel['topicPath'] for panel in panels if 'topicPath' in panel]
    kinds = [type_of(topic.partition('.')[0]) for topic in [*raw, *images, *ground]]
    assert kinds == [
        'seg_perception_msgs/RoadScene',
        'seg_perception_msgs/CameraCalibration',
        'sensor_msgs/CompressedImage',
        'sensor_msgs/Image',
        'sensor_msgs/Image',
        'nav_msgs/OccupancyGrid',
        'sensor_msgs/LaserScan',
        'geometry_msgs/PolygonStamped',
        'nav_msgs/OccupancyGrid',
    ]
