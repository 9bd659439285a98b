# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One reader for the messages of rclpy and of bags of ROS 1 and 2."""

from __future__ import annotations

from math import inf, nan
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from seg_perception.core.camera import Calibration
from seg_perception.core.camera_geometry import Missing
from seg_perception.io.camera_info import calibration_of, is_rectified, numbers_of

K = [600.0, 0.0, 320.0, 0.0, 610.0, 240.0, 0.0, 0.0, 1.0]
P = [580.0, 0.0, 322.0, 0.0, 0.0, 590.0, 242.0, 0.0, 0.0, 0.0, 1.0, 0.0]
WHOLE = {'x_offset': 0, 'y_offset': 0, 'height': 0, 'width': 0}


def info(roi: dict[str, int] = WHOLE, binning: int = 0, **fields: object) -> SimpleNamespace:
    values = {
        'height': 480, 'width': 640, 'distortion_model': 'plumb_bob', 'binning_x': binning,
        'binning_y': binning, 'd': [0.1, -0.2, 0.001, 0.002, 0.0], 'k': K,
        'r': np.eye(3).ravel(), 'p': np.array(P), 'roi': SimpleNamespace(**WHOLE | roi),
    }  # fmt: skip
    return SimpleNamespace(**values | fields)


def read(message: Any) -> Calibration:
    calibration = calibration_of(numbers_of(message))
    assert isinstance(calibration, Calibration)
    return calibration


def test_numbers_of_the_message() -> None:
    calibration = read(info())
    assert calibration.size == (480, 640) and calibration.distortion_model == 'plumb_bob'
    assert calibration.k.ravel().tolist() == K and calibration.p.ravel().tolist() == P
    assert calibration.d == (0.1, -0.2, 0.001, 0.002, 0.0)


def test_capital_letters_of_ros_1() -> None:
    fields = vars(info())
    old = SimpleNamespace(**{key.upper() if key in 'dkrp' else key: fields[key] for key in fields})
    assert read(old) == read(info())


def test_region_and_binning() -> None:
    region = {'x_offset': 100, 'y_offset': 40, 'width': 400, 'height': 300}
    calibration = read(info(region, binning=2))
    assert calibration.size == (150, 200)
    # (320 - 100 + 0.5) / 2 - 0.5 and (240 - 40 + 0.5) / 2 - 0.5: edges stay edges.
    assert calibration.k.tolist() == [[300, 0, 109.75], [0, 305, 99.75], [0, 0, 1]]
    assert calibration.p[:, 2].tolist() == [110.75, 100.75, 1]


@pytest.mark.parametrize('change', [
    {'height': 481}, {'binning': 2}, {'roi': {'x_offset': 1}}, {'k': [601.0, *K[1:]]},
    {'d': [0.1]}, {'distortion_model': 'equidistant'}, {'p': [581.0, *P[1:]]},
])  # fmt: skip
def test_every_field_makes_it_another_calibration(change: dict[str, Any]) -> None:
    assert numbers_of(info(**change)) != numbers_of(info())


def test_zeros_say_that_nobody_has_calibrated() -> None:
    assert calibration_of(numbers_of(info(k=[0.0] * 9, p=[0.0] * 12, d=[]))) == Missing(
        'not calibrated: the K of camera_info is zero'
    )


def test_numbers_that_cannot_be_are_a_fault() -> None:
    missing = calibration_of(numbers_of(info(k=[-1.0, *K[1:]])))
    assert isinstance(missing, Missing) and missing.is_fault
    assert missing.reason.startswith('calibration: calibration K: got [[-1.0, 0.0, 320.0]')


@pytest.mark.parametrize('topic', [
    '/cam/image_rect', '/cam/image_rect_color', '/cam/image_rect/compressed', '/a/Image_Rect_Raw',
    '/zed/rgb/color/rect/image', '/left/image_rectified', '/left/rectified/image', '/image_rect',
    '/cam/image_rect_color/theora',
])  # fmt: skip
def test_topics_of_rectified_images(topic: str) -> None:
    assert is_rectified(topic)


@pytest.mark.parametrize('topic', [
    '/cam/image_raw', '/cam/image_raw/compressed', '/rect/front/image_raw', '/rect/image_raw',
    '/cam/image_unrectified', '/cam/image_not_rectified', '/direct/image',
    '/correction/image_color', '/rectangle/image', '',
])  # fmt: skip
def test_topics_of_other_images(topic: str) -> None:
    assert not is_rectified(topic)


def rectified(**fields: object) -> Calibration | Missing:
    return calibration_of(numbers_of(info(**fields)), rectified=True)


def test_p_alone_holds_for_rectified_images() -> None:
    for k in (K, [0.0] * 9, [nan, *K[1:]]):
        calibration = rectified(k=k)
        assert isinstance(calibration, Calibration) and not any(calibration.d)
        assert calibration.k.tolist() == [[580, 0, 322], [0, 590, 242], [0, 0, 1]]


def test_rectified_images_without_p() -> None:
    """A driver that knows no distortion may fill K alone; else nothing is known of them."""
    calibration = rectified(p=[0.0] * 12, d=[0.0] * 5)
    assert isinstance(calibration, Calibration) and calibration.k.ravel().tolist() == K
    assert rectified(p=[0.0] * 12) == Missing('not calibrated: the P of camera_info is zero')


@pytest.mark.parametrize('k', [
    [600.0, 0, 320, 0, 610, 240, 0, 0, 0],  # the last row
    [600.0, 0, 0, 0, 610, 0, 320, 240, 1],  # transposed
    [0.94, 0, 0.5, 0, 1.27, 0.5, 0, 0, 1],  # in shares of the image
    [1e300, 0, 320, 0, 610, 240, 0, 0, 1],
    [inf, 0, 320, 0, 610, 240, 0, 0, 1],
])  # fmt: skip
def test_matrices_that_cannot_project_are_refused_with_their_numbers(k: list[float]) -> None:
    missing = calibration_of(numbers_of(info(k=k)))
    assert isinstance(missing, Missing) and missing.is_fault
    assert missing.reason.startswith('calibration: calibration K: got [[')
