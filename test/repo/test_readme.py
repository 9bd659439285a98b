# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The README says what is so."""

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from seg_perception import cli

ROOT = Path(__file__).parents[2]
README = (ROOT / 'README.md').read_text()


def section(title: str) -> str:
    return re.search(rf'^## {title}\n(.*?)(?=^## |\Z)', README, re.MULTILINE | re.DOTALL).group(1)


def commands() -> list[str]:
    """The lines of all shell blocks, without comments."""
    blocks = re.findall(r'```bash\n(.*?)```', README, re.DOTALL)
    return [line.split(' #')[0].strip() for block in blocks for line in block.splitlines()]


def test_shows_the_two_commands() -> None:
    assert {'make demo', 'make test'} <= set(commands())


def test_make_targets_exist() -> None:
    makefile = (ROOT / 'Makefile').read_text()
    targets = set(re.findall(r'^([a-z]+):', makefile, re.MULTILINE))
    named = set(re.findall(r'`make ([a-z]+)', README)) | {'demo', 'test'}
    assert named >= {'demo', 'test', 'gpu'}
    assert named <= targets


def test_make_demo_passes_video_and_folder_on() -> None:
    done = subprocess.run(
        ['make', '--dry-run', 'demo', 'VIDEO=a b.mp4', 'OUT=there'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    words = shlex.split(done.stdout.replace('\\\n', ' '))
    assert words[words.index('--video') + 1] == 'a b.mp4'
    assert words[words.index('--out') + 1] == 'there'


def test_links_lead_somewhere() -> None:
    links = re.findall(r'\]\(([^)#]+)\)', README)
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_map_names_real_folders() -> None:
    cells = re.findall(r'^\| (`.+?) \|', section('Map of the repository'), re.MULTILINE)
    paths = [path for cell in cells for path in re.findall(r'`(.+?)`', cell)]
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_parameters_that_people_set_exist() -> None:
    params = pytest.importorskip('seg_perception.node.parameters')
    cells = re.findall(r'^\| (`.+?) \|', section('Parameters'), re.MULTILINE)
    named = [name for cell in cells for name in re.findall(r'`([^`]+)`', cell)]
    named = [name for name in named if not name.startswith('.')]  # short for another
    assert len(named) > 10
    assert [name for name in named if name not in params.table()] == []


def test_topic_table_is_that_of_the_node() -> None:
    source = (ROOT / 'seg_perception' / 'node' / 'camera_outputs.py').read_text()
    published = set(re.findall(r"publisher\([\w.]+, '([\w/]+)'", source))
    assert published >= {'mask', 'confidence', 'road_scene'}
    assert published == set(re.findall(r'^\| out `~/<cam>/([\w/]+)`', README, re.MULTILINE))


def test_commands_table_is_that_of_the_cli() -> None:
    listed = re.findall(r'^\| `seg-perception (\w+)` ', section('Commands'), re.MULTILINE)
    parser = cli._parser()
    actions = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    assert sorted(listed) == sorted(actions[0].choices)


def test_every_seg_perception_command_is_a_real_one() -> None:
    listed = set(re.findall(r'^\| `seg-perception (\w+)` ', README, re.MULTILINE))
    assert set(re.findall(r'`seg-perception (\w+)', README)) <= listed


def test_training_commands_parse() -> None:
    pytest.importorskip('torch')
    from training import cli as training_cli

    lines = [line for line in commands() if '-m training' in line]
    assert len(lines) >= 3
    for line in lines:
        words = shlex.split(line)
        options = training_cli._parser().parse_args(words[words.index('training') + 1 :])
        assert callable(options.run)
        if 'config' in options:
            assert (ROOT / options.config).is_file()


def test_transport_lines_are_what_the_code_sets() -> None:
    from seg_perception.node.transport import MALLOC_SETTINGS, profile_path

    block = section('Big images over DDS')
    assert all(f'{name}={value}' in block for name, value in MALLOC_SETTINGS.items())
    expression = re.search(r"python3 -c '(.+?)'", block).group(1)
    printed = subprocess.run(
        [sys.executable, '-c', expression], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == str(profile_path())


def test_ci_runs_the_readme_command() -> None:
    lines = (ROOT / '.ci' / 'run').read_text().splitlines()
    assert any(line.startswith('make test ') for line in lines)
    assert any(line.startswith('make lint ') for line in lines)
