# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from seg_perception.core.camera import Calibration, Camera, Extrinsics
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import CAMVID_11
from seg_perception.core.draw import draw_scene
from seg_perception.core.drivable import find_drivable, scale_area
from seg_perception.core.grid import drivable_grid
from seg_perception.core.masks import resize_nearest
from seg_perception.core.results import (
    UNKNOWN_RISK,
    DrivableArea,
    RiskFactor,
    RiskLevel,
    SafetyRisk,
    SceneRecord,
)

ROAD, PAVEMENT, UNLABELED = 3, 4, 255
GREEN, RED, BAR_EMPTY = [60, 200, 90], [240, 40, 50], [40, 40, 40]


def risk(score: float, level: RiskLevel, reason: str = 'vehicles in the path, near') -> SafetyRisk:
    return SafetyRisk(score, level, (RiskFactor('vehicles', 0.6, 0.8, reason),))


def record(labels, area: DrivableArea, safety: SafetyRisk, doubts=(), grid=None) -> SceneRecord:
    return SceneRecord(labels, labels, area, safety, {}, grid=grid, doubts=doubts)


def draw(size, safety, doubts=(), value=UNLABELED):
    labels = np.full(size, value, np.uint8)
    area = find_drivable(labels, np.full_like(labels, 255), CAMVID_11)
    rgb = np.full((*size, 3), 120, np.uint8)
    return draw_scene(rgb, record(labels, area, safety, doubts), CAMVID_11)


