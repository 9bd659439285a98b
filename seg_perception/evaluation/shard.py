# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Work on one part of an evaluation: read, segment, write.

    read (this thread) -> decode, segment, score (pool) -> risk over time (this thread)
        -> draw, encode (pool) -> write (this thread)

Every frame is worked on by one thread of the pool, and the network runs on one thread for each:
that keeps all cores busy to the end of a frame, and it makes the numbers the same on any machine
of a kind, however many cores it has.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from math import nan
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from seg_perception.core.camera import Calibration, Camera, Mount
from seg_perception.core.classes import ClassTable
from seg_perception.core.draw import draw_scene
from seg_perception.core.drivable import scale_area
from seg_perception.core.errors import CalibrationError, SegPerceptionError
from seg_perception.core.horizon import HorizonParams
from seg_perception.core.masks import resize_nearest
from seg_perception.core.results import Result, SafetyRisk
from seg_perception.core.risk_filter import RiskFilter
from seg_perception.evaluation.ground_truth import Score, Truth, condition_of, row_of, score_frame
from seg_perception.evaluation.inputs import RawFrame, Stream, read_span
from seg_perception.evaluation.job import WARM_UP_NS, Part, Plan
from seg_perception.evaluation.outputs import Movie, Packed, PartWriter
from seg_perception.inference.engine import Engine
from seg_perception.inference.open_engine import open_engine
from seg_perception.inference.pipeline import Extras, Pipeline
from seg_perception.io.cdr_messages import (
    header,
    image_message,
    jpeg_message,
    scene_message,
)
from seg_perception.io.encodings import Pixels

PART_FILE, SCORES_FILE = 'part.json', 'scores.npz'
_AHEAD = 3  # frames in work or waiting, for each thread and stage
_JPEG_QUALITY = 80
_THUMB_WIDTH = 320
_GROUND_FRAME = 'base_link'
_PITCH_EVERY = 8  # frames; the mount of a camera does not change
_MAX_PROBLEMS = 20  # of a part: a camera that is broken says the same of every frame

Item = TypeVar('Item')
Made = TypeVar('Made')


@dataclass(frozen=True)
class Answer:
    """What is known of one frame."""

    frame: RawFrame
    index: int  # among those of its camera in the part
    pixels: Pixels
    result: Result
    decode_ms: float
    camera: Camera | None
    score: Score | None = None


@dataclass(frozen=True)
class Rejected:
    """A frame that cannot be used: the kind of fault, and the whole story."""

    frame: RawFrame
    thing: str
    what: str


@dataclass(frozen=True)
class Seen:
    """The risk of one frame by itself, which the next part may want for its warm-up."""

    part: int
    camera: str
    log_ns: int
    stamp_ns: int
    risk: SafetyRisk


def run_part(
    plan: Plan,
    part: Part,
    threads: int,
    progress: Callable[[], None] = lambda: None,
    before: Sequence[Seen] = (),
) -> list[Seen]:
    """
    Evaluate a part into ``parts/<number>``, which is there once all of it is.

    :param threads: how many frames are worked on at once.
    :param progress: called after each frame.
    :param before: what the part before this one gave; saves its end from being segmented again.
    :return: what the part after this one may be given.
    :raises SegPerceptionError: when the model cannot be used or the output not be written.
    """
    if plan.folder.part(part.folder).is_dir():
        return []
    engine = _engine(str(plan.model), plan.provider)
    follows = bool(before) and before[-1].part == part.number - 1 and part.starts_within
    with plan.folder.new_part(part.folder) as hidden:
        run = _PartRun(plan, part, engine, hidden, progress, before if follows else ())
        run.run(threads)
    return run.seen


@lru_cache(maxsize=1)
def _engine(model: str, provider: str) -> Engine:
    return open_engine(model, provider, threads=1)


