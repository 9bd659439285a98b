# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import json
import pickle
import tarfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from data_trees import SHARED, cut, folder
from seg_perception.core.classes import CITYSCAPES_19
from seg_perception.core.errors import OutputError
from training.config import SourceConfig
from training.data import open_source
from training.data.frames import Resized
from training.data.shards import write_shards
from training.errors import DatasetError

TINY_MB = 1e-6  # a shard a frame
NAMES = {'a': 0, 'b.c': [[1, 2, 3, 4, 5, 255]], 'd': 18}


@pytest.fixture
def source(tmp_path):
    folder(tmp_path / 'plain', NAMES)
    root = str(tmp_path / 'plain')
    return open_source(SourceConfig('folder', root, classes='cityscapes_19'))


def written(tmp_path, frames, per_shard_mb=256.0):
    write_shards(frames, tmp_path / 'shards/train', per_shard_mb, progress=False)
    return open_source(SourceConfig('shards', str(tmp_path / 'shards')))


def same(one, other):
    return (
        one.name == other.name
        and np.array_equal(one.rgb, other.rgb)
        and np.array_equal(one.labels, other.labels)
    )


@pytest.mark.parametrize('per_shard_mb', [TINY_MB, 0.002, 256.0])
def test_frames_come_back_as_they_were(tmp_path, source, per_shard_mb):
    shards = written(tmp_path, source, per_shard_mb)
    assert shards.classes == CITYSCAPES_19 and shards.names == ['a', 'b.c', 'd']
    for index in (2, 0, 1):
        assert same(shards[index], source[index])
        assert np.array_equal(shards.labels(index), source.labels(index))
        assert shards.encoded(index) == source.encoded(index)  # copied, not encoded anew
        assert shards.damage(index) == ''


def test_frames_without_a_file_are_kept_exactly(tmp_path, source):
    small = Resized(source, (2, 3))
    shards = written(tmp_path, small)
    assert all(same(shards[index], small[index]) for index in range(3))


def test_a_shard_is_closed_when_it_is_full(tmp_path, source):
    assert write_shards(source, tmp_path, TINY_MB, progress=False) == 3
    assert sorted(path.name for path in tmp_path.glob('0*')) == [
        f'00000{number}.{kind}' for number in (0, 1, 2) for kind in ('json', 'tar')
    ]
    with tarfile.open(tmp_path / '000001.tar') as tar:
        assert tar.getnames() == ['b%2Ec.png', 'b%2Ec.mask.png']


def test_the_webdataset_library_reads_them(tmp_path, source):
    webdataset = pytest.importorskip('webdataset')
    written(tmp_path, source, TINY_MB)
    urls = sorted(str(path) for path in (tmp_path / 'shards/train').glob('*.tar'))
    pipeline = webdataset.WebDataset(urls, shardshuffle=False).decode('rgb8', handler=None)
    rows = list(pipeline.to_tuple('__key__', 'png', 'mask.png'))
    assert [key for key, _, _ in rows] == ['a', 'b%2Ec', 'd']
    for (_, rgb, mask), sample in zip(rows, source, strict=True):
        assert np.array_equal(rgb, sample.rgb)
        assert np.array_equal(mask[:, :, 0], sample.labels)  # it makes every picture RGB


def test_any_number_of_processes_reads_at_once(tmp_path, source):
    shards = written(tmp_path, source)
    assert len(pickle.dumps(shards)) < 4000
    with ProcessPoolExecutor(2, mp_context=get_context('fork')) as pool:
        samples = list(pool.map(shards.__getitem__, [0, 1, 2] * 3))
    assert all(same(sample, source[place % 3]) for place, sample in enumerate(samples))


