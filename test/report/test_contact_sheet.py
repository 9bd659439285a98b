# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from seg_perception.core.classes import CAMVID_11
from seg_perception.report.contact_sheet import (
    Tile,
    contact_sheet,
    error_map,
    fitted,
    prediction_row,
)


def test_error_map_by_hand() -> None:
    rgb = np.full((1, 4, 3), 100, np.uint8)
    image = error_map(rgb, np.uint8([[1, 1, 1, 255]]), np.uint8([[1, 2, 255, 2]]))
    assert image.tolist() == [[[178] * 3, [230, 30, 40], [250, 190, 30], [0, 0, 0]]]


def test_row_of_a_prediction() -> None:
    labels = np.uint8([[0, 3]])
    row = prediction_row('best: a', np.zeros((1, 2, 3), np.uint8), labels, labels, CAMVID_11)
    assert [tile.title for tile in row][:3] == ['best: a', 'ground truth', 'prediction']
    assert row[1].image.tolist() == [[list(CAMVID_11.classes[i].rgb) for i in (0, 3)]]


def test_sheet_has_a_row_for_each_frame() -> None:
    row = [Tile('a', np.zeros((60, 80, 3), np.uint8))] * 4
    one, three = (contact_sheet([row] * count, 2.0, 9).get_size_inches() for count in (1, 3))
    assert one[0] == three[0] == pytest.approx(8)
    assert three[1] - one[1] == pytest.approx(2 * (1.5 + 0.33))


def test_rows_without_titles_are_lower_and_the_last_may_be_short() -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    figure = contact_sheet([[Tile('a', image)] * 2, [Tile('', image)]], 2.0, 9)
    assert figure.get_size_inches()[1] == pytest.approx(0.1 + (1 + 0.33) + 1)
    assert sum(bool(axes.images) for axes in figure.axes) == 3


def test_legend_has_the_colours_of_the_classes() -> None:
    legend = CAMVID_11, [0, 8]
    figure = contact_sheet([[Tile('', np.zeros((4, 4, 3), np.uint8))]], 1.0, 9, legend)
    (shown,) = figure.legends
    assert [text.get_text() for text in shown.get_texts()] == ['sky', 'car']
    colours = [np.rint(255 * np.array(one.get_facecolor()[:3])) for one in shown.get_patches()]
    assert np.array(colours).tolist() == [list(CAMVID_11.classes[i].rgb) for i in (0, 8)]


def test_wide_images_are_shrunk_by_area() -> None:
    image = np.zeros((2, 2300, 3), np.uint8)
    image[:, ::2] = 200
    (axes,) = contact_sheet([[Tile('', image)]], 2.0, 9).axes
    shown = axes.images[0].get_array()
    assert shown.shape[1] == 230
    assert shown.min() == shown.max() == 100


def test_fitted_keeps_the_shape_on_white() -> None:
    tile = fitted(np.zeros((10, 40, 3), np.uint8), (20, 20))
    assert tile.shape == (20, 20, 3)
    assert np.flatnonzero((tile == 0).all(axis=(1, 2))).tolist() == [7, 8, 9, 10, 11]
    assert (tile[:7] == 255).all()
