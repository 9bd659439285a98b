# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import CITYSCAPES_19
from seg_perception.core.errors import ParameterError
from seg_perception.core.grid import GridParams, drivable_grid
from seg_perception.core.results import Grid

SIZE = (360, 640)
K = np.array([[500.0, 0, 319.5], [0, 500.0, 179.5], [0, 0, 1]])
ROAD, WALK, WALL, SKY, MAN, CAR = (
    CITYSCAPES_19.names.index(name)
    for name in ('road', 'sidewalk', 'wall', 'sky', 'person', 'car')
)
PARAMS = GridParams(resolution_m=0.5, ahead_m=30.0, side_m=5.0, coarse_m=1.5)


@lru_cache
def camera(**extrinsics: float) -> CameraGeometry:
    """1.5 m up and level: a row v below row 179.5 sees 750 / v metres."""
    return CameraGeometry(
        Calibration.pinhole(K, SIZE), Extrinsics(**{'height_m': 1.5} | extrinsics)
    )


def fitted(geometry: CameraGeometry, labels) -> CameraGeometry:
    """The same camera for labels of any size."""
    if geometry.size == labels.shape:
        return geometry
    return CameraGeometry.of(geometry.image_camera, labels.shape)


def grid(labels, cam=None, params=PARAMS, mask=None, confidence=None) -> Grid:
    mask = np.where(labels == ROAD, 255, 0).astype(np.uint8) if mask is None else mask
    confidence = np.full(labels.shape, 255, np.uint8) if confidence is None else confidence
    return drivable_grid(
        mask, labels, confidence, CITYSCAPES_19, fitted(cam or camera(), labels), params
    )


def street() -> np.ndarray:
    labels = np.full(SIZE, SKY, np.uint8)
    labels[180:] = ROAD
    return labels


def along(found: Grid, y_m: float) -> list[int]:
    """Cells from back to front at a lateral place."""
    return found.cells[int((y_m - found.origin_y_m) / found.resolution_m)].tolist()


def test_free_road_is_free_from_the_nearest_in_sight_to_where_pixels_are_too_coarse() -> None:
    found = grid(street())
    assert found.cells.shape == (20, 60) and found.cells.dtype == np.int8
    assert (found.resolution_m, found.origin_x_m, found.origin_y_m) == (0.5, 0.0, -5.0)
    # Nearest: 750 / 180 = 4.17 m. A pixel covers x^2 / 750 m: 1.5 m at 33.5 m, so all to 30 m.
    assert along(found, 0.2) == [-1] * 8 + [0] * 52
    coarse = grid(street(), params=GridParams(0.5, 30.0, 0.0, 5.0, 0.06, 0.5))
    assert along(coarse, 0.2) == [-1] * 8 + [0] * 30 + [-1] * 22, 'half a metre at 19.4 m'


def test_sides_out_of_sight_are_unknown() -> None:
    # At x metres ahead the image reaches 0.64 x to the side.
    found = grid(street())
    assert along(found, 4.2)[:13] == [-1] * 13 and along(found, 4.2)[14:] == [0] * 46
    assert found.cells[::-1].tolist() == found.cells.tolist()


def test_pavement_is_blocked_where_it_is() -> None:
    labels = street()
    labels[180:, 320:][np.arange(320)[None] > (np.arange(180) + 0.5)[:, None] * 2 / 1.5] = WALK
    found = grid(labels)  # a kerb 2 m to the right
    assert along(found, -1.8)[8:] == along(found, 0.2)[8:] == [0] * 52
    assert along(found, -2.2)[8:] == [100] * 52


def test_behind_a_foot_is_unknown() -> None:
    labels = street()
    labels[100:230] = WALL  # from 15 m on, over the horizon
    assert along(grid(labels), 0.2) == [-1] * 8 + [0] * 22 + [100] + [-1] * 29
    labels[190:220] = ROAD  # a bar: road between 18.75 m and 71 m is seen beyond it
    # The bar from 15 m to 18.75 m blocks half a metre, and hides the rest of its height.
    assert along(grid(labels), 0.2) == [-1] * 8 + [0] * 22 + [100] + [-1] * 7 + [0] * 22


