# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
A first pass over an input, in which each of its cameras calibrates itself.

What it gives holds for the whole evaluation: it is kept in the output folder, so that shards and
resumed runs answer alike.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from seg_perception.core.camera import Calibration
from seg_perception.core.camera_geometry import GeometryKeeper, Missing
from seg_perception.core.draw import draw_scene
from seg_perception.core.errors import CalibrationError, SegPerceptionError
from seg_perception.core.masks import narrowed
from seg_perception.core.results import CalibrationState, OnlineCalibration
from seg_perception.evaluation.inputs import read_span
from seg_perception.evaluation.job import EvaluationJob, LearnedCamera
from seg_perception.evaluation.shard import in_order, quiet_pool
from seg_perception.evaluation.streams import NS, RawFrame, Source, Stream
from seg_perception.inference.answer import FrameAnswerer, FrameContext
from seg_perception.inference.camera_calibrator import CameraCalibrator
from seg_perception.inference.open_engine import open_engine
from seg_perception.io.atomic import make_folder, write_image, write_json
from seg_perception.io.calibration_file import (
    CalibrationFile,
    read_calibration_file,
    write_calibration_file,
)
from seg_perception.io.encodings import Pixels
from seg_perception.io.scene_fields import calibration_fields

log = logging.getLogger(__name__)

LIMIT_S = 60.0
"""How much of an input is looked at, at most."""

FOLDER = 'calibration'
_MARGIN_S = 10.0  # for which a calibrated camera goes on, so that it gets surer
_STEP_NS = NS // 10  # between two frames that are looked at
_EARLY = 0.9  # share of it after which the next frame comes: frames are not quite regular
_PICTURE_WIDTH = 960

Row = dict[str, Any]
Progress = Callable[[OnlineCalibration], None]


@dataclass(frozen=True, eq=False)
class CalibrationRun:
    """
    How one camera of an input calibrated itself.

    :param history: what was known at each ``time_s`` from the start, as ``calibration_fields``.
    :param picture: the last frame with everything drawn in, (h, w, 3) uint8 BGR.
    """

    file: CalibrationFile
    online: OnlineCalibration
    history: list[Row]
    picture: np.ndarray


def calibrate_stream(
    source: Source,
    stream: Stream,
    answerer: FrameAnswerer,
    *,
    threads: int = 1,
    limit_s: float = LIMIT_S,
    height_m: float = 0.0,
    progress: Progress = lambda _: None,
) -> CalibrationRun:
    """
    Let one camera of an input calibrate itself.

    :param limit_s: how much of the input is looked at, at most.
    :param height_m: of the camera above the ground; 0: not known.
    :param progress: called after each frame that was looked at.
    :raises SegPerceptionError: when no frame of the input can be used.
    """
    calibrator, history = CameraCalibrator(answerer.table, height_m=height_m), list[Row]()
    calibrated_ns, last = source.stop_ns, calibrator.online
    seen: _Seen | None = None
    for seen in _seen(source, stream, answerer, threads, limit_s):
        frame, pixels = seen.frame, seen.pixels
        online = calibrator.update(
            pixels.array, pixels.order, seen.labels, frame.stamp_ns / NS, frame.calibration
        )
        if online is not last:
            fields = calibration_fields(online, stream.camera, calibrator.size, True)
            history.append({'time_s': (frame.log_ns - source.start_ns) / NS, **fields})
            last = online
        progress(online)
        is_calibrated = online.state is CalibrationState.CALIBRATED
        calibrated_ns = min(calibrated_ns, frame.log_ns) if is_calibrated else source.stop_ns
        if frame.log_ns > calibrated_ns + _MARGIN_S * NS:
            break
    if seen is None:
        raise CalibrationError(f'input {source.name!r}', 'no frame that decodes', 'a moving image')
    file = CalibrationFile(calibrator.size, calibrator.lens, last, calibrator.memory)
    return CalibrationRun(file, last, history, _picture(seen, answerer, last))


@dataclass(frozen=True, eq=False)
class _Seen:
    frame: RawFrame
    pixels: Pixels
    labels: np.ndarray


def _seen(
    source: Source, stream: Stream, answerer: FrameAnswerer, threads: int, limit_s: float
) -> Iterator[_Seen]:
    """Some frames a second with their labels, in order."""
    alone = replace(source, streams=(stream,))
    stop_ns = min(source.stop_ns, source.start_ns + round(limit_s * NS))
    frames = _thinned(read_span(alone, source.start_ns, stop_ns, []))
    with quiet_pool(threads) as pool:
        yield from _labelled(pool, answerer, frames, 2 * threads)


