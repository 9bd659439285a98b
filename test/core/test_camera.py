# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from math import inf, nan, pi

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_perception.core.camera import Calibration, Camera, Extrinsics
from seg_perception.core.errors import CalibrationError

SIZE = (720, 1280)
K = np.array([[1000.0, 0, 640], [0, 1000.0, 360], [0, 0, 1]])
PLUMB_BOB = (-0.25, 0.06, 0.001, -0.002, -0.01)
RATIONAL = (0.5, 0.1, 0.001, -0.001, 0.01, 0.8, 0.2, 0.05)
FISHEYE = (0.05, -0.01, 0.003, -0.001)
LENSES = {
    'plumb_bob': PLUMB_BOB, 'rational_polynomial': RATIONAL, 'equidistant': FISHEYE,
    'fisheye': FISHEYE,
}  # fmt: skip
GROUND = np.array([[5.0, 1.0], [20.0, -4.0], [60.0, 8.0], [7.0, -2.5]])


def lens(model: str, d: tuple[float, ...], k: np.ndarray = K) -> Calibration:
    return Calibration(SIZE, k, model, d, np.eye(3), np.hstack([k, np.zeros((3, 1))]))


def camera(calibration: Calibration | None = None, **extrinsics: float) -> Camera:
    return Camera(
        calibration or Calibration.pinhole(K, SIZE), Extrinsics(**{'height_m': 1.5} | extrinsics)
    )


def opencv_pixels(cam: Camera, ground: np.ndarray) -> np.ndarray:
    """The same with OpenCV's projection and rotations put together by hand."""
    pose = cam.extrinsics
    axes = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])  # of a level camera, in vehicle axes
    turn = np.eye(3)
    for axis, angle in (
        ((1, 0, 0), pose.roll_rad), ((0, 1, 0), pose.pitch_rad), ((0, 0, 1), pose.yaw_rad)
    ):  # fmt: skip
        turn = cv2.Rodrigues(np.array(axis, float) * angle)[0] @ turn
    rotation = axes @ turn.T
    shift = -rotation @ np.array([pose.forward_m, pose.left_m, pose.height_m])
    points = np.column_stack([ground, np.zeros(len(ground))])
    vector, d = cv2.Rodrigues(rotation)[0], np.array(cam.calibration.d)
    project = cv2.projectPoints
    if cam.calibration.distortion_model in ('equidistant', 'fisheye'):
        project = cv2.fisheye.projectPoints
        return project(points[:, None], vector, shift, cam.calibration.k, d)[0][:, 0]
    return project(points, vector, shift, cam.calibration.k, d)[0][:, 0]


def test_level_camera_by_similar_triangles() -> None:
    # 1.5 m below the axis at 10 m: 150 px below the middle; 2 m to the left: 200 px to the left.
    pixels = camera().ground_to_pixel(np.array([[10.0, 0.0], [10.0, 2.0]]))
    np.testing.assert_allclose(pixels, [[640, 510], [440, 510]])
    np.testing.assert_allclose(camera().pixel_to_ground(pixels), [[10, 0], [10, 2]])
    assert camera().horizon == pytest.approx(360)


def test_mounting_by_hand() -> None:
    # Looking down by 0.1 rad lifts the horizon by tan(0.1) * 1000 = 100.33 px.
    assert camera(pitch_rad=0.1).horizon == pytest.approx(259.665, abs=0.001)
    moved = camera(forward_m=2.0, left_m=-0.5).ground_to_pixel(np.array([[12.0, -0.5]]))
    np.testing.assert_allclose(moved, [[640, 510]])
    # Turned to the left by a quarter: what was ahead is now on the left side.
    left = camera(yaw_rad=pi / 2).pixel_to_ground(np.array([[640.0, 510.0], [440.0, 510.0]]))
    np.testing.assert_allclose(left, [[0, 10], [-2, 10]], atol=1e-9)
    # The left side lifted: the horizon falls to the left, so that the ground is left and low.
    rolled = camera(roll_rad=0.1).horizon_rows
    assert rolled[0] - rolled[-1] == pytest.approx(1279 * np.tan(0.1))


@pytest.mark.parametrize('model', LENSES)
def test_lenses_equal_opencv(model: str) -> None:
    cam = camera(
        lens(model, LENSES[model], K * [[0.6], [0.6], [1]]),
        pitch_rad=0.06, roll_rad=-0.03, yaw_rad=0.1, forward_m=1.2, left_m=0.3,
    )  # fmt: skip
    pixels = cam.ground_to_pixel(GROUND)
    np.testing.assert_allclose(pixels, opencv_pixels(cam, GROUND), atol=1e-6)
    np.testing.assert_allclose(cam.pixel_to_ground(pixels), GROUND, rtol=1e-5)


@pytest.mark.parametrize('model', ['plumb_bob', 'rational_polynomial', 'equidistant'])
def test_horizon_is_where_the_ground_ends(model: str) -> None:
    cam = camera(lens(model, LENSES[model]), pitch_rad=0.05, roll_rad=0.04)
    columns = np.array([100.0, 640.0, 1200.0])
    for column, row in zip(columns, cam.horizon_rows[columns.astype(int)], strict=True):
        below, above = cam.pixel_to_ground(np.array([[column, row + 0.5], [column, row - 0.5]]))
        assert np.linalg.norm(below) > 500
        assert np.isnan(above).all()


