# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A film of stamped pictures that plays in real time, and a contact sheet of it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from seg_perception.core.errors import SourceError

SHEET_ROWS, SHEET_COLUMNS = 3, 3
TILE_WIDTH, CAPTION_HEIGHT = 640, 28


class FilmWriter:
    """
    Writes an MP4 in a thread of its own. Missing pictures are filled by the one before.

    ``stamps_ns`` holds, for each frame of the closed film, the stamp of the picture it shows.

    :param path: the file to write.
    :param fps: frames per second of the film.
    :param depth: pictures that may wait; one that comes when they do is left out.
    """

    def __init__(self, path: Path, fps: float, depth: int = 32) -> None:
        self.path, self.stamps_ns, self.left_out = path, list[int](), 0
        self._fps = fps
        self._writer: cv2.VideoWriter | None = None
        self._first_ns = 0
        self._size = (0, 0)
        self._last: tuple[int, np.ndarray] | None = None
        self._error: Exception | None = None
        self._queue: queue.Queue[tuple[int, np.ndarray] | None] = queue.Queue(depth)
        self._thread = threading.Thread(target=self._work, name='film', daemon=True)
        self._thread.start()

    def add(self, stamp_ns: int, bgr: np.ndarray) -> None:
        """Hand over a picture, (H, W, 3) uint8 BGR, that nobody changes afterwards."""
        try:
            self._queue.put_nowait((stamp_ns, bgr))
        except queue.Full:
            self.left_out += 1

    def close(self) -> None:
        """
        Write what waits and finish the file.

        :raises SourceError: when it cannot be written, or no picture came.
        """
        self._queue.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error
        if not self.stamps_ns:
            raise SourceError(f'film {str(self.path)!r}', 'no picture', 'at least one')

    def _work(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                self._write(*item)
        except Exception as error:
            self._error = error
            while self._queue.get() is not None:
                pass
        finally:
            if self._writer is not None:
                self._writer.release()

    def _write(self, stamp_ns: int, bgr: np.ndarray) -> None:
        if self._writer is None:
            self._size, self._first_ns = (bgr.shape[0], bgr.shape[1]), stamp_ns
            self._writer = open_film(self.path, self._fps, self._size)
        due = round((stamp_ns - self._first_ns) / 1e9 * self._fps)
        while self._last is not None and len(self.stamps_ns) < due:
            self._append(self._writer, *self._last)
        if bgr.shape[:2] != self._size:
            bgr = cv2.resize(bgr, self._size[::-1], interpolation=cv2.INTER_AREA)
        self._append(self._writer, stamp_ns, bgr)
        self._last = (stamp_ns, bgr)

    def _append(self, writer: cv2.VideoWriter, stamp_ns: int, bgr: np.ndarray) -> None:
        writer.write(bgr)
        self.stamps_ns.append(stamp_ns)


def open_film(path: Path, fps: float, size: tuple[int, int]) -> cv2.VideoWriter:
    """
    An MP4 writer for frames of that (height, width).

    MPEG-4 part 2: the OpenCV wheels carry no H.264 encoder.

    :raises SourceError: when the file cannot be written.
    """
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), fps, size[::-1])
    if not writer.isOpened():
        raise SourceError(
            f'film {str(path)!r}', 'cannot be opened', 'a file in a folder that can be written'
        )
    return writer


def write_sheet(film: Path, sheet: Path, captions: Mapping[int, str]) -> None:
    """
    Nine frames of a film, evenly spaced, each under its caption.

    :param captions: text for film frames, by frame number.
    :raises SourceError: when the film cannot be read or the sheet not written.
    """
    pictures = _pick(film, SHEET_ROWS * SHEET_COLUMNS)
    tiles = [_tile(bgr, captions.get(index, '')) for index, bgr in pictures]
    tiles += [np.zeros_like(tiles[0])] * (SHEET_ROWS * SHEET_COLUMNS - len(tiles))
    rows = [
        np.hstack(tiles[start : start + SHEET_COLUMNS])
        for start in range(0, len(tiles), SHEET_COLUMNS)
    ]
    if not cv2.imwrite(str(sheet), np.vstack(rows)):
        raise SourceError(f'contact sheet {str(sheet)!r}', 'not written', 'a folder to write to')


def _pick(film: Path, count: int) -> list[tuple[int, np.ndarray]]:
    capture = cv2.VideoCapture(str(film))
    try:
        total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        # The middles of equal parts: the first and last frame say least.
        wanted = {int((part + 0.5) * total / count) for part in range(count)}
        pictures = []
        for index in range(total):
            okay, bgr = capture.read()
            if okay and index in wanted:
                pictures.append((index, bgr))
    finally:
        capture.release()
    if not pictures:
        raise SourceError(f'film {str(film)!r}', 'no readable frame', 'one frame at least')
    return pictures


def _tile(bgr: np.ndarray, caption: str) -> np.ndarray:
    height = round(bgr.shape[0] * TILE_WIDTH / bgr.shape[1])
    tile = np.zeros((CAPTION_HEIGHT + height, TILE_WIDTH, 3), np.uint8)
    tile[CAPTION_HEIGHT:] = cv2.resize(bgr, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA)
    place = (8, CAPTION_HEIGHT - 9)
    white = (255, 255, 255)
    cv2.putText(tile, caption, place, cv2.FONT_HERSHEY_SIMPLEX, 0.55, white, 1, cv2.LINE_AA)
    return tile
