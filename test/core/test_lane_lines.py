# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Where painted lines meet, and what that adds to an estimate."""

from __future__ import annotations

from math import radians

import cv2
import numpy as np
import pytest

from canyon import pinhole
from seg_perception.core.calibration_evidence import NOTHING, Estimate
from seg_perception.core.classes import CAMVID_11
from seg_perception.core.lane_lines import LineEvidence, meeting_of_lines

LENS = pinhole()
HEIGHT, WIDTH = LENS.size
ROAD, CAR, BUILDING = (
    next(row.id for row in CAMVID_11.classes if row.name == name)
    for name in ('road', 'car', 'building')
)


def street(column: float, row: float, feet: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """A dark road below a row, with lines of paint from a point to columns of the last row."""
    grey = np.full((HEIGHT, WIDTH), 90, np.uint8)
    for foot in feet:
        strip = [(column, row), (foot + 9, HEIGHT), (foot - 9, HEIGHT)]
        cv2.fillPoly(grey, [np.int32(np.rint(strip))], 200, cv2.LINE_AA)
    labels = np.full((HEIGHT, WIDTH), BUILDING, np.uint8)
    labels[round(row) + 3 :] = ROAD
    grey[labels != ROAD] = 150
    return cv2.GaussianBlur(grey, (0, 0), 0.8), labels


@pytest.mark.parametrize(('column', 'row'), [(240.0, 130.0), (200.0, 150.0), (275.0, 110.0)])
def test_lines_meet_in_the_vanishing_point(column, row) -> None:
    grey, labels = street(column, row, [-150.0, 130.0, 360.0, 640.0])
    point = meeting_of_lines(grey, labels, CAMVID_11, LENS)
    assert LENS.project([[*point, 1.0]])[0] == pytest.approx((column, row), abs=2.5)


def test_labels_of_another_size_do_as_well() -> None:
    grey, labels = street(240.0, 130.0, [-150.0, 130.0, 360.0, 640.0])
    half = labels[::2, ::2]
    point = meeting_of_lines(grey, half, CAMVID_11, LENS)
    assert LENS.project([[*point, 1.0]])[0, 1] == pytest.approx(130.0, abs=2.5)


def test_lines_that_tell_nothing() -> None:
    grey, labels = street(240.0, 130.0, [-150.0, 130.0, 360.0, 640.0])
    empty = np.full_like(grey, 90)
    assert meeting_of_lines(empty, labels, CAMVID_11, LENS) is None
    assert meeting_of_lines(grey, np.full_like(labels, BUILDING), CAMVID_11, LENS) is None
    assert meeting_of_lines(grey, np.full_like(labels, CAR), CAMVID_11, LENS) is None
    one_side = street(240.0, 130.0, [140.0, 150.0, 160.0])
    assert meeting_of_lines(*one_side, CAMVID_11, LENS) is None  # its row is a guess


def test_road_above_the_point_contradicts_it() -> None:
    grey, labels = street(240.0, 170.0, [-150.0, 130.0, 360.0, 640.0])
    labels[110:] = ROAD
    assert meeting_of_lines(grey, labels, CAMVID_11, LENS) is None


def known(row: float = 0.0) -> Estimate:
    return Estimate(np.array([0.0, row, 0.0]), np.radians([0.3, 0.3, 1.0]), 3.0)


def lines(*points: tuple[float, float], is_moving: bool = True) -> LineEvidence:
    evidence = LineEvidence()
    for point in points:
        evidence.add(np.radians(point), is_moving)
    return evidence


def test_lines_alone_are_rough() -> None:
    found = lines((1.0, 2.0)).joined(NOTHING)
    assert np.degrees(found.mean[:2]) == pytest.approx((1.0, 2.0))
    assert found.std[0] >= radians(3.0) and found.std[1] >= radians(1.0) and found.blocks == 0
    assert LineEvidence().joined(NOTHING) is NOTHING


def test_lines_along_the_travel_sharpen_the_row_alone() -> None:
    found = lines(*[(0.3, 0.4)] * 10).joined(known())
    assert 0 < np.degrees(found.mean[1]) < 0.25 and found.mean[0] == 0.0
    assert radians(0.15) < found.std[1] < radians(0.3) and found.std[0] == radians(0.3)


@pytest.mark.parametrize('point', [(4.0, 0.2), (0.2, 4.0)])
def test_a_road_that_leads_elsewhere_is_no_evidence(point) -> None:
    estimate = known()
    assert lines(*[point] * 10).joined(estimate) is estimate


def test_a_standing_camera_sees_one_and_the_same() -> None:
    estimate = known()
    standing = lines(*[(0.0, 0.4)] * 10, is_moving=False)
    assert standing.joined(estimate) is estimate
    standing.clear()
    assert standing.joined(NOTHING) is NOTHING
