# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of every kind, whole and damaged, against what was written into them."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest

from seg_perception.core.errors import SourceError
from seg_perception.io.bag_files import is_bag
from seg_perception.io.bags import Bag, Topic
from tiny_bags import (
    FIX,
    IMAGE,
    NS,
    SIZE,
    START_NS,
    TOPIC,
    Row,
    foreign_mcap,
    street_rows,
    write_bag,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

KINDS = {'mcap': 'bag', 'sqlite3': 'bag', 'ros1': 'drive.bag'}
FRAME_BYTES = SIZE[0] * SIZE[1] * 3


def stamps(
    bag: Bag, *topics: str, start_ns: int | None = None, stop_ns: int | None = None
) -> list:
    found = bag.messages(topics or [TOPIC], start_ns, stop_ns)
    return [round((message.log_ns - START_NS) / NS, 3) for message in found]


def noise_rows(count: int) -> list[Row]:
    """Frames that no compression makes small: 43 kB each, so that chunks of 1 MB hold 23."""
    rng = np.random.default_rng(3)
    frames = rng.integers(0, 256, (count, 120, 120, 3), np.uint8)
    return [
        (TOPIC, IMAGE, START_NS + i * NS, lambda make, i=i: make.image(frames[i], i))
        for i in range(count)
    ]


def storage_file(bag: Path) -> Path:
    return bag if bag.is_file() else next(file for file in bag.iterdir() if file.suffix != '.yaml')


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


@pytest.mark.parametrize('kind', KINDS)
def test_whole_bag(tmp_path: Path, kind: str) -> None:
    rows = [
        *street_rows(4),
        ('/fix', FIX, START_NS + NS, lambda make: make.fix(48.5, 9.25, 77 * NS)),
    ]
    path = write_bag(tmp_path / KINDS[kind], rows, kind)
    assert is_bag(path)
    with Bag(path) as bag:
        assert bag.problems == []
        assert bag.topics == {TOPIC: Topic(TOPIC, IMAGE, 4), '/fix': Topic('/fix', FIX, 1)}
        assert bag.of_type(FIX) == [Topic('/fix', FIX, 1)]
        assert (bag.start_ns, bag.stop_ns) == (START_NS, START_NS + NS + 1)
        assert stamps(bag) == [0.0, 0.1, 0.2, 0.3]
        assert stamps(bag, TOPIC, '/fix', start_ns=START_NS + NS // 5) == [0.2, 0.3, 1.0]
        assert stamps(bag, stop_ns=START_NS + NS // 5) == [0.0, 0.1]
        (message,) = bag.messages(['/fix'])
        fix = bag.deserialise(message)
        assert (fix.latitude, fix.longitude, fix.header.stamp.sec) == (48.5, 9.25, 77)


def test_one_file_of_a_bag(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / 'bag', street_rows(3))
    with Bag(storage_file(folder)) as bag:
        assert stamps(bag) == [0.0, 0.1, 0.2]


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3'])
def test_missing_metadata_is_derived(tmp_path: Path, kind: str) -> None:
    folder = write_bag(tmp_path / 'bag', street_rows(3), kind)
    (folder / 'metadata.yaml').unlink()
    assert is_bag(folder)
    with Bag(folder) as bag:
        assert stamps(bag) == [0.0, 0.1, 0.2]
        assert bag.problems == ['metadata.yaml is missing; read from the files themselves']


def test_metadata_that_is_no_yaml(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / 'bag', street_rows(3))
    (folder / 'metadata.yaml').write_text('a: [')
    with Bag(folder) as bag:
        assert stamps(bag) == [0.0, 0.1, 0.2]
        assert bag.problems[0].startswith('metadata.yaml cannot be used: Could not load YAML')


def test_files_of_a_split_bag_in_the_order_of_time(tmp_path: Path) -> None:
    folder = tmp_path / 'drive'
    folder.mkdir()
    for number, first in ((10, 4), (9, 2), (2, 0)):
        part = write_bag(tmp_path / f'p{number}', street_rows(2, first=first))
        shutil.copy(storage_file(part), folder / f'drive_{number}.mcap')
    with Bag(folder) as bag:
        assert stamps(bag) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
        assert bag.topics[TOPIC].count == 6


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('share', [0.3, 0.6, 0.98])
def test_cut_file_gives_its_beginning(tmp_path: Path, kind: str, share: float) -> None:
    path = write_bag(tmp_path / KINDS[kind], noise_rows(80), kind)
    cut(storage_file(path), share)
    with Bag(path) as bag:
        found = stamps(bag)
        assert found == list(range(len(found)))
        # Whole frames up to the cut; indices at the end of the file take some of it.
        assert 80 * share - 8 <= len(found) <= 80 * share + 2
        assert bag.topics[TOPIC].count == len(found)
        assert any('messages could be read' in problem for problem in bag.problems)


def test_mcap_without_footer_has_all_its_messages(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'bag', noise_rows(30))
    file = storage_file(path)
    file.write_bytes(file.read_bytes()[:-40])
    with Bag(path) as bag:
        assert stamps(bag) == list(range(30))


def test_broken_chunk_in_the_middle_is_left_out_and_counted(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'bag', noise_rows(100))
    file = storage_file(path)
    data = bytearray(file.read_bytes())
    # The length of the first message in the second chunk, 1.03 MB from the beginning.
    at = data.index(np.random.default_rng(3).integers(0, 256, (30, 43200), np.uint8)[27].tobytes())
    data[at - 400 : at] = b'\xff' * 400
    file.write_bytes(data)
    with Bag(path) as bag:
        found = stamps(bag)
        assert set(range(23)) <= set(found)
        assert set(range(60, 100)) <= set(found)
        assert 27 not in found
        assert len(found) == len(set(found))
        assert any('damaged at' in problem for problem in bag.problems)


@pytest.mark.parametrize(
    ('name', 'data', 'message'),
    [
        ('empty.mcap', b'', r"empty\.mcap': got another beginning"),
        ('text.mcap', b'not a bag at all', r"text\.mcap': got another beginning"),
        ('empty.bag', b'', r"empty\.bag': got another beginning"),
        ('empty.db3', b'', r"empty\.db3': got no such table: topics, expected a database"),
        ('text.db3', b'not a database' * 50, r"text\.db3': got file is not a database"),
    ],
)
def test_what_is_no_bag(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match=message):
        Bag(tmp_path / name)


def test_folder_of_damaged_files_names_them(tmp_path: Path) -> None:
    (tmp_path / 'a_0.mcap').write_bytes(b'')
    with pytest.raises(
        SourceError, match=r'metadata\.yaml is missing.*a_0\.mcap.*expected at lea'
    ):
        Bag(tmp_path)


def test_message_of_wrong_bytes(tmp_path: Path) -> None:
    rows = [(TOPIC, IMAGE, START_NS, lambda make: make.fix(1.0, 2.0, 3))]
    path = tmp_path / 'bag'
    with pytest.raises(AttributeError):  # the writer checks what it serialises
        write_bag(path, rows)
    shutil.rmtree(path)
    folder = write_bag(path, street_rows(1))
    with Bag(folder) as bag:
        (message,) = bag.messages([TOPIC])
        broken = type(message)(message.topic, message.log_ns, message.raw[:20])
        with pytest.raises(
            SourceError, match=r'message of /camera.*got 20 bytes .*expected a sens'
        ):
            bag.deserialise(broken)


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('has_metadata', [True, False])
@pytest.mark.parametrize('suffix', ['.zstd', '.zst', ''])
def test_packed_files_with_metadata_and_without(
    tmp_path: Path, kind: str, has_metadata: bool, suffix: str
) -> None:
    folder = write_bag(tmp_path / 'bag', street_rows(3), kind)
    file = storage_file(folder)
    data = file.read_bytes()
    half = len(data) // 2  # of two frames, as parallel packers write it
    packed = zstd.compress(data[:half]) + zstd.compress(data[half:])
    file.unlink()
    target = folder / (file.name + suffix)
    target.write_bytes(packed)
    if not has_metadata:
        (folder / 'metadata.yaml').unlink()
    for path in (folder, target):
        assert is_bag(path)
        with Bag(path) as bag:
            assert stamps(bag) == [0.0, 0.1, 0.2]
            assert not any('damaged' in problem for problem in bag.problems)


def test_messages_that_were_packed_one_by_one(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / 'bag', street_rows(3), 'sqlite3')
    file = storage_file(folder)
    with sqlite3.connect(file) as base:
        for key, data in base.execute('SELECT id, data FROM messages').fetchall():
            base.execute('UPDATE messages SET data = ? WHERE id = ?', (zstd.compress(data), key))
    (folder / 'metadata.yaml').unlink()
    with Bag(folder) as bag:
        images = [bag.deserialise(message) for message in bag.messages([TOPIC])]
    assert [image.width for image in images] == [SIZE[1]] * 3


@pytest.mark.parametrize('cut_part', [0, 1, 2])
@pytest.mark.parametrize('kind', ['mcap', 'sqlite3'])
def test_a_packed_part_that_is_cut_takes_no_other_with_it(
    tmp_path: Path, kind: str, cut_part: int
) -> None:
    folder = tmp_path / 'drive'
    folder.mkdir()
    for part in range(3):
        bag = write_bag(tmp_path / f'p{part}', street_rows(4, first=4 * part), kind)
        data = zstd.compress(storage_file(bag).read_bytes())
        data = data[: len(data) // 2] if part == cut_part else data
        (folder / f'drive_{part}{storage_file(bag).suffix}.zstd').write_bytes(data)
    whole = {round(0.1 * i, 3) for i in range(12) if i // 4 != cut_part}
    with Bag(folder) as bag:
        found = stamps(bag)
        assert whole <= set(found) and len(found) == len(set(found))
        assert any(f'drive_{cut_part}' in text and 'is cut' in text for text in bag.problems)


@pytest.mark.parametrize(
    ('kind', 'name'),
    [('ros1', 'x.bag.active'), ('ros1', 'x'), ('mcap', 'x.mcap.active'), ('mcap', 'x.bin'),
     ('sqlite3', 'x.backup'), ('sqlite3', 'x.mcap')],
)  # fmt: skip
def test_the_content_decides_before_the_name(tmp_path: Path, kind: str, name: str) -> None:
    file = storage_file(write_bag(tmp_path / 'made', street_rows(3), kind))
    shutil.copy(file, tmp_path / name)
    assert is_bag(tmp_path / name)
    with Bag(tmp_path / name) as bag:
        assert stamps(bag) == [0.0, 0.1, 0.2] and bag.problems == []
        (message, *_) = bag.messages([TOPIC])
        assert bag.deserialise(message).encoding == 'bgr8'


def test_pictures_and_texts_are_no_bags(tmp_path: Path) -> None:
    for name, data in (('a.jpg', b'\xff\xd8\xff'), ('a.txt', b'bag'), ('empty', b'')):
        (tmp_path / name).write_bytes(data)
        assert not is_bag(tmp_path / name)


@pytest.mark.parametrize('encoding', ['ros1', 'cdr'])
@pytest.mark.parametrize('profile', ['', 'ros1', 'ros2', 'mine'])
@pytest.mark.parametrize('compression', [None, 'NONE', 'LZ4', 'ZSTD'])
def test_mcaps_that_rosbag2_did_not_write_are_not_damaged(
    tmp_path: Path, encoding: str, profile: str, compression: str | None
) -> None:
    path = tmp_path / 'foreign.mcap'
    path.write_bytes(foreign_mcap(encoding, profile, compression))
    with Bag(path) as bag:
        assert bag.problems == [] and stamps(bag) == [0.0, 0.1, 0.2]
        assert bag.of_type(IMAGE) == [Topic(TOPIC, IMAGE, 3)]
        (message, *_) = bag.messages([TOPIC])
        assert bag.deserialise(message).width == SIZE[1]


def test_messages_of_another_kind_are_called_so(tmp_path: Path) -> None:
    path = tmp_path / 'json.mcap'
    path.write_bytes(foreign_mcap('cdr').replace(b'\x03\0\0\0cdr', b'\x03\0\0\0cbo'))
    with Bag(path) as bag:
        assert bag.topics[TOPIC].encoding == 'cbo' and bag.of_type(IMAGE) == []
        (message, *_) = bag.messages([TOPIC])
        with pytest.raises(SourceError, match=r'cbo.*Convert'):
            bag.deserialise(message)
