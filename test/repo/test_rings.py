# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Imports point inwards: core <- inference <- ros and offline, and nothing imports training.

The sources are parsed, so imports inside functions count and nothing needs to be installed.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# ring -> what its modules may import beside the standard library
ALLOWED = {
    'core': {'numpy', 'cv2', 'seg_perception.core'},
    'models': {'seg_perception.models'},
    'synthetic': {'numpy', 'cv2', 'seg_perception.core', 'seg_perception.synthetic'},
    'inference': {
        'numpy',
        'cv2',
        'onnxruntime',
        'torch',
        'yaml',
        'seg_perception.core',
        'seg_perception.inference',
    },
    'adapt': {
        'numpy',
        'cv2',
        'onnx',
        'onnxruntime',
        'seg_perception.core',
        'seg_perception.inference',
        'seg_perception.synthetic',
        'seg_perception.adapt',
    },
}
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
    'vision_msgs',
    'launch',
    'launch_ros',
    'cv_bridge',
    'ament_index_python',
    'seg_perception_msgs',
    'seg_perception.ros',
}
TRAINING_MAY = ('seg_perception.core', 'seg_perception.synthetic', 'seg_perception.inference')


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


@pytest.mark.parametrize('ring', ALLOWED)
def test_inner_rings_import_only_what_they_may(ring: str) -> None:
    found = list(foreign_imports(ROOT / 'seg_perception' / ring))
    assert found or ring == 'models'
    assert [pair for pair in found if not within(pair[1], ALLOWED[ring])] == []


def test_offline_needs_no_ros() -> None:
    found = list(foreign_imports(ROOT / 'seg_perception' / 'offline'))
    assert found
    assert [pair for pair in found if within(pair[1], ROS)] == []


def test_package_does_not_import_training() -> None:
    found = list(foreign_imports(ROOT / 'seg_perception'))
    assert found
    assert [pair for pair in found if within(pair[1], ['training', 'test'])] == []


def test_training_imports_the_inner_rings_alone() -> None:
    found = list(foreign_imports(ROOT / 'training'))
    ours = [pair for pair in found if within(pair[1], ['seg_perception'])]
    assert ours
    assert [pair for pair in ours if not within(pair[1], TRAINING_MAY)] == []
