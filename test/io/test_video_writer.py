# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""MP4 files joined without decoding, read back with OpenCV."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from seg_perception.core.errors import SourceError
from seg_perception.io.video_writer import join_movies


def write_movie(path: Path, first: int, count: int, noisy: bool) -> Path:
    """Frame i is of grey level 2 i; noise gives frames that need others to be decoded."""
    rng = np.random.default_rng(first)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 12.5, (64, 48))
    for i in range(first, first + count):
        noise = rng.integers(-3, 4, (48, 64, 3)) if noisy else 0
        writer.write((np.full((48, 64, 3), 2 * i + 10) + noise).astype(np.uint8))
    writer.release()
    return path


def levels(path: Path, start: int = 0) -> list[float]:
    capture = cv2.VideoCapture(str(path))
    capture.set(cv2.CAP_PROP_POS_FRAMES, start)
    found = []
    while (read := capture.read())[0]:
        found.append((read[1].mean() - 10) / 2)
    return found


@pytest.mark.parametrize('noisy', [True, False])
def test_frames_of_all_in_order(tmp_path: Path, noisy: bool) -> None:
    lengths, first, movies = (30, 1, 45), 0, []
    for i, count in enumerate(lengths):
        movies.append(write_movie(tmp_path / f'{i}.mp4', first, count, noisy))
        first += count
    joined = tmp_path / 'joined.mp4'
    join_movies(movies, joined)
    assert levels(joined) == pytest.approx(list(range(76)), abs=2.5)
    assert levels(joined, start=50) == pytest.approx(list(range(50, 76)), abs=2.5)
    capture = cv2.VideoCapture(str(joined))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 76
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(12.5)


def test_half_a_movie(tmp_path: Path) -> None:
    movie = write_movie(tmp_path / 'a.mp4', 0, 20, True)
    movie.write_bytes(movie.read_bytes()[:600])
    with pytest.raises(
        SourceError, match=r"a\.mp4': got no table of samples, expected a whole MP4"
    ):
        join_movies([movie, movie], tmp_path / 'joined.mp4')
