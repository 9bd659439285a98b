# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
What a camera has learned of itself, as a file.

The YAML file is the one that ``camera_calibration`` of ROS writes, with a group
``self_calibration`` in addition. The keys of the lens (``camera_matrix`` and others) are left out
where nobody has measured it. ``seg-perception calibrate`` and the node write such files; the
node, ``run`` and ``evaluate`` read them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from seg_perception.core.camera import Calibration
from seg_perception.core.errors import CalibrationError, SegPerceptionError, SourceError
from seg_perception.core.results import CalibrationState, OnlineCalibration, VanishingPoint
from seg_perception.core.settings import load
from seg_perception.io.atomic import write_text
from seg_perception.io.camera_info import calibration_from, to_mapping
from seg_perception.io.yaml_file import read_mapping

FORMAT = 1
_GROUP, _MEMORY, _PNG = 'self_calibration', 'memory', 'png'
_FIX = 'Delete the file, or write it with: seg-perception calibrate.'


@dataclass(frozen=True, eq=False)
class CalibrationFile:
    """
    The calibration of one camera.

    :param size: (height, width) of its images.
    :param lens: what is known of the lens; None where nobody has measured it.
    :param online: what the camera has learned; None in a file of ``camera_calibration``.
    :param memory: of the estimator, which goes on from there; empty when it is not kept.
    """

    size: tuple[int, int]
    lens: Calibration | None = None
    online: OnlineCalibration | None = None
    memory: Mapping[str, Any] = field(default_factory=dict)

    def check_fits(self, size: tuple[int, int], lens: Calibration | None) -> None:
        """
        Refuse a camera with images (H, W) of another shape, or with another lens.

        :raises CalibrationError: when it is another camera.
        """
        (height, width), (own_height, own_width) = size, self.size
        if abs(height * own_width - width * own_height) > max(own_height, own_width):
            seen = f'one for {own_width}x{own_height} pixels with an image of {width}x{height}'
            raise CalibrationError('self-calibration', seen, 'one for images of this shape', _FIX)
        if self.lens is not None and lens is not None and self.lens.scaled(size) != lens:
            own, other = (calibration.k[0, 0] for calibration in (self.lens.scaled(size), lens))
            seen = f'one for another lens, of focal length {own:.1f} px'
            expected = f'one for this camera_info, of {other:.1f} px'
            raise CalibrationError('self-calibration', seen, expected, _FIX)


def read_calibration_file(path: Path) -> CalibrationFile:
    """
    Read a file of ``seg-perception calibrate``, of the node or of ``camera_calibration``.

    :raises SourceError: when the file is missing, damaged or lacks a field.
    :raises CalibrationError: when its numbers cannot be those of a camera.
    """
    what = 'calibration file'
    thing, data = f'{what} {str(path)!r}', read_mapping(path, what)
    learned = data.get(_GROUP)
    if learned is None:
        only = calibration_from(thing, data)
        return CalibrationFile(only.size, only)
    lens = calibration_from(thing, data) if 'camera_matrix' in data else None
    try:
        if learned['format'] != FORMAT:
            raise ValueError(f'format {learned["format"]!r}')
        size = int(data['image_height']), int(data['image_width'])
        if min(size) < 1:
            raise ValueError(f'an image of {size[1]}x{size[0]}')
        return CalibrationFile(size, lens, _online(learned, thing), _arrays(learned[_MEMORY]))
    except (KeyError, TypeError, ValueError, SourceError) as error:
        seen = str(error) if isinstance(error, SegPerceptionError) else repr(error)
        expected = f'image_width, image_height and {_GROUP} of format {FORMAT}'
        raise SourceError(thing, seen, expected, _FIX) from error


def write_calibration_file(path: Path, file: CalibrationFile) -> None:
    """
    Write the file; an old one is replaced as a whole.

    :raises OutputError: when it cannot be written; the old file stays.
    """
    data: dict[str, Any] = {'image_width': file.size[1], 'image_height': file.size[0]}
    if file.lens is not None:
        data |= to_mapping(file.lens)
    if file.online is not None:
        learned = {**_plain(file.online), _MEMORY: _plain(file.memory)}
        learned['format'] = FORMAT  # last: a file that was cut short lacks it
        data |= {_GROUP: learned}
    write_text(path, yaml.safe_dump(data, sort_keys=False, default_flow_style=None))


def _online(learned: Mapping[str, Any], thing: str) -> OnlineCalibration:
    names = [row.name for row in fields(OnlineCalibration)]
    known = {name: _arrays(learned[name]) for name in names}
    known['state'] = CalibrationState[known['state']]
    online = load(OnlineCalibration, known, f'{thing}:', error=SourceError)
    for name, value in vars(online.vanishing_point or VanishingPoint(0.5, 0.5)).items():
        if not isfinite(value):
            raise ValueError(f'{name} {value}')
    return online


def _plain(tree: Any) -> Any:
    """In types of YAML; masks as PNG."""
    if isinstance(tree, CalibrationState):
        return tree.name
    if is_dataclass(tree):
        return {row.name: _plain(getattr(tree, row.name)) for row in fields(tree)}
    if isinstance(tree, Mapping):
        return {key: _plain(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_plain(value) for value in tree]
    if isinstance(tree, np.ndarray) and tree.dtype == np.uint8 and tree.ndim == 2:
        return {_PNG: base64.b64encode(cv2.imencode('.png', tree)[1].tobytes()).decode()}
    return tree.tolist() if isinstance(tree, np.ndarray | np.generic) else tree


def _arrays(tree: Any) -> Any:
    """The inverse of ``_plain``, as far as masks go."""
    if isinstance(tree, dict):
        if tree.keys() == {_PNG}:
            data = np.frombuffer(base64.b64decode(tree[_PNG], validate=True), np.uint8)
            mask = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
            if mask is None:
                raise ValueError('a mask that is no PNG')
            return mask
        return {key: _arrays(value) for key, value in tree.items()}
    return [_arrays(value) for value in tree] if isinstance(tree, list) else tree
