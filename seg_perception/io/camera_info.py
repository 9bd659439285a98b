# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Calibrations from CameraInfo messages, of rclpy and of bags alike, and from YAML files.

The files are those that ``camera_calibration`` of ROS writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seg_perception.core.camera import Calibration
from seg_perception.core.camera_geometry import Missing
from seg_perception.core.errors import CalibrationError, SourceError
from seg_perception.io.yaml_file import read_mapping

Numbers = tuple[Any, ...]
_TRANSPORTS = ('compressed', 'theora', 'ffmpeg', 'foxglove', 'zstd', 'avif')  # of image_transport
_RECTIFIED = re.compile(r'(?:^|_)rect(?:ified)?(?:_|$)')
_NOT_RECTIFIED = re.compile(r'(?:^|_)(?:un|non|not|no)_?rect(?:ified)?(?:_|$)')
_MATRICES = {'camera_matrix': 3, 'rectification_matrix': 3, 'projection_matrix': 4}  # columns


def numbers_of(info: Any) -> Numbers:
    """
    The numbers of a CameraInfo: equal when the calibration is the same.

    :param info: has the fields of the message; ROS 1 has capital letters for D, K, R and P.
    """
    matrices = (getattr(info, name) for name in ('dkrp' if hasattr(info, 'k') else 'DKRP'))
    d, k, r, p = (tuple(float(value) for value in matrix) for matrix in matrices)
    roi = info.roi
    return (
        (int(info.height), int(info.width)),
        (int(info.binning_y), int(info.binning_x)),
        (int(roi.y_offset), int(roi.x_offset), int(roi.height), int(roi.width)),
        str(info.distortion_model),
        *(d, k, r, p),
    )


def is_rectified(topic: str) -> bool:
    """Whether a topic is named as those of rectified images are, such as ``image_rect_color``."""
    words = [word for word in topic.lower().split('/') if word and word not in _TRANSPORTS]
    # rect/image is rectified and so is image_rect_raw of RealSense; rect/image_raw is not.
    tail = words[-1:] if words and 'raw' in words[-1].split('_') else words[-2:]
    return any(_RECTIFIED.search(word) and not _NOT_RECTIFIED.search(word) for word in tail)


def calibration_of(numbers: Numbers, rectified: bool = False) -> Calibration | Missing:
    """
    The calibration of the images that come with a CameraInfo: of its region, binned as it says.

    ``Missing`` says why there is none: drivers fill K with zeros where nobody has calibrated.

    :param rectified: the images are: P holds, without distortion and without any need of K.
    """
    (height, width), binning, (top, left, *region), model, d, k, r, p = numbers
    if rectified and (any(p) or any(d)):  # a driver without distortion may fill K alone
        k, d = (*p[:3], *p[4:7], *p[8:11]), ()
    if not any(k):
        name = 'P' if rectified else 'K'
        return Missing(f'not calibrated: the {name} of camera_info is zero')
    shift = np.eye(3)
    shift[:2, 2] = -left, -top
    size = region[0] or height, region[1] or width
    binned = size[0] // max(1, binning[0]), size[1] // max(1, binning[1])
    try:
        with np.errstate(invalid='ignore'):  # infinities are refused below
            k, p = shift @ np.reshape(k, (3, 3)), shift @ np.reshape(p, (3, 4))
        whole = Calibration(size, k, model, d, np.reshape(r, (3, 3)), p)
        return whole.scaled(binned)
    except CalibrationError as error:
        return Missing(f'calibration: {error}', is_fault=True)


def read_calibration(path: Path | str) -> Calibration:
    """
    Read a YAML file as ``camera_calibration`` writes it.

    :raises SourceError: when the file is missing, is no YAML or lacks a field.
    :raises CalibrationError: when its numbers cannot be those of a camera.
    """
    what = 'calibration file'
    return calibration_from(f'{what} {str(path)!r}', read_mapping(Path(path), what))


def to_mapping(calibration: Calibration) -> dict[str, Any]:
    """The keys and values of such a file."""
    numbers = {'distortion_coefficients': np.array([calibration.d])}
    for name, matrix in zip(_MATRICES, (calibration.k, calibration.r, calibration.p), strict=True):
        numbers[name] = np.asarray(matrix, float)
    return {
        'image_width': calibration.size[1],
        'image_height': calibration.size[0],
        'distortion_model': calibration.distortion_model,
        **{
            name: {'rows': len(values), 'cols': values.shape[1], 'data': values.ravel().tolist()}
            for name, values in numbers.items()
        },
    }


def calibration_from(thing: str, data: Mapping[str, Any]) -> Calibration:
    """
    The calibration that such keys and values give.

    :param thing: what they are, for error texts.
    :raises SegPerceptionError: as ``read_calibration`` does.
    """
    try:
        size = (int(data['image_height']), int(data['image_width']))
        model = str(data['distortion_model'])
        distortion = tuple(float(value) for value in data['distortion_coefficients']['data'])
        k, r, p = (
            np.array(data[name]['data'], float).reshape(3, columns)
            for name, columns in _MATRICES.items()
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(
            thing,
            f'{type(error).__name__}: {error}',
            'image_width, image_height, distortion_model, distortion_coefficients and '
            + ', '.join(_MATRICES),
            'Write it with: ros2 run camera_calibration cameracalibrator.',
        ) from error
    try:
        return Calibration(size, k, model, distortion, r, p)
    except CalibrationError as error:
        raise CalibrationError(
            f'{thing}: {error.thing}', error.seen, error.expected, error.fix
        ) from error
