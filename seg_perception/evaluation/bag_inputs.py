# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Bags as inputs of an evaluation: their cameras, frames, calibrations, positions and labels."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from seg_perception.core.camera import Calibration
from seg_perception.core.camera_geometry import Missing
from seg_perception.core.errors import ImageError, SegPerceptionError, SourceError
from seg_perception.core.frame_clock import FrameClock
from seg_perception.evaluation.streams import (
    DEFAULT_FPS,
    NO_CALIBRATION,
    NS,
    STAMPS_STAND,
    RawFrame,
    Source,
    Stream,
    Wanted,
    first_size,
)
from seg_perception.io.bag_files import CDR, ROS1, storage_files
from seg_perception.io.bags import Bag, BagMessage, Topic
from seg_perception.io.camera_info import Numbers, calibration_of, numbers_of
from seg_perception.io.encodings import Pixels, decode, depth_of, unpack
from seg_perception.io.mask_file import decode_mask, narrow

RAW, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO, FIX = 'sensor_msgs/msg/CameraInfo', 'sensor_msgs/msg/NavSatFix'
_TRIED = 20  # frames at the beginning that are looked at
_MAX_NAME = 80  # of a camera; names of files have 255 bytes
_FIX_AGE_NS = NS  # an older position is not where the frame was taken
# What nodes like ours publish about an image is no image of a camera.
_ANSWERS = re.compile(
    r'(?:^|/)(?:(?:ego_)?mask\w*|confidence\w*|overlay|label\w*|depth\w*)(?:/|$)'
)
_TRANSPORTS = ('compressed', 'image_raw', 'image_rect', 'image_rect_color', 'image_color', 'image')


def open_bag(path: Path, wanted: Wanted) -> Source:
    with Bag(path) as bag:
        if wanted.truth_topic:
            _check_topic(bag, wanted.truth_topic)
        streams, warnings = _open_streams(bag, wanted)
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
            tuple(warnings),
        )


def _unlike_cameras(streams: tuple[Stream, ...]) -> tuple[Stream, ...]:
    """Each camera with a name of its own, which files and folders can bear."""
    names = [stream.camera for stream in streams]
    slugs = [_slug(stream.topic) for stream in streams]
    return tuple(
        stream
        if names.count(name) == 1 and len(name) <= _MAX_NAME
        else replace(stream, camera=_distinct(stream.topic, slug, slugs.count(slug) > 1))
        for stream, name, slug in zip(streams, names, slugs, strict=True)
    )


def _slug(topic: str) -> str:
    return re.sub(r'\W+', '_', topic.strip('/'))


def _distinct(topic: str, slug: str, is_shared: bool) -> str:
    """A short name; /a/b_c and /a_b/c have the same slug."""
    if not is_shared and len(slug) <= _MAX_NAME:
        return slug
    return f'{slug[:_MAX_NAME]}_{hashlib.sha256(topic.encode()).hexdigest()[:6]}'


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
    lines = [f'{topic.name} ({_described(topic)})' for topic in bag.topics.values()]
    there = f'In the bag: {", ".join(lines) or "nothing"}.'
    foreign = sorted({row.encoding for row in bag.topics.values()} - {CDR, ROS1})
    if foreign:
        there += f' Convert the messages of {" and ".join(foreign)} to those of ROS 2 (cdr).'
    return there


def _described(topic: Topic) -> str:
    return f'{topic.type}, {topic.count}' + f', {topic.encoding}' * (topic.encoding != CDR)


