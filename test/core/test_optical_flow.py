# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import cv2
import numpy as np

from seg_perception.core.optical_flow import corners, follow, small_grey


def noise(seed: int = 0) -> np.ndarray:
    grey = np.random.default_rng(seed).normal(128, 40, (180, 320))
    return np.clip(cv2.GaussianBlur(grey, (0, 0), 2) * 4 - 384, 0, 255).astype(np.uint8)


def moved(grey: np.ndarray, right: float, down: float) -> np.ndarray:
    return cv2.warpAffine(grey, np.float32([[1, 0, right], [0, 1, down]]), (320, 180))


def test_points_move_as_the_image_does() -> None:
    grey = noise()
    points = corners(grey, np.full(grey.shape, 255, np.uint8), 100)
    flow = follow(grey, moved(grey, 11.3, -4.6), points)
    assert len(flow.before) > 60
    error = flow.after - flow.before - (11.3, -4.6)
    assert np.median(np.abs(error)) < 0.08
    assert abs(flow.median_px - 12.2) < 0.1


def test_points_that_do_not_come_back_are_dropped() -> None:
    grey = noise()
    points = corners(grey, np.full(grey.shape, 255, np.uint8), 100)
    assert len(follow(grey, noise(1), points).before) < 20


def test_corners_keep_to_the_mask_and_spread() -> None:
    grey, mask = noise(), np.zeros((180, 320), np.uint8)
    mask[:, :200] = 255
    columns, rows = corners(grey, mask, 96).T
    assert columns.max() < 200 and len(columns) > 40
    cells = set(zip(rows // 30, columns // 40, strict=True))
    assert len(cells) > 20


def test_flat_image_has_no_corners() -> None:
    grey = np.full((180, 320), 90, np.uint8)
    points = corners(grey, np.full(grey.shape, 255, np.uint8), 100)
    assert points.shape == (0, 2)
    flow = follow(grey, grey, points)
    assert len(flow.after) == 0 and flow.median_px == 0.0


def test_grey_of_both_orders() -> None:
    red = np.zeros((90, 160, 3), np.uint8)
    red[..., 0] = 200
    assert small_grey(red, 'rgb', 80).shape == (45, 80)
    assert int(small_grey(red, 'rgb', 80)[0, 0]) == 60  # 0.299 * 200
    assert int(small_grey(red, 'bgr', 320)[0, 0]) == 23  # 0.114 * 200
