# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What colcon, rosdep and pip read: they agree with each other and with the source."""

import ast
import importlib.metadata
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = '0.1.0'
BUILD_TYPES = {'.': 'ament_python', 'seg_perception_msgs': 'ament_cmake'}

# Python module -> rosdep key, where they differ.
ROSDEP = {
    'cv2': 'python3-opencv',
    'numpy': 'python3-numpy',
    'onnxruntime': 'python3-onnxruntime-pip',
    'tqdm': 'python3-tqdm',
    'yaml': 'python3-yaml',
    'av': 'python3-av',
}
# Asked for when they are there: engines, `adapt`, figures that `training` writes as images and the
# commands for bags alone need them. rosdep does not know those of the bags; `pip install` does, as
# the extra `offline`.
OPTIONAL = {'matplotlib', 'nav2_msgs', 'onnx', 'ray', 'torch'}
OFFLINE = {'backports', 'jinja2', 'lz4', 'mcap', 'plotly', 'pyarrow', 'rosbags'}
PIP = {'cv2': 'opencv-python-headless', 'yaml': 'PyYAML'}


def run_setup(file: Path) -> dict:
    """What a setup.py hands to setuptools."""
    import setuptools

    seen: dict = {}
    original = setuptools.setup
    setuptools.setup = lambda **arguments: seen.update(arguments)
    try:
        runpy.run_path(str(file))
    finally:
        setuptools.setup = original
    return seen


@pytest.fixture(scope='module')
def setup_arguments() -> dict:
    return run_setup(ROOT / 'setup.py')


def third_party() -> set[str]:
    """Modules that the package imports from outside of itself and the standard library."""
    names = set()
    for file in (ROOT / 'seg_perception').rglob('*.py'):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.split('.')[0])
    own = {'seg_perception', 'compression'}  # the latter is in the library from Python 3.14
    return names - set(sys.stdlib_module_names) - own - OPTIONAL - OFFLINE


@pytest.mark.parametrize('folder', BUILD_TYPES)
def test_package_xml_is_accepted(folder: str) -> None:
    catkin_pkg = pytest.importorskip('catkin_pkg.package')
    warnings: list[str] = []
    package = catkin_pkg.parse_package(str(ROOT / folder), warnings=warnings)
    package.validate(warnings=warnings)
    assert warnings == []
    assert package.package_format == 3
    assert package.get_build_type() == BUILD_TYPES[folder]
    assert package.licenses == ['Apache-2.0']


def test_package_xml_names_what_is_imported() -> None:
    catkin_pkg = pytest.importorskip('catkin_pkg.package')
    package = catkin_pkg.parse_package(str(ROOT))
    declared = {item.name for item in package.exec_depends}
    assert {ROSDEP.get(module, module) for module in third_party()} - declared == set()


def test_requirements_pin_what_is_imported() -> None:
    pinned = dict(
        line.split('==') for line in lines_of('run.txt') + lines_of('dev.txt') if '==' in line
    )
    used = {PIP.get(module, module) for module in third_party() if module in ROSDEP}
    assert used - set(pinned) == set()


def test_extra_for_bags_pins_what_it_is_for(setup_arguments: dict) -> None:
    names = {re.split('[.=]', line)[0].lower() for line in lines_of('offline.txt')}
    assert names == OFFLINE
    assert setup_arguments['extras_require']['offline'] == lines_of('offline.txt')


def lines_of(file: str) -> list[str]:
    text = (ROOT / 'requirements' / file).read_text()
    return [line for line in text.splitlines() if line and not line.startswith('#')]


@pytest.mark.parametrize('file', ['run.txt', 'ros.txt', 'offline.txt', 'dev.txt', 'train.txt'])
def test_every_requirement_is_pinned_and_a_constraint(file: str) -> None:
    def normal(line: str) -> str:
        return re.sub(r'\[.*\]', '', line).replace('_', '-').lower()

    constraints = {normal(line) for line in lines_of('constraints.txt')}
    assert [line for line in lines_of(file) if normal(line) not in constraints] == []
    assert all(re.fullmatch(r'[^=<>]+==[\w.]+', line) for line in lines_of(file))


