# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from math import cos, nan, pi, sin

import cv2
import numpy as np
import pytest

from seg_perception.node.extrinsics import FrameTree, Link, Pose, TransformError, extrinsics_of

LEVEL = (0.0, 0.0, 0.0, 1.0)
OPTICAL = (-0.5, 0.5, -0.5, 0.5)  # of REP 103: x right, y down, z forward in x forward, y left
HALF = sin(pi / 4)
LEFT_TURN = (0.0, 0.0, HALF, HALF)  # 90 degrees about z


def link(parent, child, xyz=(0, 0, 0), quaternion=LEVEL, stamp_s=0.0, is_static=True) -> Link:
    return Link(parent, child, Pose(xyz, quaternion), stamp_s, is_static)


def turned(pose: Pose, point) -> np.ndarray:
    """A direction of the frame in the other, by another library."""
    x, y, z, w = pose.quaternion
    half = np.arccos(np.clip(w, -1, 1))
    axis = np.array([x, y, z]) / max(np.sin(half), 1e-12)
    return cv2.Rodrigues(2 * half * axis)[0] @ point


def tree(*links: Link) -> FrameTree:
    result = FrameTree()
    for item in links:
        result.add(item)
    return result


def pitched(angle_rad: float) -> tuple[float, ...]:
    return (0.0, sin(angle_rad / 2), 0.0, cos(angle_rad / 2))


def test_chain_is_composed_from_the_camera_up():
    frames = tree(
        link('base_link', 'mast', (1.0, 0.0, 1.0), LEFT_TURN),
        link('mast', 'camera', (0.5, 0.0, 0.25)),
    )
    pose = frames.pose('camera', 'base_link', 0.0, 1.0)
    # Half a metre ahead of a mast that looks left is half a metre to the left.
    np.testing.assert_allclose(pose.translation_m, [1.0, 0.5, 1.25], atol=1e-12)
    np.testing.assert_allclose(turned(pose, [1, 0, 0]), [0, 1, 0], atol=1e-12)


def test_base_below_a_common_parent():
    frames = tree(
        link('body', 'base_link', (0.0, 0.0, -0.5), LEFT_TURN),
        link('body', 'camera', (2.0, 0.0, 1.0)),
    )
    pose = frames.pose('camera', 'base_link', 0.0, 1.0)
    # What lies ahead of the body lies right of a base that is turned to the left.
    np.testing.assert_allclose(pose.translation_m, [0.0, -2.0, 1.5], atol=1e-12)
    np.testing.assert_allclose(turned(pose, [1, 0, 0]), [0, -1, 0], atol=1e-12)


def test_base_that_is_the_camera_itself():
    pose = tree().pose('camera', 'camera', 0.0, 1.0)
    np.testing.assert_array_equal(pose.translation_m, [0, 0, 0])


def test_newer_transform_takes_the_place():
    frames = tree(link('base', 'camera', (0, 0, 1)), link('base', 'camera', (0, 0, 2)))
    assert frames.pose('camera', 'base', 0.0, 1.0).translation_m[2] == 2.0
    frames.clear()
    with pytest.raises(TransformError):
        frames.pose('camera', 'base', 0.0, 1.0)


@pytest.mark.parametrize(
    ('links', 'text'),
    [
        ([], "'camera' to 'base': got chains that end in 'camera' and 'base', expected one that"),
        ([link('mast', 'camera')], "chains that end in 'mast' and 'base'.*extrinsics.height_m"),
        ([link('a', 'camera'), link('b', 'base')], "chains that end in 'a' and 'b'"),
        ([link('a', 'camera'), link('camera', 'a')], "chains that end in 'camera' and 'base'"),
        ([link('camera', 'camera')], "chains that end in 'camera' and 'base'"),
        (
            [link('base', 'camera', stamp_s=90.0, is_static=False)],
            r'got one 10\.0 s away from the image, expected at most 0\.5 s',
        ),
        (
            [link('base', 'camera', stamp_s=101.0, is_static=False)],
            r'got one 1\.0 s away from the image',
        ),
        ([link('base', 'camera', quaternion=(0, 0, 0, 0))], 'a quaternion of length 1'),
        ([link('base', 'camera', quaternion=(nan, 0, 0, 1))], 'a quaternion of length 1'),
        ([link('base', 'camera', (0, nan, 0))], 'finite numbers'),
    ],
)
def test_what_cannot_be_used_says_why(links, text):
    with pytest.raises(TransformError, match=text):
        tree(*links).pose('camera', 'base', 100.0, 0.5)


def test_static_transforms_do_not_age():
    frames = tree(
        link('base', 'mast', stamp_s=99.8, is_static=False), link('mast', 'camera', stamp_s=1.0)
    )
    assert frames.pose('camera', 'base', 100.0, 0.5).translation_m[0] == 0.0


def optical(*links: Link) -> Pose:
    """The pose of an optical frame on a camera body that hangs on these links."""
    body = links[-1].child if links else 'base'
    frames = tree(*links, link(body, 'optical', quaternion=OPTICAL))
    return frames.pose('optical', 'base', 0.0, 1.0)


def test_mount_of_a_level_camera():
    extrinsics = extrinsics_of(optical(link('base', 'body', (1.5, 0.25, 1.25))), 0.25, 0.01)
    assert (extrinsics.height_m, extrinsics.forward_m, extrinsics.left_m) == pytest.approx(
        (1.5, 1.5, 0.25)
    )
    assert (extrinsics.pitch_rad, extrinsics.roll_rad, extrinsics.yaw_rad) == pytest.approx(
        (0, 0, 0)
    )
    assert extrinsics.pitch_std_rad == 0.01


def test_mount_angles():
    """Body turned about z, then y, then x: 0.3 to the left, 0.2 down, right side 0.1 down."""
    frames = optical(
        link('base', 'yawed', (0, 0, 1.0), (0, 0, sin(0.15), cos(0.15))),
        link('yawed', 'pitched', quaternion=pitched(0.2)),
        link('pitched', 'rolled', quaternion=(sin(0.05), 0, 0, cos(0.05))),
    )
    extrinsics = extrinsics_of(frames, 0.0, 0.0)
    angles = (extrinsics.yaw_rad, extrinsics.pitch_rad, extrinsics.roll_rad)
    assert angles == pytest.approx((0.3, 0.2, 0.1))


def test_a_camera_under_the_ground_is_refused():
    pose = optical(link('base', 'body', (0, 0, -0.5)))
    with pytest.raises(TransformError, match='transform: extrinsics height_m: got -0'):
        extrinsics_of(pose, 0.0, 0.0)
