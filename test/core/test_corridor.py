# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_perception.core.corridor import Corridor, corridor_shape
from seg_perception.core.errors import ParameterError


def test_trapezoid_by_hand():
    shape = corridor_shape(Corridor(0.5, 0.8, 0.2), (7, 10))
    # Rows 4, 5, 6 (7 * 0.5 rounds to 4): widths 2, 5, 8 of 10 pixels.
    assert shape.top_row == 4 and shape.end_row == 7
    assert shape.widths_px.tolist() == [0, 0, 0, 0, 2, 5, 8]
    assert shape.nearness.tolist() == [0, 0, 0, 0, 0.25, 0.625, 1]
    rows = [''.join('#' if value else '.' for value in row) for row in shape.inside[4:]]
    assert rows == ['....##....', '..######..', '.########.']
    rows = [''.join('#' if value else '.' for value in row) for row in shape.beside[4:]]
    assert rows == ['..##..##..', '##......##', '#........#']
    assert not shape.inside[:4].any() and not shape.beside[:4].any()


def test_bonnet_rows_are_cut_off():
    shape = corridor_shape(Corridor(ego_mask_share=0.25), (100, 200))
    assert shape.end_row == 75
    assert not shape.inside[75:].any() and shape.inside[74].any()
    # The rows above keep the distance that they have without a bonnet in view.
    whole = corridor_shape(Corridor(), (100, 200))
    np.testing.assert_array_equal(shape.nearness[:75], whole.nearness[:75])


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.floats(0, 0.95),
    st.floats(0.01, 1),
    st.floats(0, 0.4),
)
def test_zones_share_out_the_rows_and_mirror(height, width, top_share, near, ego_mask):
    far = max(0.005, near / 5)
    shape = corridor_shape(Corridor(top_share, near, far, ego_mask), (height, width))
    zones = [shape.inside, shape.beside, shape.elsewhere]
    total = sum((zone > 0).astype(int) for zone in zones)
    assert 0 <= shape.top_row < shape.end_row <= height
    assert (total[shape.top_row : shape.end_row] == 1).all()
    assert not total[: shape.top_row].any() and not total[shape.end_row :].any()
    for zone in zones:
        np.testing.assert_array_equal(zone, zone[:, ::-1])
    assert (np.diff(shape.nearness[shape.top_row : shape.end_row]) >= 0).all()


def test_shapes_are_frozen():
    with pytest.raises(ValueError, match='read-only'):
        corridor_shape(Corridor(), (10, 10)).inside[0, 0] = 1


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'top_share': 1.0}, 'corridor top_share: got 1.0, expected 0.0 to 0.95'),
        ({'near_width_share': 0.0}, 'corridor near_width_share: got 0.0, expected 0.01 to 1.0'),
        ({'far_width_share': 0.0}, 'corridor far_width_share: got 0.0, expected 0.005 to 1.0'),
        ({'far_width_share': 0.6}, 'got 0.6, expected at most near_width_share, 0.5. A corridor'),
        ({'ego_mask_share': 0.5}, 'corridor ego_mask_share: got 0.5, expected 0.0 to 0.4'),
        ({'top_share': float('nan')}, 'corridor top_share: got nan'),
    ],
)
def test_ranges(fields, message):
    with pytest.raises(ParameterError, match=message):
        Corridor(**fields)
