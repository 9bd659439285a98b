# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras by the shape of the ego corridor that they see, for scenes drawn by hand."""

from typing import Any

from seg_perception.core.camera_geometry import ImageGeometry
from seg_perception.core.corridor import _FOCAL, Corridor
from seg_perception.core.results import VanishingPoint


def trapezoid(
    size: tuple[int, int], top: float, near: float, far: float, **more: Any
) -> tuple[Corridor, ImageGeometry]:
    """
    A corridor and images of a size (H, W) in which it is a certain trapezoid.

    :param top: its first row, share of the height.
    :param near: width in the last row, share of the width.
    :param far: width in its first row, share of the width.
    """
    height, width = size
    last, top_row = height - 1, round(top * height)
    slope = (near - far) * width / max(1, last - top_row)  # px of width for each row
    row = last - near * width / slope
    height_m = 2.5 / slope  # the corridor is 2.5 m wide
    reach_m = _FOCAL * width * height_m / (top_row - row) * (1 + 1e-9)
    corridor = Corridor(camera_height_m=height_m, reach_m=reach_m, **more)
    return corridor, ImageGeometry(size, VanishingPoint(0.5, (row + 0.5) / height))