def test_beyond_what_the_lens_model_holds_for_there_is_nothing() -> None:
    # r - 0.5 r^3 folds back at r = 0.8165: nothing is seen farther out, on either way.
    cam = camera(lens('plumb_bob', (-0.5, 0.0, 0.0, 0.0, 0.0)), pitch_rad=0.3)
    assert np.isnan(cam.pixel_to_ground(np.array([[0.0, 719.0], [1279.0, 719.0]]))).all()
    assert np.isfinite(cam.pixel_to_ground(np.array([[640.0, 719.0]]))).all()
    assert np.isnan(cam.ground_to_pixel(np.array([[1.0, 8.0]]))).all()


def test_nothing_above_the_horizon_and_behind() -> None:
    assert np.isnan(camera().pixel_to_ground(np.array([[640.0, 360.0], [3.0, 9.0]]))).all()
    assert np.isnan(camera().ground_to_pixel(np.array([[-3.0, 0.0], [0.0, 1.0]]))).all()
    assert camera().ground_to_pixel(np.zeros((0, 2))).shape == (0, 2)


def test_uncertainty_by_hand() -> None:
    cam = camera(pitch_std_rad=0.01)
    low, high = cam.band_m(15.0)
    # atan(1.5 / 15) = 0.0997 rad, 1.96 * 0.01 and half a thousandth to either side.
    # 1.5 / tan(0.11977) and 1.5 / tan(0.07957)
    assert (low, high) == pytest.approx((12.464, 18.812), abs=0.001)
    assert cam.std_m(15.0) == pytest.approx((225 / 1.5 + 1.5) * 0.01, rel=1e-3)
    assert cam.band_m(100.0)[1] == inf
    assert camera(pitch_std_rad=0.2).band_m(1.0)[0] > 0


def test_resized_images_see_the_same_ground() -> None:
    cam = camera(lens('plumb_bob', PLUMB_BOB), pitch_rad=0.04)
    small = cam.scaled((360, 640))
    # The corner between four pixels stays where it is: 2 * (i + 0.5) - 0.5.
    np.testing.assert_allclose(
        small.pixel_to_ground(np.array([[100.0, 300.0]])),
        cam.pixel_to_ground(np.array([[200.5, 600.5]])),
    )
    assert small.size == (360, 640) and cam.scaled(SIZE) is cam


@given(
    st.floats(0.3, 3), st.floats(-0.1, 0.4), st.floats(-0.2, 0.2), st.floats(-3, 3),
    st.floats(0.25, 3.0),
)  # fmt: skip
def test_scaling_image_and_intrinsics_keeps_metres(
    height_m: float, pitch: float, roll: float, yaw: float, factor: float
) -> None:
    cam = camera(height_m=height_m, pitch_rad=pitch, roll_rad=roll, yaw_rad=yaw)
    size = (round(720 * factor), round(1280 * factor))
    pixels = cam.ground_to_pixel(cam.pixel_to_ground(np.array([[640.0, 700.0], [200.0, 650.0]])))
    sy, sx = size[0] / 720, size[1] / 1280
    moved = (pixels + 0.5) * (sx, sy) - 0.5
    np.testing.assert_allclose(
        cam.scaled(size).pixel_to_ground(moved), cam.pixel_to_ground(pixels), rtol=1e-6, atol=1e-9
    )


@given(st.floats(-0.5, 0.5), st.floats(-0.7, 1.5), st.floats(-3.1, 3.1))
def test_transform_of_tf_gives_the_mount_back(roll: float, pitch: float, yaw: float) -> None:
    extrinsics = Extrinsics(1.2, pitch, roll, yaw, 0.7, -0.2)
    vector = cv2.Rodrigues(extrinsics.rotation)[0].ravel()
    angle = np.linalg.norm(vector)
    x, y, z = vector / max(angle, 1e-12) * np.sin(angle / 2)
    read = Extrinsics.from_transform((0.7, -0.2, 1.2), (x, y, z, float(np.cos(angle / 2))))
    np.testing.assert_allclose(read.rotation, extrinsics.rotation, atol=1e-9)
    assert (read.height_m, read.forward_m, read.left_m) == (1.2, 0.7, -0.2)


def test_usual_transform_of_an_optical_frame() -> None:
    # The quaternion of rpy (-90, 0, -90) degrees, as every URDF has it.
    extrinsics = Extrinsics.from_transform((0.5, 0.0, 1.4), (-0.5, 0.5, -0.5, 0.5))
    assert (extrinsics.pitch_rad, extrinsics.roll_rad, extrinsics.yaw_rad) == pytest.approx(
        (0, 0, 0), abs=1e-9
    )


