# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from math import inf, isnan, nan

import numpy as np
import pytest

from ros_graph import stamped
from seg_perception.core.results import DrivableArea, Grid, Scan
from seg_perception.node.ground_msgs import grid_to_msg, polygon_to_msg, scan_to_msg

HEADER = stamped(12, 34, 'base_link')


def test_grid():
    cells = np.array([[0, 100, -1], [100, 0, 0]], np.int8)[:, ::-1]  # not contiguous
    msg = grid_to_msg(Grid(cells, 0.5, -1.0, -2.0), HEADER, base_height_m=0.4)
    assert msg.header == HEADER and msg.header is not HEADER
    assert (msg.info.height, msg.info.width, msg.info.resolution) == (2, 3, 0.5)
    assert list(msg.data) == [-1, 100, 0, 0, 0, 100]  # row by row
    at = msg.info.origin.position
    assert (at.x, at.y, at.z, msg.info.origin.orientation.w) == (-1.0, -2.0, -0.4, 1.0)
    assert msg.info.map_load_time == HEADER.stamp


def test_scan():
    scan = Scan(-0.25, 0.25, np.array([5.0, inf, nan], np.float32), 2.0, 40.0)
    msg = scan_to_msg(scan, HEADER)
    assert msg.header == HEADER and msg.header is not HEADER
    assert (msg.angle_min, msg.angle_max, msg.angle_increment) == (-0.25, 0.25, 0.25)
    assert (msg.range_min, msg.range_max) == (2.0, 40.0)
    assert list(msg.ranges[:2]) == [5.0, inf] and isnan(msg.ranges[2])
    assert len(msg.ranges) == 3 and len(msg.intensities) == 0


@pytest.mark.parametrize('base_height_m', [0.0, 0.4])
def test_polygon_lies_on_the_ground(base_height_m):
    corners = np.array([[3.0, -1.0], [9.0, -1.5], [9.0, 2.0]], np.float32)
    none = np.zeros(0, np.int32)
    area = DrivableArea(np.zeros((1, 1), np.uint8), 0, 0, none, none, 0, ground_polygon_m=corners)
    msg = polygon_to_msg(area, HEADER, base_height_m)
    assert msg.header == HEADER
    assert [(point.x, point.y) for point in msg.polygon.points] == [(3, -1), (9, -1.5), (9, 2)]
    assert [point.z for point in msg.polygon.points] == pytest.approx([-base_height_m] * 3)
