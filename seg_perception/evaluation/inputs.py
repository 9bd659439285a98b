# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What can be evaluated: bags, videos, folders of images; their cameras and their frames."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from seg_perception.core.camera import Calibration
from seg_perception.core.camera_geometry import Missing
from seg_perception.core.errors import (
    ImageError,
    SegPerceptionError,
    SourceError,
)
from seg_perception.io.bags import Bag, BagMessage, Topic, is_bag, storage_files
from seg_perception.io.camera_info import Numbers, calibration_of, numbers_of
from seg_perception.io.encodings import Pixels, decode, unpack
from seg_perception.io.frames import (
    IMAGE_SUFFIXES,
    find_files,
    read_frames,
)
from seg_perception.io.video_reader import read_video, scan_video

RAW, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO, FIX = 'sensor_msgs/msg/CameraInfo', 'sensor_msgs/msg/NavSatFix'
NS = 1_000_000_000
DEFAULT_FPS = 10.0  # of folders, and of what does not say
_FIX_AGE_NS = NS  # an older position is not where the frame was taken
_TRIED = 20  # frames at the beginning of a topic that may be damaged
# What nodes like ours publish about an image is no image of a camera.
_ANSWERS = re.compile(r'(?:^|/)(?:mask|confidence|overlay|label\w*|depth\w*)(?:/|$)')
_TRANSPORTS = ('compressed', 'image_raw', 'image_rect', 'image_rect_color', 'image_color', 'image')


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


@dataclass(frozen=True)
class Source:
    """
    One input: a bag, a video or a folder of images, with a name of its own.

    ``files`` are what it is read from; ``problems`` is what could not be read when it was opened.
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

    @property
    def frames(self) -> int:
        return sum(stream.frames for stream in self.streams)

    def fingerprint(self) -> str:
        """What changes when the input does: names and sizes of its files."""
        facts = [f'{Path(file).name} {Path(file).stat().st_size}' for file in self.files]
        return hashlib.sha256('\n'.join(facts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class RawFrame:
    """A frame that was read and not yet decoded, with what belongs to its moment."""

    stream: Stream
    log_ns: int  # its place in the input
    stamp_ns: int  # when it was taken
    frame_id: str
    name: str  # what a file of it would be called
    decode: Callable[[], Pixels]
    calibration: Calibration | Missing = NO_CALIBRATION
    fix: tuple[float, float] | None = None  # latitude, longitude
    truth: Callable[[], np.ndarray] | None = None


@dataclass(frozen=True)
class Wanted:
    """
    What to look for in each input.

    :param topics: image topics; all of them when empty.
    :param truth_topic: topic of label images; none when empty.
    :param fps: of folders of images.
    :param calibration: of cameras that have none of their own.
    """

    topics: tuple[str, ...] = ()
    truth_topic: str = ''
    fps: float = DEFAULT_FPS
    calibration: Calibration | None = None


@dataclass(frozen=True)
class Failure:
    """An input, or a part of it, that could not be read, and why."""

    source: str
    what: str


def find_sources(
    inputs: Sequence[str | Path], wanted: Wanted = Wanted()
) -> tuple[list[Source], list[Failure]]:
    """
    Open every input and see what is in it; globs are expanded.

    :raises SourceError: when none of them can be evaluated.
    """
    sources: list[Source] = []
    failures: list[Failure] = []
    errors: list[SegPerceptionError] = []
    for path, images in _expand(inputs):
        try:
            source = _open_images(images, wanted) if images else _open(path, wanted)
            sources.append(_calibrated(_named(source, sources), wanted.calibration))
        except SegPerceptionError as error:
            errors.append(error)
            failures.append(Failure(str(path), str(error)))
    if len(errors) == 1 and not sources:
        raise errors[0]
    if not sources:
        what = '; '.join(map(str, errors[:3])) + '; ...' * (len(errors) > 3)
        raise SourceError(f'{len(errors)} inputs', what, 'one that can be evaluated')
    return sources, failures


def read_span(
    source: Source, start_ns: int, stop_ns: int, problems: list[str]
) -> Iterator[RawFrame]:
    """
    The frames with ``start_ns <= log_ns < stop_ns``, by their place in the input.

    :param problems: gets what could not be read, in words.
    """
    if source.kind == 'bag':
        yield from _read_bag(source, start_ns, stop_ns, problems)
        return
    read = _read_video if source.kind == 'video' else _read_images
    try:
        yield from read(source, start_ns, stop_ns)
    except SourceError as error:
        problems.append(str(error))


def _expand(inputs: Sequence[str | Path]) -> Iterator[tuple[Path, list[Path]]]:
    """Paths of bags and videos; the images of each folder together."""
    images: dict[Path, list[Path]] = {}
    for given in inputs:
        given = Path(given).absolute()  # processes elsewhere stand in another folder
        matches = [given] if given.exists() else _matches(str(given))
        for path in matches:
            if is_bag(path):
                yield path, []
                continue
            for file in find_files([path]):
                if file.suffix.lower() in IMAGE_SUFFIXES:
                    images.setdefault(file.parent, []).append(file)
                else:
                    yield file, []
    yield from images.items()


def _matches(pattern: str) -> list[Path]:
    """What a glob names; shells leave those to us that are quoted."""
    path = Path(pattern)
    found = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    if not found:
        expected = 'a bag, a video or a folder of images'
        raise SourceError(f'input {pattern!r}', 'nothing there', expected)
    return found


def _named(source: Source, others: Sequence[Source]) -> Source:
    """With a name that is a file name and no other's."""
    stem = re.sub(r'[^\w.-]+', '_', source.name).strip('.') or 'input'
    taken = {other.name for other in others}
    names = (stem if i == 1 else f'{stem}_{i}' for i in range(1, len(taken) + 2))
    return replace(source, name=next(name for name in names if name not in taken))


