# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Read videos to their end, whatever their headers say of their length.

How many frames a container claims may be absent, negative or absurd. ``scan_video`` reads its
packets once without decoding them, which takes a hundredth of the time, and knows.
"""

from __future__ import annotations

import logging
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from seg_perception.core.errors import SourceError

_NS = 1_000_000_000
_DEFAULT_FPS = 25.0  # as FFmpeg has it
_EARLY_SHARE = 0.9  # claims are often estimates; a tenth less is not worth a word
_LEAST_BYTES = 8  # of a coded frame
_FIX = 'It is truncated, damaged or in a format that this FFmpeg cannot read.'
_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}

log = logging.getLogger(__name__)
av.logging.set_level(None)  # nothing: a decoder's thread that logs would wait for the GIL


@dataclass(frozen=True)
class VideoFrame:
    """Number of a frame in its video, its time since the first one, (H, W, 3) uint8 BGR."""

    index: int
    time_ns: int
    bgr: np.ndarray


@dataclass(frozen=True)
class VideoScan:
    """
    What is really in a video.

    :param claimed: number of frames by its header, 0 where that says nothing plausible.
    :param fps: mean frame rate.
    :param size: (height, width) of the first frame, upright.
    :param times_ns: of each frame, since the first one; by the rate where the video has none.
    :param pts: of each frame in the video's own unit; empty where it has none.
    """

    frames: int
    claimed: int
    fps: float
    size: tuple[int, int]
    times_ns: tuple[int, ...]
    pts: tuple[int, ...]


def scan_video(file: Path) -> VideoScan:
    """
    Read a video to its end without decoding more than its first frame.

    :raises SourceError: when not even that decodes.
    """
    stat = file.stat()
    return _scan(file, stat.st_size, stat.st_mtime_ns)


def read_video(file: Path, first: int = 0, last: int = sys.maxsize) -> Iterator[VideoFrame]:
    """
    The frames of a video from number ``first`` until before ``last``, turned upright.

    :raises SourceError: after the frames that are whole, when others do not decode.
    """
    scan = scan_video(file)
    reader = _Reader(file, scan, first, last)
    yield from reader.frames_fast()
    if reader.is_incomplete:
        yield from reader.frames_left()
    if reader.damaged:
        of_all = f' of {scan.claimed}' if scan.claimed > scan.frames else ''
        raise SourceError(
            f'video {str(file)!r}',
            f'{reader.given} whole frames and {reader.damaged} damaged{of_all}',
            'a video that decodes to its end',
            _FIX,
        )
    if first == 0 and last >= scan.frames < _EARLY_SHARE * scan.claimed:
        log.warning(
            '%s names %d frames and holds %d: was it cut short?', file, scan.claimed, scan.frames
        )


class _Reader:
    """Decodes a span of a video, and counts what it gave and what is damaged."""

    def __init__(self, file: Path, scan: VideoScan, first: int, last: int) -> None:
        self._file, self._scan = file, scan
        self._next, self._last = first, min(last, scan.frames)
        self.given = self.damaged = 0

    @property
    def is_incomplete(self) -> bool:
        return self._next < self._last

    def frames_fast(self) -> Iterator[VideoFrame]:
        """
        The frames up to the first one that is missing.

        Threads decode several frames at once, and lose good frames around damaged ones. Where
        the container can, it jumps to the first frame of the span.
        """
        pts = self._scan.pts
        with _open(self._file) as container:
            stream = _video_stream(container, self._file)
            stream.thread_type = 'AUTO'
            if 0 < self._next < len(pts):
                with suppress(av.error.FFmpegError):  # then it reads on from the start
                    container.seek(pts[self._next], stream=stream)
            for index, frame in self._numbered(self._decoded(container, stream)):
                if self.damaged or not self.is_incomplete or index > self._next:
                    break
                if frame.is_corrupt:
                    break
                if index == self._next:
                    yield self._given(index, frame, stream)
            self.damaged = 0  # those who read one frame after another know how many

    def frames_left(self) -> Iterator[VideoFrame]:
        """The frames that are left, one after another from the start; damaged ones are counted."""
        with _open(self._file) as container:
            stream = _video_stream(container, self._file)
            for index, frame in self._numbered(self._decoded(container, stream)):
                if not self.is_incomplete:
                    return
                if index >= self._next and frame.is_corrupt:
                    self.damaged += 1
                    self._next = index + 1
                elif index >= self._next:
                    yield self._given(index, frame, stream)

    def _decoded(self, container: Any, stream: Any) -> Iterator[Any]:
        """Frames of the packets that decode; of the others those behind the start are counted."""
        packets, number, start = container.demux(stream), -1, self._next
        while True:
            number += 1
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                if packet.is_corrupt:
                    self.damaged += number >= start
                else:
                    yield from packet.decode()
            except av.error.FFmpegError:
                self.damaged += number >= start

    def _numbered(self, frames: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        """Numbers by time, so that they count what is lost too; else one after another."""
        pts = self._scan.pts
        for number, frame in enumerate(frames):
            yield (bisect_left(pts, frame.pts) if pts else number), frame

    def _given(self, index: int, frame: Any, stream: Any) -> VideoFrame:
        self._next = index + 1
        self.given += 1
        return VideoFrame(index, self._scan.times_ns[index], _upright(frame, stream))


@lru_cache(maxsize=16)
def _scan(file: Path, size: int, _mtime_ns: int) -> VideoScan:
    with _open(file) as container:
        stream = _video_stream(container, file)
        rate, unit = stream.average_rate, stream.time_base
        claimed = stream.frames or float(rate or 0) * (container.duration or 0) / av.time_base
        pts: list[int | None] = []
        try:
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:
                    pts.append(packet.pts)
        except av.error.FFmpegError:  # counted when it is read for its frames
            pts.append(None)
    known = sorted(value for value in pts if value is not None)
    if len(set(known)) < len(pts):
        known = []
    ticks = [value - known[0] for value in known]
    times = [(2 * tick * unit.numerator * _NS // unit.denominator + 1) // 2 for tick in ticks]
    fps = _rate(rate, times)
    times = times or [round(index * _NS / fps) for index in range(len(pts))]
    if not 0 < claimed < size / _LEAST_BYTES:  # a stopgap that nobody filled in
        claimed = 0
    image = _first_image(file, len(pts))
    return VideoScan(len(pts), round(claimed), fps, image.shape[:2], tuple(times), tuple(known))


def _first_image(file: Path, frames: int) -> np.ndarray:
    with _open(file) as container:
        stream = _video_stream(container, file)
        with suppress(av.error.FFmpegError):
            for packet in container.demux(stream):
                for frame in () if packet.is_corrupt else packet.decode():
                    return _upright(frame, stream)
    seen = f'0 of {frames} frames' if frames else '0 frames'
    raise SourceError(f'video {str(file)!r}', seen, 'a video that decodes', _FIX)


def _rate(named: Fraction | None, times_ns: Sequence[int]) -> float:
    """The rate that a video names, unless the times of its frames have another one."""
    rate = float(named or 0)
    span_s = times_ns[-1] / _NS if times_ns else 0.0
    measured = (len(times_ns) - 1) / span_s if span_s > 0 else 0.0
    if measured and abs(rate - measured) > 0.02 * measured:
        rate = measured
    return rate if 0 < rate <= 1000 else _DEFAULT_FPS


def _open(file: Path) -> Any:
    try:
        return av.open(str(file))
    except (av.error.FFmpegError, OSError) as error:
        seen = f'0 frames ({error.strerror or error})'
        raise SourceError(f'video {str(file)!r}', seen, 'a video that decodes', _FIX) from error


def _video_stream(container: Any, file: Path) -> Any:
    if not container.streams.video:
        raise SourceError(f'video {str(file)!r}', '0 frames', 'a video that decodes', _FIX)
    return container.streams.video[0]


def _upright(frame: Any, stream: Any) -> np.ndarray:
    """Pixels (H, W, 3) uint8 BGR, turned as the video says."""
    bgr: np.ndarray = frame.to_ndarray(format='bgr24')
    if hasattr(frame, 'rotation'):
        degrees = frame.rotation
    else:  # before PyAV 13
        degrees = stream.side_data.get('DISPLAYMATRIX', 0)
    turn = _TURNS.get(round(degrees) % 360)
    return bgr if turn is None else np.asarray(cv2.rotate(bgr, turn))
