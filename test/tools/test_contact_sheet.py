# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The contact sheet shows a video evenly."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from seg_perception.io.video_writer import VideoWriter
from seg_perception.tools.contact_sheet import write_sheet


def test_sheet_shows_the_middles_of_nine_parts(tmp_path: Path) -> None:
    video = VideoWriter(tmp_path / 'video.mp4', 10.0, (96, 128))
    for index in range(12):
        video.write(np.full((96, 128, 3), 20 * index, np.uint8))
    video.close()
    write_sheet(video.path, tmp_path / 'sheet.png', {})
    sheet = cv2.imread(str(tmp_path / 'sheet.png'))
    assert sheet.shape == (3 * (28 + 480), 3 * 640, 3)
    middles = [
        round(float(sheet[28 + 240 + 508 * row, 320 + 640 * column, 0]) / 20)
        for row in range(3)
        for column in range(3)
    ]
    assert middles == [0, 2, 3, 4, 6, 7, 8, 10, 11]
