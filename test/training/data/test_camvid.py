# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from PIL import Image

from data_trees import SHARED, write_colours, write_ids, write_rgb
from seg_perception.core.classes import CAMVID_11, CAMVID_EXACT_11
from training.config import SourceConfig
from training.data import open_source
from training.data.camvid import EXACT_COLOURS, GROUPED_COLOURS
from training.errors import DatasetError

REAL = SHARED / 'camvid'
COLOURS = [
    (128, 128, 128),  # Sky
    (128, 64, 128),  # Road
    (128, 0, 192),  # LaneMkgsDriv
    (64, 128, 192),  # SUVPickupTruck
    (0, 64, 64),  # TrafficLight
    (0, 0, 0),  # Void
]


def segnet(root, ids):
    """SegNet's layout; the lists carry the prefix that SegNet's lists have."""
    lines = []
    for name, value in ids.items():
        write_rgb(root / f'train/{name}.png')
        write_ids(root / f'trainannot/{name}.png', value)
        lines.append(f'/SegNet/CamVid/train/{name}.png /SegNet/CamVid/trainannot/{name}.png\n')
    (root / 'train.txt').write_text(''.join(lines))
    return SourceConfig('camvid', str(root))


def original(root, kind):
    """The original pictures of labels, in the layout and with the list of PIDNet."""
    write_rgb(root / 'images/0016E5_07959.png', size=(1, 6))
    write_colours(root / 'labels/0016E5_07959_L.png', [COLOURS])
    (root / 'val.lst').write_text('images/0016E5_07959.png labels/0016E5_07959_L.png\n')
    return SourceConfig(kind, str(root), split='val')


def test_segnet_ids_in_the_order_of_the_list(tmp_path):
    frames = open_source(segnet(tmp_path, {'b': [[0, 1, 10, 11, 11, 3]], 'a': 7}))
    assert frames.names == ['b', 'a'] and frames.classes == CAMVID_11
    assert frames[0].labels[0].tolist() == [0, 1, 10, 255, 255, 3]


def test_protocols_of_the_original_labels(tmp_path):
    grouped = open_source(original(tmp_path, 'camvid'))
    assert grouped.classes == CAMVID_11 and grouped.names == ['0016E5_07959']
    assert grouped[0].labels.tolist() == [[0, 3, 3, 8, 6, 255]]
    exact = open_source(original(tmp_path, 'camvid_exact'))
    assert exact.classes == CAMVID_EXACT_11 and exact.classes.name == 'camvid_exact_11'
    assert exact[0].labels.tolist() == [[0, 3, 255, 255, 255, 255]]


def test_colours_of_the_protocols():
    assert len(GROUPED_COLOURS) == len(EXACT_COLOURS) == 32
    assert sum(value == 255 for value in GROUPED_COLOURS.values()) == 1
    assert sum(value == 255 for value in EXACT_COLOURS.values()) == 21
    for row in CAMVID_11.classes:  # CamVid's own colours are those of the table
        assert GROUPED_COLOURS[row.rgb] == EXACT_COLOURS[row.rgb] == row.id


@pytest.mark.skipif(not REAL.is_dir(), reason='no real samples of CamVid')
def test_real_frames():
    frames = open_source(SourceConfig('camvid', str(REAL)))
    assert len(frames) == 367 and frames.names[0] == '0001TP_006690'
    sample = frames[0]
    assert sample.rgb.shape == (360, 480, 3) and sample.labels.shape == (360, 480)
    ids = np.asarray(Image.open(REAL / 'trainannot/0001TP_006690.png'))
    assert np.array_equal(sample.labels, np.where(ids == 11, 255, ids))
    assert len(open_source(SourceConfig('camvid', str(REAL), split='val'))) == 101


def test_the_exact_protocol_needs_the_original_labels(tmp_path):
    source = segnet(tmp_path, {'a': 1, 'b': 2})
    with pytest.raises(
        DatasetError,
        match=r'exact protocol: got a.png, b.png, expected the original labels, \*_L.png',
    ):
        open_source(SourceConfig('camvid_exact', source.root))


def test_missing_list_names_those_that_are_there(tmp_path):
    segnet(tmp_path, {'a': 1})
    with pytest.raises(
        DatasetError,
        match=r'CamVid list .*/val.txt: got no file, train.txt next to it, expected SPLIT',
    ):
        open_source(SourceConfig('camvid', str(tmp_path), split='val'))
    with pytest.raises(DatasetError, match=r'none/train.txt: got no such folder, .*Set root'):
        open_source(SourceConfig('camvid', str(tmp_path / 'none')))


def test_missing_files_are_named(tmp_path):
    source = segnet(tmp_path, {'a': 1, 'b': 2})
    (tmp_path / 'trainannot/b.png').unlink()
    (tmp_path / 'train/a.png').unlink()
    with pytest.raises(
        DatasetError,
        match=r'train.txt: got no file for 2 of 4: train/a.png, trainannot/b.png, expected SPLIT',
    ):
        open_source(source)


def test_lists_that_are_none(tmp_path):
    (tmp_path / 'train.txt').write_text('train/a.png x.png\n\ntrain/b.png\n')
    with pytest.raises(DatasetError, match=r"train.txt:3: got 'train/b.png', expected an image"):
        open_source(SourceConfig('camvid', str(tmp_path)))
    (tmp_path / 'train.txt').write_text('\n')
    with pytest.raises(DatasetError, match=r'train.txt: got no frames'):
        open_source(SourceConfig('camvid', str(tmp_path)))


def test_a_picture_in_the_place_of_ids(tmp_path):
    source = segnet(tmp_path, {'a': 64})
    with pytest.raises(DatasetError, match=r'a.png: got value 64 among 24 .* expected 0\.\.11'):
        open_source(source)[0]


def test_a_colour_that_camvid_does_not_have(tmp_path):
    source = original(tmp_path, 'camvid')
    write_colours(tmp_path / 'labels/0016E5_07959_L.png', [[*COLOURS[:5], (1, 2, 3)]])
    with pytest.raises(DatasetError, match=r'_L.png: got colour \(1, 2, 3\) among 1 '):
        open_source(source).labels(0)


def test_ids_may_be_read_as_they_are(tmp_path):
    assert np.array_equal(open_source(segnet(tmp_path, {'a': 10})).labels(0), np.full((4, 6), 10))
