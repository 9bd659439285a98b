# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from math import inf, isnan, nan, pi

import numpy as np
import pytest

from ros_graph import stamped
from seg_perception.core.errors import MessageError
from seg_perception.core.fusion import CameraState, CameraStatus, FusedScene, Sector
from seg_perception.core.results import (
    Box,
    CalibrationState,
    DistanceSource,
    DrivableArea,
    Hazard,
    OnlineCalibration,
    RiskFactor,
    RiskLevel,
    SafetyRisk,
    SceneRecord,
    SceneStatus,
    VanishingPoint,
)
from seg_perception.io.scene_fields import (
    Origin,
    calibration_fields,
    fused_fields,
    scene_fields,
    unknown_scene_fields,
)
from seg_perception.node.scene_msgs import to_msg
from seg_perception_msgs.msg import CameraCalibration, RoadScene
from seg_perception_msgs.msg import CameraStatus as CameraStatusMsg
from seg_perception_msgs.msg import FusedScene as FusedSceneMsg
from seg_perception_msgs.msg import Hazard as HazardMsg
from seg_perception_msgs.msg import SafetyRisk as SafetyRiskMsg

HEADER = stamped(12, 34, 'front_optical')
ORIGIN = Origin('front', 'tiny', 'base_link')
RISK = SafetyRisk(
    62.5,
    RiskLevel.MODERATE,
    (RiskFactor('vehicles', 0.5, 0.75, 'a car'),),
    hazards=(
        Hazard(
            'vehicles', 0, 0.5, 0.75, 12.0, 'car', class_id=8, role='vehicle', confidence=0.875,
            box=Box(3, 2, 4, 1), position_m=(12.0, -12.0), distance_std_m=0.5,
            distance_source=DistanceSource.LIDAR, closing_speed_mps=4.0, time_to_contact_s=2.5,
            age_s=0.25,
        ),
    ),
    time_to_contact_s=2.5,
    suggested_speed_mps=7.5,
    ego_speed_mps=8.0,
    stopping_distance_m=19.5,
    stop_margin_m=-8.5,
    required_deceleration_mps2=3.25,
)  # fmt: skip


def record(area: DrivableArea, **more) -> SceneRecord:
    labels = np.zeros((4, 8), np.uint8)
    return SceneRecord(labels, labels, area, RISK, {'resize': 1.0, 'inference': 20.0}, **more)


def area(**metric) -> DrivableArea:
    mask = np.zeros((4, 8), np.uint8)
    return DrivableArea(
        mask,
        image_share=0.5,
        corridor_share=0.25,
        boundary_columns=np.array([1, 5], np.int32),
        boundary_rows=np.array([2, 4], np.int32),
        confidence=0.75,
        boundary_class_ids=np.array([8, 255], np.uint8),
        boundary_flags=np.array([1, 3], np.uint8),
        **metric,
    )


def test_metres():
    other = np.zeros((4, 8), np.uint8)
    other[0] = 255
    found = area(
        mask_alternative=other,
        free_distance_m=20.5,
        free_distance_std_m=2.0,
        free_distance_band_m=(17.0, inf),
        free_left_m=3.5,
        free_right_m=0.0,
        ground_polygon_m=np.array([[3, 1], [9, 0]], np.float32),
    )
    fields = scene_fields(record(found, doubts=('slow', 'dark')), ORIGIN, 25.0, {'convert': 0.5})
    msg = to_msg(RoadScene, fields, HEADER)
    assert (msg.header, msg.camera, msg.model) == (HEADER, 'front', 'tiny')
    assert (msg.status, msg.status_text) == (RoadScene.DEGRADED, 'slow; dark')
    assert (msg.image_height, msg.image_width, msg.latency_ms) == (4, 8, 25.0)
    assert (msg.ground_frame, msg.ground_text) == ('base_link', '')
    drivable = msg.drivable_area
    assert (drivable.image_share, drivable.alternative_share) == (0.5, 0.25)
    assert (drivable.corridor_share, drivable.confidence) == (0.25, 0.75)
    assert list(drivable.boundary_columns) == [1, 5]
    assert list(drivable.boundary_rows) == [2, 4]
    assert list(drivable.boundary_class_ids) == [8, 255]
    assert (drivable.free_distance_m, drivable.free_distance_std_m) == (20.5, 2.0)
    assert (drivable.free_distance_low_m, drivable.free_distance_high_m) == (17.0, inf)
    assert (drivable.free_left_m, drivable.free_right_m) == (3.5, 0.0)
    assert [(point.x, point.y) for point in drivable.ground_polygon] == [(3.0, 1.0), (9.0, 0.0)]
    risk = msg.safety_risk
    assert (risk.score, risk.level) == (62.5, SafetyRiskMsg.MODERATE)
    assert (risk.time_to_contact_s, risk.suggested_speed_mps) == (2.5, 7.5)
    assert (risk.ego_speed_mps, risk.stopping_distance_m, risk.stop_margin_m) == (8.0, 19.5, -8.5)
    assert risk.required_deceleration_mps2 == 3.25
    (hazard,) = risk.hazards
    assert (hazard.camera, hazard.factor, hazard.role) == ('front', 'vehicles', 'vehicle')
    assert (hazard.class_name, hazard.class_id) == ('car', 8)
    assert (hazard.zone, hazard.distance_source) == (HazardMsg.IN_PATH, HazardMsg.LIDAR)
    assert (hazard.risk, hazard.confidence, hazard.age_s) == (0.5, 0.875, 0.25)
    box = hazard.box_left, hazard.box_top, hazard.box_width, hazard.box_height
    assert box == (3, 2, 4, 1)
    assert (hazard.position.x, hazard.position.y) == (12.0, -12.0)
    assert hazard.bearing_rad == pytest.approx(-pi / 4)
    assert (hazard.distance_m, hazard.distance_std_m) == (12.0, 0.5)
    assert (hazard.closing_speed_mps, hazard.time_to_contact_s) == (4.0, 2.5)
    factor = risk.factors[0]
    assert (factor.name, factor.risk, factor.weight, factor.reason) == (
        'vehicles', 0.5, 0.75, 'a car'
    )  # fmt: skip
    assert list(msg.stage_names) == ['convert', 'resize', 'inference']
    assert list(msg.stage_ms) == [0.5, 1.0, 20.0]


