# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a camera of the node learns of its own pose: published, kept in a file, started anew."""

from __future__ import annotations

import time
from dataclasses import replace
from math import inf
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from seg_perception.core.camera import Calibration
from seg_perception.core.camera_geometry import Missing
from seg_perception.core.classes import ClassTable
from seg_perception.core.errors import SegPerceptionError
from seg_perception.core.masks import resize_nearest
from seg_perception.core.results import CalibrationState, OnlineCalibration
from seg_perception.inference.camera_calibrator import CameraCalibrator, Memory, Size
from seg_perception.io.calibration_file import (
    CalibrationFile,
    read_calibration_file,
    write_calibration_file,
)
from seg_perception.io.scene_fields import calibration_fields
from seg_perception.node.camera_outputs import Answered, CameraOutputs
from seg_perception.node.image_conversions import mask_to_msg
from seg_perception.node.parameters import CameraParams
from seg_perception.node.scene_msgs import to_msg
from seg_perception_msgs.msg import CameraCalibration

PUBLISH_PERIOD_S = 1.0
KEEP_PERIOD_S = 60.0  # between two writings of the file
OFF = OnlineCalibration(reason='calibration.mode is off')


class SelfCalibration:
    """
    The self-calibration of one camera, from configure to cleanup.

    ``learn`` is for the worker, ``keep`` and the service for the executor.

    :param camera: its parameters.
    :param folder: where what it learns is kept; None: it is not.
    :raises SegPerceptionError: when the file that the camera is to start from cannot be used.
    """

    def __init__(
        self,
        node: LifecycleNode,
        camera: CameraParams,
        table: ClassTable,
        outputs: CameraOutputs,
        folder: Path | None,
    ) -> None:
        self._node, self._camera, self._outputs, self._folder = node, camera, outputs, folder
        self.given: CalibrationFile | None = None
        if camera.calibration_file:
            self.given = read_calibration_file(Path(camera.calibration_file).expanduser())
        self._lock = Lock()  # of what follows
        self._calibrator = CameraCalibrator(
            table, self._remembered, self._warn, camera.calibration_height_m
        )
        self._said: tuple[Any, ...] = ()
        self._said_s = self._kept_s = -inf
        self._shown_mask: np.ndarray | None = None
        self._is_forgotten = False  # on request: the files are those of another mounting
        name = f'~/{camera.name}/recalibrate'
        self._service = node.create_service(Trigger, name, self._recalibrate)

    def destroy(self) -> None:
        """Take the service away."""
        self._node.destroy_service(self._service)

    def reset(self) -> None:
        """Begin as after a restart."""
        with self._lock:
            self._calibrator.reset()
            self._said, self._shown_mask, self._is_forgotten = (), None, False

    @property
    def online(self) -> OnlineCalibration:
        """What is known now."""
        return self._calibrator.online

    def learn(
        self,
        header: Header,
        answered: Answered,
        lens: Calibration | Missing,
        applied: bool,
        height: tuple[float, float, str] | None = None,
    ) -> OnlineCalibration:
        """
        Take in a frame that was answered, and publish what is known now.

        :param applied: whether the answers use it.
        :param height: in metres, with its standard deviation and source, where it is given.
        """
        if answered.params.calibration.mode == 'off':
            online = OFF
        else:
            with self._lock:
                online = self._calibrator.update(
                    answered.pixels.array,
                    answered.pixels.order,
                    answered.record.labels,
                    answered.context.stamp_s,
                    lens,
                )
            if height is not None:
                metres, std, source = height
                online = replace(online, height_m=metres, height_std_m=std, height_source=source)
        self._publish(header, online, answered, applied)
        return online

    def _publish(
        self, header: Header, online: OnlineCalibration, answered: Answered, applied: bool
    ) -> None:
        """At a change, and now and then."""
        now_s, said = time.monotonic(), (online.state, online.percent, online.reason, applied)
        if said == self._said and now_s - self._said_s < PUBLISH_PERIOD_S:
            return
        self._said, self._said_s = said, now_s
        size = answered.pixels.array.shape[0], answered.pixels.array.shape[1]
        fields = calibration_fields(online, self._camera.name, size, applied)
        self._outputs.calibration.publish(to_msg(CameraCalibration, fields, header))
        mask = online.ego_mask
        shown = self._shown_mask
        if mask is not None and (shown is None or not np.array_equal(mask, shown)):
            self._shown_mask = mask.copy()
            self._outputs.ego_mask.publish(mask_to_msg(resize_nearest(mask, size), header))

    def keep(self, now_s: float, is_last: bool = False) -> None:
        """Write the file, now and then and at the end, while the camera is calibrated."""
        is_due = is_last or now_s - self._kept_s > KEEP_PERIOD_S
        if not is_due or self.online.state is not CalibrationState.CALIBRATED:
            return
        self._kept_s = now_s
        with self._lock:
            known, memory = self._calibrator, self._calibrator.memory
            file = CalibrationFile(known.size, known.lens, known.online, memory)
        path = self._path(file.size)
        if path is None:
            return
        try:
            write_calibration_file(path, file)
        except SegPerceptionError as error:
            self._warn(f'the calibration is not kept: {error}')

    def _recalibrate(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Forget what is known, in the file too."""
        with self._lock:
            path = self._path(self._calibrator.size)
            self._calibrator.reset()
            self._is_forgotten = True
        if path is not None:
            path.unlink(missing_ok=True)
        response.success = True
        response.message = f'camera {self._camera.name} calibrates itself anew'
        return response

    def _remembered(self, size: Size, lens: Calibration | None) -> Memory:
        """What the given file says, else the one that was kept; nothing where neither fits."""
        if self._is_forgotten:
            return {}
        try:
            file = self.given or self._kept(size)
            if file is not None:
                file.check_fits(size, lens)
                return file.memory
        except SegPerceptionError as error:
            self._warn(f'the calibration starts anew: {error}')
        return {}

    def _kept(self, size: Size) -> CalibrationFile | None:
        path = self._path(size)
        return read_calibration_file(path) if path is not None and path.is_file() else None

    def _path(self, size: Size) -> Path | None:
        if self._folder is None:
            return None
        return self._folder / f'{self._camera.name}_{size[1]}x{size[0]}.yaml'

    def _warn(self, text: str) -> None:
        self._node.get_logger().warning(f'camera {self._camera.name}: {text}')