def _open_streams(bag: Bag, wanted: Wanted) -> tuple[tuple[Stream, ...], list[str]]:
    """
    The image topics that can be evaluated, and what should be known of them and of others.

    Of the topics that were not asked for by name, those that cannot be decoded are left out.
    """
    topics, warnings = _image_topics(bag, wanted), list[str]()
    found: list[tuple[Topic, tuple[int, int]]] = []
    errors: list[SegPerceptionError] = []
    for topic in topics:
        kind = ''
        try:
            if kind := _other_kind(bag, topic):
                raise SourceError(f'topic {topic.name}', kind, 'images of a camera')
            found.append((topic, _first_size(bag, topic)))
        except SegPerceptionError as error:
            if wanted.topics:
                raise
            errors.append(error)
            if kind:
                warnings.append(f'{topic.name} is left out: it holds {kind}')
            else:
                bag.problems.append(f'{topic.name} is left out: {error}')
    if not found:
        if len(errors) == 1:
            raise errors[0]
        seen = '; '.join(map(str, errors))
        raise SourceError(f'bag {str(bag.path)!r}', seen, 'an image topic that can be decoded')
    streams = tuple(_open_stream(bag, *row, len(found) == 1, wanted) for row in found)
    warnings += [f'{row.topic}: {STAMPS_STAND}' for row in streams if row.stamps_stand]
    return streams, warnings


def _other_kind(bag: Bag, topic: Topic) -> str:
    """What a topic holds in place of pictures, such as depth; empty where it holds pictures."""
    for message, _ in zip(bag.messages([topic.name]), range(_TRIED), strict=False):
        with suppress(SegPerceptionError):
            return depth_of(bag.deserialise(message))
    return ''


def _first_size(bag: Bag, topic: Topic) -> tuple[int, int]:
    return first_size(
        f'topic {topic.name}',
        (partial(_decode_message, bag, row) for row in bag.messages([topic.name])),
    )


def _open_stream(
    bag: Bag, topic: Topic, size: tuple[int, int], only: bool, wanted: Wanted
) -> Stream:
    rectified = wanted.takes_as_rectified(topic.name)
    seconds = (bag.stop_ns - bag.start_ns) / NS
    fps = topic.count / seconds if topic.count > 1 and seconds > 0.01 else DEFAULT_FPS
    return Stream(
        topic.name,
        _camera_name(topic.name),
        topic.count,
        size,
        min(fps, 1000.0),
        *_first_calibration(bag, topic.name, only, rectified),
        rectified,
        _stamps_stand(bag, topic),
    )


def _stamps_stand(bag: Bag, topic: Topic) -> bool:
    """Whether no stamp among the first frames differs from the first one."""
    stamps = list[int]()
    for message, _ in zip(bag.messages([topic.name]), range(_TRIED), strict=False):
        with suppress(SourceError):
            stamps.append(header_ns(bag.deserialise(message).header))
        if len(set(stamps)) > 1:
            return False
    return len(stamps) > 1


def _camera_name(topic: str) -> str:
    """The part of a topic that names the camera: ``/camera/front/image_raw`` is front."""
    words = [word for word in topic.split('/') if word and word not in _TRANSPORTS]
    return re.sub(r'\W', '_', words[-1]) if words else 'camera'


def _first_calibration(
    bag: Bag, topic: str, only: bool, rectified: bool
) -> tuple[Calibration | Missing, str]:
    """From the CameraInfo next to the image topic, or the one there is for the one camera."""
    infos = [info.name for info in bag.of_type(CAMERA_INFO) if info.count]
    sibling = topic.removesuffix('/compressed').rpartition('/')[0] + '/camera_info'
    name = sibling if sibling in infos else infos[0] if only and len(infos) == 1 else ''
    calibration: Calibration | Missing = NO_CALIBRATION
    for message in bag.messages([name]) if name else ():
        try:
            calibration = calibration_of(numbers_of(bag.deserialise(message)), rectified)
        except SourceError as error:
            calibration = Missing(f'calibration: {error}', is_fault=True)
        break
    if isinstance(calibration, Missing) and calibration.is_fault:
        bag.problems.append(f'{name}: {calibration.reason}')
    return calibration, name


