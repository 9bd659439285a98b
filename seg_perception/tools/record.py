# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Turn a video or a folder of images into a rosbag2, as if a camera had been recorded."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)

from seg_perception.core.camera import Calibration
from seg_perception.core.errors import ImageError, SegPerceptionError, SourceError
from seg_perception.io.atomic import clear_abandoned, whole
from seg_perception.io.bag_writer import BagWriter
from seg_perception.io.camera_info import read_calibration
from seg_perception.io.cdr_messages import (
    CAMERA_INFO,
    COMPRESSED,
    IMAGE,
    camera_info_message,
    header,
    image_message,
    jpeg_message,
)
from seg_perception.io.frames import VIDEO_SUFFIXES, Frame, find_files, frame_rate
from seg_perception.io.mask_file import decode_mask
from seg_perception.options import RecordOptions
from seg_perception.tools.each_frame import for_each_frame

MASK_NAMES = ('{}.png', '{}_labels.png', '{}_labelIds.png')

_NS = 1_000_000_000
_FOREVER = QosTime(2**31 - 1, 2**32 - 1)
_RELIABLE = Qos(
    QosHistory.KEEP_LAST,
    10,
    QosReliability.RELIABLE,
    QosDurability.VOLATILE,
    _FOREVER,
    _FOREVER,
    QosLiveliness.AUTOMATIC,
    _FOREVER,
    False,
)


@dataclass(frozen=True)
class RecordReport:
    """What was written, and what of the input could not be read."""

    out: Path
    counts: dict[str, int]  # messages by topic
    seconds: float
    failures: tuple[SegPerceptionError, ...]

    @property
    def exit_code(self) -> int:
        return 1 if self.failures else 0

    def __str__(self) -> str:
        width = max(map(len, self.counts))
        lines = [f'{self.out}: {self.seconds:.2f} s']
        lines += [f'  {topic:<{width}}  {count}' for topic, count in self.counts.items()]
        if self.failures:
            lines.append(f'{len(self.failures)} inputs failed, in whole or from some frame on:')
            lines += [f'  {failure}' for failure in self.failures]
        return '\n'.join(lines)


def record(options: RecordOptions) -> RecordReport:
    """
    Write the bag; a damaged input is reported, and what could be read of it is kept.

    A frame that is missing leaves a gap in time. The bag appears when it is complete.

    :raises SegPerceptionError: when an input is not there, no frame or no mask can be used, or
        the bag cannot be written.
    """
    files = find_files([options.source])
    _check(options, files)
    calibration = read_calibration(options.calibration) if options.calibration else None
    with _new_bag(options.out) as bag:
        job = _Job(options, calibration, bag, files)
        job.failures += for_each_frame(files, job.write)
        return job.report()


class _Job:
    """The topics of one bag, how far it is, and what failed."""

    def __init__(
        self,
        options: RecordOptions,
        calibration: Calibration | None,
        bag: BagWriter,
        files: Sequence[Path],
    ) -> None:
        self.failures: list[SegPerceptionError] = []
        self._options, self._calibration, self._bag = options, calibration, bag
        self._start_ns = time.time_ns() if options.start_ns is None else options.start_ns
        self._period_ns = _NS / (options.rate_hz or frame_rate(files[0]))
        self._places = {file: place for place, file in enumerate(files)}
        self._count = 0  # frames so far, those that could not be read too

    def write(self, file: Path, frame: Frame) -> None:
        """Write a frame, at its time: an image that is damaged leaves a gap."""
        options = self._options
        index = max(self._count, self._places[file])
        head = header(self._stamp_ns(index), options.frame_id)
        size = (frame.bgr.shape[0], frame.bgr.shape[1])
        labels = self._mask_of(frame.name, size)
        if self._calibration is not None:
            info = camera_info_message(self._calibration.for_image(size), head)
            self._put(options.camera_info_topic, CAMERA_INFO, index, info)
        if options.raw:
            self._put(options.image_topic, IMAGE, index, image_message(frame.bgr, head, 'bgr8'))
        else:
            quality = [cv2.IMWRITE_JPEG_QUALITY, options.jpeg_quality]
            jpeg = jpeg_message(cv2.imencode('.jpg', frame.bgr, quality)[1], head)
            self._put(f'{options.image_topic}/compressed', COMPRESSED, index, jpeg)
        if labels is not None:
            self._put(options.label_topic, IMAGE, index, image_message(labels, head))
        self._count = index + 1

    def report(self) -> RecordReport:
        """
        What was written.

        :raises SourceError: when that is nothing, or no mask although there should be.
        """
        options, counts = self._options, dict(self._bag.counts)
        if not counts:
            raise self.failures[0]
        if options.labels and options.label_topic not in counts:
            raise next(iter(self.failures), None) or SourceError(
                f'masks in {str(options.labels)!r}',
                'none with the name of a frame',
                ' or '.join(name.format('FRAME') for name in MASK_NAMES),
                'FRAME is the name of the image, or VIDEO_000000 and so on.',
            )
        seconds = max(self._count, len(self._places)) * self._period_ns / _NS
        return RecordReport(options.out, counts, seconds, tuple(self.failures))

    def _mask_of(self, name: str, size: tuple[int, int]) -> np.ndarray | None:
        """A mask that cannot be used costs its own message alone."""
        if self._options.labels is None:
            return None
        try:
            return _read_mask(self._options.labels, name, size)
        except SourceError as error:
            self.failures.append(error)
            return None

    def _put(self, topic: str, kind: str, index: int, message: memoryview) -> None:
        self._bag.write(topic, kind, self._stamp_ns(index), message)

    def _stamp_ns(self, index: int) -> int:
        return self._start_ns + round(index * self._period_ns)


@contextmanager
def _new_bag(out: Path) -> Iterator[BagWriter]:
    """A bag that appears under its name when the block ends well, and else leaves nothing."""
    if out.exists() or out.is_symlink():
        raise SourceError(
            f'bag {str(out)!r}', 'something that is there already', 'a new name', 'Remove it.'
        )
    clear_abandoned(out.absolute().parent)
    with whole(out) as unfinished:
        bag = BagWriter(unfinished, offered_qos=[_RELIABLE])
        try:
            yield bag
        except BaseException:
            bag.abort()
            raise
        bag.close()


def _check(options: RecordOptions, files: list[Path]) -> None:
    if options.labels is not None and not options.labels.is_dir():
        raise SourceError(f'masks in {str(options.labels)!r}', 'no folder', 'a folder of masks')
    videos = [file for file in files if file.suffix.lower() in VIDEO_SUFFIXES]
    if videos and len(files) > 1:
        raise SourceError(
            f'folder {str(options.source)!r}',
            f'{len(videos)} videos among {len(files)} files',
            'images alone, or one video',
            'Make a bag of each video.',
        )


def _read_mask(folder: Path, name: str, size: tuple[int, int]) -> np.ndarray | None:
    """The mask of a frame, (H, W) uint8 class ids; None where there is none."""
    paths = [folder / pattern.format(name) for pattern in MASK_NAMES]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return None
    thing = f'mask {str(path)!r}'
    try:
        mask = decode_mask(path.read_bytes(), thing)
    except ImageError as error:
        fix = 'Masks in colours have to be turned into class ids first.'
        raise SourceError(thing, error.seen, error.expected, fix) from error
    if mask.shape != size:
        expected = f'uint8 of shape {size}: a class id for each pixel of the frame'
        raise SourceError(thing, f'uint8 of shape {mask.shape}', expected)
    return mask
