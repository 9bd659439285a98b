# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Results as messages."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Any

import cv2
from geometry_msgs.msg import Point32
from std_msgs.msg import Header

from seg_perception.core.classes import ClassTable
from seg_perception.core.fusion import FusedScene
from seg_perception.core.results import UNKNOWN_RISK, DrivableArea, Result, SafetyRisk
from seg_perception.node.image_conversions import copy_header
from seg_perception_msgs.msg import CameraStatus as CameraStatusMsg
from seg_perception_msgs.msg import DrivableArea as DrivableAreaMsg
from seg_perception_msgs.msg import FusedScene as FusedSceneMsg
from seg_perception_msgs.msg import RiskFactor as RiskFactorMsg
from seg_perception_msgs.msg import RoadScene
from seg_perception_msgs.msg import SafetyRisk as SafetyRiskMsg

try:
    import vision_msgs.msg as vision
except ImportError:  # not everywhere
    vision = None

_UNKNOWN_AREA = {
    name: nan
    for name, kind in DrivableAreaMsg.get_fields_and_field_types().items()
    if kind == 'float'
}

LABEL_INFO: Any = vision.LabelInfo if vision else None
"""The type of the topic label_info; None where vision_msgs is not installed."""


@dataclass(frozen=True)
class Origin:
    """Whose answer a message is."""

    camera: str
    model: str


@dataclass(frozen=True)
class Ground:
    """The frame of metric answers; without one, why there are none."""

    frame: str = ''
    text: str = ''


def scene_to_msg(
    result: Result,
    header: Header,
    origin: Origin,
    latency_ms: float,
    degraded: str = '',
    before_ms: dict[str, float] | None = None,
    ground: Ground = Ground(),
) -> RoadScene:
    """
    The answer for one frame, with a copy of its header.

    :param latency_ms: from the arrival of the frame to now.
    :param degraded: why the answer is not to be trusted fully; empty makes it OK.
    :param before_ms: stages before those of the pipeline.
    :param ground: the frame of what is metric.
    """
    stages_ms = (before_ms or {}) | result.stage_ms
    return RoadScene(
        header=copy_header(header),
        camera=origin.camera,
        model=origin.model,
        status=RoadScene.DEGRADED if degraded else RoadScene.OK,
        status_text=degraded,
        image_height=result.labels.shape[0],
        image_width=result.labels.shape[1],
        ground_frame=ground.frame,
        ground_text=ground.text,
        drivable_area=_area_to_msg(result.area),
        safety_risk=_risk_to_msg(result.risk),
        stage_names=list(stages_ms),
        stage_ms=list(stages_ms.values()),
        latency_ms=latency_ms,
    )


def unknown_scene(header: Header, origin: Origin, status: int, reason: str) -> RoadScene:
    """
    What is said when nothing is known: no area, risk UNKNOWN.

    :param status: STALE or INVALID.
    """
    return RoadScene(
        header=copy_header(header),
        camera=origin.camera,
        model=origin.model,
        status=status,
        status_text=reason,
        ground_text=reason,
        drivable_area=DrivableAreaMsg(**_UNKNOWN_AREA),
        safety_risk=_risk_to_msg(UNKNOWN_RISK),
        latency_ms=nan,
    )


def fused_to_msg(fused: FusedScene, header: Header) -> FusedSceneMsg:
    """All cameras in one message, with a copy of the header."""
    cameras = [
        CameraStatusMsg(
            camera=status.camera,
            status=int(status.state),
            status_text=status.text,
            age_s=status.age_s,
            level=int(status.level),
            sector_right_rad=status.sector.right_rad,
            sector_left_rad=status.sector.left_rad,
        )
        for status in fused.cameras
    ]
    return FusedSceneMsg(
        header=copy_header(header),
        safety_risk=_risk_to_msg(fused.risk),
        worst_camera=fused.worst_camera,
        cameras=cameras,
        skew_s=fused.skew_s,
        coverage_share=fused.coverage_share,
        complete=fused.complete,
    )


def label_info(table: ClassTable, header: Header) -> Any:
    """
    What each value of a mask means, as vision_msgs/LabelInfo.

    Only where vision_msgs is installed.
    """
    classes = [vision.VisionClass(class_id=row.id, class_name=row.name) for row in table.classes]
    return LABEL_INFO(header=copy_header(header), class_map=classes, threshold=0.0)


def _area_to_msg(area: DrivableArea) -> DrivableAreaMsg:
    other = area.mask_alternative
    polygon = [Point32(x=float(x), y=float(y)) for x, y in area.ground_polygon_m]
    return DrivableAreaMsg(
        image_share=area.image_share,
        alternative_share=0.0 if other is None else cv2.countNonZero(other) / other.size,
        corridor_share=area.corridor_share,
        boundary_columns=area.boundary_columns.tolist(),
        boundary_rows=area.boundary_rows.tolist(),
        boundary_class_ids=area.boundary_class_ids.tolist(),
        free_distance_m=area.free_distance_m,
        free_distance_std_m=area.free_distance_std_m,
        free_distance_low_m=area.free_distance_band_m[0],
        free_distance_high_m=area.free_distance_band_m[1],
        free_left_m=area.free_left_m,
        free_right_m=area.free_right_m,
        ground_polygon=polygon,
        confidence=area.confidence,
    )


def _risk_to_msg(risk: SafetyRisk) -> SafetyRiskMsg:
    factors = [
        RiskFactorMsg(
            name=factor.name, risk=factor.risk, weight=factor.weight, reason=factor.reason
        )
        for factor in risk.factors
    ]
    return SafetyRiskMsg(
        score=risk.score,
        level=int(risk.level),
        factors=factors,
        time_to_contact_s=risk.time_to_contact_s,
        suggested_speed_mps=risk.suggested_speed_mps,
    )
