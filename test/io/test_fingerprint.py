# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A fingerprint changes with what is read, and only then."""

import shutil
from pathlib import Path

import pytest

from seg_perception.core.errors import SourceError
from seg_perception.io import fingerprint as module
from seg_perception.io.fingerprint import fingerprint, folder_fingerprint

LARGE = 1 << 20


@pytest.mark.parametrize('size', [0, 100, LARGE])
def test_it_moves_with_the_file_and_changes_with_its_bytes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int
) -> None:
    monkeypatch.setattr(module, '_WHOLE', 1000)
    monkeypatch.setattr(module, '_BLOCK', 100)
    data = bytes(range(256)) * (LARGE // 256)
    file = tmp_path / 'a.mcap'
    file.write_bytes(data[:size])
    before = fingerprint([file])
    (tmp_path / 'elsewhere').mkdir()
    assert fingerprint([Path(shutil.copy(file, tmp_path / 'elsewhere'))]) == before
    assert fingerprint([file.rename(tmp_path / 'b.mcap')]) != before
    (tmp_path / 'b.mcap').rename(file)
    for place in {0, 99, size - 1} if size else ():
        changed = bytearray(data[:size])
        changed[place] ^= 1
        file.write_bytes(changed)
        assert fingerprint([file]) != before
    file.write_bytes(data[:size] + b'0')
    assert fingerprint([file]) != before


def test_folders_and_what_is_none(tmp_path: Path) -> None:
    (tmp_path / 'masks').mkdir()
    (tmp_path / 'masks' / '0.png').write_bytes(b'one')
    before = folder_fingerprint(tmp_path / 'masks')
    moved = (tmp_path / 'masks').rename(tmp_path / 'labels')
    after = folder_fingerprint(moved)
    assert after['fingerprint'] == before['fingerprint'] and after['path'] != before['path']
    (moved / '0.png').write_bytes(b'two')
    assert folder_fingerprint(moved)['fingerprint'] != before['fingerprint']
    with pytest.raises(SourceError, match='got no file'):
        fingerprint([])
    with pytest.raises(SourceError, match=r'none\.mcap'):
        fingerprint([tmp_path / 'none.mcap'])
