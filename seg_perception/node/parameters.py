# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The parameters of the node: dataclasses whose fields are declared, checked and kept up to date.

``python -m seg_perception.tools.settings_files`` writes ``config/params.yaml`` and the
documentation from them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from seg_perception.core.camera import Extrinsics
from seg_perception.core.classes import Role
from seg_perception.core.errors import ParameterError
from seg_perception.core.settings import (
    HIDDEN,
    Item,
    Setting,
    Settings,
    items,
    load,
    nested,
    ratio,
    setting,
)
from seg_perception.core.speed_limit import SpeedLimitParams
from seg_perception.inference.engine import PROVIDERS
from seg_perception.io.camera_info import is_rectified
from seg_perception.io.image_bytes import MAX_MEGAPIXELS
from seg_perception.node import parameter_names
from seg_perception.node.image_conversions import JPEG_QUALITY
from seg_perception.node.parameter_files import unmatched_files
from seg_perception.risk_profiles import DEFAULT, VEHICLE, Rules, profile_items, read_rules

TRANSPORTS = ('raw', 'compressed')
CALIBRATION_MODES = ('off', 'observe', 'apply')
CLASS_IDS = ('model', 'autoware')
CAMERA = '<cam>'
"""Stands for the name of each camera in names and defaults."""
CURVATURE_RANGE = (-0.5, 0.5)
FIXED = {
    'cameras', 'image_topic', 'camera_info_topic', 'transport', 'reliable', 'base_frame', 'use_tf',
    'model', 'provider', 'threads', 'autostart', 'diagnostics_period_s', 'curvature_topic',
    'calibration_file', 'calibration_height_m', 'folder', 'maximum_mps', 'deadline_s',
    'heartbeat_period_s', 'depth_topic',
    'points_topic', 'class_ids',
}  # fmt: skip
"""Last parts of the names of parameters that are read when the node starts; others are live."""


@dataclass(frozen=True)
class CameraParams(Settings):
    """The parameters of one camera."""

    name: Annotated[str, HIDDEN] = CAMERA
    image_topic: str = setting(
        f'/camera/{CAMERA}/image_raw',
        'topic of the images; /compressed is appended if the transport is compressed',
    )
    camera_info_topic: str = setting(
        f'/camera/{CAMERA}/camera_info',
        'topic of the calibration, which metric outputs need; empty: none',
    )
    depth_topic: str = setting(
        '',
        'topic of depth images, sensor_msgs/Image of 16UC1 (mm) or 32FC1 (m), registered to the '
        'colour images; empty: none',
    )
    points_topic: str = setting(
        '',
        'topic of the point clouds of a LiDAR, sensor_msgs/PointCloud2, which cameras may share; '
        'empty: none',
    )
    range_offset_s: float = setting(
        0.0, 'time to add to the stamps of depth images and point clouds', 's', -1, 1
    )
    transport: str = setting(
        'raw', 'type of the images: sensor_msgs/Image or CompressedImage', choices=TRANSPORTS
    )
    reliable: bool = setting(
        False, 'reliable delivery; best effort (false) matches every publisher'
    )
    rectified: bool = setting(
        False,
        'rectified images: P of camera_info holds, without distortion; if not set: where '
        'image_topic is named so, such as image_rect',
    )
    calibration_file: str = setting(
        '', 'file of seg-perception calibrate that the camera starts from; empty: none'
    )
    calibration_height_m: float = setting(
        0.0,
        'height of the optical centre above the ground, for a camera that learns its angles; '
        '0: it learns the height too',
        'm',
        0,
        30,
    )
    extrinsics: Annotated[Extrinsics | None, HIDDEN] = None
    pitch_std_rad: Annotated[float, HIDDEN] = 0.0

    @property
    def compressed(self) -> bool:
        return self.transport == 'compressed'

    @property
    def topic(self) -> str:
        """The topic that is subscribed."""
        add = self.compressed and not self.image_topic.endswith('/compressed')
        return f'{self.image_topic}/compressed' if add else self.image_topic


