# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
What makes a camera metric: its CameraInfo, and its mounting from TF or from parameters.

    CameraInfo -> Calibration \\
                                Camera, or the reason why there is none
    TF or parameters -> Mount /
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rclpy.time import Time
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from seg_perception.core.camera import Calibration, Camera, Mount
from seg_perception.core.errors import CalibrationError
from seg_perception.node.camera_info import from_camera_info
from seg_perception.node.extrinsics import (
    FrameTree,
    Link,
    Pose,
    TransformError,
    UnconnectedError,
    mount_of,
)
from seg_perception.node.parameters import CameraParams, NodeParams

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # in no package registry; on every ROS machine
    TFMessage = None

_SAME_RAD = 0.002  # a quarter of what is not known of the pitch anyway
_SAME_M = 0.02
_ANGLES = ('pitch_rad', 'roll_rad', 'yaw_rad')
_PLACES = ('height_m', 'forward_m', 'left_m')

TF_MESSAGE: Any = TFMessage
"""The type of /tf and /tf_static; None where tf2_msgs is not installed."""


@dataclass(frozen=True)
class View:
    """
    The geometry of one frame: a camera of its size, or in words why there is none.

    ``is_fault`` tells what is wrong from what was never given.
    """

    camera: Camera | None
    reason: str = ''
    is_fault: bool = False


class CameraGeometry:
    """
    The geometry of one camera; infos come in one thread, views are asked for in another.

    :param frames: what TF says, shared by all cameras.
    """

    def __init__(self, frames: FrameTree) -> None:
        self._frames = frames
        self.reset()

    def reset(self) -> None:
        """Forget the calibration: another camera may come."""
        self._info: CameraInfo | None = None
        self._calibration: Calibration | CalibrationError | None = None
        self._held: Mount | None = None

    def on_camera_info(self, info: CameraInfo) -> None:
        """Take a calibration; the same one again costs a comparison."""
        if self._info is not None and _numbers(info) == _numbers(self._info):
            return
        try:
            # Zeros are how drivers say that nobody has calibrated.
            self._calibration = from_camera_info(info) if any(info.k) else None
        except CalibrationError as error:
            self._calibration = error
        self._info = info

    def view(self, header: Header, size: tuple[int, int], params: NodeParams, name: str) -> View:
        """
        What is known for a frame of a size (H, W).

        :param name: of the camera, in the parameters.
        """
        camera = params.camera(name)
        calibration = self._calibration
        if calibration is None:
            return View(None, self._why_uncalibrated(camera))
        if isinstance(calibration, CalibrationError):
            return View(None, f'calibration: {calibration}', is_fault=True)
        try:
            mount = self._mount(header, params, camera)
            return View(_camera(calibration, camera.rectified, mount, size))
        except UnconnectedError as error:
            return View(None, f'no mounting: {error}')
        except TransformError as error:
            return View(None, f'mounting: {error}', is_fault=True)
        except CalibrationError as error:
            return View(None, f'calibration does not fit: {error}', is_fault=True)

    def _why_uncalibrated(self, camera: CameraParams) -> str:
        if self._info is not None:
            return 'not calibrated: the K of camera_info is zero'
        if not camera.camera_info_topic:
            return 'not calibrated: no camera_info_topic'
        return f'not calibrated: no camera_info on {camera.camera_info_topic}'

    def _mount(self, header: Header, params: NodeParams, camera: CameraParams) -> Mount:
        """From TF where it connects the frames, else from the parameters."""
        stamp_s = Time.from_msg(header.stamp).nanoseconds / 1e9
        try:
            pose = self._frames.pose(
                header.frame_id, params.base_frame, stamp_s, params.transform_max_age_s
            )
        except UnconnectedError:
            if camera.mount is None:
                raise
            return camera.mount
        mount = mount_of(pose, params.base_height_m, camera.pitch_std_rad)
        if self._held is None or not _is_close(mount, self._held):
            self._held = mount
        return self._held


def _is_close(mount: Mount, held: Mount) -> bool:
    """Whether a mount that trembles with the suspension may keep what is computed from it."""
    turned_rad, moved_m = (
        max(abs(getattr(mount, name) - getattr(held, name)) for name in names)
        for names in (_ANGLES, _PLACES)
    )
    same = mount.pitch_std_rad == held.pitch_std_rad
    return same and turned_rad <= _SAME_RAD and moved_m <= _SAME_M


def links_of(message: Any, is_static: bool) -> list[Link]:
    """The transforms of a TFMessage."""
    return [_link(transform, is_static) for transform in message.transforms]


def _link(msg: Any, is_static: bool) -> Link:
    at, turn = msg.transform.translation, msg.transform.rotation
    pose = Pose((at.x, at.y, at.z), (turn.x, turn.y, turn.z, turn.w))
    stamp_s = Time.from_msg(msg.header.stamp).nanoseconds / 1e9
    # tf2 still takes the leading slash of ROS 1.
    parent, child = msg.header.frame_id.lstrip('/'), msg.child_frame_id.lstrip('/')
    return Link(parent, child, pose, stamp_s, is_static)


def _numbers(info: CameraInfo) -> tuple[Any, ...]:
    roi = info.roi
    return (
        info.height,
        info.width,
        info.distortion_model,
        info.d.tobytes(),
        info.k.tobytes(),
        info.r.tobytes(),
        info.p.tobytes(),
        (info.binning_y, info.binning_x),
        (roi.y_offset, roi.x_offset, roi.height, roi.width),
    )


@lru_cache(maxsize=16)
def _camera(
    calibration: Calibration, rectified: bool, mount: Mount, size: tuple[int, int]
) -> Camera:
    """The same object for the same numbers: what is computed from it is cached by it."""
    if rectified:
        calibration = calibration.rectified()
    return Camera(calibration.for_image(size), mount)
