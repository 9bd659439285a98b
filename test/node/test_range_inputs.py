# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Depth and clouds that cannot be used: each is left out and said, without a graph."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from benchmarks.range_truth import Box, World, beams, camera_geometry
from ros_graph import stamped
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import CAMVID_11
from seg_perception.inference.answer import Measured
from seg_perception.node.extrinsics import FrameTree, Link, Pose
from seg_perception.node.parameters import build, complete
from seg_perception.node.range_inputs import CameraRange, RangeInputs

GEOMETRY = camera_geometry()
WORLD = World(boxes=(Box('car', (12, 16), (-1, 1), (0, 1.5)),))
DEPTH_M, LABELS = WORLD.seen_by(GEOMETRY)
LIDAR_M = np.array([0.0, 0.0, 1.9])
POINTS, _ = WORLD.cloud(LIDAR_M, beams())
STRAIGHT = (0.0, 0.0, 0.0, 1.0)
IMAGE = stamped(100, frame_id='optical')


class Inputs:
    """The range inputs of camera front, fed without a graph."""

    def __init__(self, frames: FrameTree | None = None, **given: Any) -> None:
        dotted = {name.replace('__', '.'): value for name, value in given.items()}
        self.params = build(complete(dotted))
        self.frames = frames if frames is not None else mounted()
        self.callbacks: dict[str, Any] = {}
        self.range = CameraRange(
            self.params.cameras[0], CAMVID_11, RangeInputs(self.frames), self.subscribe
        )

    def subscribe(self, kind: Any, topic: str, callback: Any, qos: Any) -> None:
        self.callbacks[topic] = callback

    def measure(self, *messages: Any) -> Measured:
        for message in messages:
            self.callbacks['/depth' if isinstance(message, Image) else '/points'](message)
        return self.range.measure(IMAGE, self.params, GEOMETRY, LABELS)


def mounted(xyz: tuple[float, float, float] = (0.0, 0.0, 1.9), stamp_s: float = 100) -> FrameTree:
    frames = FrameTree()
    frames.add(Link('base_link', 'lidar', Pose(xyz, STRAIGHT), stamp_s, is_static=False))
    return frames


def depth(values: np.ndarray = DEPTH_M, header: Any = IMAGE, encoding: str = '32FC1') -> Image:
    kind = '<f4' if encoding == '32FC1' else '<u2'
    height, width = values.shape
    msg = Image(header=header, encoding=encoding, height=height, width=width)
    msg.step = width * np.dtype(kind).itemsize
    finite = np.where(np.isfinite(values), values, 0)
    msg.data.frombytes(finite.astype(kind).tobytes())
    return msg


def cloud(points_m: np.ndarray = POINTS, header: Any = None) -> PointCloud2:
    header = header or stamped(100, frame_id='lidar')
    msg = PointCloud2(header=header, height=1, width=len(points_m), point_step=12)
    msg.row_step = 12 * len(points_m)
    msg.fields = [
        PointField(name=name, offset=4 * place, datatype=7, count=1)
        for place, name in enumerate('xyz')
    ]
    msg.data.frombytes((points_m - LIDAR_M).astype('<f4').tobytes())
    return msg


def test_good_depth_measures():
    found = Inputs(front__depth_topic='/depth').measure(depth())
    assert found.surface.ranges.source == 'depth' and found.fault == ''


def test_depth_tells_a_wrong_pitch():
    inputs = Inputs(front__depth_topic='/depth')
    pose = replace(GEOMETRY.camera.extrinsics, pitch_rad=0.02)
    tilted = CameraGeometry(GEOMETRY.camera.calibration, pose)
    assert np.isnan(inputs.range.pitch_off_rad)
    inputs.callbacks['/depth'](depth())
    inputs.range.measure(IMAGE, inputs.params, tilted, LABELS)
    assert inputs.range.pitch_off_rad == pytest.approx(0.03, abs=0.002)
    assert inputs.range.values()['depth_ground_off'].endswith('+0.030 rad')


def test_good_clouds_measure_and_depth_comes_first():
    inputs = Inputs(front__depth_topic='/depth', front__points_topic='/points')
    both = inputs.measure(depth(), cloud())
    assert both.surface.ranges.source == 'depth' and both.fault == ''
    only = Inputs(front__depth_topic='/depth', front__points_topic='/points').measure(cloud())
    assert only.surface.ranges.source == 'lidar'
    assert only.fault == 'depth: nothing within 0.06 s of the image on /depth'
    values = inputs.range.values()
    assert values['points_matched_percent'] == values['depth_matched_percent'] == '100'