@dataclass(frozen=True)
class CalibrationParams(Settings, name='calibration'):
    """How cameras calibrate themselves while the vehicle drives."""

    mode: str = setting(
        'apply',
        'self-calibration: off; observe: learn and compare; apply: also use where no extrinsics '
        'are given',
        choices=CALIBRATION_MODES,
    )
    folder: str = setting(
        '${ROS_HOME}/seg_perception',
        'folder that keeps what each camera has learned across restarts; ROS_HOME is ~/.ros '
        'unless set; empty: it is not kept',
    )

    @property
    def path(self) -> Path | None:
        """The folder; None: nothing is kept."""
        home = os.environ.get('ROS_HOME') or '~/.ros'
        text = self.folder.replace('${ROS_HOME}', home)
        return Path(text).expanduser() if text else None


@dataclass(frozen=True)
class NodeParams(Settings):
    """All parameters, checked; a change at run time makes a new record."""

    cameras: Annotated[tuple[CameraParams, ...], HIDDEN] = ()
    base_frame: str = setting(
        'base_link', 'frame of all metric outputs: level, fixed to the vehicle, x forward, y left'
    )
    use_tf: bool = setting(
        True, 'camera poses from /tf and /tf_static; false: from the parameters only'
    )
    base_height_m: float = setting(
        0.0, 'height of the origin of base_frame above the ground; used with TF', 'm', -1, 10
    )
    transform_max_age_s: float = setting(
        0.5, 'largest time between an image and its transform on /tf', 's', 0.01, 3600
    )
    model: str = setting(
        '', 'model file, or default.int8, street, free, .int8 of these; empty: default'
    )
    provider: str = setting(
        'auto',
        'execution provider of the model; auto uses CUDA if it works, else the CPU',
        choices=PROVIDERS,
    )
    threads: int = setting(0, 'CPU threads of the model; 0: all cores', '', 0, 256)
    autostart: bool = setting(
        True, 'configuration and activation at start; false: by the lifecycle services'
    )
    max_image_megapixels: float = setting(
        MAX_MEGAPIXELS, 'size above which an image is refused before it is decoded', '', 0.01, 1000
    )
    stale_after_s: float = setting(
        1.0, 'time without a frame or an answer after which a camera is stale', 's', 0.1, 3600
    )
    diagnostics_period_s: float = setting(
        1.0, 'time between two diagnostics messages', 's', 0.1, 60
    )
    warn_latency_ms: float = setting(
        250.0, 'latency, arrival to publication, that makes an answer DEGRADED', 'ms', 1, 60000
    )
    warn_confidence: float = ratio(
        0.4, 'mean confidence below which an answer is DEGRADED; 0: never'
    )
    warn_pitch_rad: float = setting(
        0.02, 'mean error of the configured pitch that raises a warning; 0: never', 'rad', 0, 0.5
    )
    curvature_per_m: float = setting(
        0.0, 'curvature of the path; positive to the left, 0: straight', '1/m', *CURVATURE_RANGE
    )
    curvature_topic: str = setting(
        '', 'topic of std_msgs/Float32 in place of curvature_per_m; empty: none'
    )
    curvature_max_age_s: float = setting(
        0.5, 'age of the newest curvature message that is still used', 's', 0.05, 60
    )
    calibration: CalibrationParams = CalibrationParams()
    class_ids: str = setting(
        'model',
        "ids in masks, clouds and label_info: those of the model, or those of Autoware's "
        'segmentation fusion',
        choices=CLASS_IDS,
    )
    filter_roles: tuple[str, ...] = setting(
        ('drivable', 'marking', 'walkable'),
        'roles of the points that points_filtered leaves out',
        choices=tuple(role.value for role in Role),
    )
    speed_limit: SpeedLimitParams = field(default_factory=SpeedLimitParams)
    deadline_s: float = setting(
        0.0,
        'longest time between two messages on mask, road_scene and stop that is promised to '
        'readers, as deadline and liveliness of their QoS; 0: none',
        's',
        0,
        60,
    )
    heartbeat_period_s: float = setting(
        0.0, 'time between two messages on the topic heartbeat; 0: it is not offered', 's', 0, 60
    )
    overlay_opacity: float = ratio(0.45, 'opacity of the class colours in the overlay')
    overlay_jpeg_quality: int = setting(
        JPEG_QUALITY, 'JPEG quality of the compressed overlay', '', 1, 100
    )
    risk_profile: str = setting(
        DEFAULT, 'rules of area and risk: default, slow_robot, or the path of a YAML file'
    )
    rules: Annotated[Rules, HIDDEN] = field(default_factory=Rules)

    def camera(self, name: str) -> CameraParams:
        """The parameters of the camera of that name."""
        return next(camera for camera in self.cameras if camera.name == name)