def _calibrated(source: Source, calibration: Calibration | None) -> Source:
    """With the calibration of a file for the cameras that have none of their own."""
    if calibration is None:
        return source
    streams = (
        replace(stream, calibration=calibration, info_topic='')
        if isinstance(stream.calibration, Missing)
        else stream
        for stream in source.streams
    )
    return replace(source, streams=tuple(streams))


def _open(path: Path, wanted: Wanted) -> Source:
    return _open_bag(path, wanted) if is_bag(path) else _open_video(path)


def _open_video(path: Path) -> Source:
    scan = scan_video(path)
    stream = Stream('', path.stem, scan.frames, scan.size, scan.fps)
    stop_ns = scan.times_ns[-1] + _frame_ns(1, scan.fps)
    return Source(path.stem, 'video', str(path), (str(path),), (stream,), 0, stop_ns)


def _open_images(files: list[Path], wanted: Wanted) -> Source:
    folder = files[0].parent
    size = _first_size(folder, (partial(_decode_file, file) for file in files))
    stream = Stream('', folder.resolve().name, len(files), size, wanted.fps)
    return Source(
        folder.resolve().name,
        'images',
        str(folder),
        tuple(map(str, files)),
        (stream,),
        0,
        _frame_ns(len(files), wanted.fps),
    )


def _frame_ns(index: int, fps: float) -> int:
    return round(index * NS / fps)


def _decode_file(file: Path) -> Pixels:
    try:
        (frame,) = read_frames(file)
    except SourceError as error:
        raise ImageError('image file', error.seen, error.expected, error.fix) from error
    return Pixels(frame.bgr, 'bgr')


def _read_video(source: Source, start_ns: int, stop_ns: int) -> Iterator[RawFrame]:
    stream, path = source.streams[0], Path(source.path)
    times_ns = scan_video(path).times_ns
    first, last = bisect_left(times_ns, start_ns), bisect_left(times_ns, stop_ns)
    for frame in read_video(path, first, last) if first < last else ():
        at_ns, name = frame.time_ns, f'{path.stem}_{frame.index:06d}'
        decode = partial(Pixels, frame.bgr, 'bgr')
        yield RawFrame(stream, at_ns, at_ns, '', name, decode, stream.calibration)


