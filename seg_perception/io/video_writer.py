# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Write MP4 videos that browsers play, and join them without encoding them again."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from seg_perception.core.errors import OutputError, SourceError
from seg_perception.io.atomic import output_error
from seg_perception.io.video_reader import read_video, scan_video

# H.264 plays in every browser, MPEG-4 part 2 in none. FFmpeg builds under the LGPL lack libx264.
_OPTIONS = {
    'libx264': {'preset': 'ultrafast', 'crf': '23', 'bf': '0'},
    'libopenh264': {'b': '2M'},
    'mpeg4': {'qscale': '4', 'flags': '+qscale'},
}
_FALLBACK = 'mpeg4'
_MAX_TERM = 1001  # of the rate as a fraction; MPEG-4 takes 16 bits
_BT601 = 5  # BT.601, 625 lines: the matrix that swscale converts by

log = logging.getLogger(__name__)


class VideoWriter:
    """
    An MP4 file of one frame after another at a constant rate.

    Sides are cut to even numbers, as video codecs need them; frames of another size are resized.

    :param fps: frames per second, at least 1.
    :param size: (height, width).
    :raises OutputError: when the file cannot be written.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        self.path = path
        self._size = max(2, size[0] // 2 * 2), max(2, size[1] // 2 * 2)
        self._rate = Fraction(min(max(fps, 1.0), 1000.0)).limit_denominator(_MAX_TERM)
        if self._rate.numerator > 65535:
            self._rate = Fraction(round(self._rate))
        self._count = 0
        try:
            self._container = av.open(str(path), 'w', options={'movflags': '+faststart'})
            self._stream = _add_stream(self._container, encoder(), self._rate, self._size)
            self._stream.codec_context.thread_count = 1  # the cores have enough to do
            self._container.start_encoding()
        except (av.error.FFmpegError, OSError) as error:
            raise output_error(path, error) from error

    def write(self, bgr: np.ndarray) -> None:
        """Add a frame, (H, W, 3) uint8 BGR."""
        if bgr.shape[:2] != self._size:
            bgr = cv2.resize(bgr, self._size[::-1], interpolation=cv2.INTER_AREA)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(bgr), 'bgr24')
        frame.pts, frame.time_base = self._count, 1 / self._rate
        self._count += 1
        self._mux(frame)

    def close(self) -> None:
        """Finish the file."""
        self._mux(None)
        try:
            self._container.close()
        except (av.error.FFmpegError, OSError) as error:
            raise output_error(self.path, error) from error

    def abort(self) -> None:
        """Let go of the file, which cannot be played."""
        with suppress(av.error.FFmpegError, OSError):
            self._container.close()

    def _mux(self, frame: Any) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except (av.error.FFmpegError, OSError) as error:
            raise output_error(self.path, error) from error


class LiveVideoWriter:
    """
    Writes stamped frames in a thread, as a video that plays in real time.

    A missing frame is filled by the one before it. ``stamps_ns`` holds the stamp of each frame of
    the closed video; ``left_out`` counts frames that came when ``depth`` others waited.
    """

    def __init__(self, path: Path, fps: float, depth: int = 32) -> None:
        self.path, self.stamps_ns, self.left_out = path, list[int](), 0
        self._fps = fps
        self._writer: VideoWriter | None = None
        self._first_ns = 0
        self._last: tuple[int, np.ndarray] | None = None
        self._error: Exception | None = None
        self._queue: queue.Queue[tuple[int, np.ndarray] | None] = queue.Queue(depth)
        self._thread = threading.Thread(target=self._work, name='video_writer', daemon=True)
        self._thread.start()

    def add(self, stamp_ns: int, bgr: np.ndarray) -> None:
        """Hand over a frame, (H, W, 3) uint8 BGR, that nobody changes afterwards."""
        try:
            self._queue.put_nowait((stamp_ns, bgr))
        except queue.Full:
            self.left_out += 1

    def close(self) -> None:
        """
        Write what waits and finish the file.

        :raises OutputError: when it cannot be written.
        :raises SourceError: when no frame came.
        """
        self._queue.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error
        if self._writer is not None:
            self._writer.close()
        if not self.stamps_ns:
            raise SourceError(f'video {str(self.path)!r}', 'no frame', 'at least one')

    def _work(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                self._write(*item)
        except Exception as error:
            self._error = error
            while self._queue.get() is not None:
                pass

    def _write(self, stamp_ns: int, bgr: np.ndarray) -> None:
        if self._writer is None:
            self._first_ns = stamp_ns
            self._writer = VideoWriter(self.path, self._fps, bgr.shape[:2])
        due = round((stamp_ns - self._first_ns) / 1e9 * self._fps)
        while self._last is not None and len(self.stamps_ns) < due:
            self._append(self._writer, *self._last)
        self._append(self._writer, stamp_ns, bgr)
        self._last = (stamp_ns, bgr)

    def _append(self, writer: VideoWriter, stamp_ns: int, bgr: np.ndarray) -> None:
        writer.write(bgr)
        self.stamps_ns.append(stamp_ns)


@lru_cache(maxsize=1)
def encoder() -> str:
    """The best encoder that works here; the log tells when browsers cannot play its files."""
    for name in _OPTIONS:
        with suppress(Exception):  # unknown to this FFmpeg, or refused by it
            context: Any = av.CodecContext.create(name, 'w')
            context.width, context.height, context.pix_fmt = 64, 64, 'yuv420p'
            context.time_base = Fraction(1, 25)
            context.open()
            if name == _FALLBACK:
                log.warning('this FFmpeg has no H.264 encoder: videos are MPEG-4 part 2')
            return name
    raise OutputError('video encoders', 'none that works', ', '.join(_OPTIONS), 'Reinstall PyAV.')


def join_videos(paths: Sequence[Path], out: Path) -> None:
    """
    Write the frames of all files, which are of one size and rate, into one MP4 file.

    Files of one encoder are joined as they are; others are encoded again.

    :raises SourceError: when one of them cannot be read.
    :raises OutputError: when the file cannot be written.
    """
    kinds = {_kind(path) for path in paths}
    if len(kinds) > 1:
        _encode_again(paths, out)
        return
    try:
        with av.open(str(out), 'w', options={'movflags': '+faststart'}) as container:
            stream: Any = None
            start = Fraction(0)
            for path in paths:
                with av.open(str(path)) as part:
                    source = part.streams.video[0]
                    stream = stream or _copy_of(container, source)
                    start = _append(container, stream, source, start)
    except (av.error.FFmpegError, OSError) as error:
        raise output_error(out, error) from error


def _kind(path: Path) -> tuple[Any, ...]:
    """What has to be equal for joining."""
    try:
        with av.open(str(path)) as part:
            (source,) = part.streams.video
            context = source.codec_context
            return context.name, context.width, context.height, context.extradata
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SourceError(f'video {str(path)!r}', error, 'a whole MP4 file') from error


def _append(container: Any, stream: Any, source: Any, start: Fraction) -> Fraction:
    """Copy the packets of a file behind ``start`` in seconds; where the next file starts."""
    shift, end = round(start / source.time_base), start
    for packet in source.container.demux(source):
        if not packet.size:
            continue
        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
        end = max(end, packet.pts * source.time_base)
        packet.stream = stream
        container.mux(packet)
    return end + Fraction(1) / Fraction(source.average_rate)


def _copy_of(container: Any, source: Any) -> Any:
    """A stream for packets of that one; PyAV before 14 has another name for it."""
    if hasattr(container, 'add_stream_from_template'):
        return container.add_stream_from_template(source)
    return container.add_stream(template=source)


def _encode_again(paths: Sequence[Path], out: Path) -> None:
    scan = scan_video(paths[0])
    writer = VideoWriter(out, scan.fps, scan.size)
    for path in paths:
        for frame in read_video(path):
            writer.write(frame.bgr)
    writer.close()


def _add_stream(container: Any, name: str, rate: Fraction, size: tuple[int, int]) -> Any:
    stream = container.add_stream(name, rate=rate, options=dict(_OPTIONS[name]))
    stream.height, stream.width = size
    stream.pix_fmt = 'yuv420p'
    with suppress(AttributeError):  # before PyAV 9
        stream.codec_context.colorspace = _BT601
    return stream
