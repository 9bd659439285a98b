# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Imports point inwards: core <- inference <- node and evaluation <- tools <- cli, with io and report
at hand for the outer rooms. Nothing imports training.

The sources are parsed, so imports inside functions count and nothing needs to be installed.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# room -> what it may import beside the standard library and itself: other rooms, and libraries
# that every ROS system has
ALLOWED = {
    'core': {'numpy', 'cv2'},
    'models': set(),
    'risk_profiles': {'core', 'io'},
    'synthetic': {'numpy', 'cv2', 'core'},
    'inference': {'numpy', 'cv2', 'onnxruntime', 'torch', 'core', 'io'},
    'adapt': {
        'numpy',
        'cv2',
        'onnx',
        'onnxruntime',
        'core',
        'inference',
        'io',
        'synthetic',
        'options',
    },
}
# room -> the rooms that it may not import
FORBIDDEN = {
    'io': {
        'inference',
        'risk_profiles',
        'node',
        'replay',
        'evaluation',
        'report',
        'tools',
        'adapt',
        'cli',
    },
    'node': {'evaluation', 'report', 'replay', 'tools', 'adapt', 'cli'},
    'replay': {'inference', 'evaluation', 'report', 'tools', 'adapt', 'cli'},
    'evaluation': {'node', 'replay', 'tools', 'adapt', 'cli'},
    'report': {'inference', 'node', 'replay', 'tools', 'adapt', 'cli'},
    'tools': {'cli'},
}
NEED_NO_ROS = (
    'core',
    'inference',
    'io',
    'evaluation',
    'report',
    'synthetic',
    'models',
    'adapt',
    'risk_profiles',
)
ROS = {
    'rclpy',
    'sensor_msgs',
    'std_msgs',
    'nav_msgs',
    'geometry_msgs',
    'diagnostic_msgs',
    'lifecycle_msgs',
    'rcl_interfaces',
    'builtin_interfaces',
    'nav2_msgs',
    'vision_msgs',
    'launch',
    'launch_ros',
    'ament_index_python',
    'seg_perception_msgs',
}
TRAINING_MAY_NOT = {'node', 'replay', 'tools', 'adapt', 'cli'}


def imports_of(source: str, package: str = '') -> list[str]:
    """Dotted names that a source imports, `from a import b` as a.b, relative ones resolved."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = package.split('.')
            base = '.'.join(parts[: len(parts) - node.level + 1]) if node.level else ''
            stem = '.'.join(filter(None, [base, node.module]))
            names += [f'{stem}.{alias.name}' for alias in node.names]
    return names


def within(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == prefix or name.startswith(f'{prefix}.') for prefix in prefixes)


def foreign_imports(folder: Path) -> Iterator[tuple[str, str]]:
    """(file, imported name) below a folder, without the standard library."""
    for file in sorted(folder.rglob('*.py')):
        package = '.'.join(file.relative_to(ROOT).parent.parts)
        for name in imports_of(file.read_text(), package):
            if name.split('.')[0] not in sys.stdlib_module_names:
                yield str(file.relative_to(ROOT)), name


def test_finds_every_kind_of_import() -> None:
    source = (
        'import a.b as c\nfrom d.e import f, g\n'
        'def late():\n    from . import near\n    from ..up import h\n'
    )
    assert imports_of(source, 'p.q') == ['a.b', 'd.e.f', 'd.e.g', 'p.q.near', 'p.up.h']


def rooms(names: Iterable[str]) -> list[str]:
    """Names of rooms as packages; libraries as they are."""
    package = ROOT / 'seg_perception'
    return [
        f'seg_perception.{name}'
        if (package / name).is_dir() or (package / f'{name}.py').is_file()
        else name
        for name in names
    ]


@pytest.mark.parametrize('room', ALLOWED)
def test_inner_rooms_import_only_what_they_may(room: str) -> None:
    found = list(foreign_imports(ROOT / 'seg_perception' / room))
    assert found or room == 'models'
    allowed = rooms([room, *ALLOWED[room]])
    assert [pair for pair in found if not within(pair[1], allowed)] == []


@pytest.mark.parametrize('room', FORBIDDEN)
def test_arrows_point_inwards(room: str) -> None:
    found = list(foreign_imports(ROOT / 'seg_perception' / room))
    assert found
    assert [pair for pair in found if within(pair[1], rooms(FORBIDDEN[room]))] == []


@pytest.mark.parametrize('room', NEED_NO_ROS)
def test_needs_no_ros(room: str) -> None:
    found = list(foreign_imports(ROOT / 'seg_perception' / room))
    assert [pair for pair in found if within(pair[1], ROS)] == []


def test_package_does_not_import_training() -> None:
    found = list(foreign_imports(ROOT / 'seg_perception'))
    assert found
    assert [pair for pair in found if within(pair[1], ['training', 'test'])] == []


def test_training_imports_no_room_that_needs_ros() -> None:
    found = list(foreign_imports(ROOT / 'training'))
    assert [pair for pair in found if within(pair[1], ['seg_perception'])]
    assert [pair for pair in found if within(pair[1], rooms(TRAINING_MAY_NOT))] == []


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import one another, by Tarjan's strongly connected components."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        number[module] = low[module] = len(number)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in number:
                visit(other)
            if other in stack:
                low[module] = min(low[module], low[other])
        if low[module] == number[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in sorted(graph):
        if module not in number:
            visit(module)
    return found


def module_graph(*folders: str) -> dict[str, set[str]]:
    """Every module below the folders and the modules there that it imports, wherever it does."""
    files = {}
    for folder in folders:
        for file in (ROOT / folder).rglob('*.py'):
            parts = file.relative_to(ROOT).with_suffix('').parts
            files['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = file
    graph: dict[str, set[str]] = {}
    for module, file in files.items():
        package = '.'.join(file.relative_to(ROOT).parent.parts)
        names = imports_of(file.read_text(), package)
        known = {name if name in files else name.rpartition('.')[0] for name in names}
        graph[module] = (known & files.keys()) - {module}
    return graph


def test_circles_are_found() -> None:
    graph = {'a': {'b'}, 'b': {'c'}, 'c': {'a', 'd'}, 'd': set()}
    assert circles(graph) == [['a', 'b', 'c']]


def test_no_import_circle() -> None:
    graph = module_graph('seg_perception', 'training')
    assert len(graph) > 150
    assert circles(graph) == []