def _read_images(source: Source, start_ns: int, stop_ns: int) -> Iterator[RawFrame]:
    stream = source.streams[0]
    first, last = (max(0, int(-(-ns * stream.fps // NS))) for ns in (start_ns, stop_ns))
    for index, file in enumerate(map(Path, source.files[first:last]), first):
        at_ns = _frame_ns(index, stream.fps)
        decode = partial(_decode_file, file)
        yield RawFrame(stream, at_ns, at_ns, '', file.stem, decode, stream.calibration)


def _open_bag(path: Path, wanted: Wanted) -> Source:
    with Bag(path) as bag:
        topics = _image_topics(bag, wanted)
        if wanted.truth_topic:
            _check_topic(bag, wanted.truth_topic)
        streams = tuple(_open_stream(bag, topic, len(topics) == 1) for topic in topics)
        fixes = [topic.name for topic in bag.of_type(FIX)]
        files = [path] if path.is_file() else storage_files(path)
        return Source(
            path.stem if path.is_file() else path.resolve().name,
            'bag',
            str(path),
            tuple(map(str, files)),
            _unlike_cameras(streams),
            bag.start_ns,
            bag.stop_ns,
            fixes[0] if fixes else '',
            wanted.truth_topic,
            tuple(bag.problems),
        )


def _unlike_cameras(streams: tuple[Stream, ...]) -> tuple[Stream, ...]:
    """Each camera with a name of its own."""
    names = [stream.camera for stream in streams]
    return tuple(
        replace(stream, camera=_slug(stream.topic)) if names.count(stream.camera) > 1 else stream
        for stream in streams
    )


def _slug(topic: str) -> str:
    return re.sub(r'\W+', '_', topic.strip('/'))


def _image_topics(bag: Bag, wanted: Wanted) -> list[Topic]:
    if wanted.topics:
        return [_check_topic(bag, name) for name in wanted.topics]
    found = [
        topic
        for topic in bag.of_type(RAW, COMPRESSED)
        if topic.name != wanted.truth_topic and not _ANSWERS.search(topic.name)
    ]
    # Raw and compressed of one camera show the same frames.
    raw = {topic.name for topic in found if topic.type == RAW and topic.count}
    found = [
        topic
        for topic in found
        if topic.name.removesuffix('/compressed') not in raw - {topic.name}
    ]
    seen = [topic for topic in found if topic.count]
    if not seen:
        raise SourceError(
            f'bag {str(bag.path)!r}',
            'no message of an image topic' if found else 'no image topic',
            f'a topic of {RAW} or {COMPRESSED} with messages',
            _those_there(bag),
        )
    return seen


def _check_topic(bag: Bag, name: str) -> Topic:
    topic = bag.topics.get(name)
    if topic is None or topic.type not in (RAW, COMPRESSED) or not topic.count:
        seen = 'no such topic' if topic is None else f'{topic.count} messages of {topic.type}'
        raise SourceError(
            f'topic {name!r} of bag {str(bag.path)!r}',
            seen,
            f'messages of {RAW} or {COMPRESSED}',
            _those_there(bag),
        )
    return topic


def _those_there(bag: Bag) -> str:
    lines = [f'{topic.name} ({topic.type}, {topic.count})' for topic in bag.topics.values()]
    return 'In the bag: ' + (', '.join(lines) or 'nothing') + '.'


def _open_stream(bag: Bag, topic: Topic, only: bool) -> Stream:
    size = _first_size(
        f'topic {topic.name}',
        (partial(_decode_message, bag, row) for row in bag.messages([topic.name])),
    )
    seconds = (bag.stop_ns - bag.start_ns) / NS
    fps = topic.count / seconds if topic.count > 1 and seconds > 0.01 else DEFAULT_FPS
    return Stream(
        topic.name,
        _camera_name(topic.name),
        topic.count,
        size,
        min(fps, 1000.0),
        *_first_calibration(bag, topic.name, only),
    )


def _first_size(where: object, decoders: Iterator[Callable[[], Pixels]]) -> tuple[int, int]:
    """(height, width) of the first frame that decodes."""
    error: SegPerceptionError = SourceError(str(where), 'no frame', 'at least one')
    for _, decoder in zip(range(_TRIED), decoders, strict=False):
        try:
            height, width = decoder().array.shape[:2]
            return height, width
        except SegPerceptionError as failed:
            error = failed
    raise SourceError(str(where), error, f'a frame among the first {_TRIED} that can be decoded')


def _camera_name(topic: str) -> str:
    """The part of a topic that names the camera: ``/camera/front/image_raw`` is front."""
    words = [word for word in topic.split('/') if word and word not in _TRANSPORTS]
    return re.sub(r'\W', '_', words[-1]) if words else 'camera'


def _first_calibration(bag: Bag, topic: str, only: bool) -> tuple[Calibration | Missing, str]:
    """From the CameraInfo beside the image topic, or the one there is for the one camera."""
    infos = [info.name for info in bag.of_type(CAMERA_INFO) if info.count]
    beside = topic.removesuffix('/compressed').rpartition('/')[0] + '/camera_info'
    name = beside if beside in infos else infos[0] if only and len(infos) == 1 else ''
    calibration: Calibration | Missing = NO_CALIBRATION
    for message in bag.messages([name]) if name else ():
        try:
            calibration = calibration_of(numbers_of(bag.deserialise(message)))
        except SourceError as error:
            calibration = Missing(f'calibration: {error}', is_fault=True)
        break
    if isinstance(calibration, Missing) and calibration.is_fault:
        bag.problems.append(f'{name}: {calibration.reason}')
    return calibration, name


class _Calibrations:
    """The calibration of each camera as its camera_info changes."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[Numbers, Calibration | Missing]] = {}

    def take(self, bag: Bag, message: BagMessage) -> None:
        """Take a camera_info; the same one again costs a comparison."""
        try:
            numbers = numbers_of(bag.deserialise(message))
        except SourceError:  # the one before holds
            return
        topic, last = message.topic.name, self._last.get(message.topic.name)
        if last is None or last[0] != numbers:
            self._last[topic] = numbers, calibration_of(numbers)

    def of(self, stream: Stream) -> Calibration | Missing:
        last = self._last.get(stream.info_topic)
        return stream.calibration if last is None else last[1]


def _decode_message(bag: Bag, message: BagMessage) -> Pixels:
    return _pixels(bag.deserialise(message), message.topic)


def _pixels(image: Any, topic: Topic) -> Pixels:
    return decode(image) if topic.type == COMPRESSED else unpack(image)


def _read_bag(
    source: Source, start_ns: int, stop_ns: int, problems: list[str]
) -> Iterator[RawFrame]:
    streams = {stream.topic: stream for stream in source.streams}
    infos = {stream.info_topic for stream in source.streams}
    topics = [name for name in (*streams, *sorted(infos), source.fix_topic) if name]
    with Bag(source.path) as bag, _Labels(source, start_ns, stop_ns) as labels:
        fix: tuple[int, float, float] | None = None
        known, calibrations = len(bag.problems), _Calibrations()
        for message in bag.messages(topics, start_ns, stop_ns):
            if message.topic.name == source.fix_topic:
                fix = _fix(bag, message) or fix
            elif message.topic.name in infos:
                calibrations.take(bag, message)
            else:
                stream = streams[message.topic.name]
                frame = _bag_frame(bag, message, stream, labels, fix)
                yield replace(frame, calibration=calibrations.of(stream))
        problems += bag.problems[known:]


def _bag_frame(
    bag: Bag,
    message: BagMessage,
    stream: Stream,
    labels: _Labels,
    fix: tuple[int, float, float] | None,
) -> RawFrame:
    fresh = fix is not None and message.log_ns - fix[0] <= _FIX_AGE_NS
    frame = RawFrame(
        stream,
        message.log_ns,
        message.log_ns,
        '',
        str(message.log_ns),
        partial(_decode_message, bag, message),
        fix=fix[1:] if fix is not None and fresh else None,
    )
    try:
        image = bag.deserialise(message)
    except SourceError:  # said again, and counted, when the frame is decoded
        return frame
    stamp_ns = image.header.stamp.sec * NS + image.header.stamp.nanosec or message.log_ns
    return replace(
        frame,
        stamp_ns=stamp_ns,
        frame_id=image.header.frame_id,
        name=str(stamp_ns),
        decode=partial(_pixels, image, message.topic),
        truth=labels.find(stamp_ns, message.log_ns),
    )


def _fix(bag: Bag, message: BagMessage) -> tuple[int, float, float] | None:
    """Time, latitude and longitude, where the receiver had them."""
    try:
        fix = bag.deserialise(message)
    except SourceError:
        return None
    known = fix.status.status >= 0 and isfinite(fix.latitude) and isfinite(fix.longitude)
    return (message.log_ns, float(fix.latitude), float(fix.longitude)) if known else None


class _Labels:
    """
    Label images beside the frames: those recorded within a second of where the reader is.

    They have a reader of their own, as they may come before or after their frames.
    """

    def __init__(self, source: Source, start_ns: int, stop_ns: int) -> None:
        self._bag = Bag(source.path) if source.truth_topic else None
        self._rows: Iterator[BagMessage] = iter(())
        if self._bag is not None:
            self._rows = self._bag.messages([source.truth_topic], start_ns - NS, stop_ns + NS)
        self._held: dict[int, tuple[int, Any]] = {}  # stamp -> time of recording, message
        self._read_ns = 0

    def __enter__(self) -> _Labels:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bag is not None:
            self._bag.close()

    def find(self, stamp_ns: int, log_ns: int) -> Callable[[], np.ndarray] | None:
        """The labels with the stamp of a frame."""
        while self._read_ns <= log_ns + NS:
            message = next(self._rows, None)
            if message is None:
                break
            self._read_ns = message.log_ns
            self._hold(message)
        for stamp, (at_ns, _) in list(self._held.items()):
            if at_ns < log_ns - NS:
                del self._held[stamp]
        held = self._held.get(stamp_ns)
        return partial(_labels, held[1]) if held else None

    def _hold(self, message: BagMessage) -> None:
        assert self._bag is not None
        try:
            image = self._bag.deserialise(message)
        except SourceError:  # a frame without truth, as others are
            return
        stamp = image.header.stamp
        self._held[stamp.sec * NS + stamp.nanosec or message.log_ns] = (message.log_ns, image)


def _labels(image: Any) -> np.ndarray:
    """
    Class ids (H, W) uint8 of a label image.

    :raises ImageError: when it is no such image.
    """
    if hasattr(image, 'format'):
        ids = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_UNCHANGED)
        if ids is None or ids.ndim != 2 or ids.dtype != np.uint8:
            raise ImageError('label image', f'{image.format!r}', 'a grey PNG of class ids')
        return ids
    if image.encoding not in ('mono8', '8UC1'):
        raise ImageError('label image', repr(image.encoding), 'mono8 or 8UC1')
    return np.ascontiguousarray(unpack(image).array[..., 0])
