# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Horizons of real drives against marks by hand; skipped where the videos are not at hand."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_trees import SHARED
from seg_perception.core.classes import CAMVID_11, UNLABELED
from seg_perception.core.results import CalibrationState
from seg_perception.core.self_calibration import SelfCalibrator

FILE = Path(__file__).parents[1] / 'fixtures/horizon_marks.json'
MARKS = {name: rows for name, rows in json.loads(FILE.read_text()).items() if name != 'about'}

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not (SHARED / 'videos').is_dir(), reason='no real videos in ../shared/data')
@pytest.mark.parametrize('name', MARKS)
def test_horizon_of_a_real_drive(name) -> None:
    """No labels are given: what moves by itself has to be left out without them, too."""
    capture = cv2.VideoCapture(str(SHARED / 'videos' / f'{name}.mp4'))
    fps, calibrator = capture.get(cv2.CAP_PROP_FPS), SelfCalibrator()
    nothing, rows = np.full((90, 160), UNLABELED, np.uint8), []
    while (image := capture.read())[0]:
        stamp_s = len(rows) / fps
        calibrator.update(image[1], 'bgr', nothing, CAMVID_11, stamp_s)
        point = calibrator.online.vanishing_point
        rows.append(point.row if point else np.nan)
    found = calibrator.online
    assert found.state in (CalibrationState.CALIBRATING, CalibrationState.CALIBRATED)
    marks = list(MARKS[name].values())
    assert abs(found.vanishing_point.row - np.mean(marks)) < 0.02
    assert found.vanishing_point.row_std < 0.01
    early = round(2.0 * fps)
    assert abs(rows[early] - np.mean(marks)) < 0.03