def test_one_version(setup_arguments: dict) -> None:
    import seg_perception

    xml = [(ROOT / folder / 'package.xml').read_text() for folder in BUILD_TYPES]
    assert [re.findall(r'<version>(.+)</version>', text) for text in xml] == [[VERSION]] * 2
    assert seg_perception.__version__ == VERSION
    assert setup_arguments['version'] == VERSION
    changes = (ROOT / 'CHANGELOG.md').read_text()
    assert re.search(r'^## (\S+)', changes, re.MULTILINE).group(1) == VERSION


def test_setup_works_through_a_link(setup_arguments: dict, tmp_path: Path) -> None:
    link = tmp_path / 'setup.py'  # as colcon build --symlink-install runs it
    link.symlink_to(ROOT / 'setup.py')
    assert run_setup(link) == setup_arguments


def test_installed_packages_are_those_of_the_source(setup_arguments: dict) -> None:
    names = ('seg_perception', 'training')
    folders = {file.parent for name in names for file in (ROOT / name).rglob('*.py')}
    presets = {'training.experiments'}  # files of config/training
    assert set(setup_arguments['packages']) == presets | {
        '.'.join(folder.relative_to(ROOT).parts) for folder in folders
    }


def test_installed_files_are_all_there(setup_arguments: dict) -> None:
    installed = {file for _, group in setup_arguments['data_files'] for file in group}
    wanted = {'package.xml', 'resource/seg_perception', 'config/params.yaml'}
    wanted |= {str(file.relative_to(ROOT)) for file in (ROOT / 'launch').glob('*.py')}
    wanted |= {str(file.relative_to(ROOT)) for file in (ROOT / 'config').glob('*.rviz')}
    assert len(wanted) >= 7
    assert wanted <= installed
    assert all((ROOT / file).is_file() for file in installed)


def test_wheel_has_model_profile_and_commands(tmp_path: Path) -> None:
    command = [sys.executable, 'setup.py', '-q', 'egg_info', '--egg-base', str(tmp_path)]
    command += ['build', '--build-base', str(tmp_path / 'build'), 'bdist_wheel']
    command += ['--bdist-dir', str(tmp_path / 'wheel'), '--keep-temp', '-d', str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    wheel = tmp_path / 'wheel'
    files = {str(file.relative_to(wheel)) for file in wheel.rglob('*') if file.is_file()}
    assert {
        'seg_perception/core/class_tables.csv',
        'seg_perception/models/default.onnx',
        'seg_perception/models/default.md',
        'seg_perception/risk_profiles/default.yaml',
        'seg_perception/risk_profiles/slow_robot.yaml',
        'seg_perception/report/page.html',
        'seg_perception/report/page.css',
        'seg_perception/report/page.js',
        'seg_perception/node/fastdds.xml',
        'seg_perception/py.typed',
        'training/experiments/camvid_quick.yaml',
        'training/experiments/data/camvid.yaml',
        'training/experiments/studies/networks.yaml',
    } <= files
    tops = {file.split('/')[0].split('-')[0] for file in files}
    assert tops == {'seg_perception', 'training'}
    program = (
        'import training.presets as presets; from training.config import load_config; '
        'print(presets.PRESETS, load_config("dsnet/fine").name)'
    )
    done = subprocess.run(
        [sys.executable, '-c', program],
        cwd=tmp_path,
        env=os.environ | {'PYTHONPATH': str(wheel)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [str(wheel / 'training/experiments'), 'dsnet_fine'], done.stderr


def test_commands_are_installed() -> None:
    try:
        points = importlib.metadata.distribution('seg_perception').entry_points
    except importlib.metadata.PackageNotFoundError:
        pytest.skip('seg_perception is not installed: run `make test`')
    scripts = {point.name: point for point in points if point.group == 'console_scripts'}
    assert set(scripts) == {'seg-perception', 'node', 'video_source'}
    assert all(callable(point.load()) for point in scripts.values())
