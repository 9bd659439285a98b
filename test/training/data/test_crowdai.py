# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from data_trees import cut, write_rgb
from seg_perception.core.classes import CROWDAI_4
from training.config import SourceConfig
from training.data import open_source
from training.errors import DatasetError

WRONG_HEADER = 'xmin,xmax,ymin,ymax,Frame,Label,Preview URL'
URL = 'http://crowdai.com/images/x/visualize'


def tree(root, rows, header=WRONG_HEADER, **options):
    names = {row.split(',')[4] for row in rows}
    for name in names:
        write_rgb(root / name, size=(6, 10))
    (root / 'labels.csv').write_text('\n'.join([header, *(f'{row},{URL}' for row in rows)]) + '\n')
    return SourceConfig('crowdai', str(root), **{'split': 'all', **options})


@pytest.mark.parametrize('header', [WRONG_HEADER, 'xmin,ymin,xmax,ymax,Frame,Label,Preview URL'])
def test_boxes_by_the_corrected_header(tmp_path, header):
    source = tree(tmp_path, ['7,1,10,3,2.jpg,Car', '0,2,2,6,2.jpg,Truck'], header)
    frames = open_source(source)
    assert frames.classes == CROWDAI_4 and frames.names == ['2']
    expected = np.zeros((6, 10), np.uint8)
    expected[1:3, 7:10], expected[2:6, 0:2] = 1, 2
    assert np.array_equal(frames[0].labels, expected)
    assert frames[0].rgb.shape == (6, 10, 3)


def test_nearer_things_are_on_top_and_boxes_end_with_the_frame(tmp_path):
    rows = ['2,0,12,9,1.jpg,pedestrian', '0,0,5,3,1.jpg,Car', '4,-2,4,3,1.jpg,Truck']
    assert open_source(tree(tmp_path, rows)).labels(0).tolist() == [
        *[[1, 1, 3, 3, 3, 3, 3, 3, 3, 3]] * 3,
        *[[0, 0, 3, 3, 3, 3, 3, 3, 3, 3]] * 3,
    ]


def test_small_boxes_are_void(tmp_path):
    rows = ['0,0,3,2,1.jpg,Car', '5,0,7,2,1.jpg,Car']
    labels = open_source(tree(tmp_path, rows, min_area_px=5)).labels(0)
    assert labels[0].tolist() == [1, 1, 1, 0, 0, 255, 255, 0, 0, 0]


def test_the_end_of_the_drive_is_held_out(tmp_path):
    rows = [f'0,0,1,1,{name}.jpg,Car' for name in range(20, 0, -1)]
    source = tree(tmp_path, rows)
    train, val = (
        open_source(SourceConfig('crowdai', source.root, split=split))
        for split in ('train', 'val')
    )
    assert val.names == ['8', '9']  # names are times; here sorted as text
    assert len(train) == 18 and not set(train.names) & set(val.names)
    with pytest.raises(DatasetError, match=r"split of .*: got 'test', expected train, val, all"):
        open_source(SourceConfig('crowdai', source.root, split='test'))


def test_missing_images_are_named(tmp_path):
    source = tree(tmp_path, [f'0,0,1,1,{name}.jpg,Car' for name in 'abc'])
    (tmp_path / 'b.jpg').unlink()
    with pytest.raises(DatasetError, match=r'labels.csv: got no file for 1 of 3: b'):
        open_source(source)


@pytest.mark.parametrize('row', ['0,0,1,x,a.jpg,Car', '0,0,1,1,a.jpg,Tram', '0,0,1,1,a.jpg'])
def test_rows_that_are_none(tmp_path, row):
    tree(tmp_path, ['0,0,1,1,a.jpg,Car'])
    (tmp_path / 'labels.csv').write_text(f'{WRONG_HEADER}\n0,0,1,1,a.jpg,Car\n{row}\n')
    with pytest.raises(DatasetError, match=rf"labels.csv:3: got '{row}', expected xmin"):
        open_source(SourceConfig('crowdai', str(tmp_path)))


def test_another_file_in_its_place(tmp_path):
    with pytest.raises(DatasetError, match=r'labels.csv: got no file, expected labels.csv and'):
        open_source(SourceConfig('crowdai', str(tmp_path)))
    for text, seen in (('', ''), ('a,b\n', 'a,b')):
        (tmp_path / 'labels.csv').write_text(text)
        with pytest.raises(DatasetError, match=rf'header of .*: got {seen}, expected xmin'):
            open_source(SourceConfig('crowdai', str(tmp_path)))
    (tmp_path / 'labels.csv').write_text(WRONG_HEADER + '\n')
    with pytest.raises(DatasetError, match=r'labels.csv: got no boxes'):
        open_source(SourceConfig('crowdai', str(tmp_path)))


def test_columns_as_the_wrong_header_says(tmp_path):
    source = tree(tmp_path, ['700,900,400,500,a.jpg,Car'] * 3)
    with pytest.raises(DatasetError, match=r'got 3 of 3 boxes end before they start'):
        open_source(source)


def test_damaged_image(tmp_path):
    frames = open_source(tree(tmp_path, ['0,0,1,1,a.jpg,Car']))
    assert frames.damage(0) == ''
    cut(tmp_path / 'a.jpg', 10)
    with pytest.raises(DatasetError, match=r'image .*a.jpg: got Truncated File Read'):
        frames.labels(0)
    assert frames.damage(0).endswith('a.jpg: a JPEG that ends early, 10 bytes')
