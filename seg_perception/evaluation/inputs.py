# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What can be evaluated: bags, videos, folders of images; their cameras and their frames."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from seg_perception.core.camera_geometry import Missing
from seg_perception.core.errors import ImageError, SegPerceptionError, SourceError
from seg_perception.evaluation.bag_inputs import open_bag, read_bag
from seg_perception.evaluation.streams import (
    NS,
    Failure,
    RawFrame,
    Source,
    Stream,
    Wanted,
    first_size,
)
from seg_perception.io.bag_files import is_bag
from seg_perception.io.encodings import Pixels
from seg_perception.io.frames import IMAGE_SUFFIXES, find_files, read_frames
from seg_perception.io.video_reader import read_video, scan_video


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
            sources.append(_calibrated(_named(source, sources), wanted))
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
        yield from read_bag(source, start_ns, stop_ns, problems)
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


def _calibrated(source: Source, wanted: Wanted) -> Source:
    """With the calibration of a file for the cameras that have none of their own."""
    given = wanted.calibration
    if given is None:
        return source
    streams = (
        replace(
            stream,
            calibration=given.rectified() if wanted.takes_as_rectified(stream.topic) else given,
            info_topic='',
        )
        if isinstance(stream.calibration, Missing)
        else stream
        for stream in source.streams
    )
    return replace(source, streams=tuple(streams))


def _open(path: Path, wanted: Wanted) -> Source:
    return open_bag(path, wanted) if is_bag(path) else _open_video(path)


def _open_video(path: Path) -> Source:
    scan = scan_video(path)
    stream = Stream('', path.stem, scan.frames, scan.size, scan.fps)
    stop_ns = scan.times_ns[-1] + _frame_ns(1, scan.fps)
    return Source(path.stem, 'video', str(path), (str(path),), (stream,), 0, stop_ns)


def _open_images(files: list[Path], wanted: Wanted) -> Source:
    folder = files[0].parent
    size = first_size(folder, (partial(_decode_file, file) for file in files))
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
