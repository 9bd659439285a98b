# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
What the messages of ``seg_perception_msgs`` say: each field by its name in the .msg file.

One table for every serialiser: rclpy's in the node, CDR in an evaluated bag, rows and JSON lines.
What is not known is NaN, empty or UNKNOWN. ``check_fields`` refuses a field that is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import nan
from typing import Any

import cv2
import numpy as np

from seg_perception.core.errors import MessageError
from seg_perception.core.fusion import FusedScene
from seg_perception.core.results import (
    UNKNOWN_RISK,
    DrivableArea,
    Hazard,
    OnlineCalibration,
    SafetyRisk,
    SceneRecord,
    SceneStatus,
)

Fields = dict[str, Any]


@dataclass(frozen=True)
class Origin:
    """Whose answer a message is, and the frame of what is metric in it."""

    camera: str
    model: str
    ground_frame: str = ''


def scene_fields(
    record: SceneRecord,
    origin: Origin,
    latency_ms: float,
    before_ms: Mapping[str, float] | None = None,
) -> Fields:
    """
    ``RoadScene.msg`` of an answer, without its header.

    :param latency_ms: from the arrival of the frame to now.
    :param before_ms: stages before those of the record.
    """
    stage_ms = {**(before_ms or {}), **record.stage_ms}
    return {
        **_scene(origin, record.status, record.status_text),
        'image_height': record.labels.shape[0],
        'image_width': record.labels.shape[1],
        'ground_frame': '' if record.uncalibrated_reason else origin.ground_frame,
        'ground_text': record.uncalibrated_reason,
        'drivable_area': area_fields(record.area),
        'safety_risk': risk_fields(record.risk, origin.camera),
        'stage_names': list(stage_ms),
        'stage_ms': list(stage_ms.values()),
        'latency_ms': latency_ms,
    }


def unknown_scene_fields(origin: Origin, status: SceneStatus, reason: str) -> Fields:
    """
    ``RoadScene.msg`` where nothing is known: no area, risk UNKNOWN.

    :param status: STALE or INVALID.
    """
    return {
        **_scene(origin, status, reason),
        'image_height': 0,
        'image_width': 0,
        'ground_frame': '',
        'ground_text': reason,
        'drivable_area': area_fields(_UNKNOWN_AREA) | {'alternative_share': nan},
        'safety_risk': risk_fields(UNKNOWN_RISK),
        'stage_names': [],
        'stage_ms': [],
        'latency_ms': nan,
    }


# Fields that DrivableArea has under the same name.
_AREA_NUMBERS = (
    *('image_share', 'corridor_share', 'confidence'),
    *('free_distance_m', 'free_distance_std_m', 'free_left_m', 'free_right_m'),
)
_AREA_ARRAYS = ('boundary_columns', 'boundary_rows', 'boundary_class_ids', 'boundary_flags')
_NOTHING = np.zeros(0, np.int32)
_UNKNOWN_AREA = DrivableArea(np.zeros((0, 0), np.uint8), nan, nan, _NOTHING, _NOTHING, nan)


def _scene(origin: Origin, status: SceneStatus, text: str) -> Fields:
    return {
        'camera': origin.camera,
        'model': origin.model,
        'status': int(status),
        'status_text': text,
    }


def area_fields(area: DrivableArea) -> Fields:
    """``DrivableArea.msg``."""
    other = area.mask_alternative
    return {
        **{name: getattr(area, name) for name in _AREA_NUMBERS},
        **{name: getattr(area, name).tolist() for name in _AREA_ARRAYS},
        'alternative_share': 0.0 if other is None else cv2.countNonZero(other) / other.size,
        'free_distance_low_m': area.free_distance_band_m[0],
        'free_distance_high_m': area.free_distance_band_m[1],
        'ground_polygon': [{'x': x, 'y': y, 'z': 0.0} for x, y in area.ground_polygon_m.tolist()],
    }