def test_vehicles_block_a_little_before_their_foot() -> None:
    labels = street()
    labels[150:230] = CAR
    fine = GridParams(resolution_m=0.1, ahead_m=20.0, side_m=2.0)
    # The lowest of them is 6 cm up: two pixels, at row 231.5 and 750 / 52 = 14.42 m.
    assert along(grid(labels, params=fine), 0.05)[143:150] == [0, 100, 100, 100, 100, 100, -1]


def test_between_the_wheels_of_a_vehicle_is_blocked() -> None:
    labels = street()
    labels[190:220, 290:350] = labels[220:230, 290:295] = labels[220:230, 345:350] = CAR
    centre, beside = along(grid(labels), 0.2), along(grid(labels), 3.0)
    assert 0 not in centre[30:40] and centre[30] == 100 and beside[29:40] == [0] * 11


def test_what_reaches_below_the_image_is_blocked_at_its_edge() -> None:
    labels = street()
    labels[100:] = MAN
    assert along(grid(labels), 0.2) == [-1] * 8 + [100] + [-1] * 51


def test_unknown_is_not_free() -> None:
    labels = street()
    labels[230:240] = 255
    mask = np.where(labels == ROAD, 255, 0).astype(np.uint8)
    mask[:230] = 0  # not connected
    found = along(grid(labels, mask=mask), 0.2)
    assert found == [-1] * 8 + [0] * 17 + [-1] * 35
    unsure = np.full(SIZE, 76, np.uint8)
    unsure[:250] = 75
    assert along(grid(street(), confidence=unsure), 0.2)[8:] == [0] * 13 + [-1] * 39


def test_cameras_share_one_frame() -> None:
    around = GridParams(0.5, 20.0, 20.0, 5.0, coarse_m=1.5)
    back = grid(street(), camera(yaw_rad=np.pi, forward_m=-1.0), around)
    assert back.origin_x_m == -20.0
    row = along(back, 0.2)
    # 4.17 m behind the camera, which is 1 m behind the origin: -5.17 m and farther.
    assert row[:29] == [0] * 29 and row[30:] == [-1] * 50


def test_labels_of_any_size_and_degenerate_ones() -> None:
    small = grid(street()[::2, ::2], params=PARAMS)
    assert along(small, 0.2)[8:40] == [0] * 32
    for labels in (np.zeros((1, 640), np.uint8), np.zeros((1, 1), np.uint8)):
        assert set(np.unique(grid(labels).cells)) == {-1}, 'too coarse to tell anything'
    assert set(np.unique(grid(np.full(SIZE, 255, np.uint8)).cells)) == {-1}


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 60))
def test_any_labels_give_the_three_values_and_mirror(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 22, (height, width)).astype(np.uint8).repeat(2, 0).repeat(2, 1)
    mask = np.where((labels == ROAD) & (rng.random(labels.shape) < 0.8), 255, 0).astype(np.uint8)
    found = grid(labels, mask=mask).cells
    assert set(np.unique(found)) <= {-1, 0, 100}
    mirrored = grid(labels[:, ::-1], mask=mask[:, ::-1]).cells[::-1]
    # A cell whose middle is seen on the border of two columns may ask either.
    assert (found == mirrored).mean() > 0.98


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'resolution_m': 0.0}, 'grid resolution_m: got 0.0, expected 0.02 to 5'),
        ({'coarse_m': float('nan')}, 'grid coarse_m: got nan'),
        ({'resolution_m': 0.02, 'side_m': 100.0}, '10000 x 2000, expected 4000000 at most. Raise'),
    ],
)
def test_ranges(values: dict[str, float], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        GridParams(**values)