def test_no_metres():
    found = record(area(), uncalibrated_reason='not calibrated')
    msg = to_msg(RoadScene, scene_fields(found, ORIGIN, 25.0), HEADER)
    assert (msg.status, msg.status_text) == (RoadScene.OK, '')
    assert (msg.ground_frame, msg.ground_text) == ('', 'not calibrated')
    assert all(
        isnan(getattr(msg.drivable_area, name))
        for name in msg.drivable_area.get_fields_and_field_types()
        if name.endswith('_m')
    )
    assert msg.drivable_area.alternative_share == 0.0


@pytest.mark.parametrize('status', [SceneStatus.STALE, SceneStatus.INVALID])
def test_nothing_known(status):
    msg = to_msg(RoadScene, unknown_scene_fields(ORIGIN, status, 'gone'), HEADER)
    assert (msg.status, msg.status_text, msg.ground_text) == (status, 'gone', 'gone')
    for part in (msg.drivable_area, msg.safety_risk):
        for name, kind in part.get_fields_and_field_types().items():
            value = getattr(part, name)
            assert isnan(value) if kind == 'float' else not value, name


def test_fused():
    cameras = (
        CameraStatus('front', CameraState.OK, '', 0.0, RiskLevel.MODERATE, Sector(-0.5, 0.5)),
        CameraStatus('rear', CameraState.TIMEOUT, 'late', nan, RiskLevel.UNKNOWN, Sector()),
    )
    fused = FusedScene(12.0, RISK, 'front', cameras, 0.125, 0.25, None)
    msg = to_msg(FusedSceneMsg, fused_fields(fused), HEADER)
    assert msg.header == HEADER and msg.header is not HEADER
    assert (msg.safety_risk.score, msg.worst_camera, msg.complete) == (62.5, 'front', False)
    assert (msg.skew_s, msg.coverage_share) == (0.125, 0.25)
    front, rear = msg.cameras
    assert (front.camera, front.status, front.level) == ('front', CameraStatusMsg.OK, 2)
    assert (front.sector_right_rad, front.sector_left_rad, front.age_s) == (-0.5, 0.5, 0.0)
    assert (rear.status, rear.status_text) == (CameraStatusMsg.TIMEOUT, 'late')
    assert isnan(rear.age_s) and isnan(rear.sector_left_rad)


def test_calibration():
    mask = np.zeros((4, 8), np.uint8)
    mask[3] = 255
    online = OnlineCalibration(
        CalibrationState.CALIBRATED,
        100,
        vanishing_point=VanishingPoint(0.5, 0.375, 0.01, 0.002, 0.004),
        pitch_rad=0.0625,
        pitch_std_rad=0.125,
        height_m=1.5,
        height_std_m=0.25,
        height_source='lane width',
        ego_mask=mask,
    )
    msg = to_msg(CameraCalibration, calibration_fields(online, 'rear', (400, 1000), True), HEADER)
    assert (msg.header, msg.camera, msg.applied) == (HEADER, 'rear', True)
    assert (msg.state, msg.percent, msg.reason) == (CameraCalibration.CALIBRATED, 100, '')
    assert (msg.image_height, msg.image_width) == (400, 1000)
    # Half of the width lies between the pixels 499 and 500.
    assert (msg.vanishing_column, msg.vanishing_row) == (499.5, 149.5)
    assert msg.vanishing_column_std == pytest.approx(2.0)
    assert msg.vanishing_row_std == pytest.approx(1.6)
    assert (msg.pitch_rad, msg.pitch_std_rad) == (0.0625, 0.125)
    assert isnan(msg.yaw_rad) and isnan(msg.roll_std_rad)
    assert (msg.height_m, msg.height_std_m, msg.height_source) == (1.5, 0.25, 'lane width')
    assert msg.ego_share == 0.25


def test_calibration_of_which_nothing_is_known():
    fields = calibration_fields(OnlineCalibration(reason='no motion'), 'front', (4, 8), False)
    msg = to_msg(CameraCalibration, fields, HEADER)
    assert (msg.state, msg.percent, msg.reason) == (0, 0, 'no motion')
    unknown = ('vanishing_column', 'vanishing_row_std', 'pitch_rad', 'height_m', 'ego_share')
    assert all(isnan(getattr(msg, name)) for name in unknown)


def test_a_field_that_is_missing_is_an_error_and_never_zero():
    fields = scene_fields(record(area()), ORIGIN, 25.0)
    del fields['drivable_area']['free_distance_m']
    with pytest.raises(MessageError, match=r'DrivableArea: .*free_distance_m'):
        to_msg(RoadScene, fields, HEADER)
