# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every file of the repository keeps to."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEADER = ('Copyright 2026 The seg_perception authors', 'SPDX-License-Identifier: Apache-2.0')
MAX_BYTES = 12 * 2**20
BUILT = {'build', 'install', 'log', 'runs', 'demo_out', '__pycache__'}
SOURCES = {'.py', '.sh', '.yaml', '.toml', '.cfg', '.msg', '.xml', '.rviz', '.txt'}
UNNAMED = {'Makefile', '.ci/run'}
# Home folders, mounts and scratch folders of whoever wrote it.
MACHINE_PATH = re.compile(r'(?<![\w.~])/(?:home|root|work|mnt|Users|tmp)/\w')


def files() -> Iterator[Path]:
    """Everything but what a build, a run or a tool left behind."""
    for path in sorted(ROOT.rglob('*')):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith('.') and part != '.ci' for part in parts[:-1])
        built = any(part in BUILT or part.endswith('.egg-info') for part in parts)
        if path.is_file() and path.name != '.git' and not hidden and not built:
            yield path


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def texts() -> Iterator[tuple[str, str]]:
    for path in files():
        data = path.read_bytes()
        if b'\0' not in data:
            yield name(path), data.decode()


def test_finds_the_files() -> None:
    found = {name(path) for path in files()}
    assert {
        'setup.py',
        '.ci/run',
        'seg_perception/node/node.py',
        'test/repo/test_house.py',
    } < found


def test_every_source_opens_with_the_header() -> None:
    bare = []
    for file, text in texts():
        if Path(file).suffix not in SOURCES and file not in UNNAMED:
            continue
        opening = text.splitlines()[:5]
        if text and not all(any(line in seen for seen in opening) for line in HEADER):
            bare.append(file)
    assert bare == []


def test_no_file_is_large() -> None:
    assert [name(path) for path in files() if path.stat().st_size > MAX_BYTES] == []


def test_no_path_of_a_machine() -> None:
    assert [
        f'{file}: {line.strip()}'
        for file, text in texts()
        for line in text.splitlines()
        if file != 'test/repo/test_house.py' and MACHINE_PATH.search(line)
    ] == []


def test_machine_paths_are_recognised() -> None:
    assert MACHINE_PATH.search('open("/home/ada/x")')
    assert not MACHINE_PATH.search('~/x and https://a.b/home/c and /camera/front')


def test_licence_is_the_whole_apache_text() -> None:
    text = (ROOT / 'LICENSE').read_text()
    assert 'Version 2.0, January 2004' in text
    assert 'END OF TERMS AND CONDITIONS' in text
    assert len(text.splitlines()) == 202
