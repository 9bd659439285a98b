# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from seg_perception.core.classes import CAMVID_11
from seg_perception.core.errors import ImageError
from seg_perception.core.masks import colourise, overlay, resize_nearest, run_lengths


def test_colourise_by_hand():
    colours = colourise(np.array([[0, 3], [10, 255]], np.uint8), CAMVID_11)
    assert colours.tolist() == [[[128, 128, 128], [128, 64, 128]], [[0, 128, 192], [0, 0, 0]]]


def test_colourise_every_value_and_views():
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)[::2, ::-3]
    np.testing.assert_array_equal(colourise(labels, CAMVID_11), CAMVID_11.palette[labels])


def test_run_lengths_by_hand():
    runs = run_lengths(np.array([[7, 7, 7], [7, 0, 255]], np.uint8))
    # uint8 value, int32 length, little-endian
    assert runs.tobytes() == b'\x07\x04\0\0\0' + b'\0\x01\0\0\0' + b'\xff\x01\0\0\0'
    wide = np.zeros((300, 400), np.uint8)
    assert run_lengths(wide).tolist() == [(0, 120_000)]
    noise = np.random.default_rng(0).integers(0, 4, (31, 47), np.uint8)
    runs = run_lengths(noise)
    np.testing.assert_array_equal(np.repeat(runs['value'], runs['length']), noise.ravel())
    assert (np.diff(runs['value'].astype(int)) != 0).all()


def test_overlay_blends_classes_and_keeps_the_image_elsewhere():
    rgb = np.full((1, 4, 3), (100, 200, 50), np.uint8)
    labels = np.array([[3, 255, 11, 0]], np.uint8)  # 11 is no class of the table
    blend = overlay(rgb, labels, CAMVID_11, 0.5)
    assert blend.tolist() == [[[114, 132, 89], [100, 200, 50], [100, 200, 50], [114, 164, 89]]]


def test_opacity_ends():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    labels = rng.integers(0, 11, (20, 30), dtype=np.uint8)
    np.testing.assert_array_equal(overlay(rgb, labels, CAMVID_11, 0.0), rgb)
    np.testing.assert_array_equal(overlay(rgb, labels, CAMVID_11, 1.0), CAMVID_11.palette[labels])


def test_arguments_stay_as_they_are():
    rgb = np.full((4, 6, 3), 9, np.uint8)
    labels = np.full((4, 6), 3, np.uint8)
    for array in (rgb, labels):
        array.setflags(write=False)
    blend = overlay(rgb, labels, CAMVID_11)
    same = resize_nearest(labels, (4, 6))
    assert not np.shares_memory(blend, rgb) and not np.shares_memory(same, labels)
    assert (rgb == 9).all() and (labels == 3).all()


def test_resize_takes_the_nearest_centre():
    mask = np.array([[1, 2, 3, 4, 5]], np.uint8)
    assert resize_nearest(mask, (1, 10)).tolist() == [[1, 1, 2, 2, 3, 3, 4, 4, 5, 5]]
    assert resize_nearest(mask[:, ::-1], (2, 10))[1].tolist() == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]
    assert resize_nearest(mask, (2, 3)).tolist() == [[1, 3, 5], [1, 3, 5]]


def test_resize_is_symmetric_and_invents_no_value():
    mask = np.random.default_rng(1).choice(np.array([0, 7, 255], np.uint8), (45, 45))
    large = resize_nearest(mask, (64, 128))
    np.testing.assert_array_equal(resize_nearest(mask[:, ::-1], (64, 128)), large[:, ::-1])
    assert set(np.unique(large)) == {0, 7, 255}


@pytest.mark.parametrize(
    ('labels', 'message'),
    [
        (np.zeros((2, 2), np.int64), r'labels: got int64 of shape \(2, 2\), expected uint8'),
        (np.zeros((2, 2, 1), np.uint8), r'got uint8 of shape \(2, 2, 1\)'),
        (np.zeros((0, 2), np.uint8), r'got uint8 of shape \(0, 2\)'),
    ],
)
def test_labels_are_checked(labels, message):
    with pytest.raises(ImageError, match=message):
        colourise(labels, CAMVID_11)


def test_sizes_are_checked():
    with pytest.raises(ImageError, match=r'got shape \(4, 4, 3\), expected \(2, 2, 3\)'):
        overlay(np.zeros((4, 4, 3), np.uint8), np.zeros((2, 2), np.uint8), CAMVID_11)
    with pytest.raises(ImageError, match=r'got \(2, 2\) to \(0, 5\), expected at least 1 x 1'):
        resize_nearest(np.zeros((2, 2), np.uint8), (0, 5))
