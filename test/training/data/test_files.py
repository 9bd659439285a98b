# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pickle
from pathlib import Path

import pytest

from data_trees import cut, write_ids, write_rgb
from seg_perception.core.classes import CAMVID_11
from training.data.decode import IdLabels
from training.data.files import LabelledFiles, Pair, find_folder, list_files, pair_files, some
from training.errors import DatasetError


def paths(*names: str) -> dict[str, Path]:
    return {name: Path(f'{name}.png') for name in names}


def two_frames(tmp_path: Path) -> LabelledFiles:
    pairs = [
        Pair(
            name,
            write_rgb(tmp_path / f'{name}.jpg', 50 * number),
            write_ids(tmp_path / f'{name}.png', number),
        )
        for number, name in enumerate(['a', 'b'], start=1)
    ]
    return LabelledFiles(CAMVID_11, pairs, IdLabels({1: 1, 2: 2}))


def test_frames_are_read_in_any_order_and_travel_to_workers(tmp_path):
    frames = pickle.loads(pickle.dumps(two_frames(tmp_path)))
    assert len(frames) == 2 and frames.names == ['a', 'b'] and frames.classes == CAMVID_11
    sample = frames[1]
    assert (sample.name, sample.rgb.shape, sample.labels[0, 0]) == ('b', (4, 6, 3), 2)
    assert abs(int(sample.rgb[0, 0, 0]) - 100) <= 3
    assert frames.labels(0)[3, 5] == 1
    assert [frame.name for frame in frames] == ['a', 'b']
    suffix, content = frames.encoded(0)
    assert suffix == '.jpg' and content == (tmp_path / 'a.jpg').read_bytes()


def test_damage_is_that_of_either_file(tmp_path):
    frames = two_frames(tmp_path)
    assert [frames.damage(index) for index in (0, 1)] == ['', '']
    cut(tmp_path / 'a.jpg', 100)
    cut(tmp_path / 'b.png', 40)
    assert frames.damage(0) == f'{tmp_path}/a.jpg: a JPEG that ends early, 100 bytes'
    assert frames.damage(1) == f'{tmp_path}/b.png: a PNG that ends early, 40 bytes'


def test_sizes_that_differ_are_named_with_the_label(tmp_path):
    frames = two_frames(tmp_path)
    write_ids(tmp_path / 'a.png', 1, (2, 3))
    with pytest.raises(DatasetError, match=r'label .*a\.png: got 3x2 pixels, expected 6x4 of its'):
        frames[0]


def test_a_missing_root_says_where_to_get_it(tmp_path):
    with pytest.raises(
        DatasetError, match=r'data set .*/none: got no folder, expected LAYOUT. Set root.*data.md'
    ):
        find_folder(tmp_path / 'none', 'images/train', 'LAYOUT')


def test_the_first_missing_folder_is_named_with_its_neighbours(tmp_path):
    for name in ('train', 'val', 'c', 'd', 'e', 'f', 'g'):
        (tmp_path / 'images' / name).mkdir(parents=True)
    assert find_folder(tmp_path, 'images/val', '') == tmp_path / 'images/val'
    with pytest.raises(
        DatasetError, match=r'images/test: got no such folder, c, d, e, f, g and 2 more next to it'
    ):
        find_folder(tmp_path, 'images/test/deeper', 'LAYOUT')
    with pytest.raises(DatasetError, match=r'train/x: got no such folder, nothing next to it'):
        find_folder(tmp_path, 'images/train/x', 'LAYOUT')


def test_listing_is_sorted_and_leaves_out_what_is_hidden(tmp_path):
    for name in ('b_L.png', 'a_L.png', '._a_L.png', 'a.txt', 'c.png'):
        (tmp_path / name).touch()
    assert list_files(tmp_path, '_L.png') == {'a': tmp_path / 'a_L.png', 'b': tmp_path / 'b_L.png'}


def test_nested_listing(tmp_path):
    for path in (tmp_path / 'bonn/b.png', tmp_path / 'aachen/a.png', tmp_path / 'c.png'):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert list(list_files(tmp_path, '.png', nested=True)) == ['a', 'b']


def test_two_files_of_one_name(tmp_path):
    for name in ('a.jpg', 'a.png'):
        (tmp_path / name).touch()
    with pytest.raises(
        DatasetError, match=r"files 'a' in .*: got a\.\w+ and a\.\w+, expected one"
    ):
        list_files(tmp_path, '.jpg', '.png')


def test_pairs():
    pairs = pair_files('set', paths('a', 'b'), paths('b', 'a'), 'LAYOUT')
    assert [pair.name for pair in pairs] == ['a', 'b']
    assert pairs[1].label == Path('b.png')


def test_missing_and_extra_labels_name_the_first_five():
    images, labels = paths(*'abcdefgh'), paths('h')
    with pytest.raises(
        DatasetError,
        match=r'set: images without labels: got 7 of 8: a, b, c, d, e and 2 more, expected LAYOUT',
    ):
        pair_files('set', images, labels, 'LAYOUT')
    with pytest.raises(DatasetError, match=r'set: labels without images: got 1 of 2: z, expected'):
        pair_files('set', paths('a'), paths('a', 'z'), 'LAYOUT')


def test_no_frames():
    with pytest.raises(DatasetError, match=r'set: got no frames, expected LAYOUT'):
        pair_files('set', {}, {}, 'LAYOUT')


def test_some():
    assert some(['a']) == 'a'
    assert some('abcde') == 'a, b, c, d, e'
    assert some(str(number) for number in range(1006)) == '0, 1, 2, 3, 4 and 1,001 more'
