# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A drive through the canyon in colours that the tiny model tells apart."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from canyon import Drive, frames, pinhole
from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.classes import CAMVID_11
from tiny_bags import CAMERA_INFO, COMPRESSED, NS, START_NS, Make, Row, write_bag

LENS = pinhole(0.8, (180, 320))
POSE = Extrinsics(1.5, 0.05, 0.0, 0.03)
CALIBRATED_S = 16.0  # after which the camera of such a drive is calibrated
TOPIC, INFO_TOPIC = '/camera/front/image_raw/compressed', '/camera/front/camera_info'
_CONTRAST = 0.3  # of the texture: with more, colours would be nearer to those of other classes
_PALETTE = np.array([row.rgb for row in CAMVID_11.classes], float)


def drive(
    seconds: float = CALIBRATED_S,
    lens: Calibration = LENS,
    pose: Extrinsics = POSE,
    start_s: float = 1000.0,
) -> Iterator[tuple[np.ndarray, float]]:
    """RGB images (H, W, 3) at 10 Hz and their stamps."""
    for rgb, labels, stamp_s in frames(lens, pose, Drive(fps=10.0), seconds, start_s):
        texture = _CONTRAST * (rgb.astype(float) - 128)
        yield np.clip(_PALETTE[labels] + texture, 0, 255).astype(np.uint8), stamp_s


def write_drive(
    path: Path, seconds: float = CALIBRATED_S, with_info: bool = True, pose: Extrinsics = POSE
) -> Path:
    """A bag of such a drive: JPEG, and the CameraInfo of its lens."""
    rows: list[Row] = []
    if with_info:
        focal, size = float(LENS.k[0, 0]), LENS.size
        rows.append(
            (INFO_TOPIC, CAMERA_INFO, START_NS, lambda make: make.info(focal, START_NS, size))
        )
    for rgb, stamp_s in drive(seconds, pose=pose, start_s=0.0):
        at_ns = START_NS + round(stamp_s * NS)
        bgr = np.ascontiguousarray(rgb[..., ::-1])
        rows.append((TOPIC, COMPRESSED, at_ns, partial(Make.jpeg, bgr=bgr, stamp_ns=at_ns)))
    return write_bag(path, rows)
