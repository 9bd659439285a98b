# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from math import nan, pi, sin

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo

from ros_graph import stamped
from seg_perception.core.camera_geometry import CameraView
from seg_perception.node.calibration import GeometryTracker, links_of
from seg_perception.node.extrinsics import FrameTree
from seg_perception.node.parameters import build, complete

SIZE = (720, 1280)
K = (1000.0, 0.0, 639.5, 0.0, 1000.0, 359.5, 0.0, 0.0, 1.0)
P = (800.0, 0.0, 639.5, 0.0, 0.0, 800.0, 359.5, 0.0, 0.0, 0.0, 1.0, 0.0)
OPTICAL = (-0.5, 0.5, -0.5, 0.5)
IMAGE = stamped(100, frame_id='front_optical')
LEVEL = {'front.extrinsics.height_m': 1.5}


def info(size=SIZE, k=K, d=(), model='plumb_bob', p=P) -> CameraInfo:
    message = CameraInfo(height=size[0], width=size[1], distortion_model=model)
    message.k, message.d, message.p = k, list(d), p
    message.r = np.eye(3).ravel()
    return message


def transform(parent, child, xyz, quaternion, stamp=IMAGE) -> TransformStamped:
    header = stamped(stamp.stamp.sec, frame_id=parent)  # sub-messages are taken by reference
    message = TransformStamped(header=header, child_frame_id=child)
    at, turn = message.transform.translation, message.transform.rotation
    at.x, at.y, at.z = xyz
    turn.x, turn.y, turn.z, turn.w = quaternion
    return message


class Message:
    """Has the one field of a TFMessage."""

    def __init__(self, *transforms: TransformStamped) -> None:
        self.transforms = transforms


def tree(*transforms: TransformStamped, is_static: bool = True) -> FrameTree:
    frames = FrameTree()
    for link in links_of(Message(*transforms), is_static):
        frames.add(link)
    return frames


def half(size: tuple[int, int]) -> tuple[int, int]:
    return size[0] // 2, size[1] // 2


def view(message=None, frames=None, size=SIZE, **params) -> CameraView:
    geometry = GeometryTracker(frames or FrameTree(), half)
    if message is not None:
        geometry.on_camera_info(message)
    given = LEVEL | {name.replace('__', '.'): value for name, value in params.items()}
    return geometry.view(IMAGE, size, build(complete(given)), 'front')


def row_of(view: CameraView, forward_m: float) -> float:
    """The row where the ground straight ahead is seen."""
    assert view.camera is not None, view.reason
    return float(view.camera.ground_to_pixel(np.array([[forward_m, 0.0]]))[0, 1])


def test_mount_from_parameters():
    # 1.5 m below the axis at 15 m is a tenth of the focal length below the centre.
    assert row_of(view(info()), 15.0) == pytest.approx(359.5 + 100.0)
    assert row_of(view(info(), front__extrinsics__forward_m=5.0), 20.0) == pytest.approx(459.5)


def test_mount_from_tf_wins():
    frames = tree(transform('base_link', 'front_optical', (1.0, 0.0, 1.0), OPTICAL))
    assert row_of(view(info(), frames), 11.0) == pytest.approx(359.5 + 100.0)
    # What the base is above the ground, the camera is too.
    assert row_of(view(info(), frames, base_height_m=0.5), 11.0) == pytest.approx(509.5)


def test_given_height_tells_who_gave_it():
    frames = tree(transform('base_link', 'front_optical', (1.0, 0.0, 1.0), OPTICAL))
    for geometry, expected in (
        (GeometryTracker(frames, half), (1.5, 0.05, 'TF')),
        (GeometryTracker(FrameTree(), half), (1.5, 0.05, 'parameter')),
    ):
        assert geometry.given_height is None
        given = build(complete(LEVEL | {'base_height_m': 0.5}))
        geometry.view(IMAGE, SIZE, given, 'front')
        assert geometry.given_height == expected


def test_leading_slashes_of_ros_1():
    for frame, image in (('/front_optical', 'front_optical'), ('front_optical', '/front_optical')):
        frames = tree(transform('/base_link', frame, (1.0, 0.0, 1.0), OPTICAL))
        geometry = GeometryTracker(frames, half)
        geometry.on_camera_info(info())
        seen = geometry.view(stamped(0, frame_id=image), SIZE, build(complete(LEVEL)), 'front')
        assert row_of(seen, 11.0) == pytest.approx(459.5)


def test_uncertainty_of_the_pitch_is_that_of_the_parameter_with_tf_too():
    frames = tree(transform('base_link', 'front_optical', (1.0, 0.0, 1.0), OPTICAL))
    for seen in (view(info(), frames, front__extrinsics__pitch_std_rad=0.03),
                 view(info(), front__extrinsics__pitch_std_rad=0.03)):  # fmt: skip
        assert seen.camera.extrinsics.pitch_std_rad == 0.03


def test_smaller_image_of_the_same_shape():
    assert row_of(view(info(), size=(360, 640)), 15.0) == pytest.approx(179.5 + 50.0)


def test_rectified_images_use_p():
    distorted = info(d=(0.3, 0.1, 0, 0, 0))
    for given in (
        {'front__rectified': True},
        {'front__image_topic': '/cam/image_rect_color'},
        {'front__image_topic': '/cam/image_rect/compressed', 'front__transport': 'compressed'},
    ):
        assert row_of(view(distorted, **given), 15.0) == pytest.approx(359.5 + 80.0)
    given = {'front__image_topic': '/cam/image_rect', 'front__rectified': False}
    assert row_of(view(info(), **given), 15.0) == pytest.approx(359.5 + 100.0)
    seen = view(info(k=(0.0,) * 9), front__image_topic='/cam/image_rect')  # P is enough
    assert row_of(seen, 15.0) == pytest.approx(359.5 + 80.0)