class _PartRun:
    """One part in work."""

    def __init__(
        self,
        plan: Plan,
        part: Part,
        engine: Engine,
        folder: Path,
        progress: Callable[[], None],
        before: Sequence[Seen],
    ) -> None:
        self._plan, self._part, self._folder, self._progress = plan, part, folder, progress
        self._before = before
        self.seen = [row for row in before if row.log_ns >= part.stop_ns - WARM_UP_NS]
        self._pipeline = Pipeline(engine, plan.drivable, plan.risk)
        self._table = engine.card.classes
        self._filters = {s.camera: RiskFilter(plan.risk) for s in part.source.streams}
        self._counts: Counter[str] = Counter()  # frames of each camera, bad ones too
        self._skipped: Counter[str] = Counter()
        self._problems: list[str] = []
        self._first_name = ''
        self._scores: dict[str, Score] = {}  # by condition
        self._provider = engine.provider

    def run(self, threads: int) -> None:
        started_s = time.time()
        outputs = self._plan.outputs
        videos = {s.camera: self._movie(s) for s in self._part.source.streams}
        writer = PartWriter(self._folder, 'bag' in outputs, videos if 'video' in outputs else {})
        written = 0
        try:
            with _quiet_opencv(), _pool(threads) as pool:
                for packed in self._frames(pool, _AHEAD * threads):
                    writer.write(packed)
                    written += 1
                    self._progress()
            writer.close()
        except BaseException:
            writer.abort()
            raise
        self._save(written, started_s)

    def _movie(self, stream: Stream) -> Movie:
        """Rate and size of the overlay video, the same for all parts of an input."""
        height, width = _narrow(stream.size, self._plan.overlay_width or stream.size[1])
        return Movie(stream.fps, (max(2, height // 2 * 2), max(2, width // 2 * 2)))

    def _frames(self, pool: ThreadPoolExecutor, ahead: int) -> Iterator[Packed]:
        """Lazily, in order; no more than ``ahead`` frames wait anywhere."""
        part = self._part
        frames = read_span(part.source, part.start_ns - WARM_UP_NS, part.stop_ns, self._problems)
        answers = in_order(pool, self._answer, self._numbered(frames), ahead)
        return in_order(pool, self._pack, self._over_time(answers), ahead)

    def _numbered(self, frames: Iterable[RawFrame]) -> Iterator[tuple[int, RawFrame]]:
        """With the index in the part; -1 before it begins, which is left out where it is known."""
        for frame in frames:
            index = -1
            if self._before and frame.log_ns < self._part.start_ns:
                continue
            if frame.log_ns >= self._part.start_ns:
                self._first_name = self._first_name or frame.name
                index = self._counts[frame.stream.camera]
                self._counts[frame.stream.camera] += 1
            yield index, frame

    def _answer(self, numbered: tuple[int, RawFrame]) -> Answer | Rejected:
        index, frame = numbered
        try:
            start_s = time.perf_counter()
            pixels = frame.decode()
            decode_ms = (time.perf_counter() - start_s) * 1e3
            camera = self._camera(frame.stream, pixels)
            extras = Extras(pitch=HorizonParams() if index % _PITCH_EVERY == 0 else None)
            result = self._pipeline.process(pixels.array, pixels.order, camera, extras=extras)
            score = self._score(frame, result) if index >= 0 else None
        except SegPerceptionError as error:
            return Rejected(frame, error.thing, str(error))
        return Answer(frame, index, pixels, result, decode_ms, camera, score)

    def _camera(self, stream: Stream, pixels: Pixels) -> Camera | None:
        mount, calibration = self._plan.mount, stream.calibration
        if mount is None or calibration is None:
            return None
        height, width = pixels.array.shape[:2]
        try:
            return _camera(calibration, mount, (height, width))
        except CalibrationError as error:
            self._note(f'{stream.topic}: {error}')
            return None

    def _score(self, frame: RawFrame, result: Result) -> Score | None:
        truth = self._plan.truth
        if truth is None:
            return None
        try:
            ids = self._truth_ids(truth, frame)
            if ids is None:
                return None
            return score_frame(truth, self._table, ids, result.labels, result.confidence)
        except SegPerceptionError as error:
            self._note(str(error))
            return None

    def _truth_ids(self, truth: Truth, frame: RawFrame) -> np.ndarray | None:
        if truth.folder:
            return truth.mask_of(self._part.source.name, frame.name)
        return frame.truth() if frame.truth else None

    def _over_time(self, answers: Iterable[Answer | Rejected]) -> Iterator[Answer]:
        """The part's own frames, with the risk as its filter remembers it."""
        for row in self._before:
            if row.log_ns >= self._part.start_ns - WARM_UP_NS:
                self._filters[row.camera].update(row.risk, row.stamp_ns / 1e9)
        for answer in answers:
            frame = answer.frame
            if isinstance(answer, Rejected):
                if frame.log_ns >= self._part.start_ns:
                    self._skipped[answer.thing] += 1
                    self._note(answer.what)
                continue
            self._remember(answer)
            memory = self._filters[frame.stream.camera]
            risk = memory.update(answer.result.risk, frame.stamp_ns / 1e9)
            if answer.index >= 0:
                self._add_score(answer)
                yield replace(answer, result=replace(answer.result, risk=risk))

    def _remember(self, answer: Answer) -> None:
        frame = answer.frame
        if frame.log_ns >= self._part.stop_ns - WARM_UP_NS:
            risk, camera = answer.result.risk, frame.stream.camera
            self.seen.append(Seen(self._part.number, camera, frame.log_ns, frame.stamp_ns, risk))

    def _add_score(self, answer: Answer) -> None:
        if answer.score is not None:
            condition = self._condition(answer.frame)
            self._scores.setdefault(condition, Score(len(self._table))).merge(answer.score)

    def _condition(self, frame: RawFrame) -> str:
        return condition_of(self._plan.conditions, self._part.source.name, frame.stamp_ns)

    def _pack(self, answer: Answer) -> Packed:
        frame, outputs = answer.frame, self._plan.outputs
        overlay = thumbnail = None
        messages: dict[str, memoryview] = {}
        if {'bag', 'video', 'thumbs'} & set(outputs):
            overlay = self._draw(answer)
        if 'thumbs' in outputs and overlay is not None:
            thumbnail = _jpeg(_narrowed(overlay, _THUMB_WIDTH))
        if 'bag' in outputs and overlay is not None:
            messages = self._messages(answer, overlay)
        row = self._row(answer)
        return Packed(frame.stream.camera, frame.log_ns, row, messages, overlay, thumbnail)

    def _draw(self, answer: Answer) -> np.ndarray:
        """The overlay, (h, w, 3) uint8 BGR, drawn at its own size."""
        pixels, result = answer.pixels, answer.result
        small = _narrowed(pixels.array, self._plan.overlay_width or pixels.array.shape[1])
        size = small.shape[0], small.shape[1]
        rgb = cv2.cvtColor(small, cv2.COLOR_BGR2RGB) if pixels.order == 'bgr' else small
        scene = draw_scene(
            rgb,
            resize_nearest(result.labels, size),
            self._table,
            scale_area(result.area, size),
            result.risk,
            corridor=self._pipeline.drivable.corridor,
            camera=answer.camera.scaled(size) if answer.camera else None,
        )
        return cv2.cvtColor(scene, cv2.COLOR_RGB2BGR)

    def _messages(self, answer: Answer, overlay: np.ndarray) -> dict[str, memoryview]:
        frame, result = answer.frame, answer.result
        head = header(frame.stamp_ns, frame.frame_id)
        ground = _GROUND_FRAME if answer.camera else ''
        return {
            'mask': image_message(result.labels, head),
            'confidence': image_message(result.confidence, head),
            'road_scene': scene_message(
                result, head, frame.stream.camera, self._plan.model_name, ground
            ),
            'overlay/compressed': jpeg_message(_jpeg(overlay), head),
        }

    def _row(self, answer: Answer) -> dict[str, Any]:
        """The columns of frames.parquet, but for what merging knows."""
        frame, result = answer.frame, answer.result
        area, risk = result.area, result.risk
        latitude, longitude = frame.fix or (nan, nan)
        row = {
            'topic': frame.stream.topic,
            'index': answer.index,
            'stamp_ns': frame.stamp_ns,
            'height': result.labels.shape[0],
            'width': result.labels.shape[1],
            'decode_ms': answer.decode_ms,
            **{f'{stage}_ms': ms for stage, ms in result.stage_ms.items()},
            'image_share': area.image_share,
            'corridor_share': area.corridor_share,
            'free_distance_m': area.free_distance_m,
            'area_confidence': area.confidence,
            'pitch_off_rad': _pitch_off_rad(answer),
            'score': risk.score,
            'level': int(risk.level),
            'time_to_contact_s': risk.time_to_contact_s,
            'suggested_speed_mps': risk.suggested_speed_mps,
            'reason': _worst_reason(risk),
            **{f'factor_{factor.name}': factor.risk for factor in risk.factors},
            'confidence': cv2.mean(result.confidence)[0] / 255,
            'strange': result.strange,
            **_class_shares(result.labels, self._table),
        }
        if self._plan.truth is not None:
            row |= row_of(answer.score, self._table)
        condition = self._condition(frame)
        return row | {'condition': condition, 'thumbnail': '', 'lat': latitude, 'lon': longitude}

    def _note(self, problem: str) -> None:
        """Keep what went wrong, each thing once and not without end."""
        if problem not in self._problems and len(self._problems) < _MAX_PROBLEMS:
            self._problems.append(problem)

    def _save(self, written: int, started_s: float) -> None:
        """What the parts are merged from, beside the files of the frames."""
        facts = {
            'source': self._part.source.name,
            'frames': written,
            'first_name': self._first_name,
            'counts': dict(self._counts),
            'skipped': dict(self._skipped),
            'problems': self._problems,
            'provider': self._provider,
            'started_s': started_s,
            'ended_s': time.time(),
        }
        (self._folder / PART_FILE).write_text(json.dumps(facts), encoding='utf-8')
        if self._scores:
            arrays = {
                f'{condition}/{name}': array
                for condition, score in self._scores.items()
                for name, array in score.arrays().items()
            }
            np.savez(self._folder / SCORES_FILE, **arrays)  # type: ignore[arg-type]


def in_order(
    pool: ThreadPoolExecutor,
    work: Callable[[Item], Made],
    items: Iterable[Item],
    ahead: int,
) -> Iterator[Made]:
    """What the pool makes of each item, in order; at most ``ahead`` items are in it or done."""
    waiting: deque[Future[Made]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool that drops what waits in it when it is left early."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """OpenCV's own threads would take the cores from the pool's."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


@lru_cache(maxsize=64)
def _camera(calibration: Calibration, mount: Mount, size: tuple[int, int]) -> Camera:
    return Camera(calibration.for_image(size), mount)


def _narrowed(pixels: np.ndarray, width: int) -> np.ndarray:
    """The picture at that width; as it is where it is no wider."""
    size = _narrow((pixels.shape[0], pixels.shape[1]), width)
    if size == pixels.shape[:2]:
        return pixels
    return cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA)


def _narrow(size: tuple[int, int], width: int) -> tuple[int, int]:
    """The (height, width) of a picture that is made narrower if it is wider."""
    if size[1] <= width:
        return size
    return max(1, round(size[0] * width / size[1])), width


def _jpeg(bgr: np.ndarray) -> np.ndarray:
    return cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]


def _pitch_off_rad(answer: Answer) -> float:
    """By which the camera seems to look farther down than its mount says; NaN: cannot be told."""
    if answer.camera is None or answer.result.pitch is None:
        return nan
    return answer.result.pitch.pitch_rad - answer.camera.mount.pitch_rad


def _worst_reason(risk: SafetyRisk) -> str:
    worst = max(risk.factors, key=lambda factor: factor.weight * factor.risk, default=None)
    return worst.reason if worst is not None and worst.risk > 0 else ''


def _class_shares(labels: np.ndarray, table: ClassTable) -> dict[str, float]:
    counts = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel() / labels.size
    return {f'share_{name}': float(counts[i]) for i, name in enumerate(table.names)}
