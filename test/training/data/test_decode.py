# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from PIL import Image

from data_trees import cut, write_colours, write_ids, write_palette, write_rgb
from training.data.decode import (
    ColourLabels,
    IdLabels,
    check_sizes,
    damage,
    decode_ids,
    decode_rgb,
    read_file,
)
from training.errors import DamagedFileError, DatasetError

COLOURS = {(0, 0, 255): 2, (128, 64, 128): 0, (255, 0, 0): 255}


@pytest.mark.parametrize('name', ['a.png', 'a.jpg'])
def test_pixels_are_rgb(tmp_path, name):
    rgb = decode_rgb(write_rgb(tmp_path / name, 250).read_bytes(), 'image')
    assert rgb.shape == (4, 6, 3) and rgb.dtype == np.uint8
    assert np.abs(rgb.astype(int) - (250, 100, 200)).max() <= 3


def test_a_palette_is_not_applied(tmp_path):
    ids = np.arange(24).reshape(4, 6) * 10
    path = write_palette(tmp_path / 'a.png', ids)
    assert np.array_equal(decode_ids(path.read_bytes(), 'label'), ids)


def test_ids_go_through_the_table_and_255_is_void(tmp_path):
    path = write_ids(tmp_path / 'a.png', [[7, 8, 255], [1, 7, 8]], (2, 3))
    labels = IdLabels({7: 0, 8: 1, 1: 255})(path)
    assert labels.tolist() == [[0, 1, 255], [255, 0, 1]] and labels.dtype == np.uint8


def test_a_value_outside_the_table_is_named_with_its_file(tmp_path):
    path = write_ids(tmp_path / 'a.png', [[0, 64, 70], [1, 2, 64]], (2, 3))
    with pytest.raises(
        DatasetError,
        match=r'label .*a\.png: got value 64 among 3 pixels outside the table, '
        r'expected 0\.\.2, 5, 255\. Are these',
    ):
        IdLabels({0: 0, 1: 1, 2: 2, 5: 5})(path)


def test_exact_colours(tmp_path):
    path = write_colours(
        tmp_path / 'a.png', [[(128, 64, 128), (255, 0, 0)], [(0, 0, 255), (128, 64, 128)]]
    )
    assert ColourLabels(COLOURS)(path).tolist() == [[0, 255], [2, 0]]


@pytest.mark.parametrize('colour', [(255, 255, 255), (0, 0, 0), (128, 64, 129)])
def test_a_colour_outside_the_table_is_named_with_its_file(tmp_path, colour):
    path = write_colours(tmp_path / 'a.png', [[(128, 64, 128), colour]])
    with pytest.raises(DatasetError) as raised:
        ColourLabels(COLOURS)(path)
    assert f'label {path}: got colour {colour} among 1 pixels' in str(raised.value)
    assert '3 colours' in raised.value.expected


def test_labels_of_other_kinds_of_files(tmp_path):
    with pytest.raises(DatasetError, match=r'label: got a JPEG, expected a PNG of class ids'):
        decode_ids(write_rgb(tmp_path / 'a.jpg').read_bytes(), 'label')
    with pytest.raises(
        DatasetError, match=r'8 bits of PNG colour type 2, expected 8 bits of grey'
    ):
        decode_ids(write_rgb(tmp_path / 'a.png').read_bytes(), 'label')
    Image.fromarray(np.full((4, 4), 2000, np.uint16)).save(tmp_path / 'deep.png')
    with pytest.raises(DatasetError, match=r'value 2000, expected class ids, 0 to 255'):
        decode_ids((tmp_path / 'deep.png').read_bytes(), 'label')


def test_ids_in_1_and_16_bits(tmp_path):
    ids = np.arange(16).reshape(4, 4) % 2
    Image.fromarray(ids.astype(np.uint16)).save(tmp_path / 'deep.png')
    Image.fromarray(ids.astype(bool)).save(tmp_path / 'bits.png')
    for name in ('deep.png', 'bits.png'):
        np.testing.assert_array_equal(decode_ids((tmp_path / name).read_bytes(), 'label'), ids)


def test_whole_files_show_no_damage(tmp_path):
    for path in (
        write_rgb(tmp_path / 'a.png'),
        write_rgb(tmp_path / 'a.jpg'),
        write_palette(tmp_path / 'b.png', 1),
    ):
        assert damage(path.read_bytes()) == ''
    padded = write_rgb(tmp_path / 'c.jpg').read_bytes() + bytes(500)
    assert damage(padded) == ''


@pytest.mark.parametrize('bytes_left', [60, 20, 9, 0])
@pytest.mark.parametrize('name', ['a.png', 'a.jpg'])
def test_cut_images(tmp_path, name, bytes_left):
    path = cut(write_rgb(tmp_path / name, size=(40, 60)), bytes_left)
    with pytest.raises(
        DamagedFileError, match=rf'image x: got .* {bytes_left} bytes, .*data.skip_damaged=true'
    ):
        decode_rgb(path.read_bytes(), 'image x')
    assert f'{bytes_left} bytes' in damage(path.read_bytes())


@pytest.mark.parametrize('write', [write_ids, write_palette])
def test_cut_labels(tmp_path, write):
    path = write(tmp_path / 'a.png', np.arange(200) % 7, (40, 200))
    for bytes_left in (path.stat().st_size - 20, 40, 20):
        cut(path, bytes_left)
        with pytest.raises(DamagedFileError, match=rf'PNG that ends early, {bytes_left} bytes'):
            decode_ids(path.read_bytes(), 'label')


def test_a_changed_byte_of_a_png_is_found(tmp_path):
    content = bytearray(write_rgb(tmp_path / 'a.png', size=(40, 60)).read_bytes())
    content[content.index(b'IDAT') + 10] ^= 1
    assert damage(bytes(content)) == 'a wrong checksum in chunk IDAT of a PNG'
    with pytest.raises(DamagedFileError, match=r'got a wrong checksum in chunk IDAT of a PNG'):
        decode_rgb(bytes(content), 'image')


def test_files_that_cannot_be_had(tmp_path):
    with pytest.raises(DatasetError, match=r'file .*a\.png: got No such file or directory'):
        read_file(tmp_path / 'a.png')


def test_sizes_that_differ():
    with pytest.raises(DatasetError, match=r'label a: got 6x4 pixels, expected 8x4 of its image'):
        check_sizes(np.zeros((4, 8, 3), np.uint8), np.zeros((4, 6), np.uint8), 'label a')
