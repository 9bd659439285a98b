# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Results as messages."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Any

from geometry_msgs.msg import Point32
from std_msgs.msg import Header

from seg_perception.core.classes import ClassTable
from seg_perception.core.results import UNKNOWN_RISK, DrivableArea, Result, SafetyRisk
from seg_perception.ros.conversions import copy_header
from seg_perception_msgs.msg import DrivableArea as DrivableAreaMsg
from seg_perception_msgs.msg import RiskFactor as RiskFactorMsg
from seg_perception_msgs.msg import RoadScene
from seg_perception_msgs.msg import SafetyRisk as SafetyRiskMsg

try:
    import vision_msgs.msg as vision
except ImportError:  # not everywhere
    vision = None

LABEL_INFO: Any = vision.LabelInfo if vision else None
"""The type of the topic label_info; None where vision_msgs is not installed."""


@dataclass(frozen=True)
class Origin:
    """Whose answer a message is."""

    camera: str
    model: str


def scene_to_msg(
    result: Result,
    header: Header,
    origin: Origin,
    latency_ms: float,
    degraded: str = '',
    before_ms: dict[str, float] | None = None,
) -> RoadScene:
    """
    The answer for one frame, with a copy of its header.

    :param latency_ms: from the arrival of the frame to now.
    :param degraded: why the answer is not to be trusted fully; empty makes it OK.
    :param before_ms: stages before those of the pipeline.
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
        drivable_area=DrivableAreaMsg(
            image_share=nan, corridor_share=nan, free_distance_m=nan, confidence=nan
        ),
        safety_risk=_risk_to_msg(UNKNOWN_RISK),
        latency_ms=nan,
    )


def label_info(table: ClassTable, header: Header) -> Any:
    """
    What each value of a mask means, as vision_msgs/LabelInfo.

    Only where vision_msgs is installed.
    """
    classes = [vision.VisionClass(class_id=row.id, class_name=row.name) for row in table.classes]
    return LABEL_INFO(header=copy_header(header), class_map=classes, threshold=0.0)


def _area_to_msg(area: DrivableArea) -> DrivableAreaMsg:
    polygon = [Point32(x=float(x), y=float(y)) for x, y in area.ground_polygon_m]
    return DrivableAreaMsg(
        image_share=area.image_share,
        corridor_share=area.corridor_share,
        boundary_columns=area.boundary_columns.tolist(),
        boundary_rows=area.boundary_rows.tolist(),
        free_distance_m=area.free_distance_m,
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
    return SafetyRiskMsg(score=risk.score, level=int(risk.level), factors=factors)
