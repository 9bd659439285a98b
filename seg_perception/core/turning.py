# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Cameras that hang upside down or lie on their side: their images are turned upright and back.

A network knows upright streets alone. Turns are quarter turns clockwise, 0 to 3; geometry and
everything found with it are those of the upright image, and answers are turned back.
"""

from __future__ import annotations

from dataclasses import replace
from math import cos, pi

import cv2
import numpy as np

from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.errors import CalibrationError
from seg_perception.core.results import Box, DrivableArea, LabelledImage, SafetyRisk, SceneRecord

_CODES = {1: cv2.ROTATE_90_CLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_COUNTERCLOCKWISE}
_STEEP = 0.5  # cosine of the pitch from which a camera that looks down has no upright


def turns_of(extrinsics: Extrinsics) -> int:
    """The turns that bring the image of a camera upright, by its roll to the nearest quarter."""
    if cos(extrinsics.pitch_rad) < _STEEP:
        return 0
    return round(extrinsics.roll_rad / (pi / 2)) % 4


def turn_size(size: tuple[int, int], turns: int) -> tuple[int, int]:
    """(height, width) after the turns."""
    return size[::-1] if turns % 2 else size


def turn_image(pixels: np.ndarray, turns: int) -> np.ndarray:
    """An image (H, W) or (H, W, C) uint8 after the turns."""
    return np.asarray(cv2.rotate(pixels, _CODES[turns % 4])) if turns % 4 else pixels


def turn_extrinsics(extrinsics: Extrinsics, turns: int) -> Extrinsics:
    """Those of the camera whose images are the turned ones."""
    roll = extrinsics.roll_rad - turns * pi / 2
    return replace(extrinsics, roll_rad=(roll + pi) % (2 * pi) - pi) if turns % 4 else extrinsics


def turn_calibration(calibration: Calibration, turns: int) -> Calibration:
    """
    That of the turned images.

    :raises CalibrationError: when the sensor is tilted against its lens, which OpenCV's model
        cannot say of a turned one.
    """
    for _ in range(turns % 4):
        calibration = _turn_lens(calibration)
    return calibration


def turn_record(record: SceneRecord, turns: int) -> SceneRecord:
    """What is said of a frame in the pixels of the turned image; metres and risk stay."""
    if not turns % 4:
        return record
    return replace(
        record,
        labels=turn_image(record.labels, turns),
        confidence=turn_image(record.confidence, turns),
        area=_turn_area(record.area, turns),
        risk=_turn_boxes(record.risk, (record.labels.shape[0], record.labels.shape[1]), turns),
        cloud=None if record.cloud is None else turn_cloud(record.cloud, turns),
    )


def turn_cloud(cloud: LabelledImage, turns: int) -> LabelledImage:
    """A labelled image in the pixels of the turned image; its places stay."""
    labels, confidence, *xyz = (
        turn_image(part, turns) for part in (cloud.labels, cloud.confidence, *cloud.xyz_m)
    )
    return LabelledImage(labels, confidence, np.stack(xyz), turn_calibration(cloud.lens, turns))


def _turn_lens(calibration: Calibration) -> Calibration:
    """One turn: what was up is on the right, x is -y and y is x of before."""
    d = np.zeros(14)
    d[: len(calibration.d)] = calibration.d
    if d[12:].any():
        seen, expected = (
            f'tilt {d[12]:g}, {d[13]:g} of the sensor',
            'none for a camera that is turned',
        )
        raise CalibrationError('calibration D', seen, expected)
    if not calibration.is_fisheye:
        d[2], d[3] = d[3], -d[2]
        d[8:12] = -d[10], -d[11], d[8], d[9]
    pixels = np.array([[0.0, -1.0, calibration.size[0] - 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    axes = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    return replace(
        calibration,
        size=calibration.size[::-1],
        k=pixels @ calibration.k @ axes,
        d=tuple(d[: len(calibration.d)].tolist()),
        p=pixels @ calibration.p @ np.block([[axes, np.zeros((3, 1))], [np.zeros((1, 3)), 1.0]]),
    )


def _turn_boxes(risk: SafetyRisk, size: tuple[int, int], turns: int) -> SafetyRisk:
    """A risk of an image (H, W) with the boxes of its hazards after the turns."""

    def turned(box: Box) -> Box:
        height, width = size
        for _ in range(turns % 4):
            box = Box(height - box.top - box.height, box.left, box.height, box.width)
            height, width = width, height
        return box

    hazards = (replace(each, box=turned(each.box)) for each in risk.hazards)
    return replace(risk, hazards=tuple(hazards))


def _turn_area(area: DrivableArea, turns: int) -> DrivableArea:
    (height, width), other = area.mask.shape, area.mask_alternative
    columns, rows = area.boundary_columns, np.clip(area.boundary_rows, 0, height - 1)
    for _ in range(turns % 4):
        columns, rows = height - 1 - rows, columns
        height, width = width, height
    order = np.argsort(columns, kind='stable')
    kept = {
        name: getattr(area, name)[order]
        for name in ('boundary_class_ids', 'boundary_flags')
        if len(getattr(area, name)) == len(order)
    }
    return replace(
        area,
        mask=turn_image(area.mask, turns),
        mask_alternative=None if other is None else turn_image(other, turns),
        boundary_columns=columns[order].astype(np.int32),
        boundary_rows=rows[order].astype(np.int32),
        **kept,
    )
