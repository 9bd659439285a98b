# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The README says what is so."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from seg_perception import cli
from seg_perception.command_line import options_class, parse
from training import cli as training
from training.presets import find_file

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
    folder = ROOT / 'seg_perception' / 'node'
    files = ('camera_outputs.py', 'cloud_outputs.py')
    source = ''.join((folder / file).read_text() for file in files)
    published = set(re.findall(r"publisher\([\w.]+, '([\w/]+)'", source))
    assert published >= {'mask', 'confidence', 'road_scene'}
    assert published == set(re.findall(r'^\| out `~/<cam>/([\w/]+)`', README, re.MULTILINE))


def test_commands_table_is_that_of_the_cli() -> None:
    listed = re.findall(r'^\| `seg-perception (\w+)` ', section('Commands'), re.MULTILINE)
    assert sorted(listed) == sorted(cli.COMMANDS)


def test_every_seg_perception_command_is_a_real_one() -> None:
    listed = set(re.findall(r'^\| `seg-perception (\w+)` ', README, re.MULTILINE))
    assert set(re.findall(r'`seg-perception (\w+)', README)) <= listed


def test_commands_of_the_readme_parse() -> None:
    parsed = []
    for words in map(shlex.split, commands()):
        for program, table in (('seg-perception', cli.COMMANDS), ('training', training.COMMANDS)):
            if program in words[:3]:
                name, *rest = words[words.index(program) + 1 :]
                options = parse(program, options_class(table[name]), rest)
                assert find_file(getattr(options, 'config', 'camvid_quick'))
                parsed.append(program)
    assert parsed.count('seg-perception') >= 5 and parsed.count('training') >= 3


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
