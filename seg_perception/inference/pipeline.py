# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""From one camera frame to everything that is said about it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from seg_perception.core.camera import Camera
from seg_perception.core.drivable import DrivableParams, find_drivable, scale_area
from seg_perception.core.errors import ImageError
from seg_perception.core.grid import GridParams, drivable_grid
from seg_perception.core.horizon import HorizonParams, estimate_pitch
from seg_perception.core.image_quality import believed
from seg_perception.core.masks import resize_nearest
from seg_perception.core.results import Result
from seg_perception.core.risk import RiskParams, assess_risk
from seg_perception.core.scan import ScanParams, free_space_scan
from seg_perception.inference.engine import Engine

Order = Literal['rgb', 'bgr']


@dataclass(frozen=True)
class Extras:
    """What is computed only where someone wants it; None: not wanted."""

    grid: GridParams | None = None
    scan: ScanParams | None = None
    pitch: HorizonParams | None = None


class Pipeline:
    """
    Resize, segment, find the drivable area, assess the risk, scale up.

    Everything between the two resizes works at the model's size. ``drivable`` and ``risk`` may be
    replaced between frames.
    """

    def __init__(
        self,
        engine: Engine,
        drivable: DrivableParams = DrivableParams(),
        risk: RiskParams = RiskParams(),
    ) -> None:
        self.engine = engine
        self.drivable = drivable
        self.risk = risk

    def process(
        self,
        pixels: np.ndarray,
        order: Order = 'rgb',
        camera: Camera | None = None,
        curvature_per_m: float = 0.0,
        extras: Extras = Extras(),
    ) -> Result:
        """
        Say everything about one frame, (H, W, 3) uint8 in either channel order, without memory.

        The frame may be a view with padded rows and is not changed; the result's arrays are new.

        :param camera: of the frame, for metres.
        :param curvature_per_m: of the path that the ego corridor follows, left positive.
        :param extras: what else is wanted; without a camera there is none of it.
        :raises ImageError: when type, shape or order is none of these.
        """
        _check(pixels, order)
        table = self.engine.card.classes
        watch = _StopWatch()
        rgb = _to_model(pixels, order, self.engine.size_for(pixels.shape[:2]))
        watch.lap('resize')
        answer = self.engine.run(rgb[np.newaxis])
        strange = self.engine.card.strange_of(float(answer.strangeness[0]))
        labels, stated = answer.labels[0], answer.confidence[0]
        confidence = believed(stated, strange, self.risk.trust)
        watch.lap('inference')
        path = camera, curvature_per_m
        area = find_drivable(labels, confidence, table, self.drivable, *path)
        pitch = None
        if extras.pitch is not None and camera is not None:
            pitch = estimate_pitch(area.mask, labels, table, camera, extras.pitch)
        watch.lap('drivable')
        risk = assess_risk(labels, stated, table, area, self.risk, *path, rgb=rgb, strange=strange)
        watch.lap('risk')
        grid = scan = None
        if extras.grid is not None and camera is not None:
            grid = drivable_grid(area.mask, labels, confidence, table, camera, extras.grid)
            watch.lap('grid')
        if extras.scan is not None and camera is not None:
            scan = free_space_scan(area.mask, labels, table, camera, extras.scan)
            watch.lap('scan')
        size = pixels.shape[:2]
        labels, confidence = resize_nearest(labels, size), resize_nearest(confidence, size)
        area = scale_area(area, size)
        watch.lap('upscale')
        return Result(labels, confidence, area, risk, watch.laps_ms, grid, scan, pitch, strange)


class _StopWatch:
    """Milliseconds between laps."""

    def __init__(self) -> None:
        self.laps_ms: dict[str, float] = {}
        self._since_s = time.perf_counter()

    def lap(self, name: str) -> None:
        now_s = time.perf_counter()
        self.laps_ms[name] = (now_s - self._since_s) * 1e3
        self._since_s = now_s


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
