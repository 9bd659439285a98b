# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.camera_geometry import CameraGeometry, ImageGeometry
from seg_perception.core.draw_camera import draw_camera, draw_ego_mask
from seg_perception.core.results import VanishingPoint

SIZE = (300, 500)
HORIZON = (90, 190, 255)


def drawn(geometry: ImageGeometry, size: tuple[int, int] = SIZE) -> np.ndarray:
    scene = np.zeros((*size, 3), np.uint8)
    draw_camera(scene, geometry)
    return scene


def rows_of(scene: np.ndarray, column: int) -> np.ndarray:
    """Where a column has about the colour of the horizon: lines have soft edges."""
    return np.flatnonzero((np.abs(scene[:, column].astype(int) - HORIZON) < 90).all(axis=1))


@pytest.mark.parametrize('labels_size', [SIZE, (90, 160)])
def test_learned_horizon_and_vanishing_point(labels_size):
    scene = drawn(ImageGeometry(labels_size, VanishingPoint(0.4, 0.3)))
    assert rows_of(scene, 20).mean() == pytest.approx(89.5, abs=1.0)
    assert rows_of(scene, 480).mean() == pytest.approx(89.5, abs=1.0)
    cross = rows_of(scene, 200)  # 0.4 * 500
    assert cross.max() - cross.min() >= 8 and cross.mean() == pytest.approx(89.5, abs=1.0)


def test_horizon_rolls_as_that_of_a_camera_with_the_same_roll():
    k = np.array([[400.0, 0, 249.5], [0, 400.0, 149.5], [0, 0, 1]])
    lens = Calibration.pinhole(k, SIZE)
    camera = CameraGeometry(lens, Extrinsics(1.5, 0.1, 0.06, 0.0))
    x, y = camera.image_camera.calibration.project(
        (camera.image_camera.extrinsics.rotation.T @ (1.0, 0.0, 0.0))[None]
    )[0]
    point = VanishingPoint((x + 0.5) / 500, (y + 0.5) / 300, roll_rad=0.06)
    for column in (30, 470):
        learned, given = (
            rows_of(drawn(geometry), column).mean()
            for geometry in (ImageGeometry(SIZE, point), camera)
        )
        assert learned == pytest.approx(given, abs=1.0)


@pytest.mark.parametrize('size', [(240, 320), (60, 80)])
def test_the_own_vehicle_is_hatched_and_nothing_else(size):
    mask = np.zeros(size, np.uint8)
    mask[size[0] * 3 // 4 :] = 255
    scene = np.full((240, 320, 3), 50, np.uint8)
    draw_ego_mask(scene, mask)
    drawn = (scene != 50).any(axis=2)
    assert not drawn[:178].any()  # the outline is one pixel wide
    assert 0.1 < drawn[185:].mean() < 0.4
    assert drawn[179:182].all(axis=1).any()


def test_an_empty_ego_mask_draws_nothing():
    scene = np.full((240, 320, 3), 50, np.uint8)
    draw_ego_mask(scene, np.zeros((240, 320), np.uint8))
    assert (scene == 50).all()


def test_nothing_is_drawn_where_nothing_is_known():
    assert not drawn(ImageGeometry(SIZE)).any()
    assert not drawn(ImageGeometry(SIZE, VanishingPoint(0.5, -4.0))).any()  # far above the image
