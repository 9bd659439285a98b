# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The ego corridor: the strip of ground that the vehicle is about to cover, seen in the image.

Without calibration it is a trapezoid fixed to the image. On flat ground and a level camera its
width in a row is the width of the vehicle at that row's distance, so width tells nearness.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from seg_perception.core.errors import ParameterError


@dataclass(frozen=True)
class Corridor:
    """
    Trapezoid in the middle of the image, in shares of its height and width.

    The defaults fit a car camera of about 60 degrees with the horizon near the middle: 2.5 m of
    road are half the width at the bottom row (some 4.5 m ahead) and 8 % at the top (28 m).
    """

    top_share: float = 0.54  # row of the far end, from the top of the image
    near_width_share: float = 0.5  # width at the bottom row
    far_width_share: float = 0.08  # width at the far end
    ego_mask_share: float = 0.0  # rows at the bottom that show the own bonnet, 0 to 0.4

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high = _RANGES[field.name]
            value = getattr(self, field.name)
            if not low <= value <= high:
                raise ParameterError(f'corridor {field.name}', value, f'{low} to {high}')
        if self.far_width_share > self.near_width_share:
            raise ParameterError(
                'corridor far_width_share',
                self.far_width_share,
                f'at most near_width_share, {self.near_width_share}',
                'A corridor narrows with distance.',
            )


_RANGES = {
    'top_share': (0.0, 0.95),
    'near_width_share': (0.01, 1.0),
    'far_width_share': (0.005, 1.0),
    'ego_mask_share': (0.0, 0.4),
}


@dataclass(frozen=True)
class CorridorShape:
    """A corridor in the pixels of one image size; H and W are its height and width."""

    top_row: int  # first row of the corridor
    end_row: int  # one past its last row; below it is the own bonnet
    inside: np.ndarray  # (H, W) uint8, 255 in the corridor
    beside: np.ndarray  # (H, W) uint8, 255 up to one corridor width to the left and right of it
    elsewhere: np.ndarray  # (H, W) uint8, 255 in the rest of the rows of the corridor
    widths_px: np.ndarray  # (H,) float32, width of the corridor; 0 outside its rows
    nearness: np.ndarray  # (H,) float32, nearest distance / distance of the row: 1 near to 0 far
    outline: np.ndarray  # (4, 2) int32, corners as x, y


@lru_cache(maxsize=32)
def corridor_shape(corridor: Corridor, size: tuple[int, int]) -> CorridorShape:
    """The corridor in an image of size (H, W); it has one row at least."""
    height, width = size
    end = max(1, height - round(corridor.ego_mask_share * height))
    top = min(round(corridor.top_share * height), end - 1)
    rows = np.arange(height, dtype=np.float32)
    reach = np.clip((height - 1 - rows) / max(1, height - 1 - top), 0.0, 1.0)
    near, far = corridor.near_width_share * width, corridor.far_width_share * width
    widths = (near + (far - near) * reach) * ((rows >= top) & (rows < end))
    # Distance of a pixel column from the middle, the same on both sides.
    offsets = np.abs(np.arange(width, dtype=np.float32) - (width - 1) / 2)
    inside = offsets <= np.maximum(widths, 1.0)[:, None] / 2
    beside = offsets <= 1.5 * np.maximum(widths, 1.0)[:, None]
    used = (widths > 0)[:, None]
    return CorridorShape(
        top_row=top,
        end_row=end,
        inside=_frozen(np.where(inside & used, 255, 0).astype(np.uint8)),
        beside=_frozen(np.where(beside & ~inside & used, 255, 0).astype(np.uint8)),
        elsewhere=_frozen(np.where(~beside & used, 255, 0).astype(np.uint8)),
        widths_px=_frozen(widths),
        nearness=_frozen(widths / near),
        outline=_frozen(_outline(width, top, end, widths)),
    )


def _outline(width: int, top: int, end: int, widths: np.ndarray) -> np.ndarray:
    middle, last = (width - 1) / 2, end - 1
    far, near = widths[top] / 2, widths[last] / 2
    corners = [
        (middle - far, top),
        (middle + far, top),
        (middle + near, last),
        (middle - near, last),
    ]
    outline: np.ndarray = np.rint(np.array(corners)).astype(np.int32)
    return outline


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