_NAMES = Setting('names of the cameras; each has its own topics')
_CAMERAS = Item('cameras', ('front',), tuple[str, ...], _NAMES)
_HEIGHT = Setting(
    'height of the optical centre above the ground; 0: not known. The extrinsics apply '
    'where TF does not connect base_frame and the frame_id of the images',
    'm', 0, 30,
)  # fmt: skip


def table(cameras: Sequence[str] = (CAMERA,)) -> dict[str, Item]:
    """Every parameter by name, for these cameras."""
    rows = [_CAMERAS]
    for name in cameras:
        camera = CameraParams(name, f'/camera/{name}/image_raw', f'/camera/{name}/camera_info')
        rows += items(camera, f'{name}.')
        rows += items(Extrinsics(1.0), f'{name}.extrinsics.')
    rows += items(NodeParams())
    rows += [item for item in items(Rules()) if item.path in VEHICLE]
    named = {row.path: row for row in rows}
    for name in cameras:
        height = f'{name}.extrinsics.height_m'
        named[height] = replace(named[height], default=0.0, setting=_HEIGHT)
    return named


class Parameters:
    """
    The parameters of a node, declared, checked, and kept up to date.

    ``now`` is replaced as a whole when a change is accepted: who reads it once sees no mixture.

    :raises ParameterError: when one is unknown, of the wrong type or out of its range.
    """

    def __init__(self, node: Node) -> None:
        given = overrides_of(node)
        self._values = complete(given)
        self._profile = read_rules(self._values['risk_profile'])
        self.now = build(self._values, self._profile)
        self._rows = table(self._values['cameras'])
        declare(node, self._rows.values(), self._values)
        if old := parameter_names.deprecated(given):
            node.get_logger().warn(parameter_names.advice(old))
        if foreign := parameter_names.foreign(given, self._values):
            node.get_logger().warn(
                f'parameters of other nodes, which have no effect here: {", ".join(foreign)}'
            )
        for problem in unmatched_files(sys.argv, node.get_fully_qualified_name()):
            node.get_logger().warn(problem)
        node.add_on_set_parameters_callback(self._on_set)

    def _on_set(self, changes: Sequence[Parameter]) -> SetParametersResult:
        """All of the changes or none of them; what is read-only does not get here."""
        try:
            values = self._values | {
                change.name: self._rows[change.name].read(change.value, 'parameter')
                for change in changes
                if change.name in self._rows
            }
            profile = self._profile
            if any(change.name == 'risk_profile' for change in changes):
                profile = read_rules(values['risk_profile'])
            self.now = build(values, profile)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._values, self._profile = values, profile
        return SetParametersResult(successful=True)


def overrides_of(node: Node) -> dict[str, Any]:
    """What a node was given by command line and files; rclpy has no public way to see it all."""
    return {name: parameter.value for name, parameter in node._parameter_overrides.items()}


def declare(node: Node, rows: Iterable[Item], values: Mapping[str, Any]) -> None:
    """Declare parameters with checked values."""
    for row in rows:
        value = values[row.path]
        plain = list(value) if isinstance(value, tuple) else value
        node.declare_parameter(row.path, plain, descriptor(row), ignore_override=True)


def extrinsics_parameters(camera: str, extrinsics: Extrinsics) -> dict[str, float]:
    """The parameters that give a camera these extrinsics."""
    return {row.path: row.default for row in items(extrinsics, f'{camera}.extrinsics.')}


