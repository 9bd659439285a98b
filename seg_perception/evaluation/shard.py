# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Work on one shard of an evaluation: read, segment, write.

    read (this thread) -> decode, segment, score (pool) -> risk over time (this thread)
        -> draw, encode (pool) -> write (this thread)

Every frame is worked on by one thread of the pool, and the network runs on one thread for each:
that keeps all cores busy to the end of a frame, and it makes the numbers the same on any machine
of a kind, however many cores it has.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from seg_perception.core.camera_geometry import CameraView, GeometryKeeper, Missing
from seg_perception.core.errors import SegPerceptionError
from seg_perception.core.masks import narrow
from seg_perception.core.results import OnlineCalibration, SceneRecord
from seg_perception.evaluation.ground_truth import GroundTruth, Score, condition_of, score_frame
from seg_perception.evaluation.inputs import read_span
from seg_perception.evaluation.job import WARM_UP_NS, EvaluationJob, Shard
from seg_perception.evaluation.outputs import Answer, Packed, Packer, ShardWriter
from seg_perception.evaluation.stability import LabelStability, Snapshot
from seg_perception.evaluation.streams import NS, STAMPS_STAND, RawFrame
from seg_perception.inference.answer import (
    AnswerSettings,
    CameraMemory,
    Extras,
    FrameAnswerer,
    FrameContext,
    Segmented,
)
from seg_perception.inference.camera_calibrator import CameraCalibrator
from seg_perception.inference.engine import Engine
from seg_perception.inference.open_engine import open_engine
from seg_perception.inference.orientation import OrientationProbe
from seg_perception.io.encodings import Pixels

SHARD_FILE, SCORES_FILE = 'part.json', 'scores.npz'
_AHEAD = 3  # frames in work or waiting, for each thread and stage
_NO_EXTRINSICS = Missing('no extrinsics of the camera are given')
_PITCH_EVERY = 8  # frames; the extrinsics of a camera does not change
_MAX_PROBLEMS = 20  # of a shard: a camera that is broken says the same of every frame

Item = TypeVar('Item')
Made = TypeVar('Made')


@dataclass(frozen=True)
class Rejected:
    """A frame that cannot be used: the kind of fault, and the whole story."""

    frame: RawFrame
    thing: str
    what: str


@dataclass(frozen=True, eq=False)
class _Labelled:
    """A frame between its two halves of an answer."""

    frame: RawFrame
    index: int
    pixels: Pixels
    segmented: Segmented
    decode_ms: float
    online: OnlineCalibration | None = None


def run_shard(
    job: EvaluationJob, shard: Shard, threads: int, progress: Callable[[], None] = lambda: None
) -> None:
    """
    Evaluate a shard into ``parts/<number>``, which is there once all of it is.

    :param threads: how many frames are worked on at once.
    :param progress: called after each frame.
    :raises SegPerceptionError: when the model cannot be used or the output not be written.
    """
    if job.folder.part(shard.folder).is_dir():
        return
    engine = _engine(str(job.model), job.provider)
    with job.folder.new_part(shard.folder) as hidden:
        _ShardRun(job, shard, engine, hidden, progress).run(threads)


@lru_cache(maxsize=1)
def _engine(model: str, provider: str) -> Engine:
    engine = open_engine(model, provider, threads=1)
    engine.warm_up()  # which finds out a model that breaks the contract
    return engine