def test_rectified_images_have_the_projection_of_p() -> None:
    p = np.array([[900.0, 0, 650, 0], [0, 910, 350, 0], [0, 0, 1, 0]])
    flat = Calibration(SIZE, K, 'plumb_bob', PLUMB_BOB, np.eye(3), p).rectified()
    assert flat.k.tolist() == [[900, 0, 650], [0, 910, 350], [0, 0, 1]] and not any(flat.d)
    with pytest.raises(CalibrationError, match=r'calibration K: .*focal lengths above 0'):
        Calibration(SIZE, K, '', (), np.eye(3), np.zeros((3, 4))).rectified()


def test_calibrations_of_the_same_numbers_are_equal() -> None:
    one, other = lens('plumb_bob', PLUMB_BOB), lens('plumb_bob', PLUMB_BOB, K.copy())
    assert one == other and hash(one) == hash(other)
    assert one != lens('plumb_bob', PLUMB_BOB, K + np.eye(3, k=2)) and one != 3


@pytest.mark.parametrize('model', ['plumb_bob', 'equidistant'])
def test_no_points_have_no_rays(model: str) -> None:
    """A frame without an edge of the road asks for none."""
    distorting = lens(model, (0.1, 0.01, 0.001, 0.001))
    assert distorting.rays(np.zeros((0, 2))).shape == (0, 3)
    assert distorting.project(np.zeros((0, 3))).shape == (0, 2)


def test_zeros_distort_nothing_whatever_the_model_is_called() -> None:
    cam = camera(lens('inverse_brown', (0.0,) * 5))
    np.testing.assert_allclose(cam.ground_to_pixel(np.array([[10.0, 2.0]])), [[440, 510]])


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'k': np.zeros((3, 3))}, r'calibration K: got \[\[0.0.*above 0. An uncalibrated camera'),
        ({'k': K * nan}, 'calibration K: got .*nan.*finite 3x3'),
        ({'k': np.eye(2)}, 'calibration K'),
        ({'size': (0, 640)}, r'calibration size: got \(0, 640\)'),
        ({'d': (nan, 0.0)}, 'calibration D: got .*nan'),
        (
            {'distortion_model': 'thin_prism', 'd': (0.1,)},
            "got 'thin_prism', expected plumb_bob or",
        ),
        ({'d': (0.1, 0.2, 0.3)}, r'D of plumb_bob: got 3 coefficients, expected 4 to 14'),
    ],
)
def test_calibrations_that_cannot_be(changes: dict, message: str) -> None:
    values = {
        'size': SIZE, 'k': K, 'distortion_model': 'plumb_bob', 'd': (), 'r': np.eye(3),
        'p': np.zeros((3, 4)),
    }  # fmt: skip
    with pytest.raises(CalibrationError, match=message):
        Calibration(**values | changes)


@pytest.mark.parametrize(
    ('extrinsics', 'message'),
    [
        ({'height_m': 0.0}, 'extrinsics height_m: got 0.0, expected 0.05 to 30'),
        ({'pitch_rad': nan}, 'extrinsics pitch_rad: got nan'),
        ({'pitch_rad': -0.7}, 'pitch -0.700 and roll 0.000 rad, expected a camera that sees the'),
        ({'pitch_rad': -0.5}, 'the ground within 100 m. Positive pitch looks down'),
        ({'left_m': inf}, 'extrinsics left_m: got inf, expected -30 to 30'),
    ],
)
def test_mounts_that_cannot_be(extrinsics: dict[str, float], message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        camera(**extrinsics)


def test_a_transform_without_rotation_is_refused() -> None:
    with pytest.raises(CalibrationError, match=r'camera transform: got \(0, 0, 0, 0\)'):
        Extrinsics.from_transform((0.0, 0.0, 1.0), (0, 0, 0, 0))


def test_images_of_another_shape_are_refused() -> None:
    calibration = Calibration.pinhole(K, SIZE)
    assert calibration.for_image(SIZE) is calibration
    assert calibration.for_image((360, 640)).k[0, 0] == 500
    assert calibration.for_image((361, 641)).size == (361, 641), 'rounded to whole pixels'
    with pytest.raises(CalibrationError, match='one for 1280x720 pixels with an image of 640x480'):
        calibration.for_image((480, 640))


PADDED = [
    ('equidistant', FISHEYE, ('equidistant', 'fisheye', 'Kannala Brandt'), (1, 4)),
    (
        'plumb_bob',
        PLUMB_BOB,
        ('plumb_bob', 'Plumb-Bob', 'radtan', 'rational_polynomial'),
        (3, 7, 9),
    ),
    ('rational_polynomial', RATIONAL, ('rational_polynomial', 'plumb_bob'), (4, 6)),
]


@pytest.mark.parametrize(('model', 'd', 'names', 'counts'), PADDED)
def test_zeros_behind_change_nothing_and_names_are_loose(
    model: str, d: tuple[float, ...], names: tuple[str, ...], counts: tuple[int, ...]
) -> None:
    points = np.array([[100.0, 80.0], [640.0, 360.0], [1100.0, 600.0]])
    expected = lens(model, d).rays(points)
    for name in names:
        for zeros in (0, *counts):
            np.testing.assert_array_equal(lens(name, d + (0.0,) * zeros).rays(points), expected)