def test_same_numbers_give_the_same_camera():
    geometry = GeometryTracker(FrameTree(), half)
    params = build(complete(LEVEL))
    geometry.on_camera_info(info())
    first = geometry.view(IMAGE, SIZE, params, 'front')
    geometry.on_camera_info(info())
    assert geometry.view(IMAGE, SIZE, params, 'front').camera is first.camera
    geometry.on_camera_info(info(k=(500.0, *K[1:4], 500.0, *K[5:])))
    assert row_of(geometry.view(IMAGE, SIZE, params, 'front'), 15.0) == pytest.approx(409.5)


@pytest.mark.parametrize(
    ('message', 'params', 'text'),
    [
        (None, {}, 'not calibrated: no camera_info on /camera/front/camera_info'),
        (None, {'front__camera_info_topic': ''}, 'not calibrated: no camera_info_topic'),
        (info(k=(0.0,) * 9), {}, 'not calibrated: the K of camera_info is zero'),
        (
            info(),
            {'front__extrinsics__height_m': 0.0},
            "no extrinsics: transform from 'front_optical' to",
        ),
    ],
)
def test_what_was_never_given_is_no_fault(message, params, text):
    seen = view(message, **params)
    assert seen.camera is None and not seen.is_fault
    assert text in seen.reason


@pytest.mark.parametrize(
    ('message', 'size', 'params', 'text'),
    [
        (info(k=(0.0, *K[1:])), SIZE, {}, 'calibration: .*focal lengths above 0'),
        (info(k=(nan, *K[1:])), SIZE, {}, 'calibration: .*finite'),
        (info(model='magic', d=(1.0,)), SIZE, {}, "calibration: .*'magic'"),
        (info(), (480, 640), {}, 'does not fit: .*1280x720 pixels with an image of 640x480'),
        (info(), (1, 640), {}, 'does not fit'),
        (info((0, 0)), SIZE, {}, 'calibration: .*size'),
        (info(), SIZE, {'front__extrinsics__pitch_rad': -0.5}, 'does not fit: .*sees the ground'),
    ],
)  # fmt: skip
def test_a_calibration_that_cannot_be_is_a_fault(message, size, params, text):
    seen = view(message, size=size, **params)
    assert seen.camera is None and seen.is_fault
    assert re.search(text, seen.reason), seen.reason


@pytest.mark.parametrize(
    ('link', 'is_static', 'text'),
    [
        (
            transform('base_link', 'front_optical', (0, 0, 1.5), OPTICAL, stamped(90)),
            False,
            'one 10.0 s away from the image, expected at most 0.5 s',
        ),
        (transform('base_link', 'front_optical', (0, 0, 1.5), (0, 0, 0, 0)), True, 'length 1'),
        (transform('base_link', 'front_optical', (0, 0, -1.0), OPTICAL), True, 'height'),
        (
            transform('base_link', 'front_optical', (0, 0, 1.5), (0.0, 0.0, 0.0, 1.0)),
            True,
            'optical frame, x right',  # that of a body looks at the sky
        ),
    ],
)
def test_a_transform_that_cannot_be_used_is_a_fault(link, is_static, text):
    """The parameters do not stand in for it: they may be of another time."""
    seen = view(info(), tree(link, is_static=is_static))
    assert seen.camera is None and seen.is_fault
    assert text in seen.reason


def test_region_of_interest():
    message = info()
    message.roi.y_offset, message.roi.x_offset = 200, 320
    message.roi.height, message.roi.width = 360, 640
    assert row_of(view(message, size=(360, 640)), 15.0) == pytest.approx(459.5 - 200)


def test_pitched_camera_from_tf():
    """A body that hangs 0.1 rad down sees 10 m ahead where the tangent says."""
    body = transform('base_link', 'body', (0, 0, 1.5), (0, sin(0.05), 0, np.cos(0.05)))
    frames = tree(body, transform('body', 'front_optical', (0, 0, 0), OPTICAL))
    expected = 359.5 + 1000 * np.tan(np.arctan(0.15) - 0.1)
    assert row_of(view(info(), frames), 10.0) == pytest.approx(expected)
    assert view(info(), frames).camera.extrinsics.yaw_rad == pytest.approx(0.0, abs=pi * 1e-9)


def test_a_mount_that_trembles_keeps_its_camera():
    """What is computed for a camera takes half a second; a real change is taken at once."""
    frames = FrameTree()
    geometry, params = GeometryTracker(frames, half), build(complete(LEVEL))
    geometry.on_camera_info(info())

    def seen(forward_m: float, pitch_rad: float):
        body = transform('base_link', 'body', (forward_m, 0, 1.5), (0, sin(pitch_rad / 2), 0, 1.0))
        optical = transform('body', 'front_optical', (0, 0, 0), OPTICAL)
        for link in links_of(Message(body, optical), is_static=False):
            frames.add(link)
        return geometry.view(IMAGE, SIZE, params, 'front').camera

    first = seen(1.0, 0.1)
    assert seen(1.01, 0.1015) is first
    assert seen(1.0, 0.11).extrinsics.pitch_rad == pytest.approx(0.11, abs=1e-3)
    assert seen(1.5, 0.11).extrinsics.forward_m == 1.5


def test_transform_with_a_stamp_before_1970_is_taken():
    message = transform('base_link', 'front_optical', (0, 0, 1.5), OPTICAL)
    message.header.stamp.sec = -7
    (link,) = links_of(Message(message), is_static=False)
    assert link.stamp_s == -7.0
