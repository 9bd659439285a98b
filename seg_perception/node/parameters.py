# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The parameters of the node: one table, from which everything else follows.

``python -m seg_perception.node.parameters yaml`` prints ``config/params.yaml``, ``markdown``
prints ``docs/parameters.md``.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import pi
from typing import Any, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.validate_topic_name import validate_topic_name

from seg_perception.core.camera import Mount
from seg_perception.core.corridor import Corridor
from seg_perception.core.drivable import DrivableParams
from seg_perception.core.errors import CalibrationError, ParameterError
from seg_perception.core.fusion import FusionParams
from seg_perception.core.grid import GridParams
from seg_perception.core.horizon import HorizonParams
from seg_perception.core.risk import RiskParams
from seg_perception.core.scan import ScanParams
from seg_perception.core.settings import items, load, nested
from seg_perception.inference.engine import PROVIDERS
from seg_perception.node.image_conversions import JPEG_QUALITY

TRANSPORTS = ('raw', 'compressed')
CAMERA = '<cam>'
"""Stands for the name of each camera in the names and defaults of the table."""

Record = TypeVar('Record')
Value = str | bool | int | float | list[str]

_CORRIDOR, _DRIVABLE = Corridor(), DrivableParams()
_RISK, _FUSION = RiskParams(), FusionParams()
_GRID, _SCAN, _HORIZON = GridParams(), ScanParams(), HorizonParams()
CURVATURE_RANGE = (-0.5, 0.5)
_PITCH_STD_RAD = Mount(1.0).pitch_std_rad


@dataclass(frozen=True)
class Row:
    """One parameter; its type is that of the default. ``live`` ones can change at run time."""

    name: str
    default: Value
    unit: str
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False

    def of_camera(self, camera: str) -> Row:
        """The row of one camera."""
        default = self.default
        if isinstance(default, str):
            default = default.replace(CAMERA, camera)
        return replace(self, name=self.name.replace(CAMERA, camera), default=default)


def _share(name: str, default: float, description: str) -> Row:
    return Row(name, default, '0..1', description, 0.0, 1.0, live=True)


def _setting_rows(group: str, record: object) -> list[Row]:
    """A row for each number that a record declares; the corridor in it has rows of its own."""
    return [
        Row(
            f'{group}.{item.path}',
            item.default,
            item.setting.unit,
            item.setting.description,
            float(item.setting.low),
            float(item.setting.high),
            live=True,
        )
        for item in items(record)
        if not item.path.startswith('corridor.')
    ]


