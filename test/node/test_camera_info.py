# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from seg_perception.core.camera import Calibration
from seg_perception.core.errors import CalibrationError
from seg_perception.node.camera_info import from_camera_info, to_camera_info

K = [600.0, 0.0, 320.0, 0.0, 610.0, 240.0, 0.0, 0.0, 1.0]
P = [580.0, 0.0, 322.0, 0.0, 0.0, 590.0, 242.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def info(**fields: object) -> CameraInfo:
    values = {
        'height': 480, 'width': 640, 'distortion_model': 'plumb_bob',
        'd': [0.1, -0.2, 0.001, 0.002, 0.0], 'k': K, 'r': np.eye(3).ravel(), 'p': P,
    }  # fmt: skip
    return CameraInfo(**values | fields)


def test_numbers_of_the_message() -> None:
    calibration = from_camera_info(info())
    assert calibration.size == (480, 640) and calibration.distortion_model == 'plumb_bob'
    assert calibration.k.ravel().tolist() == K and calibration.p.ravel().tolist() == P
    assert calibration.d == (0.1, -0.2, 0.001, 0.002, 0.0)


def test_there_and_back() -> None:
    header = Header(frame_id='front_optical')
    message = to_camera_info(from_camera_info(info()), header)
    assert message.header.frame_id == 'front_optical'
    assert (message.height, message.width) == (480, 640)
    assert message.k.tolist() == K and message.p.tolist() == P and len(message.d) == 5


def test_region_and_binning() -> None:
    message = info(binning_x=2, binning_y=2)
    message.roi.x_offset, message.roi.y_offset = 100, 40
    message.roi.width, message.roi.height = 400, 300
    calibration = from_camera_info(message)
    assert calibration.size == (150, 200)
    # (320 - 100 + 0.5) / 2 - 0.5 and (240 - 40 + 0.5) / 2 - 0.5: edges stay edges.
    assert calibration.k.tolist() == [[300, 0, 109.75], [0, 305, 99.75], [0, 0, 1]]


def test_an_uncalibrated_camera_is_refused() -> None:
    with pytest.raises(CalibrationError, match=r'K: .*zeros in its camera_info: calib'):
        from_camera_info(info(k=[0.0] * 9, p=[0.0] * 12, d=[]))


def test_a_pinhole_has_zero_distortion() -> None:
    message = to_camera_info(Calibration.pinhole(np.array(K).reshape(3, 3), (480, 640)), Header())
    assert list(message.d) == [0.0] * 5 and message.p.tolist()[:3] == K[:3]
