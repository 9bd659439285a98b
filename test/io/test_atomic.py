# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Files and folders appear whole or not at all, and a failure leaves what was there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from seg_perception.core.errors import OutputError, SourceError
from seg_perception.io import atomic


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_whole_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / 'run/a.csv'
    atomic.write_bytes(path, b'12')
    atomic.write_bytes(path, b'345')
    assert path.read_bytes() == b'345'
    assert names_in(path.parent) == ['a.csv']


def test_every_kind_reads_back(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / 'a.txt', 'grün\n')
    assert (tmp_path / 'a.txt').read_bytes() == b'gr\xc3\xbcn\n'
    atomic.write_json(tmp_path / 'a.json', {'a': [1, float('nan')], 'b': float('inf')})
    assert json.loads((tmp_path / 'a.json').read_text()) == {'a': [1, None], 'b': None}
    atomic.write_csv(tmp_path / 'a.csv', ['x', 'y'], [[1, 'a,b'], [2, '']])
    assert (tmp_path / 'a.csv').read_bytes() == b'x,y\n1,"a,b"\n2,\n'
    mask = np.arange(12, dtype=np.uint8).reshape(3, 4)
    atomic.write_image(tmp_path / 'a.png', mask)
    assert (cv2.imread(str(tmp_path / 'a.png'), cv2.IMREAD_UNCHANGED) == mask).all()
    atomic.write_arrays(tmp_path / 'a.npz', one=mask, key='k')
    with np.load(tmp_path / 'a.npz') as arrays:
        assert (arrays['one'] == mask).all() and str(arrays['key']) == 'k'


def test_the_longest_name_that_a_file_may_have(tmp_path: Path) -> None:
    path = tmp_path / f'{"n" * 251}.txt'
    atomic.write_text(path, 'x')
    assert names_in(tmp_path) == [path.name]
    with pytest.raises(OutputError, match=r'File name too long'):
        atomic.write_text(tmp_path / ('n' * 256), 'x')
    assert names_in(tmp_path) == [path.name]


def test_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / 'usual').write_text('')
    atomic.write_text(tmp_path / 'a', '')
    assert (tmp_path / 'a').stat().st_mode == (tmp_path / 'usual').stat().st_mode


def test_full_disk_names_file_and_bytes_and_leaves_the_old_file(
    tmp_path: Path, fill_disk: Callable[[], None]
) -> None:
    path = tmp_path / 'last.pt'
    atomic.write_bytes(path, b'old')
    fill_disk()
    words = (
        r"output '.*last.pt': got No space left on device, [\d,]+ bytes free, "
        r'expected room for 1,234,567 bytes. Make room and run the same command again'
    )
    with pytest.raises(SourceError, match=words):
        atomic.write_bytes(path, bytes(1234567))
    assert path.read_bytes() == b'old'
    assert names_in(tmp_path) == ['last.pt']


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / 'runs').write_text('')
    with pytest.raises(OutputError, match=r"runs/a/last.pt': got Not a dir.*Check the path"):
        atomic.write_bytes(tmp_path / 'runs/a/last.pt', b'')
    with pytest.raises(OutputError, match=r"runs/a': got Not a dir"):
        atomic.make_folder(tmp_path / 'runs/a')


def test_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    with atomic.whole(tmp_path / 'bag') as unfinished:
        unfinished.mkdir()
        assert unfinished.name == 'bag'
        (unfinished / 'a').write_text('1')
        assert not (tmp_path / 'bag').exists()
    assert names_in(tmp_path / 'bag') == ['a']
    with pytest.raises(OutputError, match='not empty'), atomic.whole(tmp_path / 'bag') as again:
        again.mkdir()
    assert names_in(tmp_path / 'bag') == ['a']


def test_interrupt_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with atomic.whole(tmp_path / 'a') as unfinished:
            unfinished.write_text('half')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert names_in(tmp_path) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from seg_perception.io.atomic import whole
with whole(Path(sys.argv[1])) as unfinished:
    unfinished.write_text('half')
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    subprocess.run([sys.executable, '-c', KILLED, str(tmp_path / 'a')], timeout=60)
    (left,) = tmp_path.iterdir()
    assert names_in(left) == ['a']
    (tmp_path / 'b').write_text('')
    atomic.clear_unfinished(tmp_path)
    assert names_in(tmp_path) == ['b']


def test_what_a_killed_writer_left_is_removed_and_what_one_works_on_stays(tmp_path: Path) -> None:
    program = (
        'import sys; from pathlib import Path; from seg_perception.io.atomic import whole\n'
        'with whole(Path(sys.argv[1])) as file: file.mkdir(); print(file, flush=True); input()'
    )
    writers = []
    for name in ('killed', 'works'):
        writer = subprocess.Popen(
            [sys.executable, '-c', program, str(tmp_path / name)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        writers.append((writer, Path(writer.stdout.readline().strip()).parent))
    (killed, left), (works, hidden) = writers
    killed.kill()
    killed.communicate()
    atomic.clear_abandoned(tmp_path)
    assert left.is_dir()  # young: its writer may just not have locked it yet
    for folder in (left, hidden):
        os.utime(folder, (0, 0))
    atomic.clear_abandoned(tmp_path)
    assert not left.exists() and hidden.is_dir()
    works.communicate('\n')
    assert works.returncode == 0 and names_in(tmp_path) == ['works']