TABLE = (
    Row('cameras', ['front'], '', 'names of the cameras; each has topics of its own'),
    Row(
        f'{CAMERA}.image_topic',
        f'/camera/{CAMERA}/image_raw',
        '',
        'images; /compressed is added to it where the transport is compressed',
    ),
    Row(
        f'{CAMERA}.camera_info_topic',
        f'/camera/{CAMERA}/camera_info',
        '',
        'calibration; without it nothing metric is claimed; empty: do not listen',
    ),
    Row(
        f'{CAMERA}.transport',
        'raw',
        '',
        'raw is sensor_msgs/Image, compressed is sensor_msgs/CompressedImage',
        choices=TRANSPORTS,
    ),
    Row(
        f'{CAMERA}.reliable',
        False,
        '',
        'ask for reliable delivery; false takes every publisher and never waits for the past',
    ),
    Row(
        f'{CAMERA}.rectified',
        False,
        '',
        'the images are rectified (image_rect): the P of camera_info holds, without distortion',
        live=True,
    ),
    Row(
        f'{CAMERA}.mount.height_m',
        0.0,
        'm',
        'optical centre above the ground; 0: not known. The mount is used where TF does not '
        'connect base_frame and the frame_id of the images',
        0.0,
        30.0,
        live=True,
    ),
    Row(
        f'{CAMERA}.mount.pitch_rad',
        0.0,
        'rad',
        'how far the camera looks down',
        -pi / 4,
        pi / 2,
        live=True,
    ),
    Row(
        f'{CAMERA}.mount.roll_rad',
        0.0,
        'rad',
        'how far its right side hangs down',
        -pi,
        pi,
        live=True,
    ),
    Row(f'{CAMERA}.mount.yaw_rad', 0.0, 'rad', 'how far it looks to the left', -pi, pi, live=True),
    Row(
        f'{CAMERA}.mount.forward_m',
        0.0,
        'm',
        'optical centre ahead of base_frame',
        -30.0,
        30.0,
        live=True,
    ),
    Row(
        f'{CAMERA}.mount.left_m',
        0.0,
        'm',
        'optical centre left of base_frame',
        -30.0,
        30.0,
        live=True,
    ),
    Row(
        f'{CAMERA}.mount.pitch_std_rad',
        _PITCH_STD_RAD,
        'rad',
        'standard deviation of the pitch on the road, with TF too: how sure distances are',
        0.0,
        0.2,
        live=True,
    ),
    Row(
        'base_frame',
        'base_link',
        '',
        'frame of everything metric: of the vehicle, level, x forward, y left',
    ),
    Row(
        'use_tf',
        True,
        '',
        'listen to /tf and /tf_static for the mounts; false: only the parameters count',
    ),
    Row(
        'base_height_m',
        0.0,
        'm',
        'origin of base_frame above the ground; for mounts from TF',
        -1.0,
        10.0,
        live=True,
    ),
    Row(
        'transform_max_age_s',
        0.5,
        's',
        'a transform on /tf whose stamp is farther from the image is stale; /tf_static never is',
        0.01,
        3600.0,
        live=True,
    ),
    Row('model', '', '', 'path of the model file, or default.int8; empty: the embedded default'),
    Row(
        'provider',
        'auto',
        '',
        'what runs the model; auto takes the CPU where CUDA does not run, and says so',
        choices=PROVIDERS,
    ),
    Row('threads', 0, '', 'CPU threads of one model run; 0: every core', 0, 256),
    Row(
        'autostart',
        True,
        '',
        'configure and activate without being asked; false waits for the lifecycle services',
    ),
    Row(
        'stale_after_s',
        1.0,
        's',
        'without a frame, or an answer, for so long a camera is stale; by arrival, not by stamps',
        0.1,
        3600.0,
        live=True,
    ),
    Row('diagnostics_period_s', 1.0, 's', 'time between two diagnostics', 0.1, 60.0),
    Row(
        'warn_latency_ms',
        250.0,
        'ms',
        'an answer that took longer, from arrival to published, is DEGRADED',
        1.0,
        60000.0,
        live=True,
    ),
    _share(
        'warn_confidence',
        0.4,
        'an answer whose mean confidence is lower is DEGRADED; 0: never',
    ),
    Row(
        'warn_pitch_rad',
        0.02,
        'rad',
        'how far the pitch of the mount may be off what the edges of the road say, on average, '
        'before the diagnostics warn; 0: do not look',
        0.0,
        0.5,
        live=True,
    ),
    Row(
        'curvature_per_m',
        0.0,
        '1/m',
        'of the path that the ego corridor follows, left positive; 0: straight on',
        *CURVATURE_RANGE,
        live=True,
    ),
    Row(
        'curvature_topic',
        '',
        '',
        'std_msgs/Float32 used in its place, such as tan(steering) / wheelbase; empty: none',
    ),
    Row(
        'curvature_max_age_s',
        0.5,
        's',
        'an older one from the topic is not used, and answers are DEGRADED; by arrival',
        0.05,
        60.0,
        live=True,
    ),
    _share('overlay_opacity', 0.45, 'how far the class colours cover the image in the overlay'),
    Row('overlay_jpeg_quality', JPEG_QUALITY, '', 'of the compressed overlay', 1, 100, live=True),
    *_setting_rows('corridor', _CORRIDOR),
    *_setting_rows('drivable', _DRIVABLE),
    *_setting_rows('risk', _RISK),
    *_setting_rows('fusion', _FUSION),
    *_setting_rows('grid', _GRID),
    *_setting_rows('scan', _SCAN),
    *_setting_rows('horizon', _HORIZON),
)

# What rclpy itself declares, or takes without declaring it.
FOREIGN = re.compile(r'use_sim_time$|start_type_description_service$|qos_overrides\.')
# What ROS takes as one part of a topic's name.
_CAMERA_NAME = re.compile(r'[A-Za-z](_?[A-Za-z0-9])*')


