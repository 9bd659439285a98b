# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Camera calibration: the YAML files of ROS ``camera_calibration`` and CameraInfo messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from seg_perception.core.errors import SourceError


@dataclass(frozen=True)
class Calibration:
    """A calibrated camera; matrices as in CameraInfo, pixels of ``size`` (height, width)."""

    size: tuple[int, int]
    k: np.ndarray  # (3, 3)
    distortion_model: str
    d: tuple[float, ...]
    r: np.ndarray  # (3, 3)
    p: np.ndarray  # (3, 4)

    @classmethod
    def pinhole(cls, k: np.ndarray, size: tuple[int, int]) -> Calibration:
        """A camera without distortion."""
        p = np.hstack([k, np.zeros((3, 1))])
        return cls(size, np.asarray(k, float), 'plumb_bob', (0.0,) * 5, np.eye(3), p)

    def scaled(self, size: tuple[int, int]) -> Calibration:
        """The same camera after its images were resized to ``size``."""
        if size == self.size:
            return self
        sy, sx = size[0] / self.size[0], size[1] / self.size[1]
        # A resize keeps the image's edges, and pixel centres lie half a pixel inside of them.
        scale = np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]])
        return Calibration(
            size, scale @ self.k, self.distortion_model, self.d, self.r, scale @ self.p
        )

    def to_msg(self, header: Header) -> CameraInfo:
        """The CameraInfo of an image with this header."""
        info = CameraInfo(header=header, height=self.size[0], width=self.size[1])
        info.distortion_model = self.distortion_model
        info.d = list(self.d)
        info.k, info.r, info.p = self.k.ravel(), self.r.ravel(), self.p.ravel()
        return info


def read_calibration(path: Path | str) -> Calibration:
    """
    Read a YAML file as ``camera_calibration`` writes it.

    :raises SourceError: when the file is missing, is no YAML or lacks a field.
    """
    thing = f'calibration file {str(path)!r}'
    try:
        data = yaml.safe_load(Path(path).read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(thing, error, 'a readable file', 'Check the path.') from error
    except yaml.YAMLError as error:
        raise SourceError(thing, ' '.join(str(error).split()), 'YAML') from error
    if not isinstance(data, dict):
        raise SourceError(thing, type(data).__name__, 'a YAML mapping with camera_matrix and more')
    return _from_yaml(thing, data)


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
    if min(size) <= 0 or k[0, 0] <= 0 or k[1, 1] <= 0:
        raise SourceError(thing, f'size {size}, K {k.tolist()}', 'a size and focal lengths > 0')
    return Calibration(size, k, model, distortion, r, p)


_MATRICES = {'camera_matrix': 3, 'rectification_matrix': 3, 'projection_matrix': 4}