def complete(given: Mapping[str, Any]) -> dict[str, Any]:
    """
    Every parameter, those not given with their defaults, and the deprecated ones given.

    :raises ParameterError: when one is unknown, of the wrong type or out of its range.
    """
    given = parameter_names.renamed(given)
    cameras = _CAMERAS.read(given.get('cameras', _CAMERAS.default), 'parameter')
    parameter_names.check_cameras(cameras)
    rows = table(cameras)
    for item in profile_items():
        if item.path in given:
            rows[item.path] = item
    for name in given:
        if parameter_names.is_misspelt(name, rows, cameras):
            raise parameter_names.unknown_parameter(name, rows, cameras)
    values = {
        name: row.read(given.get(name, row.default), 'parameter') for name, row in rows.items()
    }
    for name in cameras:
        if f'{name}.rectified' not in given:
            values[f'{name}.rectified'] = is_rectified(values[f'{name}.image_topic'])
    return values


def build(values: Mapping[str, Any], profile: Rules | None = None) -> NodeParams:
    """
    The checked record of complete values.

    :param profile: the rules of their risk profile; read when None.
    :raises ParameterError: when two of them contradict each other.
    """
    parameter_names.check_names(values)
    rule_names = {item.path for item in items(Rules())}
    changes = nested({name: value for name, value in values.items() if name in rule_names})
    profile = profile or read_rules(values['risk_profile'])
    own = {row.path: values[row.path] for row in items(NodeParams())}
    hidden: dict[str, Any] = {
        'cameras': tuple(_camera(name, values) for name in values['cameras']),
        'rules': load(Rules, changes, 'parameter', base=profile),
    }
    return replace(load(NodeParams, nested(own), 'parameter'), **hidden)


def _camera(name: str, values: Mapping[str, Any]) -> CameraParams:
    own = {key.removeprefix(f'{name}.'): value for key, value in values.items()}
    plain = {item.path: own[item.path] for item in items(CameraParams())}
    extrinsics, std_rad = _extrinsics(name, own), own['extrinsics.pitch_std_rad']
    camera = CameraParams(name, **plain, extrinsics=extrinsics, pitch_std_rad=std_rad)
    parameter_names.check_topic(f'{name}.image_topic', camera.image_topic)
    for leaf in ('camera_info_topic', 'depth_topic', 'points_topic'):
        if topic := getattr(camera, leaf):
            parameter_names.check_topic(f'{name}.{leaf}', topic)
    if not camera.compressed and camera.image_topic.endswith('/compressed'):
        thing, seen = f"parameter '{name}.transport'", f"'raw' for {camera.image_topic}"
        expected = "'compressed' for a topic that ends so"
        raise ParameterError(thing, seen, expected, f"Set {name}.transport to 'compressed'.")
    return camera


def _extrinsics(name: str, own: Mapping[str, Any]) -> Extrinsics | None:
    """The extrinsics that the parameters give; None where they give no height."""
    given = {row.path: own[f'extrinsics.{row.path}'] for row in items(Extrinsics(1.0))}
    path = f'{name}.extrinsics'
    return load(Extrinsics, given, 'parameter', path=path) if given['height_m'] else None


def is_derived(row: Item) -> bool:
    """Whether a parameter that is not set follows from others."""
    return row.path.endswith('.rectified')


def is_live(row: Item) -> bool:
    """Whether a parameter may change while the node runs."""
    return row.path.rpartition('.')[2] not in FIXED


def descriptor(row: Item) -> ParameterDescriptor:
    """What ``ros2 param describe`` shows."""
    setting = row.setting
    unit = f' [{setting.unit}]' if setting.unit else ''
    choices = f'; {setting.allowed}' if setting.choices else ''
    made = ParameterDescriptor(
        description=f'{setting.description}{unit}{choices}', read_only=not is_live(row)
    )
    if setting.bounded and row.kind is int:
        span = IntegerRange(from_value=int(setting.low), to_value=int(setting.high), step=1)
        made.integer_range = [span]
    elif setting.bounded:
        # An int here goes over the wire as garbage.
        limits = FloatingPointRange(from_value=float(setting.low), to_value=float(setting.high))
        made.floating_point_range = [limits]
    return made
