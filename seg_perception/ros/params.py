# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The parameters of the node: one table, from which everything else follows.

``python -m seg_perception.ros.params yaml`` writes ``config/params.yaml``, ``markdown`` the table
of the README.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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

from seg_perception.core.corridor import Corridor
from seg_perception.core.drivable import DrivableParams
from seg_perception.core.errors import ParameterError
from seg_perception.core.risk import RiskParams
from seg_perception.inference.engine import PROVIDERS
from seg_perception.ros.conversions import JPEG_QUALITY

TRANSPORTS = ('raw', 'compressed')
CAMERA = '<cam>'
"""Stands for the name of each camera in the names and defaults of the table."""

Value = str | bool | int | float | list[str]

_CORRIDOR, _DRIVABLE, _RISK = Corridor(), DrivableParams(), RiskParams()


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
    Row('model', '', '', 'path of the model file; empty: the embedded default model'),
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
    _share('overlay_opacity', 0.45, 'how far the class colours cover the image in the overlay'),
    Row('overlay_jpeg_quality', JPEG_QUALITY, '', 'of the compressed overlay', 1, 100, live=True),
    Row(
        'corridor.top_share',
        _CORRIDOR.top_share,
        '0..1',
        'row of the far end of the ego corridor, from the top: somewhat below the horizon',
        0.0,
        0.95,
        live=True,
    ),
    Row(
        'corridor.near_width_share',
        _CORRIDOR.near_width_share,
        '0..1',
        'width of the ego corridor at the bottom row, share of the image',
        0.01,
        1.0,
        live=True,
    ),
    Row(
        'corridor.far_width_share',
        _CORRIDOR.far_width_share,
        '0..1',
        'width of the ego corridor at its far end, at most near_width_share',
        0.005,
        1.0,
        live=True,
    ),
    Row(
        'corridor.ego_mask_share',
        _CORRIDOR.ego_mask_share,
        '0..1',
        'rows at the bottom that show the own bonnet, share of the image; they are ignored',
        0.0,
        0.4,
        live=True,
    ),
    Row(
        'drivable.ego_zone_share',
        _DRIVABLE.ego_zone_share,
        '0..1',
        'height of the zone at the bottom from which free road is reached, share of the image',
        0.01,
        1.0,
        live=True,
    ),
    Row(
        'drivable.columns',
        _DRIVABLE.columns,
        '',
        'columns of the free-space boundary',
        1,
        4096,
        live=True,
    ),
    _share(
        'risk.vulnerable_weight',
        _RISK.vulnerable.weight,
        'how far people, riders and animals alone can push the risk',
    ),
    _share(
        'risk.vehicles_weight', _RISK.vehicles.weight, 'how far vehicles alone can push the risk'
    ),
    _share(
        'risk.obstacles_weight',
        _RISK.obstacles.weight,
        'how far obstacles alone can push the risk',
    ),
    _share(
        'risk.visibility_weight',
        _RISK.visibility_weight,
        'how far a road that is not seen alone can push the risk',
    ),
    _share(
        'risk.path_weight',
        _RISK.path_weight,
        'how far a blocked ego corridor alone can push the risk',
    ),
    _share(
        'risk.low_confidence',
        _RISK.low_confidence,
        'confidence at which a road pixel is not known at all',
    ),
    _share(
        'risk.high_confidence',
        _RISK.high_confidence,
        'confidence from which a road pixel is fully known, above low_confidence',
    ),
    _share(
        'risk.no_class_risk',
        _RISK.no_class_risk,
        'risk of a hazard that the model has no class for',
    ),
    _share('risk.spread', _RISK.spread, 'how much the mean of all factors adds to the worst one'),
    _share('risk.moderate_from', _RISK.moderate_from, 'risk at which MODERATE begins'),
    _share('risk.high_from', _RISK.high_from, 'risk at which HIGH begins, above moderate_from'),
    _share('risk.critical_from', _RISK.critical_from, 'risk at which CRITICAL begins'),
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
    model: str
    provider: str
    threads: int
    autostart: bool
    stale_after_s: float
    diagnostics_period_s: float
    warn_latency_ms: float
    warn_confidence: float
    overlay_opacity: float
    overlay_jpeg_quality: int
    drivable: DrivableParams
    risk: RiskParams


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
    corridor = Corridor(**_group(values, 'corridor'))
    risk = _group(values, 'risk')
    hazards = {
        name: replace(getattr(_RISK, name), weight=risk.pop(f'{name}_weight'))
        for name in ('vulnerable', 'vehicles', 'obstacles')
    }
    plain = {
        name: values[name]
        for name in NodeParams.__dataclass_fields__
        if name not in ('cameras', 'drivable', 'risk')
    }
    return NodeParams(
        cameras=tuple(_camera(name, values) for name in _cameras_of(values)),
        drivable=DrivableParams(corridor=corridor, **_group(values, 'drivable')),
        risk=RiskParams(corridor=corridor, **hazards, **risk),
        **plain,
    )


def _cameras_of(values: Mapping[str, Any]) -> list[str]:
    return list(values['cameras'])


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


def _check_topic(name: str, topic: str) -> None:
    try:
        validate_topic_name(topic)
    except InvalidTopicNameException as error:
        reason = ' '.join(str(error).split())
        raise ParameterError(
            f'parameter {name!r}', repr(topic), 'the name of a topic', reason
        ) from error


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
    per_camera = {row.name.split('.')[1] for row in TABLE if CAMERA in row.name}
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
# others are read when the node starts. Written by `python -m seg_perception.ros.params yaml`.
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


def to_markdown() -> str:
    """The parameter table for people."""
    lines = ['| parameter | default | unit, range | live | meaning |', '|---|---|---|---|---|']
    for row in TABLE:
        marks = ', '.join(mark for mark in (row.unit, _span(row).replace('|', 'or')) if mark)
        live = 'yes' if row.live else ''
        default = json.dumps(row.default).replace('"', "'")
        lines.append(f'| `{row.name}` | `{default}` | {marks} | {live} | {row.description} |')
    return '\n'.join(lines) + '\n'


if __name__ == '__main__':
    sys.stdout.write(to_markdown() if sys.argv[1:] == ['markdown'] else to_yaml())
