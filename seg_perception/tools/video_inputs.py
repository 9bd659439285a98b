# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Where the video source gets its frames: a file, an image folder, a device, the renderer."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import cv2
import numpy as np

from seg_perception.core.camera import Extrinsics
from seg_perception.core.errors import SourceError
from seg_perception.io.frames import DEFAULT_FPS, count_frames, find_files, frame_rate, read_frames
from seg_perception.node.topics import SYNTHETIC
from seg_perception.synthetic.street import Street
from seg_perception.synthetic.weather import check_weather

STREET_S = 10.0  # length of the renderer's clip
_SMALL = (64, 64)  # the extrinsics is that of every size, and a small street is built quickly


@dataclass(frozen=True)
class FrameSource:
    """
    A source of BGR frames that can be read from the start any number of times.

    ``camera_matrix`` is the exact K where the source knows it, ``extrinsics`` its camera's pose. A
    live source sets the pace itself.
    """

    name: str
    fps: float
    size: tuple[int, int]
    read: Callable[[], Iterator[np.ndarray]]  # of (H, W, 3) uint8 BGR
    count: int = 0  # frames of one pass; 0 where it is endless or not known
    live: bool = False
    camera_matrix: Callable[[], np.ndarray] | None = None
    extrinsics: Callable[[], Extrinsics] | None = None
    prepare: Callable[[], Iterator[None]] = lambda: iter(())  # what read does first, in steps
    prepared: Callable[[], int] = lambda: 0  # frames drawn so far

    def frames(self, loop: bool = False, max_frames: int = 0) -> Iterator[np.ndarray | None]:
        """
        A None for each step of the preparation, then the frames.

        :param loop: start again at the end.
        :param max_frames: stop after so many; 0 for no limit.
        """
        yield from self.prepare()
        passes = itertools.repeat(None) if loop else [None]
        frames = itertools.chain.from_iterable(self.read() for _ in passes)
        yield from itertools.islice(frames, max_frames or None)


def open_source(
    source: str,
    size: tuple[int, int] | None = None,
    fps: float = 0.0,
    seed: int = 0,
    weather: str = 'clear',
    max_frames: int = 0,
) -> FrameSource:
    """
    Open what ``source`` names and check that its first frame can be read.

    :param source: a video file, an image folder, ``/dev/video*``, a camera number, ``synthetic``.
    :param size: (height, width) that the frames are resized to; their own when None.
    :param fps: the pace; the source's own when 0.
    :param seed: of the renderer.
    :param weather: of the renderer.
    :param max_frames: how much the renderer draws; 0 is ten seconds.
    :raises SourceError: when it cannot be read.
    """
    if source == SYNTHETIC:
        return _open_street(size or (720, 1280), fps or DEFAULT_FPS, seed, weather, max_frames)
    is_device = source.isdigit() or source.startswith('/dev/')
    opened = _open_device(source) if is_device else _open_files(Path(source).expanduser(), fps)
    return _resized(opened, size) if size else opened


def _open_street(
    size: tuple[int, int], fps: float, seed: int, weather: str, max_frames: int
) -> FrameSource:
    check_weather(weather)
    count = max_frames or round(STREET_S * fps)
    clip = _StreetClip(seed, size, weather, fps, count)
    return FrameSource(
        SYNTHETIC,
        fps,
        size,
        clip.read,
        count=count,
        camera_matrix=lambda: clip.street.camera(0).K,
        extrinsics=lambda: street_extrinsics(seed),
        prepare=clip.prepare,
        prepared=lambda: len(clip.jpegs),
    )


def street_extrinsics(seed: int) -> Extrinsics:
    """Where the camera of the synthetic street is; at rest, for it nods a little."""
    street = Street(seed, size=_SMALL)
    return Extrinsics(street.height_m, street.pitch_rad)


class _StreetClip:
    """
    A piece of the street, drawn before it is first played, since drawing is slower than real time.

    Kept as JPEG: 180 images 1280x720 are 60 MB so and 500 as pixels.
    """

    def __init__(
        self, seed: int, size: tuple[int, int], weather: str, fps: float, count: int
    ) -> None:
        self.jpegs: list[np.ndarray] = []
        self._make = partial(Street, seed=seed, size=size, weather=weather, fps=fps)
        self._count = count

    @cached_property
    def street(self) -> Street:
        return self._make()

    def prepare(self) -> Iterator[None]:
        while len(self.jpegs) < self._count:
            bgr = cv2.cvtColor(self.street.frame(len(self.jpegs)).rgb, cv2.COLOR_RGB2BGR)
            self.jpegs.append(cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])
            yield

    def read(self) -> Iterator[np.ndarray]:
        for _ in self.prepare():
            pass
        for jpeg in self.jpegs:
            yield np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR))


def _open_files(path: Path, fps: float) -> FrameSource:
    files = find_files([path])
    return FrameSource(
        str(path),
        fps or frame_rate(files[0]),
        next(_read_files(files)).shape[:2],
        lambda: _read_files(files),
        count=sum(map(count_frames, files)),
    )


def _read_files(files: list[Path]) -> Iterator[np.ndarray]:
    for file in files:
        for frame in read_frames(file):
            yield frame.bgr


def _open_device(device: str) -> FrameSource:
    where: str | int = int(device) if device.isdigit() else device
    frames = _read_device(where)
    fps, first = next(frames)
    frames.close()  # a device opens once only
    return FrameSource(
        device,
        fps or DEFAULT_FPS,
        first.shape[:2],
        lambda: (bgr for _, bgr in _read_device(where)),
        live=True,
    )


def _read_device(where: str | int) -> Generator[tuple[float, np.ndarray], None, None]:
    """Frame rate and frame for as long as the camera delivers, which it should for ever."""
    capture = cv2.VideoCapture(where)
    try:
        fps = capture.get(cv2.CAP_PROP_FPS)
        while (read := capture.read())[0]:
            yield fps, read[1]
    finally:
        capture.release()
    raise SourceError(
        f'camera {where!r}',
        'no image',
        'a camera that delivers them',
        'Is it plugged in, allowed to this user (group video) and not in use?',
    )


def _resized(source: FrameSource, size: tuple[int, int]) -> FrameSource:
    height, width = size

    def read() -> Iterator[np.ndarray]:
        for bgr in source.read():
            smaller = height < bgr.shape[0]
            how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
            yield cv2.resize(bgr, (width, height), interpolation=how)

    return replace(source, size=size, read=read)
