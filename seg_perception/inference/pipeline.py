# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""From one camera frame to everything that is said about it."""

from __future__ import annotations

import time
from typing import Literal

import cv2
import numpy as np

from seg_perception.core.drivable import DrivableParams, find_drivable, scale_area
from seg_perception.core.errors import ImageError
from seg_perception.core.masks import resize_nearest
from seg_perception.core.results import Result
from seg_perception.core.risk import RiskParams, assess_risk
from seg_perception.inference.engine import Engine

Order = Literal['rgb', 'bgr']


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

    def process(self, pixels: np.ndarray, order: Order = 'rgb') -> Result:
        """
        Say everything about one frame, (H, W, 3) uint8 in either channel order.

        The frame may be a view with padded rows and is not changed; the result's arrays are new.

        :raises ImageError: when type, shape or order is none of these.
        """
        _check(pixels, order)
        table = self.engine.card.classes
        watch = _StopWatch()
        rgb = _to_model(pixels, order, self.engine.size_for(pixels.shape[:2]))
        watch.lap('resize')
        answer = self.engine.run(rgb[np.newaxis])
        labels, confidence = answer.labels[0], answer.confidence[0]
        watch.lap('inference')
        area = find_drivable(labels, confidence, table, self.drivable)
        watch.lap('drivable')
        risk = assess_risk(labels, confidence, table, area, self.risk)
        watch.lap('risk')
        size = pixels.shape[:2]
        labels, confidence = resize_nearest(labels, size), resize_nearest(confidence, size)
        area = scale_area(area, size)
        watch.lap('upscale')
        return Result(labels, confidence, area, risk, watch.laps_ms)


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