# Fields that SafetyRisk and Hazard have under the same name.
_RISK_NUMBERS = (
    *('score', 'time_to_contact_s', 'suggested_speed_mps', 'ego_speed_mps'),
    *('stopping_distance_m', 'stop_margin_m', 'required_deceleration_mps2'),
)
_HAZARD_FIELDS = (
    *('factor', 'role', 'class_id', 'zone', 'risk', 'confidence', 'age_s', 'bearing_rad'),
    *('distance_m', 'distance_std_m', 'closing_speed_mps', 'time_to_contact_s'),
)


def risk_fields(risk: SafetyRisk, camera: str = '') -> Fields:
    """
    ``SafetyRisk.msg``; a RiskFactor has the fields of ``RiskFactor.msg``.

    :param camera: that sees the hazards which name none.
    """
    return {
        **{name: getattr(risk, name) for name in _RISK_NUMBERS},
        'level': int(risk.level),
        'factors': [dict(vars(factor)) for factor in risk.factors],
        'hazards': [hazard_fields(hazard, camera) for hazard in risk.hazards],
    }


def hazard_fields(hazard: Hazard, camera: str) -> Fields:
    """``Hazard.msg``."""
    x, y = hazard.position_m
    return {
        **{name: getattr(hazard, name) for name in _HAZARD_FIELDS},
        **{f'box_{name}': value for name, value in hazard.box._asdict().items()},
        'camera': hazard.camera or camera,
        'class_name': hazard.who,
        'distance_source': int(hazard.distance_source),
        'position': {'x': x, 'y': y, 'z': 0.0},
    }


def fused_fields(fused: FusedScene) -> Fields:
    """``FusedScene.msg``, without its header."""
    cameras = [
        {
            'camera': status.camera,
            'status': int(status.state),
            'status_text': status.text,
            'age_s': status.age_s,
            'level': int(status.level),
            'sector_right_rad': status.sector.right_rad,
            'sector_left_rad': status.sector.left_rad,
        }
        for status in fused.cameras
    ]
    return {
        'safety_risk': risk_fields(fused.risk),
        'worst_camera': fused.worst_camera,
        'cameras': cameras,
        'skew_s': fused.skew_s,
        'coverage_share': fused.coverage_share,
        'complete': fused.complete,
    }


# Fields that OnlineCalibration has under the same name.
_CALIBRATION_FIELDS = (
    *('percent', 'reason', 'pitch_rad', 'yaw_rad', 'roll_rad'),
    *('pitch_std_rad', 'yaw_std_rad', 'roll_std_rad', 'height_m', 'height_std_m', 'height_source'),
)


def calibration_fields(
    online: OnlineCalibration, camera: str, size: tuple[int, int], applied: bool
) -> Fields:
    """
    ``CameraCalibration.msg`` of a camera with images (H, W), without its header.

    :param applied: whether the answers use what the camera has learned.
    """
    height, width = size
    point, mask = online.vanishing_point, online.ego_mask
    return {
        'camera': camera,
        'state': int(online.state),
        **{name: getattr(online, name) for name in _CALIBRATION_FIELDS},
        'applied': applied,
        'image_height': height,
        'image_width': width,
        'vanishing_column': point.column * width - 0.5 if point else nan,
        'vanishing_row': point.row * height - 0.5 if point else nan,
        'vanishing_column_std': point.column_std * width if point else nan,
        'vanishing_row_std': point.row_std * height if point else nan,
        'ego_share': nan if mask is None else cv2.countNonZero(mask) / mask.size,
    }


def check_fields(message: str, fields: Iterable[str], values: Mapping[str, Any]) -> None:
    """
    Refuse values that do not fill exactly the fields of a message.

    :raises MessageError: when a field has no value or a value has no field.
    """
    fields = set(fields)
    if fields != values.keys():
        missing, foreign = sorted(fields - values.keys()), sorted(values.keys() - fields)
        raise MessageError(
            f'message {message}',
            f'no value for {missing}, values without a field {foreign}',
            'one value for each field',
            'Bring io/scene_fields.py and the .msg file together.',
        )
