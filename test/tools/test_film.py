# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The film plays in real time, and the sheet shows it evenly."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from seg_perception.core.errors import SourceError
from seg_perception.tools.film import FilmWriter, write_sheet

NS = 10**9


def grey(level: int, height: int = 96, width: int = 128) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def levels(path: Path) -> list[int]:
    capture = cv2.VideoCapture(str(path))
    found = []
    while (read := capture.read())[0]:
        found.append(round(float(read[1].mean()) / 20))
    capture.release()
    return found


def test_missing_pictures_are_filled_by_the_one_before(tmp_path: Path) -> None:
    film = FilmWriter(tmp_path / 'film.mp4', fps=10.0)
    start_ns = 1_700_000_000 * NS
    for place, level in ((0, 20), (1, 60), (4, 100), (5, 140)):
        film.add(start_ns + place * NS // 10, grey(level))
    film.close()
    assert levels(film.path) == [1, 3, 3, 3, 5, 7]
    places = [round((stamp - start_ns) / NS * 10) for stamp in film.stamps_ns]
    assert places == [0, 1, 1, 1, 4, 5]


def test_another_size_is_fitted_to_the_first(tmp_path: Path) -> None:
    film = FilmWriter(tmp_path / 'film.mp4', fps=10.0)
    film.add(0, grey(20))
    film.add(NS // 10, grey(60, 192, 256))
    film.close()
    assert levels(film.path) == [1, 3]


def test_no_picture_and_no_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r'film .*film.mp4.*got no picture'):
        FilmWriter(tmp_path / 'film.mp4', fps=10.0).close()
    film = FilmWriter(tmp_path / 'none' / 'film.mp4', fps=10.0)
    film.add(0, grey(20))
    with pytest.raises(SourceError, match='cannot be opened'):
        film.close()


def test_sheet_shows_the_middles_of_nine_parts(tmp_path: Path) -> None:
    film = FilmWriter(tmp_path / 'film.mp4', fps=10.0)
    for index in range(12):
        film.add(index * NS // 10, grey(20 * index))
    film.close()
    write_sheet(film.path, tmp_path / 'sheet.png', {})
    sheet = cv2.imread(str(tmp_path / 'sheet.png'))
    assert sheet.shape == (3 * (28 + 480), 3 * 640, 3)
    middles = [
        round(float(sheet[28 + 240 + 508 * row, 320 + 640 * column, 0]) / 20)
        for row in range(3)
        for column in range(3)
    ]
    assert middles == [0, 2, 3, 4, 6, 7, 8, 10, 11]
