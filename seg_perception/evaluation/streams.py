# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is evaluated, as values: inputs, the cameras in them, their frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seg_perception.core.camera import Calibration
from seg_perception.core.camera_geometry import Missing
from seg_perception.core.errors import SegPerceptionError, SourceError
from seg_perception.io.camera_info import is_rectified
from seg_perception.io.encodings import Pixels
from seg_perception.io.fingerprint import fingerprint

NS = 1_000_000_000
DEFAULT_FPS = 10.0  # of folders, and of what does not say
_TRIED = 20  # frames at the beginning of a stream that may be damaged
STAMPS_STAND = 'the stamps of the images stand still, so the times of recording are used'
NO_CALIBRATION = Missing('not calibrated: no camera_info, and no calibration file')


@dataclass(frozen=True)
class Stream:
    """The frames of one camera of an input; ``topic`` is empty where there are no topics."""

    topic: str
    camera: str
    frames: int  # that are in the input
    size: tuple[int, int]  # of the first one
    fps: float
    calibration: Calibration | Missing = NO_CALIBRATION  # of the first camera_info, or of a file
    info_topic: str = ''  # where the calibration of later frames comes from; empty: it stays
    rectified: bool = False  # P of its camera_info holds
    stamps_stand: bool = False  # from the first frame on; the times of recording count


@dataclass(frozen=True)
class Source:
    """
    One input: a bag, a video or a folder of images, with a name of its own.

    ``files`` are what it is read from; ``problems`` is what could not be read when it was opened,
    ``warnings`` what else should be known of it.
    """

    name: str
    kind: str  # bag, video or images
    path: str
    files: tuple[str, ...]
    streams: tuple[Stream, ...]
    start_ns: int
    stop_ns: int
    fix_topic: str = ''
    truth_topic: str = ''
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        return sum(stream.frames for stream in self.streams)

    def fingerprint(self) -> str:
        """What changes when the input does, and not when it is moved."""
        return fingerprint(map(Path, self.files))


@dataclass(frozen=True)
class RawFrame:
    """A frame that was read and not yet decoded, with what belongs to its moment."""

    stream: Stream
    log_ns: int  # its place in the input
    stamp_ns: int  # when it was taken; by the time of recording where the stamps stand still
    frame_id: str
    name: str  # what a file of it would be called
    decode: Callable[[], Pixels]
    calibration: Calibration | Missing = NO_CALIBRATION
    fix: tuple[float, float] | None = None  # latitude, longitude
    ground_truth: Callable[[], np.ndarray] | None = None
    stamps_stand: bool = False


@dataclass(frozen=True)
class Wanted:
    """
    What to look for in each input.

    :param topics: image topics; all of them when empty.
    :param truth_topic: topic of label images; none when empty.
    :param fps: of folders of images.
    :param calibration: of cameras that have none of their own.
    :param rectified: yes, no, or auto: by the name of the topic.
    """

    topics: tuple[str, ...] = ()
    truth_topic: str = ''
    fps: float = DEFAULT_FPS
    calibration: Calibration | None = None
    rectified: str = 'auto'

    def takes_as_rectified(self, topic: str) -> bool:
        """Whether the images of a topic are rectified."""
        return is_rectified(topic) if self.rectified == 'auto' else self.rectified == 'yes'


@dataclass(frozen=True)
class Failure:
    """An input, or a part of it, that could not be read, and why."""

    source: str
    what: str


def first_size(where: object, decoders: Iterator[Callable[[], Pixels]]) -> tuple[int, int]:
    """(height, width) of the first frame that decodes."""
    error: SegPerceptionError = SourceError(str(where), 'no frame', 'at least one')
    for _, decoder in zip(range(_TRIED), decoders, strict=False):
        try:
            height, width = decoder().array.shape[:2]
            return height, width
        except SegPerceptionError as failed:
            error = failed
    raise SourceError(str(where), error, f'a frame among the first {_TRIED} that can be decoded')
