# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrations from and to CameraInfo messages."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from seg_perception.core.camera import Calibration


def to_camera_info(calibration: Calibration, header: Header) -> CameraInfo:
    """The CameraInfo of an image with this header."""
    info = CameraInfo(header=header, height=calibration.size[0], width=calibration.size[1])
    info.distortion_model = calibration.distortion_model
    info.d = list(calibration.d)
    info.k, info.r, info.p = (
        np.asarray(matrix, float).ravel()
        for matrix in (calibration.k, calibration.r, calibration.p)
    )
    return info


def from_camera_info(info: CameraInfo) -> Calibration:
    """
    The calibration of the images that come with a CameraInfo: of its region, binned as it says.

    :raises CalibrationError: when its numbers cannot be those of a camera.
    """
    roi, binning = info.roi, (max(1, info.binning_y), max(1, info.binning_x))
    shift = np.eye(3)
    shift[:2, 2] = -roi.x_offset, -roi.y_offset
    size = (roi.height or info.height, roi.width or info.width)
    whole = Calibration(
        size,
        shift @ np.array(info.k, float).reshape(3, 3),
        info.distortion_model,
        tuple(info.d),
        np.array(info.r, float).reshape(3, 3),
        shift @ np.array(info.p, float).reshape(3, 4),
    )
    return whole.scaled((size[0] // binning[0], size[1] // binning[1]))
