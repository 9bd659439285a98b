# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from seg_perception.core.classes import CAMVID_11
from seg_perception.core.draw import draw_scene
from seg_perception.core.drivable import find_drivable
from seg_perception.core.results import UNKNOWN_RISK, RiskFactor, RiskLevel, SafetyRisk

ROAD, PAVEMENT, UNLABELED = 3, 4, 255
GREEN, RED, BAR_EMPTY = [60, 200, 90], [240, 40, 50], [40, 40, 40]


def risk(score: float, level: RiskLevel, reason: str = 'vehicles in the path, near') -> SafetyRisk:
    return SafetyRisk(score, level, (RiskFactor('vehicles', 0.6, 0.8, reason),))


def draw(size, safety, status='OK', value=UNLABELED):
    labels = np.full(size, value, np.uint8)
    area = find_drivable(labels, labels, CAMVID_11)
    rgb = np.full((*size, 3), 120, np.uint8)
    return draw_scene(rgb, labels, CAMVID_11, area, safety, status)


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
    labels[120:] = ROAD
    area = find_drivable(labels, labels, CAMVID_11)
    rgb = np.zeros((200, 300, 3), np.uint8)
    scene = draw_scene(rgb, labels, CAMVID_11, area, risk(90.0, RiskLevel.LOW))
    line = (scene == (80, 255, 120)).all(axis=2)
    assert line[120, 5:290].mean() > 0.95  # the corridor crosses it twice
    assert not line[:115].any() and not line[125:].any()


def test_blocked_columns_have_no_line():
    labels = np.full((200, 300), ROAD, np.uint8)
    labels[:, 200:] = PAVEMENT
    area = find_drivable(labels, labels, CAMVID_11)
    rgb = np.zeros((200, 300, 3), np.uint8)
    scene = draw_scene(rgb, labels, CAMVID_11, area, risk(90.0, RiskLevel.LOW))
    assert not (scene[:, 205:] == (80, 255, 120)).all(axis=2).any()


def test_reasons_and_status_change_the_picture():
    plain = draw((360, 480), SafetyRisk(80.0, RiskLevel.LOW, ()))
    reasons = draw((360, 480), risk(80.0, RiskLevel.LOW))
    stale = draw((360, 480), SafetyRisk(80.0, RiskLevel.LOW, ()), 'STALE')
    assert (plain != reasons).any() and (plain != stale).any()


def test_long_reason_stays_inside_the_picture():
    scene = draw((120, 160), risk(10.0, RiskLevel.CRITICAL, 'a very long reason ' * 10))
    assert (scene[:, -2:] == 120).all() or (scene[5:60, -2:] == scene[5:60, -1:]).all()


def test_unknown_risk_and_tiny_images_are_drawn():
    assert draw((360, 480), UNKNOWN_RISK, 'STALE').shape == (360, 480, 3)
    for size in ((1, 1), (8, 8), (3, 40), (40, 3)):
        assert draw(size, risk(10.0, RiskLevel.HIGH), value=ROAD).shape == (*size, 3)


def test_arguments_stay_as_they_are():
    labels = np.full((90, 120), ROAD, np.uint8)
    rgb = np.full((90, 120, 3), 120, np.uint8)
    for array in (labels, rgb):
        array.setflags(write=False)
    area = find_drivable(labels, labels, CAMVID_11)
    draw_scene(rgb, labels, CAMVID_11, area, risk(50.0, RiskLevel.HIGH))
    assert (rgb == 120).all() and (area.mask == 255).all()
