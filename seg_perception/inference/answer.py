# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
From one camera frame to everything that is said about it, for node, evaluation and commands.

    FrameAnswerer.answer (any thread, no memory) -> CameraMemory.recall (frames in order)

What decides whether an answer is OK or DEGRADED stands here and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import isfinite, nan
from typing import Any, Literal

import cv2
import numpy as np

from seg_perception.core.boundary_filter import Boundary, BoundaryFilter
from seg_perception.core.camera_geometry import CameraGeometry, CameraView, ImageGeometry
from seg_perception.core.classes import ClassTable, Role
from seg_perception.core.corridor import MOST_CURVED
from seg_perception.core.drivable import DrivableParams, find_drivable, scale_area
from seg_perception.core.ego_motion import EgoMotion
from seg_perception.core.errors import ImageError
from seg_perception.core.grid import GridParams, drivable_grid
from seg_perception.core.hazards import scale_boxes
from seg_perception.core.horizon import HorizonParams, estimate_pitch
from seg_perception.core.image_quality import scaled_confidence
from seg_perception.core.labelled_cloud import labelled_image
from seg_perception.core.masks import resize_nearest
from seg_perception.core.measured_grid import measured_grid
from seg_perception.core.measured_hazards import HazardRanges
from seg_perception.core.measured_path import measured_area
from seg_perception.core.results import OnlineCalibration, SceneRecord
from seg_perception.core.risk import assess_risk
from seg_perception.core.risk_filter import RiskFilter
from seg_perception.core.risk_params import RiskParams
from seg_perception.core.scan import ScanParams, free_space_scan
from seg_perception.core.terrain import Surface
from seg_perception.core.turning import turn_image, turn_record, turn_size
from seg_perception.inference.engine import Engine

Order = Literal['rgb', 'bgr']
NOT_CALIBRATED = 'not calibrated'
_BENT = 0.001  # a path that a camera sees less bent, times its height, counts as straight


@dataclass(frozen=True)
class AnswerSettings:
    """
    What the answers depend on.

    :param warn_confidence: an answer whose mean confidence is lower is DEGRADED; 0: never.
    """

    drivable: DrivableParams = field(default_factory=DrivableParams)
    risk: RiskParams = field(default_factory=RiskParams)
    warn_confidence: float = 0.4


@dataclass(frozen=True)
class Extras:
    """What is computed only where someone wants it; None: not wanted."""

    grid: GridParams | None = None
    scan: ScanParams | None = None
    pitch: HorizonParams | None = None
    has_cloud: bool = False


@dataclass(frozen=True)
class Measured:
    """
    What sensors of range say of a frame; ``fault`` says why it is less than was asked for.

    :param surface: None: nothing is measured, and the ground is taken as flat.
    """

    surface: Surface | None = None
    fault: str = ''


Measure = Callable[[CameraGeometry, np.ndarray], Measured]
"""Measures labels (h, w) uint8 of upright images of a geometry."""


@dataclass(frozen=True)
class FrameContext:
    """
    Everything that a frame is answered with, apart from its pixels.

    :param view: the geometry of the frame, for labels of ``labels_size``; None: not calibrated.
    :param motion: of the own vehicle; its curvature is that of the ego corridor.
    :param extras: what else is wanted; without a calibrated camera there is none of it.
    :param frame_id: of the camera; the memory starts anew with another.
    :param online: what the camera has learned of itself, where the view follows it.
    :param measure: asked once the labels are known, so that range may come a little later.
    """

    settings: AnswerSettings = field(default_factory=AnswerSettings)
    view: CameraView | None = None
    motion: EgoMotion = field(default_factory=EgoMotion)
    extras: Extras = Extras()
    stamp_s: float = 0.0
    frame_id: str = ''
    online: OnlineCalibration | None = None
    measure: Measure | None = None

    @property
    def path_curvature_per_m(self) -> float:
        """The curvature of the motion, else the one that the camera sees, else 0: straight."""
        if self.motion.curvature_per_m:
            return self.motion.curvature_per_m
        bend = self.online.path_bend if self.online else nan
        if not abs(bend) >= _BENT:
            return 0.0
        geometry, height_m = self.view.geometry if self.view else None, nan
        if geometry is not None:
            camera = geometry.camera
            height_m = camera.extrinsics.height_m if camera else geometry.camera_height_m
        if not isfinite(height_m):
            height_m = self.settings.drivable.corridor.camera_height_m
        return float(np.clip(bend / height_m, -MOST_CURVED, MOST_CURVED))


