# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from training.errors import OutputError
from training.output import write_whole


def test_whole_file_and_nothing_beside_it(tmp_path):
    write_whole(tmp_path / 'run/a.csv', b'12')
    write_whole(tmp_path / 'run/a.csv', b'345')
    assert (tmp_path / 'run/a.csv').read_bytes() == b'345'
    assert [path.name for path in (tmp_path / 'run').iterdir()] == ['a.csv']


def test_full_disk_names_file_and_bytes_and_leaves_the_old_file(tmp_path):
    path = tmp_path / 'last.pt'
    write_whole(path, b'old')
    (tmp_path / 'last.pt.partial').symlink_to('/dev/full')  # whose every write fails
    words = (
        r'file .*last.pt: got No space left on device, [\d,]+ bytes free, expected 1,234,567 bytes'
        r'. Make room'
    )
    with pytest.raises(OutputError, match=words):
        write_whole(path, bytes(1234567))
    assert path.read_bytes() == b'old'
    assert [file.name for file in tmp_path.iterdir()] == ['last.pt']


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / 'runs').write_text('')
    with pytest.raises(OutputError, match=r'runs/a/last.pt: got Not a directory.*out='):
        write_whole(tmp_path / 'runs/a/last.pt', b'')
