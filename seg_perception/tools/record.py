# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Turn a video or a folder of images into a rosbag2, as if a camera had been recorded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import cv2
import numpy as np
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from tqdm import tqdm

from seg_perception.core.camera import Calibration
from seg_perception.core.errors import OutputError, SegPerceptionError, SourceError
from seg_perception.io.atomic import output_error, whole
from seg_perception.io.calibration_file import read_calibration
from seg_perception.io.frames import (
    VIDEO_SUFFIXES,
    Frame,
    count_frames,
    find_files,
    read_frames,
)
from seg_perception.io.video_reader import scan_video
from seg_perception.options import RecordOptions

DEFAULT_FPS = 20.0  # of folders
BAG_VERSION: Final = 8  # of rosbag2's metadata: what Jazzy writes and every later release reads
MASK_NAMES = ('{}.png', '{}_labels.png', '{}_labelIds.png')

_NS = 1_000_000_000
_STORE = get_typestore(Stores.ROS2_JAZZY)
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
    with _new_bag(options.out) as writer:
        job = _Job(options, calibration, writer, options.rate_hz or _rate_of(files[0]))
        bar: tqdm[NoReturn]
        with tqdm(total=sum(map(count_frames, files)), unit='frame', disable=None) as bar:
            for file in files:
                job.add(file, bar)
        return job.report()


class _Job:
    """The topics of one bag, how far it is, and what failed."""

    def __init__(
        self,
        options: RecordOptions,
        calibration: Calibration | None,
        writer: Writer,
        rate_hz: float,
    ) -> None:
        self._options, self._calibration, self._writer = options, calibration, writer
        self._start_ns = time.time_ns() if options.start_ns is None else options.start_ns
        self._period_ns = _NS / rate_hz
        self._index = 0
        self._failures: list[SegPerceptionError] = []
        self._connections: dict[str, Connection] = {}
        self._counts: dict[str, int] = {}

    def add(self, file: Path, bar: tqdm[NoReturn]) -> None:
        """Write the frames of a file as far as they can be read."""
        first = self._index
        try:
            for frame in read_frames(file):
                self._write(frame)
                self._index += 1
                bar.update()
        except OutputError:
            raise
        except SegPerceptionError as error:
            self._failures.append(error)
            self._index = max(self._index, first + 1)  # an image that is damaged had its time

    def report(self) -> RecordReport:
        """
        What was written.

        :raises SourceError: when that is nothing, or no mask although there should be.
        """
        options = self._options
        if not self._counts:
            raise self._failures[0]
        if options.labels and options.label_topic not in self._counts:
            raise next(iter(self._failures), None) or SourceError(
                f'masks in {str(options.labels)!r}',
                'none with the name of a frame',
                ' or '.join(name.format('FRAME') for name in MASK_NAMES),
                'FRAME is the name of the image, or VIDEO_000000 and so on.',
            )
        seconds = self._index * self._period_ns / _NS
        return RecordReport(options.out, self._counts, seconds, tuple(self._failures))

    def _write(self, frame: Frame) -> None:
        options = self._options
        stamp_ns = self._start_ns + round(self._index * self._period_ns)
        size = (frame.bgr.shape[0], frame.bgr.shape[1])
        labels = self._mask_of(frame.name, size)
        if self._calibration is not None:
            info = _camera_info(self._calibration.for_image(size))
            self._put(options.camera_info_topic, 'CameraInfo', stamp_ns, info)
        if options.raw:
            self._put(options.image_topic, 'Image', stamp_ns, _image(frame.bgr, 'bgr8'))
        else:
            jpeg = _jpeg(frame.bgr, options.jpeg_quality)
            self._put(f'{options.image_topic}/compressed', 'CompressedImage', stamp_ns, jpeg)
        if labels is not None:
            self._put(options.label_topic, 'Image', stamp_ns, _image(labels, 'mono8'))

    def _mask_of(self, name: str, size: tuple[int, int]) -> np.ndarray | None:
        """A mask that cannot be used costs its own message alone."""
        if self._options.labels is None:
            return None
        try:
            return _read_mask(self._options.labels, name, size)
        except SourceError as error:
            self._failures.append(error)
            return None

    def _put(self, topic: str, kind: str, stamp_ns: int, fields: dict[str, Any]) -> None:
        name = f'sensor_msgs/msg/{kind}'
        stamp = _new('builtin_interfaces/msg/Time', *divmod(stamp_ns, _NS))
        header = _new('std_msgs/msg/Header', stamp, self._options.frame_id)
        data = _STORE.serialize_cdr(_STORE.types[name](header=header, **fields), name)
        try:
            if topic not in self._connections:
                self._connections[topic] = self._writer.add_connection(
                    topic, name, typestore=_STORE, offered_qos_profiles=[_RELIABLE]
                )
            self._writer.write(self._connections[topic], stamp_ns, data)
        except OSError as error:
            raise output_error(self._options.out, error) from error
        self._counts[topic] = self._counts.get(topic, 0) + 1


@contextmanager
def _new_bag(out: Path) -> Iterator[Writer]:
    """A bag that appears under its name when the block ends well, and else leaves nothing."""
    if out.exists() or out.is_symlink():
        raise SourceError(
            f'bag {str(out)!r}', 'something that is there already', 'a new name', 'Remove it.'
        )
    with whole(out) as unfinished:
        writer = Writer(unfinished, version=BAG_VERSION, storage_plugin=StoragePlugin.MCAP)
        writer.open()
        try:
            yield writer
        except BaseException:
            writer.abort()
            raise
        writer.close()


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


def _rate_of(file: Path) -> float:
    is_video = file.suffix.lower() in VIDEO_SUFFIXES
    return scan_video(file).fps if is_video else DEFAULT_FPS


def _read_mask(folder: Path, name: str, size: tuple[int, int]) -> np.ndarray | None:
    """The mask of a frame, (H, W) uint8 class ids; None where there is none."""
    paths = [folder / pattern.format(name) for pattern in MASK_NAMES]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return None
    mask = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if mask is None or mask.ndim != 2 or mask.dtype != np.uint8 or mask.shape != size:
        seen = 'no image' if mask is None else f'{mask.dtype} of shape {mask.shape}'
        raise SourceError(
            f'mask {str(path)!r}',
            seen,
            f'uint8 of shape {size}: a class id for each pixel of the frame',
            'Masks in colours have to be turned into class ids first.',
        )
    return mask


def _new(name: str, *values: Any) -> Any:
    return _STORE.types[name](*values)


def _image(pixels: np.ndarray, encoding: str) -> dict[str, Any]:
    return {
        'height': pixels.shape[0],
        'width': pixels.shape[1],
        'encoding': encoding,
        'is_bigendian': 0,
        'step': pixels[0].nbytes,
        'data': np.ascontiguousarray(pixels).reshape(-1),
    }


def _jpeg(bgr: np.ndarray, quality: int) -> dict[str, Any]:
    data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return {'format': 'bgr8; jpeg compressed bgr8', 'data': data.reshape(-1)}


def _camera_info(calibration: Calibration) -> dict[str, Any]:
    return {
        'height': calibration.size[0],
        'width': calibration.size[1],
        'distortion_model': calibration.distortion_model,
        'd': np.array(calibration.d, float),
        'k': calibration.k.ravel(),
        'r': calibration.r.ravel(),
        'p': calibration.p.ravel(),
        'binning_x': 0,
        'binning_y': 0,
        'roi': _new('sensor_msgs/msg/RegionOfInterest', 0, 0, 0, 0, False),
    }