@dataclass(frozen=True)
class CameraParams:
    """The parameters of one camera."""

    name: str
    image_topic: str
    camera_info_topic: str
    transport: str
    reliable: bool
    rectified: bool
    mount: Mount | None  # None where its height is not known
    pitch_std_rad: float

    @property
    def compressed(self) -> bool:
        return self.transport == 'compressed'

    @property
    def topic(self) -> str:
        """The topic that is subscribed."""
        add = self.compressed and not self.image_topic.endswith('/compressed')
        return f'{self.image_topic}/compressed' if add else self.image_topic


@dataclass(frozen=True)
class NodeParams:
    """All parameters, checked; a change at run time makes a new one."""

    cameras: tuple[CameraParams, ...]
    base_frame: str
    use_tf: bool
    base_height_m: float
    transform_max_age_s: float
    curvature_per_m: float
    curvature_topic: str
    curvature_max_age_s: float
    model: str
    provider: str
    threads: int
    autostart: bool
    stale_after_s: float
    diagnostics_period_s: float
    warn_latency_ms: float
    warn_confidence: float
    warn_pitch_rad: float
    overlay_opacity: float
    overlay_jpeg_quality: int
    drivable: DrivableParams
    risk: RiskParams
    fusion: FusionParams
    grid: GridParams
    scan: ScanParams
    horizon: HorizonParams

    def camera(self, name: str) -> CameraParams:
        """The parameters of the camera of that name."""
        return next(camera for camera in self.cameras if camera.name == name)


class Parameters:
    """
    The parameters of a node, declared, checked, and kept up to date.

    ``now`` is replaced as a whole when a change is accepted: who reads it once sees no mixture.

    :raises ParameterError: when one is unknown, of the wrong type or out of its range.
    """

    def __init__(self, node: Node) -> None:
        # rclpy has no public way to see overrides that nobody declares.
        overrides = node._parameter_overrides
        given = {name: parameter.value for name, parameter in overrides.items()}
        self._values = complete(given)
        self._rows = {row.name: row for row in rows_for(_cameras_of(self._values))}
        self.now = build(self._values)
        for name, row in self._rows.items():
            value = self._values[name]
            node.declare_parameter(name, value, descriptor(row), ignore_override=True)
        node.add_on_set_parameters_callback(self._on_set)

    def _on_set(self, changes: Sequence[Parameter]) -> SetParametersResult:
        """All of the changes or none of them; what is read-only does not get here."""
        known = {change.name: change.value for change in changes if change.name in self._rows}
        try:
            values = self._values | {
                name: checked(self._rows[name], value) for name, value in known.items()
            }
            self.now = build(values)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._values = values
        return SetParametersResult(successful=True)


def mount_parameters(camera: str, mount: Mount) -> dict[str, float]:
    """The parameters that give a camera this mount."""
    return {f'{camera}.mount.{name}': value for name, value in asdict(mount).items()}


def rows_for(cameras: Sequence[str]) -> list[Row]:
    """The table with one row a camera where it says ``<cam>``."""
    rows: list[Row] = []
    for row in TABLE:
        per_camera = CAMERA in row.name
        rows += [row.of_camera(camera) for camera in cameras] if per_camera else [row]
    return rows


def complete(given: Mapping[str, Any]) -> dict[str, Any]:
    """
    Every parameter of the table, those not given with their defaults.

    :raises ParameterError: when one is unknown, of the wrong type or out of its range.
    """
    first = TABLE[0]
    cameras = checked(first, given.get(first.name, first.default))
    _check_cameras(cameras)
    rows = {row.name: row for row in rows_for(cameras)}
    for name in given:
        if name not in rows and not FOREIGN.match(name):
            raise _unknown(name, list(rows), cameras)
    return {name: checked(row, given.get(name, row.default)) for name, row in rows.items()}


def build(values: Mapping[str, Any]) -> NodeParams:
    """
    The checked record of complete values.

    :raises ParameterError: when two of them contradict each other.
    """
    _check_names(values)
    corridor = _changed(_CORRIDOR, values, 'corridor')
    plain = {
        name: values[name]
        for name in NodeParams.__dataclass_fields__
        if name in values and name != 'cameras'
    }
    return NodeParams(
        cameras=tuple(_camera(name, values) for name in _cameras_of(values)),
        drivable=_changed(replace(_DRIVABLE, corridor=corridor), values, 'drivable'),
        fusion=_changed(_FUSION, values, 'fusion'),
        grid=_changed(_GRID, values, 'grid'),
        scan=_changed(_SCAN, values, 'scan'),
        horizon=_changed(_HORIZON, values, 'horizon'),
        risk=_changed(replace(_RISK, corridor=corridor), values, 'risk'),
        **plain,
    )


