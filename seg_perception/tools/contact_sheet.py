# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A contact sheet of a video."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from seg_perception.io.atomic import write_image
from seg_perception.io.video_reader import read_video, scan_video

SHEET_ROWS, SHEET_COLUMNS = 3, 3
TILE_WIDTH, CAPTION_HEIGHT = 640, 28


def write_sheet(video: Path, sheet: Path, captions: Mapping[int, str]) -> None:
    """
    Nine frames of a video, evenly spaced, each under its caption.

    :param captions: texts by frame number.
    :raises SourceError: when the video cannot be read or the sheet cannot be written.
    """
    images = _pick(video, SHEET_ROWS * SHEET_COLUMNS)
    tiles = [_tile(bgr, captions.get(index, '')) for index, bgr in images]
    tiles += [np.zeros_like(tiles[0])] * (SHEET_ROWS * SHEET_COLUMNS - len(tiles))
    rows = [
        np.hstack(tiles[start : start + SHEET_COLUMNS])
        for start in range(0, len(tiles), SHEET_COLUMNS)
    ]
    write_image(sheet, np.vstack(rows))


def _pick(video: Path, count: int) -> list[tuple[int, np.ndarray]]:
    total = scan_video(video).frames
    # The middles of equal parts: the first and last frame say least.
    wanted = {int((part + 0.5) * total / count) for part in range(count)}
    return [(frame.index, frame.bgr) for frame in read_video(video) if frame.index in wanted]


def _tile(bgr: np.ndarray, caption: str) -> np.ndarray:
    height = round(bgr.shape[0] * TILE_WIDTH / bgr.shape[1])
    tile = np.zeros((CAPTION_HEIGHT + height, TILE_WIDTH, 3), np.uint8)
    tile[CAPTION_HEIGHT:] = cv2.resize(bgr, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA)
    place = (8, CAPTION_HEIGHT - 9)
    white = (255, 255, 255)
    cv2.putText(tile, caption, place, cv2.FONT_HERSHEY_SIMPLEX, 0.55, white, 1, cv2.LINE_AA)
    return tile
