# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrations from YAML files, as ``camera_calibration`` of ROS writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seg_perception.core.camera import Calibration
from seg_perception.core.errors import CalibrationError, SourceError
from seg_perception.io.yaml_file import read_mapping

_MATRICES = {'camera_matrix': 3, 'rectification_matrix': 3, 'projection_matrix': 4}  # columns


def read_calibration(path: Path | str) -> Calibration:
    """
    Read a YAML file as ``camera_calibration`` writes it.

    :raises SourceError: when the file is missing, is no YAML or lacks a field.
    :raises CalibrationError: when its numbers cannot be those of a camera.
    """
    what = 'calibration file'
    return _from_yaml(f'{what} {str(path)!r}', read_mapping(Path(path), what))


def _from_yaml(thing: str, data: Mapping[str, Any]) -> Calibration:
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
