# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
What makes a camera metric: its CameraInfo, and its extrinsics from TF or from parameters.

    CameraInfo -> Calibration \\
                                CameraGeometry, or the reason why there is none
    TF or parameters -> Extrinsics /
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.camera_geometry import CameraView, GeometryKeeper, Missing
from seg_perception.core.results import OnlineCalibration
from seg_perception.core.self_calibration import SelfCalibrationParams
from seg_perception.io.camera_info import Numbers, calibration_of, numbers_of
from seg_perception.node.callbacks import stamp_seconds
from seg_perception.node.extrinsics import (
    FrameTree,
    Link,
    Pose,
    TransformError,
    UnconnectedError,
    extrinsics_of,
)
from seg_perception.node.parameters import CameraParams, NodeParams

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # in no package registry; on every ROS machine
    TFMessage = None

_SAME_RAD = 0.002  # a quarter of what is not known of the pitch anyway
_SAME_M = 0.02
_HEIGHT_STD_M = SelfCalibrationParams().height_std_m
_ANGLES = ('pitch_rad', 'roll_rad', 'yaw_rad')
_PLACES = ('height_m', 'forward_m', 'left_m')

TF_MESSAGE: Any = TFMessage
"""The type of /tf and /tf_static; None where tf2_msgs is not installed."""


class GeometryTracker:
    """
    The geometry of one camera; infos come in one thread, views are asked for in another.

    :param frames: what TF says, shared by all cameras.
    :param labels_size: the (height, width) at which a frame of a (height, width) is labelled.
    """

    def __init__(
        self, frames: FrameTree, labels_size: Callable[[tuple[int, int]], tuple[int, int]]
    ) -> None:
        self._frames = frames
        self._keeper = GeometryKeeper(labels_size)
        self.lens_of_file: Calibration | None = None  # until a camera_info comes
        self.reset()

    def reset(self) -> None:
        """Forget the calibration: another camera may come."""
        self._numbers: Numbers | None = None
        self._calibrations: dict[bool, Calibration | Missing] = {}  # by whether P holds
        self._held: Extrinsics | None = None
        self.given: Extrinsics | None = None  # for the last frame, by TF or parameters

    def on_camera_info(self, info: CameraInfo) -> bool:
        """Take a calibration and tell whether it is a new one; else it costs a comparison."""
        numbers = numbers_of(info)
        if numbers == self._numbers:
            return False
        self._calibrations = {
            p_holds: calibration_of(numbers, p_holds) for p_holds in (False, True)
        }
        self._numbers = numbers
        return True

    def view(
        self,
        header: Header,
        size: tuple[int, int],
        params: NodeParams,
        name: str,
        online: OnlineCalibration | None = None,
    ) -> CameraView:
        """
        The view for a frame of a size (H, W); ``name`` is that of the camera.

        :param online: what the camera has learned of itself, where that may be used.
        """
        camera = params.camera(name)
        given = self._known_extrinsics(header, params, camera)
        self.given = None if isinstance(given, Missing) else given
        return self._keeper.view(self.lens(camera), given, size, online)

    def lens(self, camera: CameraParams) -> Calibration | Missing:
        """What is known of the lens."""
        calibration = self._calibrations.get(camera.rectified, self.lens_of_file)
        return calibration or Missing(_why_uncalibrated(camera))

    @property
    def given_height(self) -> tuple[float, float, str] | None:
        """Height of the last frame's camera in metres, its deviation, and who gave it."""
        if self.given is None:
            return None
        source = 'TF' if self.given is self._held else 'parameter'
        return self.given.height_m, self.given.height_std_m or _HEIGHT_STD_M, source

    @property
    def image_size(self) -> tuple[int, int] | None:
        """(height, width) of the images that the calibration is for; None without one."""
        known = (x for x in self._calibrations.values() if isinstance(x, Calibration))
        return next((calibration.size for calibration in known), None)

    def _known_extrinsics(
        self, header: Header, params: NodeParams, camera: CameraParams
    ) -> Extrinsics | Missing:
        try:
            return self._extrinsics(header, params, camera)
        except UnconnectedError as error:
            return Missing(f'no extrinsics: {error}')
        except TransformError as error:
            return Missing(f'extrinsics: {error}', is_fault=True)

    def _extrinsics(self, header: Header, params: NodeParams, camera: CameraParams) -> Extrinsics:
        """From TF where it connects the frames, else from the parameters."""
        stamp_s = stamp_seconds(header.stamp)
        try:
            pose = self._frames.pose(
                header.frame_id, params.base_frame, stamp_s, params.transform_max_age_s
            )
        except UnconnectedError:
            if camera.extrinsics is None:
                raise
            return camera.extrinsics
        extrinsics = extrinsics_of(pose, params.base_height_m, camera.pitch_std_rad)
        if self._held is None or not _is_close(extrinsics, self._held):
            self._held = extrinsics
        return self._held


def _why_uncalibrated(camera: CameraParams) -> str:
    if not camera.camera_info_topic:
        return 'not calibrated: no camera_info_topic'
    return f'not calibrated: no camera_info on {camera.camera_info_topic}'


def _is_close(extrinsics: Extrinsics, held: Extrinsics) -> bool:
    """Whether extrinsics differ so little, as on a suspension, that the geometry may stay."""
    turned_rad, moved_m = (
        max(abs(getattr(extrinsics, name) - getattr(held, name)) for name in names)
        for names in (_ANGLES, _PLACES)
    )
    same = extrinsics.pitch_std_rad == held.pitch_std_rad
    return same and turned_rad <= _SAME_RAD and moved_m <= _SAME_M


def links_of(message: Any, is_static: bool) -> list[Link]:
    """The transforms of a TFMessage."""
    return [_link(transform, is_static) for transform in message.transforms]


def _link(msg: Any, is_static: bool) -> Link:
    at, turn = msg.transform.translation, msg.transform.rotation
    pose = Pose((at.x, at.y, at.z), (turn.x, turn.y, turn.z, turn.w))
    stamp_s = stamp_seconds(msg.header.stamp)
    return Link(msg.header.frame_id, msg.child_frame_id, pose, stamp_s, is_static)
