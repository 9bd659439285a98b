# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrations as CameraInfo messages; ``io.camera_info`` reads them."""

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
