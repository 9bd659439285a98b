# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The topics that speak for all cameras together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from nav_msgs.msg import OccupancyGrid
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header

from seg_perception.core.camera_geometry import CameraGeometry, CameraView
from seg_perception.core.fusion import CameraScene, CameraState, Sector, fuse, sector_of
from seg_perception.core.results import UNKNOWN_RISK, Grid, SceneRecord
from seg_perception.io.scene_fields import fused_fields
from seg_perception.node.callbacks import stamp_seconds
from seg_perception.node.driving_outputs import DrivingOutputs
from seg_perception.node.grid_publisher import GridPublisher
from seg_perception.node.parameters import Parameters
from seg_perception.node.qos import latched, promised
from seg_perception.node.scene_msgs import to_msg
from seg_perception_msgs.msg import FusedScene


@dataclass(frozen=True)
class _Last:
    """The last that is known of one camera."""

    header: Header
    scene: CameraScene


class FusionPublisher:
    """
    Keeps the last answer of each camera and publishes the fused one whenever one changes.

    ``answered`` and ``invalid`` are for the worker, ``silent`` for the timers.

    :param node: the lifecycle node that owns the topics.
    :param settings: its parameters.
    :param driving: hears of every risk.
    """

    def __init__(self, node: LifecycleNode, settings: Parameters, driving: DrivingOutputs) -> None:
        self._node, self._settings, self._driving = node, settings, driving
        self._lock = Lock()
        self._last: dict[str, _Last] = {}
        publisher, qos = node.create_lifecycle_publisher, promised(settings.now.deadline_s)
        self._scene: Any = publisher(FusedScene, '~/road_scene', qos)
        self._grid_publisher: Any = publisher(OccupancyGrid, '~/drivable_grid', latched())
        self._grid = GridPublisher(self._grid_publisher)
        self.reset()

    def reset(self) -> None:
        """Forget every answer."""
        with self._lock:
            names = [camera.name for camera in self._settings.now.cameras]
            self._last = {name: _Last(Header(), CameraScene(name)) for name in names}
            self._driving.reset()

    def destroy(self) -> None:
        """Take the topics away."""
        for publisher in (self._scene, self._grid_publisher):
            self._node.destroy_lifecycle_publisher(publisher)
        self._driving.destroy()

    @property
    def wants_grid(self) -> bool:
        """Whether someone listens to the fused grid."""
        return self._grid.is_heard

    def answered(
        self, name: str, header: Header, record: SceneRecord, view: CameraView | None
    ) -> None:
        """Take the answer for a frame of one camera."""
        stamp_s = stamp_seconds(header.stamp)
        sector, geometry = Sector(), view.geometry if view else None
        if isinstance(geometry, CameraGeometry):
            sector = geometry.part(_sector, None)
        scene = CameraScene(name, stamp_s, record.risk, sector=sector, grid=record.grid)
        with self._lock:
            self._say(_Last(header, scene))

    def invalid(self, name: str, header: Header, reason: str) -> None:
        """A frame of one camera could not be processed."""
        stamp_s = stamp_seconds(header.stamp)
        scene = CameraScene(name, stamp_s, state=CameraState.INVALID, text=reason)
        with self._lock:
            self._say(_Last(header, scene))

    def silent(self, name: str, reason: str) -> None:
        """One camera has not answered for too long."""
        with self._lock:
            last = self._last[name]
            scene = replace(
                last.scene, risk=UNKNOWN_RISK, state=CameraState.TIMEOUT, text=reason, grid=None
            )
            self._say(replace(last, scene=scene))

    def _say(self, last: _Last) -> None:
        params = self._settings.now
        self._last[last.scene.camera] = last
        scenes = [_with_grid_like(last.scene.grid, item.scene) for item in self._last.values()]
        fused = fuse(scenes, params.rules.fusion, params.rules.risk)
        header = self._header(fused.stamp_s, params.base_frame)
        self._scene.publish(to_msg(FusedScene, fused_fields(fused), header))
        self._driving.publish(fused.risk, header)
        self._grid.publish(fused.grid, header, params)

    def _header(self, stamp_s: float, frame_id: str) -> Header:
        """With the stamp of the image that has this time, to the nanosecond."""
        for item in self._last.values():
            if item.scene.stamp_s == stamp_s:
                return Header(stamp=item.header.stamp, frame_id=frame_id)
        return Header(frame_id=frame_id)


def _sector(geometry: CameraGeometry, _: None) -> Sector:
    return sector_of(geometry.image_camera)


def _with_grid_like(grid: Grid | None, scene: CameraScene) -> CameraScene:
    """The scene without a grid of another layout: it is of before the parameters changed."""
    if grid is None or scene.grid is None or grid.layout == scene.grid.layout:
        return scene
    return replace(scene, grid=None)