class _ShardRun:
    """One shard in work."""

    def __init__(
        self,
        job: EvaluationJob,
        shard: Shard,
        engine: Engine,
        folder: Path,
        progress: Callable[[], None],
    ) -> None:
        self._job, self._shard, self._folder, self._progress = job, shard, folder, progress
        self._answerer = FrameAnswerer(engine)
        self._settings = AnswerSettings(job.rules.drivable, job.rules.risk)
        self._horizon = job.rules.horizon
        self._table = engine.card.classes
        cameras = [stream.camera for stream in shard.source.streams]
        self._keepers = {name: GeometryKeeper(self._answerer.labels_size) for name in cameras}
        self._memories = {name: CameraMemory(self._table) for name in cameras}
        self._followers = {name: CameraCalibrator(self._table) for name in cameras}
        self._snapshots: dict[str, Snapshot | None] = dict.fromkeys(cameras)
        self._orientations = {name: OrientationProbe(self._answerer) for name in cameras}
        self._stability = LabelStability(len(self._table))
        self._packer = Packer(job, engine.card.classes, self._condition)
        self._counts: Counter[str] = Counter()  # frames of each camera, bad ones too
        self._skipped: Counter[str] = Counter()
        self._problems: list[str] = []
        self._warnings: set[str] = set()
        self._first_name = ''
        self._scores: dict[str, Score] = {}  # by condition
        self._provider = engine.provider

    def run(self, threads: int) -> None:
        started_s = time.time()
        outputs = self._job.outputs
        # Rate and size of the overlay videos are the same for all shards of an input.
        width = self._job.overlay_width or sys.maxsize
        formats = {
            stream.camera: (stream.fps, narrow(stream.size, width))
            for stream in self._shard.source.streams
            if 'video' in outputs
        }
        writer = ShardWriter(self._folder, 'bag' in outputs, formats)
        written = 0
        try:
            with quiet_pool(threads) as pool:
                for packed in self._frames(pool, _AHEAD * threads):
                    writer.write(packed)
                    self._stability.merge(packed.stability)
                    written += 1
                    self._progress()
            writer.close()
        except BaseException:
            writer.abort()
            raise
        self._save(written, started_s)

    def _frames(self, pool: ThreadPoolExecutor, ahead: int) -> Iterator[Packed]:
        """Lazily, in order; no more than ``ahead`` frames wait anywhere."""
        shard = self._shard
        frames = read_span(
            shard.source, shard.start_ns - WARM_UP_NS, shard.stop_ns, self._problems
        )
        labelled = in_order(pool, self._label, self._numbered(frames), ahead)
        answers = in_order(pool, self._answer, self._followed(labelled), ahead)
        return in_order(pool, self._packer.pack, self._over_time(answers), ahead)

    def _numbered(self, frames: Iterable[RawFrame]) -> Iterator[tuple[int, RawFrame]]:
        """Frames with their index in the shard; -1 for those of the warm-up."""
        for frame in frames:
            index = -1
            if frame.stamps_stand and not frame.stream.stamps_stand:
                self._warnings.add(f'{frame.stream.topic}: {STAMPS_STAND}')
            if frame.log_ns >= self._shard.start_ns:
                self._first_name = self._first_name or frame.name
                index = self._counts[frame.stream.camera]
                self._counts[frame.stream.camera] += 1
            yield index, frame

    def _label(self, numbered: tuple[int, RawFrame]) -> _Labelled | Rejected:
        index, frame = numbered
        try:
            start_s = time.perf_counter()
            pixels = frame.decode()
            decode_ms = (time.perf_counter() - start_s) * 1e3
            view = self._view(frame, pixels)
            segmented = self._answerer.segment(pixels.array, pixels.order, view)
        except SegPerceptionError as error:
            return Rejected(frame, error.thing, str(error))
        return _Labelled(frame, index, pixels, segmented, decode_ms)

    def _followed(self, frames: Iterable[_Labelled | Rejected]) -> Iterator[_Labelled | Rejected]:
        """With what the camera has learned of itself, and the path that it has seen until now."""
        for row in frames:
            online = None if isinstance(row, Rejected) else self._online(row.frame)
            if isinstance(row, Rejected) or online is None:
                yield row
                continue
            frame, pixels = row.frame, row.pixels
            follower = self._followers[frame.stream.camera]
            yield replace(row, online=replace(online, path_bend=follower.online.path_bend))
            follower.update(
                pixels.array, pixels.order, row.segmented.labels, frame.stamp_ns / NS,
                frame.calibration,
            )  # fmt: skip

    def _answer(self, row: _Labelled | Rejected) -> Answer | Rejected:
        if isinstance(row, Rejected):
            return row
        frame, index, pixels = row.frame, row.index, row.pixels
        context = FrameContext(
            self._settings,
            row.segmented.view,
            extras=Extras(pitch=None if index % _PITCH_EVERY else self._horizon),
            stamp_s=frame.stamp_ns / NS,
            frame_id=frame.frame_id,
            online=row.online,
        )
        record = self._answerer.describe(row.segmented, context)
        score = self._score(frame, record) if index >= 0 else None
        snapshot = self._snapshot(frame, pixels, record)
        return Answer(frame, index, pixels, record, row.decode_ms, context, score, snapshot)

    def _snapshot(self, frame: RawFrame, pixels: Pixels, record: SceneRecord) -> Snapshot | None:
        if self._shard.source.kind == 'images':
            return None
        return Snapshot.of(pixels, record.labels, frame.stamp_ns, frame.frame_id)

    def _view(self, frame: RawFrame, pixels: Pixels) -> CameraView:
        size = pixels.array.shape[0], pixels.array.shape[1]
        keeper = self._keepers[frame.stream.camera]
        given, online = self._job.extrinsics or _NO_EXTRINSICS, self._online(frame)
        view = keeper.view(frame.calibration, given, size, online)
        if view.is_fault:
            self._note(f'{frame.stream.topic}: {view.reason}')
        return view

    def _online(self, frame: RawFrame) -> OnlineCalibration | None:
        """What the camera of a frame has learned of itself, where that is applied."""
        return self._job.applied(self._shard.source.name, frame.stream.camera)

    def _score(self, frame: RawFrame, record: SceneRecord) -> Score | None:
        truth = self._job.ground_truth
        if truth is None:
            return None
        try:
            ids = self._ground_truth_ids(truth, frame)
            if ids is None:
                return None
            return score_frame(truth, self._table, ids, record.labels, record.confidence)
        except SegPerceptionError as error:
            self._note(str(error))
            return None

    def _ground_truth_ids(self, truth: GroundTruth, frame: RawFrame) -> np.ndarray | None:
        if truth.folder:
            return truth.mask_of(self._shard.source.name, frame.name)
        return frame.ground_truth() if frame.ground_truth else None

    def _over_time(self, answers: Iterable[Answer | Rejected]) -> Iterator[Answer]:
        """The shard's own frames, with risk and boundary as the memory has them."""
        for answer in answers:
            frame = answer.frame
            if isinstance(answer, Rejected):
                if frame.log_ns >= self._shard.start_ns:
                    self._skipped[answer.thing] += 1
                    self._note(answer.what)
                continue
            memory = self._memories[frame.stream.camera]
            record = memory.recall(answer.record, answer.context)
            before = self._snapshots[frame.stream.camera]
            self._snapshots[frame.stream.camera] = answer.snapshot
            if answer.index >= 0:
                self._add_score(answer)
                self._look(answer)
                yield replace(answer, record=record, before=before)

    def _add_score(self, answer: Answer) -> None:
        if answer.score is not None:
            condition = self._condition(answer.frame)
            self._scores.setdefault(condition, Score(len(self._table))).merge(answer.score)

    def _look(self, answer: Answer) -> None:
        """Find out whether the images of a camera are turned."""
        probe = self._orientations[answer.frame.stream.camera]
        time_s = answer.frame.stamp_ns / 1e9
        probe.look(answer.pixels, answer.record, answer.context, time_s)

    def _condition(self, frame: RawFrame) -> str:
        return condition_of(self._job.conditions, self._shard.source.name, frame.stamp_ns)

    def _note(self, problem: str) -> None:
        """Keep what went wrong, each thing once and not without end."""
        if problem not in self._problems and len(self._problems) < _MAX_PROBLEMS:
            self._problems.append(problem)

    def _save(self, written: int, started_s: float) -> None:
        """What the shards are merged from, in addition to the files of the frames."""
        turned = [
            f'{key}: {row.warning}' for key, row in self._orientations.items() if row.warning
        ]
        facts = {
            'source': self._shard.source.name,
            'frames': written,
            'first_name': self._first_name,
            'counts': dict(self._counts),
            'skipped': dict(self._skipped),
            'problems': self._problems,
            'warnings': sorted([*self._warnings, *turned]),
            'stability': self._stability.to_json(),
            'provider': self._provider,
            'started_s': started_s,
            'ended_s': time.time(),
        }
        (self._folder / SHARD_FILE).write_text(json.dumps(facts), encoding='utf-8')
        if self._scores:
            arrays = {
                f'{condition}/{name}': array
                for condition, score in self._scores.items()
                for name, array in score.arrays().items()
            }
            np.savez(self._folder / SCORES_FILE, **arrays)  # type: ignore[arg-type]


def in_order(
    pool: ThreadPoolExecutor, work: Callable[[Item], Made], items: Iterable[Item], ahead: int
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
def quiet_pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """
    A pool that drops what waits in it when it is left early.

    Meanwhile OpenCV has no threads of its own: they would take the cores from the pool's.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(before)
