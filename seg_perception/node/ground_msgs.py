# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What lies on the ground, as messages that Nav2 and RViz take. Frame: ``base_frame``."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Point32, Polygon, PolygonStamped
from nav_msgs.msg import OccupancyGrid
from sensor_msgs.msg import LaserScan
from std_msgs.msg import Header

from seg_perception.core.results import DrivableArea, Grid, Scan
from seg_perception.node.image_conversions import copy_header


def grid_to_msg(grid: Grid, header: Header, base_height_m: float) -> OccupancyGrid:
    """The grid on the ground, ``base_height_m`` below the frame of the header, which is copied."""
    msg = OccupancyGrid(header=copy_header(header))
    msg.info.map_load_time = msg.header.stamp
    msg.info.resolution = grid.resolution_m
    msg.info.height, msg.info.width = grid.cells.shape
    origin = msg.info.origin
    origin.position.x, origin.position.y = grid.origin_x_m, grid.origin_y_m
    origin.position.z = -base_height_m
    msg.data.frombytes(np.ascontiguousarray(grid.cells))
    return msg


def scan_to_msg(scan: Scan, header: Header) -> LaserScan:
    """
    The free space as ranges from the origin of the frame of the header, which is copied.

    As REP 117 has it: +inf is free beyond the range, NaN is not known.
    """
    msg = LaserScan(
        header=copy_header(header),
        angle_min=scan.angle_min_rad,
        angle_max=scan.angle_min_rad + (len(scan.ranges_m) - 1) * scan.angle_increment_rad,
        angle_increment=scan.angle_increment_rad,
        range_min=scan.range_min_m,
        range_max=scan.range_max_m,
    )
    msg.ranges.frombytes(np.ascontiguousarray(scan.ranges_m, np.float32).view(np.uint8))
    return msg


def polygon_to_msg(area: DrivableArea, header: Header, base_height_m: float) -> PolygonStamped:
    """The outline of the drivable ground, for those who show it."""
    points = [Point32(x=float(x), y=float(y), z=-base_height_m) for x, y in area.ground_polygon_m]
    return PolygonStamped(header=copy_header(header), polygon=Polygon(points=points))