class _Calibrations:
    """The calibration of each camera as its camera_info changes."""

    def __init__(self) -> None:
        self._numbers: dict[str, Numbers] = {}
        self._last: dict[str, tuple[Numbers, Calibration | Missing]] = {}  # by image topic

    def take(self, bag: Bag, message: BagMessage) -> None:
        """Take a camera_info; the same one again costs a comparison."""
        try:
            numbers = numbers_of(bag.deserialise(message))
        except SourceError:  # the one before holds
            return
        self._numbers[message.topic.name] = numbers

    def of(self, stream: Stream) -> Calibration | Missing:
        numbers, last = self._numbers.get(stream.info_topic), self._last.get(stream.topic)
        if numbers is None:
            return stream.calibration
        if last is None or last[0] != numbers:
            last = numbers, calibration_of(numbers, stream.rectified)
            self._last[stream.topic] = last
        return last[1]


def _decode_message(bag: Bag, message: BagMessage) -> Pixels:
    return _pixels(bag.deserialise(message), message.topic)


def _pixels(image: Any, topic: Topic) -> Pixels:
    return decode(image) if topic.type == COMPRESSED else unpack(image)


def read_bag(
    source: Source, start_ns: int, stop_ns: int, problems: list[str]
) -> Iterator[RawFrame]:
    streams = {stream.topic: stream for stream in source.streams}
    infos = {stream.info_topic for stream in source.streams}
    topics = [name for name in (*streams, *sorted(infos), source.fix_topic) if name]
    with Bag(source.path) as bag, _Labels(source, start_ns, stop_ns) as labels:
        fix: tuple[int, float, float] | None = None
        known, calibrations = len(bag.problems), _Calibrations()
        clocks = {topic: FrameClock() for topic in streams}
        for message in bag.messages(topics, start_ns, stop_ns):
            if message.topic.name == source.fix_topic:
                fix = _fix(bag, message) or fix
            elif message.topic.name in infos:
                calibrations.take(bag, message)
            else:
                stream = streams[message.topic.name]
                frame = _bag_frame(bag, message, stream, labels, fix, clocks[stream.topic])
                yield replace(frame, calibration=calibrations.of(stream))
        problems += bag.problems[known:]


def _bag_frame(
    bag: Bag,
    message: BagMessage,
    stream: Stream,
    labels: _Labels,
    fix: tuple[int, float, float] | None,
    clock: FrameClock,
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
    given_ns = 0 if stream.stamps_stand else header_ns(image.header)
    stamp_ns = clock.time_ns(given_ns, message.log_ns)
    return replace(
        frame,
        stamp_ns=stamp_ns,
        stamps_stand=clock.stands,
        frame_id=image.header.frame_id,
        name=str(stamp_ns),
        decode=partial(_pixels, image, message.topic),
        ground_truth=labels.find(stamp_ns, message.log_ns),
    )


def header_ns(header: Any) -> int:
    """The stamp of a header."""
    return int(header.stamp.sec) * NS + int(header.stamp.nanosec)


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
    Label images of the frames: those recorded within a second of where the reader is.

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
        self._held = {k: held for k, held in self._held.items() if held[0] >= log_ns - NS}
        held = self._held.get(stamp_ns)
        return partial(_labels, held[1]) if held else None

    def _hold(self, message: BagMessage) -> None:
        assert self._bag is not None
        try:
            image = self._bag.deserialise(message)
        except SourceError:  # a frame without truth, as others are
            return
        self._held[header_ns(image.header) or message.log_ns] = (message.log_ns, image)


def _labels(image: Any) -> np.ndarray:
    """
    Class ids (H, W) uint8 of a label image.

    :raises ImageError: when it is no such image.
    """
    if hasattr(image, 'format'):
        return decode_mask(bytes(image.data), 'label image')
    if image.encoding in ('mono16', '16UC1') and image.step * image.height == len(image.data):
        rows = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)
        values = np.ascontiguousarray(rows[:, : 2 * image.width]).view('<u2')
        return narrow(values, 'label image')
    if image.encoding not in ('mono8', '8UC1'):
        raise ImageError('label image', repr(image.encoding), 'mono8, 8UC1, mono16 or 16UC1')
    return np.ascontiguousarray(unpack(image).array[..., 0])
