# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from seg_perception.core.camera import Calibration
from seg_perception.io.camera_info import calibration_of, numbers_of
from seg_perception.node.camera_info import to_camera_info

K = [600.0, 0.0, 320.0, 0.0, 610.0, 240.0, 0.0, 0.0, 1.0]
P = [580.0, 0.0, 322.0, 0.0, 0.0, 590.0, 242.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def info(**fields: object) -> CameraInfo:
    values = {
        'height': 480, 'width': 640, 'distortion_model': 'plumb_bob',
        'd': [0.1, -0.2, 0.001, 0.002, 0.0], 'k': K, 'r': np.eye(3).ravel(), 'p': P,
    }  # fmt: skip
    return CameraInfo(**values | fields)


def test_there_and_back() -> None:
    header = Header(frame_id='front_optical')
    calibration = calibration_of(numbers_of(info()))
    assert isinstance(calibration, Calibration)
    message = to_camera_info(calibration, header)
    assert message.header.frame_id == 'front_optical'
    assert (message.height, message.width) == (480, 640)
    assert message.k.tolist() == K and message.p.tolist() == P and len(message.d) == 5


def test_a_pinhole_has_zero_distortion() -> None:
    message = to_camera_info(Calibration.pinhole(np.array(K).reshape(3, 3), (480, 640)), Header())
    assert list(message.d) == [0.0] * 5 and message.p.tolist()[:3] == K[:3]