def _cameras_of(values: Mapping[str, Any]) -> list[str]:
    return list(values['cameras'])


def _changed(record: Record, values: Mapping[str, Any], prefix: str) -> Record:
    changes = nested(_group(values, prefix))
    return load(type(record), changes, f'parameter {prefix}.*', base=record)


def _group(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Values of ``prefix.name`` by name, as the table has them: a camera may have that name."""
    names = (row.name for row in TABLE if row.name.startswith(f'{prefix}.'))
    return {name.removeprefix(f'{prefix}.'): values[name] for name in names}


def _camera(name: str, values: Mapping[str, Any]) -> CameraParams:
    camera = CameraParams(
        name=name,
        image_topic=values[f'{name}.image_topic'],
        camera_info_topic=values[f'{name}.camera_info_topic'],
        transport=values[f'{name}.transport'],
        reliable=values[f'{name}.reliable'],
        rectified=values[f'{name}.rectified'],
        mount=_mount(name, values),
        pitch_std_rad=values[f'{name}.mount.pitch_std_rad'],
    )
    _check_topic(f'{name}.image_topic', camera.image_topic)
    if camera.camera_info_topic:
        _check_topic(f'{name}.camera_info_topic', camera.camera_info_topic)
    if not camera.compressed and camera.image_topic.endswith('/compressed'):
        raise ParameterError(
            f"parameter '{name}.transport'",
            f"'raw' for {camera.image_topic}",
            "'compressed' for a topic that ends so",
            f"Set {name}.transport to 'compressed'.",
        )
    return camera


def _mount(name: str, values: Mapping[str, Any]) -> Mount | None:
    """The mount that the parameters give; None where they give no height."""
    prefix = f'{CAMERA}.mount.'
    fields = [row.name.removeprefix(prefix) for row in TABLE if row.name.startswith(prefix)]
    given = {field: values[f'{name}.mount.{field}'] for field in fields}
    if not given['height_m']:
        return None
    try:
        return Mount(**given)
    except CalibrationError as error:
        raise ParameterError(
            f"parameters '{name}.mount.*'", error.seen, error.expected, f'It is: {error.thing}.'
        ) from error


def _check_topic(name: str, topic: str) -> None:
    try:
        validate_topic_name(topic)
    except InvalidTopicNameException as error:
        reason = ' '.join(str(error).split())
        raise ParameterError(
            f'parameter {name!r}', repr(topic), 'the name of a topic', reason
        ) from error


def _check_names(values: Mapping[str, Any]) -> None:
    if values['curvature_topic']:
        _check_topic('curvature_topic', values['curvature_topic'])
    if not values['base_frame'] or values['base_frame'].startswith('/'):
        raise ParameterError(
            "parameter 'base_frame'",
            repr(values['base_frame']),
            'the name of a TF frame, without a slash in front',
            "Such as 'base_link'.",
        )


def _check_cameras(names: Sequence[str]) -> None:
    wrong = [name for name in names if not _CAMERA_NAME.fullmatch(name)]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if wrong or doubled or not names:
        raise ParameterError(
            "parameter 'cameras'",
            wrong or doubled or 'none',
            'at least one name, each once, of letters, digits and single underscores, '
            'with a letter first',
            "Such as ['front', 'rear'].",
        )


def checked(row: Row, value: Any) -> Any:
    """The value in the type of the row; whole numbers are fine where a float is wanted."""
    if isinstance(row.default, float) and type(value) is int:
        value = float(value)
    if isinstance(row.default, list):
        value = list(value) if isinstance(value, list | tuple) else value
        right = isinstance(value, list) and all(isinstance(item, str) for item in value)
    else:
        right = type(value) is type(row.default)
    if not right or not _in_range(row, value):
        raise ParameterError(
            f'parameter {row.name!r}',
            json.dumps(value, default=str),
            _expected(row),
            f'It is: {row.description}.',
        )
    return value


def _in_range(row: Row, value: Any) -> bool:
    if row.choices:
        return value in row.choices
    return row.low is None or row.high is None or row.low <= value <= row.high


def _expected(row: Row) -> str:
    """Type and range in words."""
    if row.choices:
        return 'one of ' + ', '.join(row.choices)
    kinds = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'a string'}
    kind = kinds.get(type(row.default), 'a list of strings')
    return kind if row.low is None else f'{kind} from {row.low:g} to {row.high:g}'


def _unknown(name: str, known: list[str], cameras: Sequence[str]) -> ParameterError:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    per_camera = {row.name.partition('.')[2] for row in TABLE if CAMERA in row.name}
    owner, _, leaf = name.partition('.')
    if leaf in per_camera:
        return ParameterError(
            f'parameter {name!r}',
            f'camera {owner!r}',
            f'a camera of the parameter cameras: {", ".join(cameras)}',
            f'Add {owner!r} to cameras, or correct the name.',
        )
    fix = f'Did you mean {" or ".join(near)}?' if near else 'See config/params.yaml.'
    return ParameterError('parameters', f'an unknown {name!r}', 'names of the table', fix)


def descriptor(row: Row) -> ParameterDescriptor:
    unit = f' [{row.unit}]' if row.unit else ''
    choices = f'; {_expected(row)}' if row.choices else ''
    descriptor = ParameterDescriptor(
        description=f'{row.description}{unit}{choices}', read_only=not row.live
    )
    if isinstance(row.default, int) and row.low is not None and row.high is not None:
        span = IntegerRange(from_value=int(row.low), to_value=int(row.high), step=1)
        descriptor.integer_range = [span]
    elif row.low is not None and row.high is not None:
        limits = FloatingPointRange(from_value=row.low, to_value=row.high, step=0.0)
        descriptor.floating_point_range = [limits]
    return descriptor


_YAML_HEAD = """\
# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
#
# Every parameter of the node with its default. Those marked `live` can change at run time, the
# others are read when the node starts. Written by `python -m seg_perception.node.parameters yaml`.
# Quote names such as 'y', 'n', 'on', 'off': unquoted they are booleans to YAML.
/**:
  ros__parameters:
"""


def to_yaml() -> str:
    """``config/params.yaml``: every parameter with default, unit, range and description."""
    return _YAML_HEAD + ''.join(_yaml_row(row) for row in rows_for(['front']))


def _yaml_row(row: Row) -> str:
    marks = [row.unit, _span(row), 'live' if row.live else '']
    about = ', '.join(mark for mark in marks if mark)
    text = f'{row.description} [{about}]' if about else row.description
    lines = [f'    # {line}\n' for line in textwrap.wrap(text, 92)]
    value = json.dumps(row.default).replace('"', "'")
    return ''.join(['\n', *lines, f'    {row.name}: {value}\n'])


def _span(row: Row) -> str:
    if row.choices:
        return ' | '.join(row.choices)
    unit_share = row.unit == '0..1' and (row.low, row.high) == (0.0, 1.0)
    return '' if row.low is None or unit_share else f'{row.low:g} to {row.high:g}'


_MARKDOWN_HEAD = """# Parameters of the node

`live` ones can change at run time, several at once or none of them. `<cam>` is a name from
`cameras`. How those of the risk work together: [risk.md](risk.md). Printed by
`python -m seg_perception.node.parameters markdown`.
"""


def to_markdown() -> str:
    """The parameter table for people."""
    lines = [
        _MARKDOWN_HEAD,
        '| parameter | default | unit, range | live | meaning |',
        '|---|---|---|---|---|',
    ]
    for row in TABLE:
        marks = ', '.join(mark for mark in (row.unit, _span(row).replace('|', 'or')) if mark)
        live = 'yes' if row.live else ''
        default = json.dumps(row.default).replace('"', "'")
        lines.append(f'| `{row.name}` | `{default}` | {marks} | {live} | {row.description} |')
    return '\n'.join(lines) + '\n'


if __name__ == '__main__':
    sys.stdout.write(to_markdown() if sys.argv[1:] == ['markdown'] else to_yaml())
