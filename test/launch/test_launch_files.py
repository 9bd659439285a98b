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

from seg_perception.inference.engine import PROVIDERS
from seg_perception.ros import params, video_source

ROOT = Path(__file__).parents[2]
LAUNCH_FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
RVIZ_FILES = sorted((ROOT / 'config').glob('*.rviz'))
FOXGLOVE = json.loads((ROOT / 'config' / 'foxglove.json').read_text())
OUTPUTS = {
    'mask': 'sensor_msgs/Image',
    'confidence': 'sensor_msgs/Image',
    'overlay': 'sensor_msgs/Image',
    'overlay/compressed': 'sensor_msgs/CompressedImage',
    'road_scene': 'seg_perception_msgs/RoadScene',
}


def arguments(file: Path) -> dict[str, dict[str, Any]]:
    """Declared arguments by name, with default, description and choices."""
    declared = {}
    tree = ast.parse(file.read_text())
    constants = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == 'YES_NO'
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'DeclareLaunchArgument':
            declared[node.args[0].value] = {
                word.arg: constants.get(word.value.id)
                if isinstance(word.value, ast.Name)
                else ast.literal_eval(word.value)
                for word in node.keywords
            }
    return declared


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


def test_there_are_two() -> None:
    assert [file.name for file in LAUNCH_FILES] == ['camera.launch.py', 'multi_camera.launch.py']


@pytest.mark.parametrize('file', LAUNCH_FILES, ids=lambda file: file.name)
def test_every_argument_is_described_and_in_the_readme(file: Path) -> None:
    readme = (ROOT / 'README.md').read_text()
    declared = arguments(file)
    assert len(declared) >= 10
    for name, words in declared.items():
        assert len(words['description']) > 10, name
        assert words['default_value'] in words.get('choices', [words['default_value']]), name
        assert f'`{name}`' in readme, name


@pytest.mark.parametrize('file', LAUNCH_FILES, ids=lambda file: file.name)
def test_every_argument_is_used(file: Path) -> None:
    text = file.read_text()
    assert [name for name in arguments(file) if f"given['{name}']" not in text] == []


@pytest.mark.parametrize('file', LAUNCH_FILES, ids=lambda file: file.name)
def test_choices_are_those_of_the_node(file: Path) -> None:
    declared = arguments(file)
    assert [choice for choice in declared['provider']['choices'] if choice] == list(PROVIDERS)
    transports = [choice for choice in declared['transport']['choices'] if choice]
    assert transports == list(params.TRANSPORTS)


@pytest.mark.parametrize('file', LAUNCH_FILES, ids=lambda file: file.name)
def test_parameters_set_are_those_of_the_nodes(file: Path) -> None:
    known = {row.name for row in params.TABLE} | {row.name for row in video_source.TABLE}
    written = set(written_keys(file))
    assert {'cameras', 'model', 'provider', 'source'} <= written
    assert written - known - {'<cam>.*'} == set()


@pytest.mark.parametrize('file', RVIZ_FILES, ids=lambda file: file.name)
def test_rviz_shows_topics_of_the_node(file: Path) -> None:
    images = [row for row in displays(file) if row['Class'].endswith('/Image')]
    assert len(images) >= 3
    for image in images:
        topic = re.fullmatch(
            r'/seg_perception/(front|left|right|rear)/(.+)', image['Topic']['Value']
        )
        assert OUTPUTS[topic.group(2)] == 'sensor_msgs/Image'


def test_foxglove_layout_shows_every_panel() -> None:
    placed = {text for text in strings_in(FOXGLOVE['layout']) if '!' in text}
    assert placed == set(FOXGLOVE['configById'])


def test_foxglove_paths_are_fields_of_the_messages() -> None:
    messages = pytest.importorskip('seg_perception_msgs.msg')
    paths = [text for text in strings_in(FOXGLOVE['configById']) if '/road_scene.' in text]
    assert len(paths) >= 6
    for path in paths:
        topic, *names = re.sub(r'\.@.*|\[.*', '', path).split('.')
        assert topic == '/seg_perception/front/road_scene'
        message = messages.RoadScene()
        for name in names:
            message = getattr(message, name)


def test_foxglove_images_are_topics_of_the_node() -> None:
    modes = [panel.get('imageMode', {}) for panel in FOXGLOVE['configById'].values()]
    topics = [mode['imageTopic'] for mode in modes if mode]
    assert len(topics) == 2
    assert all(topic.removeprefix('/seg_perception/front/') in OUTPUTS for topic in topics)