BAD_DEPTH = {
    'zeros': (depth(np.zeros_like(DEPTH_M)), 'no range in the image on /depth'),
    'another shape': (depth(DEPTH_M[:, :480]), '480x360'),
    'millimetres as metres': (depth(DEPTH_M * 1000), 'ground off by'),
    'metres as millimetres': (depth(DEPTH_M, encoding='16UC1'), 'ground off by'),
    'a colour image': (depth(encoding='32FC1'), "'rgb8', expected 16UC1"),
    'too late': (depth(header=stamped(100, 80_000_000, 'optical')), 'nothing within 0.06 s'),
    'another camera': (depth(header=stamped(100, frame_id='other')), "from 'other' to 'optical'"),
}
BAD_DEPTH['a colour image'][0].encoding = 'rgb8'


@pytest.mark.parametrize('name', BAD_DEPTH)
def test_bad_depth_is_left_out_and_said(name):
    message, text = BAD_DEPTH[name]
    found = Inputs(front__depth_topic='/depth').measure(message)
    assert found.surface is None
    assert found.fault.startswith('depth: ') and text in found.fault


@pytest.mark.parametrize('off_m', [0.0, 0.3])
def test_depth_of_a_frame_beside_the_colour_camera_is_not_registered(off_m):
    frames = FrameTree()
    frames.add(Link('optical', 'infra', Pose((off_m, 0.0, 0.0), STRAIGHT), 0.0, is_static=True))
    inputs = Inputs(frames, front__depth_topic='/depth')
    found = inputs.measure(depth(header=stamped(100, frame_id='infra')))
    assert (found.surface is None) is bool(off_m)
    assert ('0.300 m' in found.fault) is bool(off_m)


def test_depth_with_a_camera_info_of_its_own():
    """It is the sibling of the depth topic; half the size here."""
    inputs = Inputs(front__depth_topic='/cam/depth/image')
    inputs.callbacks['/depth'] = inputs.callbacks['/cam/depth/image']
    lens = GEOMETRY.camera.calibration.scaled((180, 320))
    info = CameraInfo(height=180, width=320, distortion_model='plumb_bob')
    info.k, info.r = lens.k.ravel(), np.eye(3).ravel()
    inputs.callbacks['/cam/depth/camera_info'](info)
    found = inputs.measure(depth(np.ascontiguousarray(DEPTH_M[::2, ::2])))
    assert found.fault == '' and found.surface.ranges.share > 0.5


def test_the_offset_moves_the_stamps():
    late = depth(header=stamped(100, 500_000_000, 'optical'))
    assert Inputs(front__depth_topic='/depth').measure(late).surface is None
    shifted = Inputs(front__depth_topic='/depth', front__range_offset_s=-0.5)
    assert shifted.measure(late).surface is not None


BAD_CLOUDS = {
    'no points': (cloud(POINTS[:0]), mounted(), 'no range in the image on /points'),
    'behind the camera': (cloud(POINTS[POINTS[:, 0] < 0]), mounted(), 'no range in the image'),
    'no TF': (cloud(), FrameTree(), "from 'lidar' to 'base_link'"),
    'stale TF': (cloud(), mounted(stamp_s=90), '10.0 s away from the image'),
    'TF that jumped': (cloud(), mounted((0.0, 0.0, 2.7)), 'ground off by +0.80 m'),
    'TF that jumped far': (cloud(), mounted((0.0, 0.0, 3.9)), 'points are in the sky'),
    'TF that tilted': (cloud(), None, 'check unit, frame_id and TF'),
    'without x': (cloud(), mounted(), "['u', 'y', 'z'], expected fields x, y and z"),
}
BAD_CLOUDS['without x'][0].fields[0].name = 'u'


@pytest.mark.parametrize('name', BAD_CLOUDS)
def test_bad_clouds_are_left_out_and_said(name):
    message, frames, text = BAD_CLOUDS[name]
    if frames is None:
        frames = FrameTree()
        tilted = Pose((0.0, 0.0, 1.9), (0.0, 0.13, 0.0, 0.9915))
        frames.add(Link('base_link', 'lidar', tilted, 100.0, is_static=True))
    found = Inputs(frames, front__points_topic='/points').measure(message)
    assert found.surface is None
    assert found.fault.startswith('points: ') and text in found.fault


def test_a_cloud_is_read_again_when_tf_moves():
    """TF that jumps back counts from the next cloud on."""
    inputs = Inputs(mounted((0.0, 0.0, 3.5)), front__points_topic='/points')
    early = cloud(header=stamped(100, 20_000_000, 'lidar'))
    assert inputs.measure(early).surface is None
    inputs.frames.add(next(iter(mounted()._links.values())))
    assert inputs.measure(cloud()).surface is not None


def test_heights_of_the_vehicle_are_parameters():
    inputs = Inputs(front__depth_topic='/depth')
    rules = replace(inputs.params.rules, range=replace(inputs.params.rules.range, tolerance_s=0.5))
    inputs.params = replace(inputs.params, rules=rules)
    late = depth(header=stamped(100, 400_000_000, 'optical'))
    assert inputs.measure(late).surface is not None