def _labelled(
    pool: ThreadPoolExecutor, answerer: FrameAnswerer, frames: Iterable[RawFrame], ahead: int
) -> Iterator[_Seen]:
    for seen in in_order(pool, partial(_label, answerer), frames, ahead):
        if seen is not None:
            yield seen


def _label(answerer: FrameAnswerer, frame: RawFrame) -> _Seen | None:
    try:
        pixels = frame.decode()
        return _Seen(frame, pixels, answerer.segment(pixels.array, pixels.order).labels)
    except SegPerceptionError:  # counted when the frame is evaluated
        return None


def _thinned(frames: Iterable[RawFrame]) -> Iterator[RawFrame]:
    next_ns = 0
    for frame in frames:
        if frame.log_ns >= next_ns:
            next_ns = frame.log_ns + round(_EARLY * _STEP_NS)
            yield frame


def _picture(seen: _Seen, answerer: FrameAnswerer, online: OnlineCalibration) -> np.ndarray:
    pixels = seen.pixels
    bgr = pixels.array if pixels.order == 'bgr' else cv2.cvtColor(pixels.array, cv2.COLOR_RGB2BGR)
    bgr = narrowed(bgr, _PICTURE_WIDTH)
    size = bgr.shape[0], bgr.shape[1]
    keeper, unknown = GeometryKeeper(answerer.labels_size), Missing('no extrinsics are given')
    view = keeper.view(seen.frame.calibration, unknown, size, online)
    record = answerer.answer(bgr, 'bgr', FrameContext(view=view))
    rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    scene = draw_scene(rgb, record, answerer.table, geometry=view.geometry, online=online)
    return cv2.cvtColor(scene, cv2.COLOR_RGB2BGR)


def calibrated(job: EvaluationJob, threads: int, progress: Progress) -> EvaluationJob:
    """
    The job with what its cameras have learned of themselves, in this or in an earlier run.

    :param threads: how many frames are worked on at once.
    """
    if job.calibrate == 'off' or (job.calibrate == 'apply' and job.extrinsics is not None):
        return job
    first_pass = _FirstPass(job, threads, progress)
    pairs = ((source, stream) for source in job.sources for stream in source.streams)
    learned = (first_pass.learned(source, stream) for source, stream in pairs)
    return replace(job, learned=tuple(filter(None, learned)))


class _FirstPass:
    """The first pass over all inputs of a job; a model is opened only where one is needed."""

    def __init__(self, job: EvaluationJob, threads: int, progress: Progress) -> None:
        self._job, self._threads, self._progress = job, threads, progress

    @cached_property
    def _answerer(self) -> FrameAnswerer:
        return FrameAnswerer(open_engine(str(self._job.model), self._job.provider, threads=1))

    def learned(self, source: Source, stream: Stream) -> LearnedCamera | None:
        """What a camera knows of itself; None where nothing can be known."""
        given = self._job.given
        if given is not None and given.online is not None and _fits(given, stream):
            return LearnedCamera(source.name, stream.camera, stream.size, given.online)
        if source.kind == 'images':  # which do not show one motion
            return None
        folder = self._job.out / FOLDER / source.name
        path = folder / f'{stream.camera}.yaml'
        if not path.is_file() and not self._run(path, source, stream):
            return None
        online = read_calibration_file(path).online
        assert online is not None
        pages = f'{FOLDER}/{source.name}/{stream.camera}'
        return LearnedCamera(source.name, stream.camera, stream.size, online, pages)

    def _run(self, path: Path, source: Source, stream: Stream) -> bool:
        try:
            run = calibrate_stream(
                source, stream, self._answerer, threads=self._threads, progress=self._progress
            )
        except CalibrationError:  # the evaluation tells what is wrong with the frames
            return False
        make_folder(path.parent)
        write_image(path.with_suffix('.jpg'), run.picture, quality=85)
        write_json(path.with_suffix('.json'), run.history, indent=None)
        write_calibration_file(path, run.file)  # last: it says that the pass is finished
        return True


def _fits(file: CalibrationFile, stream: Stream) -> bool:
    lens = stream.calibration if isinstance(stream.calibration, Calibration) else None
    try:
        file.check_fits(stream.size, lens and lens.for_image(stream.size))
    except CalibrationError as error:
        log.warning('%s: %s', stream.camera, error)
        return False
    return True
