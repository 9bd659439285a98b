# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import shutil

import cv2
import numpy as np
import pytest

from training.data.camvid import holdout_samples, list_pairs, read_sample, split_holdout
from training.errors import DatasetError


def write_pair(folder, ids, rgb=None):
    rgb = np.zeros((*ids.shape, 3), np.uint8) if rgb is None else rgb
    cv2.imwrite(str(folder / 'a.png'), rgb[:, :, ::-1])
    cv2.imwrite(str(folder / 'a_ids.png'), ids)
    return folder / 'a.png', folder / 'a_ids.png'


def test_void_becomes_255_and_classes_stay(tmp_path):
    pair = write_pair(tmp_path, np.array([[0, 1, 10], [11, 11, 3]], np.uint8))
    assert read_sample(*pair).labels.tolist() == [[0, 1, 10], [255, 255, 3]]


def test_pixels_are_rgb(tmp_path):
    rgb = np.array([[[250, 100, 10]]], np.uint8)
    pair = write_pair(tmp_path, np.zeros((1, 1), np.uint8), rgb)
    assert read_sample(*pair).rgb.tolist() == [[[250, 100, 10]]]


def test_holdout_is_apart(camvid):
    kept, held = split_holdout(list_pairs(camvid, 'train'), '0001TP')
    assert [pair[0].stem for pair in held] == ['0001TP_1', '0001TP_2']
    assert [pair[1].name for pair in kept] == [f'0006R0_f{i}.png' for i in (1, 2, 3, 4)]
    assert [sample.name for sample in holdout_samples(str(camvid), '0001TP')] == [
        '0001TP_1',
        '0001TP_2',
    ]


@pytest.mark.parametrize('sequence', ['0005VD', '0'])
def test_holdout_of_nothing_or_everything(camvid, sequence):
    with pytest.raises(DatasetError, match=f"data.holdout: got '{sequence}'.*0001TP.*0006R0"):
        split_holdout(list_pairs(camvid, 'train'), sequence)


def test_missing_list_names_file_layout_and_fix(tmp_path):
    with pytest.raises(DatasetError, match=r'train.txt: got no file.*trainannot.*data.camvid'):
        list_pairs(tmp_path, 'train')


def test_missing_label_names_line_and_file(camvid, tmp_path):
    root = tmp_path / 'copy'
    shutil.copytree(camvid, root)
    (root / 'trainannot/0006R0_f2.png').unlink()
    with pytest.raises(DatasetError, match=r'train.txt:2: got no file .*0006R0_f2.png'):
        list_pairs(root, 'train')


def test_line_that_is_no_pair(tmp_path):
    (tmp_path / 'train.txt').write_text('train/a.png\n')
    with pytest.raises(DatasetError, match=r"train.txt:1: got 'train/a.png', expected image and"):
        list_pairs(tmp_path, 'train')


def test_sizes_that_differ(tmp_path):
    pair = write_pair(tmp_path, np.zeros((4, 4), np.uint8), np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(DatasetError, match=r'size \(4, 4\), expected \(4, 6\)'):
        read_sample(*pair)


def test_damaged_image(tmp_path):
    image, label = write_pair(tmp_path, np.zeros((4, 4), np.uint8))
    image.write_bytes(image.read_bytes()[:20])
    with pytest.raises(DatasetError, match=r'a.png: got unreadable data'):
        read_sample(image, label)


def test_label_without_any_class(tmp_path):
    pair = write_pair(tmp_path, np.full((4, 4), 64, np.uint8))
    with pytest.raises(DatasetError, match=r'ids from 64, expected ids 0\.\.11'):
        read_sample(*pair)