class StopWatch:
    """Milliseconds between laps."""

    def __init__(self) -> None:
        self.laps_ms: dict[str, float] = {}
        self.resume()

    def resume(self) -> None:
        """The next lap begins now."""
        self._since_s = time.perf_counter()

    def lap(self, name: str) -> None:
        now_s = time.perf_counter()
        self.laps_ms[name] = (now_s - self._since_s) * 1e3
        self._since_s = now_s


@dataclass(frozen=True, eq=False)
class Segmented:
    """What the model says of a frame, at the model's size (h, w)."""

    labels: np.ndarray  # (h, w) uint8
    stated: np.ndarray  # (h, w) uint8, the confidence as the model states it
    rgb: np.ndarray  # (h, w, 3) uint8
    ood_score: float
    size: tuple[int, int]  # (height, width) of the frame
    view: CameraView
    watch: StopWatch


class FrameAnswerer:
    """
    Resizes, segments, finds the drivable area, assesses the risk, scales up.

    Everything between the two resizes works at the model's size.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.table = engine.card.classes

    def labels_size(self, frame_size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) at which a frame of that (height, width) is labelled."""
        return self.engine.size_for(frame_size)

    def answer(
        self, pixels: np.ndarray, order: Order = 'rgb', context: FrameContext | None = None
    ) -> SceneRecord:
        """
        Say everything about one frame, (H, W, 3) uint8 in either channel order, without memory.

        The frame may be a view with padded rows and is not changed; the record's arrays are new.
        Several threads may call this at once.

        :raises ImageError: when type, shape or order is none of these.
        """
        context = context or FrameContext()
        return self.describe(self.segment(pixels, order, context.view), context)

    def segment(
        self, pixels: np.ndarray, order: Order = 'rgb', view: CameraView | None = None
    ) -> Segmented:
        """What the model says of a frame, the first half of ``answer``."""
        _check(pixels, order)
        size, watch = (pixels.shape[0], pixels.shape[1]), StopWatch()
        view = view or CameraView(ImageGeometry(self.labels_size(size)), NOT_CALIBRATED)
        turns = view.geometry.turns
        rgb = _to_model(pixels, order, turn_size(view.geometry.size, turns))
        rgb = turn_image(rgb, turns)
        watch.lap('resize')
        said = self.engine.run(rgb[np.newaxis])
        ood_score = self.engine.card.ood_score(float(said.ood_score[0]))
        watch.lap('inference')
        return Segmented(said.labels[0], said.confidence[0], rgb, ood_score, size, view, watch)

    def describe(self, segmented: Segmented, context: FrameContext) -> SceneRecord:
        """
        Say everything about a segmented frame, the second half of ``answer``.

        :param context: its view is that which the frame was segmented with.
        """
        size, view, watch = segmented.size, segmented.view, segmented.watch
        watch.resume()
        record = self._describe(segmented, context)
        record = turn_record(record, -view.geometry.turns)  # small, and so quickly
        labels_size = record.labels.shape[0], record.labels.shape[1]
        record = replace(
            record,
            labels=resize_nearest(record.labels, size),
            confidence=resize_nearest(record.confidence, size),
            area=scale_area(record.area, size),
            risk=scale_boxes(record.risk, labels_size, size),
            doubts=(*_doubts(record, self.table, view, context), *record.doubts),
        )
        watch.lap('upscale')
        return record

    def prepare(self, frame_size: tuple[int, int], context: FrameContext) -> None:
        """
        Make what the first answer for frames of a (height, width) would wait for.

        It answers a black frame: the model meets the size, and the geometry makes its parts. That
        takes tenths of a second, which would make the first metric answer late.
        """
        self.answer(np.zeros((*frame_size, 3), np.uint8), 'bgr', context)

    def _describe(self, seen: Segmented, context: FrameContext) -> SceneRecord:
        """What the labels mean, at their size."""
        settings, extras, table = context.settings, context.extras, self.table
        geometry, watch, measured = seen.view.geometry, seen.watch, Measured()
        if isinstance(geometry, CameraGeometry) and context.measure is not None:
            measured = context.measure(geometry, seen.labels)
            watch.lap('range')
        surface = measured.surface
        labels = seen.labels if surface is None else surface.corrected
        path: dict[str, Any] = {
            'geometry': geometry,
            'curvature_per_m': context.path_curvature_per_m,
        }
        confidence = scaled_confidence(seen.stated, seen.ood_score, settings.risk.health)
        area = find_drivable(labels, confidence, table, settings.drivable, **path)
        pitch = grid = scan = cloud = ranges = None
        if isinstance(geometry, CameraGeometry) and surface is not None:
            ranges = HazardRanges(surface, table, settings.risk.corridor, *path.values())
            area = measured_area(area, surface, table, params=settings.drivable, **path)
        if isinstance(geometry, CameraGeometry) and extras.pitch is not None:
            pitch = estimate_pitch(area.mask, labels, table, geometry.camera, params=extras.pitch)
        watch.lap('drivable')
        image: dict[str, Any] = {'rgb': seen.rgb, 'ood_score': seen.ood_score}
        risk = assess_risk(
            labels, seen.stated, table, area, settings.risk, **path, **image, ranges=ranges
        )
        watch.lap('risk')
        if isinstance(geometry, CameraGeometry) and extras.grid is not None:
            ground = area.mask, labels, confidence, table, geometry, extras.grid
            grid = measured_grid(*ground, surface) if surface else drivable_grid(*ground)
            watch.lap('grid')
        if isinstance(geometry, CameraGeometry) and extras.scan is not None:
            places = surface.ranges.xyz_m if surface else None
            scan = free_space_scan(area.mask, labels, table, geometry, extras.scan, places)
            watch.lap('scan')
        if isinstance(geometry, CameraGeometry) and extras.has_cloud:
            cloud = labelled_image(seen.labels, confidence, table, geometry, surface)
            watch.lap('cloud')
        return SceneRecord(
            labels=seen.labels,
            confidence=confidence,
            area=area,
            risk=risk,
            stage_ms=watch.laps_ms,
            grid=grid,
            scan=scan,
            cloud=cloud,
            pitch=pitch,
            ood_score=seen.ood_score,
            uncalibrated_reason=seen.view.reason,
            doubts=(measured.fault,) if measured.fault else (),
        )