def test_an_interrupted_writer_goes_on(tmp_path, source, monkeypatch):
    out = tmp_path / 'shards/train'
    read = source.__class__.__getitem__

    def stop_at_d(frames, index):
        if index == 2:
            raise KeyboardInterrupt
        return read(frames, index)

    with monkeypatch.context() as patch:
        patch.setattr(source.__class__, '__getitem__', stop_at_d)
        with pytest.raises(KeyboardInterrupt):
            write_shards(source, out, TINY_MB, progress=False)
    with pytest.raises(DatasetError, match=r'index.json: got no file, .* Run the shard command'):
        open_source(SourceConfig('shards', str(tmp_path / 'shards')))
    (out / '.unfinished-0').mkdir()  # of a writer that was killed
    first = {path: path.stat().st_mtime_ns for path in out.glob('00000[01].*')}
    assert len(first) == 4
    shards = written(tmp_path, source, TINY_MB)
    assert all(same(shards[index], source[index]) for index in range(3))
    assert first == {path: path.stat().st_mtime_ns for path in first}


def test_writing_twice_changes_nothing(tmp_path, source):
    written(tmp_path, source)
    before = {path: path.read_bytes() for path in (tmp_path / 'shards/train').iterdir()}
    written(tmp_path, source)
    assert before == {path: path.read_bytes() for path in (tmp_path / 'shards/train').iterdir()}


def test_shards_of_other_frames_are_not_mixed(tmp_path, source):
    written(tmp_path, source)
    with pytest.raises(DatasetError, match=r'train: got shards of other frames, .*Delete it, or'):
        written(tmp_path, Resized(source, (2, 3)))


def test_a_full_disk(tmp_path, source, monkeypatch):
    def full(self, target):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('pathlib.Path.replace', full)
    with pytest.raises(OutputError, match=r"000000.tar': got No space left on device"):
        write_shards(source, tmp_path / 'out', progress=False)
    assert not list((tmp_path / 'out').iterdir())


def test_a_shard_that_was_cut_by_copying(tmp_path, source):
    shards = written(tmp_path, source)
    cut(tmp_path / 'shards/train/000000.tar', 1000)
    with pytest.raises(DatasetError, match=r'000000.tar: got 1,000 bytes, expected 5,715'):
        open_source(SourceConfig('shards', str(tmp_path / 'shards')))
    (tmp_path / 'shards/train/000000.tar').unlink()
    with pytest.raises(DatasetError, match=r'000000.tar: got No such file or directory'):
        shards[0]
    with pytest.raises(DatasetError, match=r'000000.tar: got 0 bytes'):
        open_source(SourceConfig('shards', str(tmp_path / 'shards')))


def test_a_damaged_frame_is_named_with_its_shard(tmp_path, source):
    shards = written(tmp_path, source)
    path = tmp_path / 'shards/train/000000.tar'
    content = bytearray(path.read_bytes())
    content[content.index(b'IDAT') + 8] ^= 255
    path.write_bytes(content)
    damage = 'a wrong checksum in chunk IDAT of a PNG'
    assert shards.damage(0) == f'a in {path}: {damage}'
    with pytest.raises(DatasetError, match=rf'a.png in {path}: got {damage}'):
        shards[0]


@pytest.mark.parametrize('text', ['', '{}', '[1]', '{"classes": {}, "shards": []}'])
def test_a_broken_index(tmp_path, source, text):
    written(tmp_path, source)
    (tmp_path / 'shards/train/index.json').write_text(text)
    with pytest.raises(DatasetError, match=r'file .*/index.json: got '):
        open_source(SourceConfig('shards', str(tmp_path / 'shards')))


def test_the_index_is_small_and_readable(tmp_path, source):
    written(tmp_path, source)
    rows = json.loads((tmp_path / 'shards/train/000000.json').read_text())['frames']
    size = len((tmp_path / 'plain/images/train/a.png').read_bytes())
    assert rows[0][:4] == ['a', '.png', 512, size]


@pytest.mark.skipif(not (SHARED / 'camvid').is_dir(), reason='no real samples of CamVid')
def test_real_frames(tmp_path):
    camvid = open_source(SourceConfig('camvid', str(SHARED / 'camvid'), limit=8))
    shards = written(tmp_path, camvid, 1.0)
    assert all(same(shards[index], camvid[index]) for index in range(8))