@pytest.mark.parametrize('size', [(360, 480), (720, 1280), (1080, 1920), (480, 360)])
def test_bar_length_and_colour_are_the_score_and_level(size):
    height = size[0]
    line = max(11, round(height / 24))
    row = draw(size, risk(50.0, RiskLevel.CRITICAL))[line // 2 + line // 4]
    red = (row == RED).all(axis=1).sum()
    empty = (row == BAR_EMPTY).all(axis=1).sum()
    assert 0.75 < red / empty < 1.33
    assert not (row == GREEN).all(axis=1).any()


def test_boundary_is_drawn_along_the_free_road():
    labels = np.full((200, 300), PAVEMENT, np.uint8)
    labels[150:] = ROAD  # not where the corridor ends
    area = find_drivable(labels, np.full_like(labels, 255), CAMVID_11)
    rgb = np.zeros((200, 300, 3), np.uint8)
    scene = draw_scene(rgb, record(labels, area, risk(90.0, RiskLevel.LOW)), CAMVID_11)
    line = (scene == (80, 255, 120)).all(axis=2)
    assert line[150, 5:290].mean() > 0.95  # the corridor crosses it twice
    assert not line[:145].any() and not line[155:].any()


def test_flags_of_the_boundary_have_colours_and_the_own_vehicle_has_no_line():
    labels = np.full((200, 300), PAVEMENT, np.uint8)
    labels[120:] = ROAD
    area = find_drivable(labels, np.full_like(labels, 255), CAMVID_11)
    flags = np.repeat([0, 1, 2, 3], 16).astype(np.uint8)
    rgb = np.zeros((200, 300, 3), np.uint8)
    flagged = record(labels, replace(area, boundary_flags=flags), risk(90.0, RiskLevel.LOW))
    row = draw_scene(rgb, flagged, CAMVID_11)[120]
    colours = (80, 255, 120), (230, 255, 90), (190, 190, 190)
    drawn = [np.flatnonzero((row == colour).all(axis=1)) for colour in colours]
    for place, (first, last) in zip(drawn, ((3, 72), (72, 147), (227, 297)), strict=True):
        assert first - 4 <= place.min() and place.max() <= last + 4 and len(place) > 50


def test_blocked_columns_have_no_line():
    labels = np.full((200, 300), ROAD, np.uint8)
    labels[:, 200:] = PAVEMENT
    area = find_drivable(labels, np.full_like(labels, 255), CAMVID_11)
    rgb = np.zeros((200, 300, 3), np.uint8)
    scene = draw_scene(rgb, record(labels, area, risk(90.0, RiskLevel.LOW)), CAMVID_11)
    assert not (scene[:, 205:] == (80, 255, 120)).all(axis=2).any()


def test_reasons_and_status_change_the_picture():
    plain = draw((360, 480), SafetyRisk(80.0, RiskLevel.LOW, ()))
    reasons = draw((360, 480), risk(80.0, RiskLevel.LOW))
    doubted = draw((360, 480), SafetyRisk(80.0, RiskLevel.LOW, ()), ('late',))
    assert (plain != reasons).any() and (plain != doubted).any()


def test_long_reason_stays_inside_the_picture():
    scene = draw((120, 160), risk(10.0, RiskLevel.CRITICAL, 'a very long reason ' * 10))
    assert (scene[:, -2:] == 120).all() or (scene[5:60, -2:] == scene[5:60, -1:]).all()


def test_unknown_risk_and_tiny_images_are_drawn():
    assert draw((360, 480), UNKNOWN_RISK, ('late',)).shape == (360, 480, 3)
    for size in ((1, 1), (8, 8), (3, 40), (40, 3)):
        assert draw(size, risk(10.0, RiskLevel.HIGH), value=ROAD).shape == (*size, 3)


def test_arguments_stay_as_they_are():
    labels = np.full((90, 120), ROAD, np.uint8)
    rgb = np.full((90, 120, 3), 120, np.uint8)
    for array in (labels, rgb):
        array.setflags(write=False)
    area = find_drivable(labels, np.full_like(labels, 255), CAMVID_11)
    draw_scene(rgb, record(labels, area, risk(50.0, RiskLevel.HIGH)), CAMVID_11)
    assert (rgb == 120).all() and (area.mask == 255).all()


STREET = (720, 1280)


def camera(size=STREET, **extrinsics) -> Camera:
    focal = size[1] / 1.28
    k = np.array([[focal, 0, (size[1] - 1) / 2], [0, focal, (size[0] - 1) / 2], [0, 0, 1]])
    return Camera(Calibration.pinhole(k, size), Extrinsics(1.5, **extrinsics))


def metric(size=STREET, seen=None, value=ROAD, curvature_per_m=0.0):
    """Picture and area of road below the horizon and pavement farther than about 15 m."""
    seen = seen or camera(size)
    small = (max(1, size[0] // 4), max(1, size[1] // 4))  # as a model would see it
    labels = np.full(small, value, np.uint8)
    labels[: round(small[0] / 2 + 0.139 * small[0])] = PAVEMENT
    labels[: small[0] // 2] = 0
    sure = np.full_like(labels, 255)
    geometry, bend = CameraGeometry.of(seen, small), {'curvature_per_m': curvature_per_m}
    area = find_drivable(labels, sure, CAMVID_11, geometry=geometry, **bend)
    grid = drivable_grid(area.mask, labels, sure, CAMVID_11, geometry)
    rgb = np.full((*size, 3), 20, np.uint8)
    scene = draw_scene(
        rgb,
        record(
            resize_nearest(labels, size),
            scale_area(area, size),
            risk(90.0, RiskLevel.LOW),
            grid=grid,
        ),
        CAMVID_11,
        opacity=0.0,
        geometry=geometry,
        **bend,
    )
    return scene, area


def columns_of(scene: np.ndarray, row: int, rgb: list[int]) -> np.ndarray:
    """Where a row has about that colour: lines are drawn with soft edges."""
    return np.flatnonzero((np.abs(scene[row].astype(int) - rgb) < 40).all(axis=1))


def test_corridor_is_drawn_where_the_ground_is():
    scene, area = metric()
    assert area.free_distance_m == pytest.approx(15.0, abs=0.6)
    # 1000 px * 1.5 m / 6 m below the centre; 2.5 m wide is 417 px there.
    columns = columns_of(scene, round(359.5 + 250), GREEN)
    assert columns.min() == pytest.approx(639.5 - 208, abs=4)
    assert columns[columns < 1000].max() == pytest.approx(639.5 + 208, abs=4)


def test_line_across_and_number_at_the_free_distance():
    scene, area = metric()
    row = round(359.5 + 1500 / area.free_distance_m)
    white = columns_of(scene, row, [255, 255, 255])
    white = white[white < 1000]  # without the frame of the map
    assert white.min() == pytest.approx(639.5 - 83, abs=4)  # 2.5 m wide is 167 px at 15 m
    assert white.max() == pytest.approx(639.5 + 83, abs=4)
    above = scene[row - 45 : row - 12, 560:760]
    assert 100 < (above > 200).all(axis=2).sum() < 2000


def test_bent_corridor_leaves_to_the_left():
    straight, bent = metric()[0], metric(curvature_per_m=0.04)[0]
    row = round(359.5 + 150)  # 10 m ahead; the circle is 2 m, 200 px, to the left there
    left, right = (columns_of(scene, row + 4, GREEN).min() for scene in (bent, straight))
    assert 130 < right - left < 270


@pytest.mark.parametrize('size', [(360, 640), (720, 1280), (1080, 1920)])
def test_map_is_seen_from_above(size):
    """Green ahead of the vehicle, dark beside what the camera sees, ahead is up."""
    scene, _ = metric(size)
    height, width = size
    gap, cells = max(11, round(height / 24)) // 2, round(0.36 * height)
    bird = scene[
        height - gap - cells : height - gap, width - gap - round(0.6 * cells) : width - gap
    ]
    middle = bird.shape[1] // 2

    def is_free(ahead_m: float, left_m: float) -> bool:
        pixel = bird[round(cells * (1 - ahead_m / 40)), round(middle - left_m * cells / 40)]
        return bool((pixel == (50, 130, 70)).all())

    assert is_free(8.5, -2.0) and is_free(8.5, 2.0) and is_free(13.0, 2.5)
    assert not is_free(24.0, 0.0) and not is_free(1.5, 5.0)


@pytest.mark.parametrize(
    'extrinsics', [{'yaw_rad': 3.14}, {'yaw_rad': 1.57}, {'yaw_rad': -0.8, 'pitch_rad': 0.4},
              {'roll_rad': 1.5}, {'pitch_rad': 1.5}]
)  # fmt: skip
@pytest.mark.parametrize('curvature_per_m', [0.0, 0.3, -0.5])
def test_cameras_that_look_anywhere_are_drawn(extrinsics, curvature_per_m):
    assert metric(STREET, camera(**extrinsics), curvature_per_m=curvature_per_m)[0].shape == (
        *STREET,
        3,
    )


@pytest.mark.parametrize('size', [(1, 1), (1, 160), (40, 3), (24, 32)])
def test_tiny_images_with_a_camera_are_drawn(size):
    seen = Camera(
        Calibration.pinhole(np.array([[20.0, 0, 0], [0, 20.0, 0], [0, 0, 1]]), size),
        Extrinsics(1.5, pitch_rad=0.5),
    )
    assert metric(size, seen)[0].shape == (*size, 3)


def test_metres_are_told_where_they_are_known():
    labels = np.full((360, 480), ROAD, np.uint8)
    area = find_drivable(labels, np.full_like(labels, 255), CAMVID_11)
    rgb = np.full((360, 480, 3), 120, np.uint8)
    plain = SafetyRisk(80.0, RiskLevel.LOW, ())
    told = SafetyRisk(80.0, RiskLevel.LOW, (), time_to_contact_s=2.0, suggested_speed_mps=9.0)
    pictures = [draw_scene(rgb, record(labels, area, item), CAMVID_11) for item in (plain, told)]
    line = 15
    rows = slice(round(2.6 * line), round(3.6 * line))  # below the headline
    bright = [int((picture[rows] > 250).all(axis=2).sum()) for picture in pictures]
    assert bright[0] == 0 < bright[1]