class CameraMemory:
    """
    What is remembered of one camera's frames: its risk and its boundary over time.

    :param table: of the class ids in the records.
    """

    def __init__(self, table: ClassTable) -> None:
        self._risk, self._boundary = RiskFilter(), BoundaryFilter(table)

    def reset(self) -> None:
        """Forget every frame."""
        self._risk.reset()
        self._boundary.reset()

    def recall(self, record: SceneRecord, context: FrameContext) -> SceneRecord:
        """The record with what follows from the frames before, too; call in order."""
        self._risk.params = context.settings.risk
        frame = context.stamp_s, context.frame_id
        boundary = self._boundary.update(Boundary.of(record.area), *frame)
        risk = self._risk.update(record.risk, *frame, context.path_curvature_per_m)
        return replace(record, risk=risk, area=boundary.put_into(record.area))


def late(record: SceneRecord, latency_ms: float, warn_latency_ms: float) -> SceneRecord:
    """The record with the doubt that it took too long, for those who measure the latency."""
    if latency_ms <= warn_latency_ms:
        return record
    doubt = f'took {latency_ms:.0f} ms, above {warn_latency_ms:g}'
    return replace(record, doubts=(*record.doubts, doubt))


def _doubts(
    record: SceneRecord, table: ClassTable, view: CameraView, context: FrameContext
) -> list[str]:
    """Why an answer is not to be trusted fully, in words."""
    settings, doubts = context.settings, []
    if not any(row.role is Role.DRIVABLE for row in table.classes):
        doubts.append(f'no class of {table.name} is drivable: no road is ever found')
    if view.is_fault:
        doubts.append(view.reason)
    if context.motion.fault:
        doubts.append(context.motion.fault)
    if record.ood_score >= settings.risk.health.ood_full:
        doubts.append(f'unlike what the model has learned: {record.ood_score:.2f} of 1')
    confidence = cv2.mean(record.confidence)[0] / 255.0
    if confidence < settings.warn_confidence:
        doubts.append(f'mean confidence {confidence:.2f}, below {settings.warn_confidence:g}')
    return doubts


def _to_model(pixels: np.ndarray, order: Order, size: tuple[int, int]) -> np.ndarray:
    """Resize first: swapping channels of the small image costs a quarter."""
    small = pixels
    if pixels.shape[:2] != size:
        small = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_LINEAR)
    return cv2.cvtColor(small, cv2.COLOR_BGR2RGB) if order == 'bgr' else small


def _check(pixels: np.ndarray, order: str) -> None:
    if order not in ('rgb', 'bgr'):
        raise ImageError('channel order', repr(order), "'rgb' or 'bgr'")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ImageError('frame', f'{pixels.dtype} {pixels.shape}', 'uint8 (H, W, 3), not empty')
