# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A job folder belongs to one job, is worked in by one process, and keeps finished parts."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from seg_perception.core.errors import CalibrationError, OutputError, SourceError
from seg_perception.io.job_folder import JobFolder, check_same

IDENTITY: dict[str, Any] = {
    'model': {'name': 'a', 'sha256': '12'},
    'inputs': [{'path': '/old/x', 'topics': ['/a']}],
    'size': (480, 640),
}


def job(folder: Path, **changes: Any) -> JobFolder:
    return JobFolder(folder, {**IDENTITY, **changes}, 'run.json', lambda key: key.endswith('path'))


def test_new_folder_and_the_same_job_again(tmp_path: Path) -> None:
    job(tmp_path / 'deep/out').claim()
    there = json.loads((tmp_path / 'deep/out/run.json').read_text())
    assert there == {**IDENTITY, 'size': [480, 640]}
    job(tmp_path / 'deep/out', inputs=[{'path': '/new/x', 'topics': ['/a']}]).claim()


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'size': (480, 320)}, r'got size\[1\]=640, expected size\[1\]=320. Give another --out'),
        (
            {'model': {'name': 'a', 'sha256': '34'}},
            "got model.sha256='12', expected model.sha256='34'",
        ),
        ({'inputs': []}, 'got inputs=1 entries, expected inputs=0 entries'),
        ({'more': True}, 'got more=None, expected more=True'),
    ],
)
def test_another_job_is_refused_with_the_difference(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    job(tmp_path).claim()
    before = (tmp_path / 'run.json').read_bytes()
    with pytest.raises(SourceError, match=words):
        job(tmp_path, **changes).claim()
    assert (tmp_path / 'run.json').read_bytes() == before


def test_many_differences_are_cut_short() -> None:
    there, now = {f'k{i}': i for i in range(9)}, {f'k{i}': -i for i in range(9)}
    with pytest.raises(CalibrationError, match=r'got k1=1; .*k5=5; \.\.\., expected k1=-1') as e:
        check_same('thing', there, now, '', error=CalibrationError)
    assert 'k6' not in str(e.value)


def test_folder_of_something_else_and_damaged_identity(tmp_path: Path) -> None:
    (tmp_path / 'thesis.tex').write_text('x')
    with pytest.raises(SourceError, match=r"got 'thesis\.tex' and no run\.json"):
        job(tmp_path).claim()
    (tmp_path / 'run.json').write_text('{')
    with pytest.raises(SourceError, match=r'run\.json.* expected a readable JSON file'):
        job(tmp_path).claim()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    folder = job(tmp_path / 'out')
    with (
        folder.locked(),
        pytest.raises(SourceError, match='another process at work'),
        folder.locked(),
    ):
        pass
    with folder.locked():
        pass


def test_part_is_there_when_it_is_finished(tmp_path: Path) -> None:
    folder = job(tmp_path)
    with suppress(ZeroDivisionError), folder.new_part('00000') as unfinished:
        (unfinished / 'rows').write_text('x')
        raise ZeroDivisionError
    assert list((tmp_path / 'parts').iterdir()) == []
    with folder.new_part('00000') as unfinished:
        (unfinished / 'rows').write_text('mine')
    with folder.new_part('00000') as unfinished:  # of a slower process
        (unfinished / 'rows').write_text('other')
    assert (folder.part('00000') / 'rows').read_text() == 'mine'
    assert [path.name for path in (tmp_path / 'parts').iterdir()] == ['00000']


def test_part_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match='No space'), job(tmp_path).new_part('00000'):
        raise OSError(28, 'No space left on device')


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / 'precious').write_text('kept')
    folder = tmp_path / 'out'
    folder.mkdir()
    for name in ('.lock', 'run.json'):
        (folder / name).symlink_to(tmp_path / 'precious')
    with pytest.raises(OutputError, match=r'\.lock'), job(folder).locked():
        pass
    with suppress(SourceError):
        job(folder).claim()
    assert (tmp_path / 'precious').read_text() == 'kept'
