# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The self-calibration of one camera as its answers come in; node and commands share it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import hypot, inf, pi
from typing import Any

import numpy as np

from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.camera_geometry import Missing
from seg_perception.core.classes import ClassTable
from seg_perception.core.errors import CalibrationError, SegPerceptionError
from seg_perception.core.horizon import pitch_difference
from seg_perception.core.results import CalibrationState, OnlineCalibration
from seg_perception.core.self_calibration import SelfCalibrationParams, SelfCalibrator
from seg_perception.inference.answer import Order

Size = tuple[int, int]
Memory = Mapping[str, Any]

NOTHING = OnlineCalibration(reason='no frame yet')
_BACK_S = 0.5  # a stamp so much older than the one before is a restart, not disorder
_SURE = 2.0  # standard deviations: 95 of 100


class CameraCalibrator:
    """
    Calibrates a camera from its frames, given in their order.

    Another image size or another lens is another camera: it starts anew. A jump back in time is a
    restart: what was learned stays and is verified.

    :param table: the classes of the labels.
    :param remembered: what an earlier run knew of a camera with images (H, W) and that lens; empty
        for nothing.
    :param warn: told in words when that cannot be used.
    :param height_m: of the optical centre above the ground; 0: not known.
    """

    def __init__(
        self,
        table: ClassTable,
        remembered: Callable[[Size, Calibration | None], Memory] = lambda *_: {},
        warn: Callable[[str], None] = lambda _: None,
        height_m: float = 0.0,
    ) -> None:
        self._table, self._remembered, self._warn = table, remembered, warn
        self._params = SelfCalibrationParams(height_m=height_m)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.online = NOTHING
        self.size: Size = (0, 0)
        self.lens: Calibration | None = None
        self._estimator: SelfCalibrator | None = None
        self._stamp_s = -inf

    @property
    def memory(self) -> Memory:
        """What another run can go on from."""
        return self._estimator.state_dict() if self._estimator else {}

    def update(
        self,
        pixels: np.ndarray,
        order: Order,
        labels: np.ndarray,
        stamp_s: float,
        calibration: Calibration | Missing,
    ) -> OnlineCalibration:
        """
        Take in a frame (H, W, 3) with its labels (h, w), and say what is known now.

        :param calibration: of its lens; ``Missing``, or one that does not fit, counts as unknown.
        """
        size = pixels.shape[0], pixels.shape[1]
        lens = _fitting(calibration, size)
        is_another = size != self.size or lens != self.lens
        if self._estimator is None or is_another or stamp_s < self._stamp_s - _BACK_S:
            self._start(size, lens)
        assert self._estimator is not None
        self._stamp_s = stamp_s
        self.online = self._estimator.update(pixels, order, labels, self._table, stamp_s)
        return self.online

    def _start(self, size: Size, lens: Calibration | None) -> None:
        is_same = self._estimator is not None and (size, lens) == (self.size, self.lens)
        memory = self.memory if is_same else self._remembered(size, lens)
        self.size, self.lens = size, lens
        self._estimator = SelfCalibrator(self._params, lens)
        try:
            if memory:
                self._estimator.restore(dict(memory))
        except (LookupError, TypeError, ValueError, SegPerceptionError) as error:
            self._warn(f'the kept calibration is damaged ({error!r}); the camera starts anew')
            self._estimator = SelfCalibrator(self._params, lens)


def _fitting(calibration: Calibration | Missing, size: Size) -> Calibration | None:
    if isinstance(calibration, Missing):
        return None
    try:
        return calibration.for_image(size)
    except CalibrationError:
        return None


def disagreement(online: OnlineCalibration, given: Extrinsics) -> str:
    """
    How what a camera has learned contradicts its extrinsics, in words; empty when it does not.

    Both standard deviations count; that of the given yaw is taken to be that of the pitch.
    """
    if online.state is not CalibrationState.CALIBRATED:
        return ''
    told = []
    pitch_rad = online.pitch_rad - given.pitch_rad
    if abs(pitch_rad) > _SURE * hypot(online.pitch_std_rad, given.pitch_std_rad):
        told.append(f'pitch is {pitch_difference(pitch_rad)} the given pitch')
    yaw_rad = (online.yaw_rad - given.yaw_rad + pi) % (2 * pi) - pi
    if abs(yaw_rad) > _SURE * hypot(online.yaw_std_rad, given.pitch_std_rad):
        side = 'left' if yaw_rad > 0 else 'right'
        told.append(f'yaw is {abs(yaw_rad):.3f} rad to the {side} of the given yaw')
    return 'observed ' + ' and '.join(told) if told else ''
