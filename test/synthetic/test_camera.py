# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from seg_perception.synthetic.camera import SyntheticCamera


def camera(pitch_rad: float) -> SyntheticCamera:
    intrinsics = np.array([[1000.0, 0, 640], [0, 1000.0, 360], [0, 0, 1]])
    return SyntheticCamera(intrinsics, (720, 1280), 1.5, pitch_rad, np.eye(4))


def test_level_camera_sees_the_ground_where_similar_triangles_say() -> None:
    # 1.5 m below the axis at 10 m: 150 px below the middle; 2 m to the left: 200 px to the left.
    pixels = camera(0.0).ground_to_pixel(np.array([[10.0, 0.0], [10.0, 2.0]]))
    np.testing.assert_allclose(pixels, [[640, 510], [440, 510]])
    assert camera(0.0).horizon_row == pytest.approx(360)


def test_looking_down_raises_the_horizon() -> None:
    # tan(0.1) * 1000 = 100.33
    assert camera(0.1).horizon_row == pytest.approx(360 - 100.33, abs=0.01)


def test_projection_equals_opencv() -> None:
    pitch = 0.07
    points = np.array([[5.0, 1.0, 0.0], [20.0, -4.0, 1.7], [60.0, 8.0, 6.0]])
    axes = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])  # level camera axes in vehicle axes
    # The optical axis has to point below the horizon: what is ahead moves up in the image.
    tilt, _ = cv2.Rodrigues(np.array([pitch, 0.0, 0.0]))
    rotation = tilt @ axes
    shift = -rotation @ np.array([0.0, 0.0, 1.5])
    expected, _ = cv2.projectPoints(
        points, cv2.Rodrigues(rotation)[0], shift, camera(pitch).K, np.zeros(4)
    )
    np.testing.assert_allclose(camera(pitch).vehicle_to_pixel(points), expected[:, 0], atol=1e-6)


def test_ground_round_trip_and_nan_above_the_horizon() -> None:
    ground = np.array([[4.0, -1.0], [15.0, 3.0], [80.0, 0.5]])
    seen = camera(0.03).ground_to_pixel(ground)
    np.testing.assert_allclose(camera(0.03).pixel_to_ground(seen), ground, rtol=1e-9)
    assert np.isnan(camera(0.03).pixel_to_ground(np.array([[640.0, 100.0]]))).all()


def test_points_behind_the_camera_have_no_pixel() -> None:
    assert np.isnan(camera(0.0).vehicle_to_pixel(np.array([[-3.0, 0.0, 0.0]]))).all()
