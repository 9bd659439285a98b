# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Exact answers about the synthetic street, from its plan instead of its pictures.

Nothing here uses the code that it is the truth for: ground comes from the street's widths and
bends, obstacles from where the things stand, what is seen from a picture of three times the size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seg_perception.synthetic.layout import BLOCK_M
from seg_perception.synthetic.meshes import VEHICLES
from seg_perception.synthetic.street import Street, StreetFrame, StreetObject
from seg_perception.synthetic.surfaces import Surface

FINE = 3  # times the size; an odd one keeps pixel centres on pixel centres
_ROAD = (Surface.ROAD, Surface.MARKING)
_GROUND = (*_ROAD, Surface.PAVEMENT, Surface.TERRAIN)


@dataclass(frozen=True, eq=False)
class StreetTruth:
    """One frame of a street, and the same drawn finer."""

    street: Street
    frame: StreetFrame
    fine: StreetFrame

    @classmethod
    def of(cls, seed: int, index: int, size: tuple[int, int], weather: str) -> StreetTruth:
        """The frame of a seeded street at a size (height, width)."""
        fine = Street(seed, (FINE * size[0], FINE * size[1]), weather=weather)
        street = Street(seed, size, weather=weather)
        return cls(street, street.frame(index), fine.frame(index))

    def road_at(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """Whether the ground at points of the vehicle frame is road, by the street's plan."""
        pose = self.frame.camera.T_world_camera @ self.frame.camera.T_camera_vehicle
        along = pose[0, 0] * x_m + pose[0, 1] * y_m + pose[0, 3]
        across = pose[1, 0] * x_m + pose[1, 1] * y_m + pose[1, 3]
        left, profile = across - self.street.scene.centre_m(along), self.street.profile
        road = (left < profile.kerb_m(0)) & (left > -profile.kerb_m(1))
        if profile.junction_m is not None:
            place = np.mod(along, BLOCK_M)
            road |= (place > profile.junction_m[0]) & (place < profile.junction_m[1])
        return np.asarray(road)

    def occupied_at(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """Whether a vehicle or somebody stands at points of the vehicle frame."""
        taken = np.zeros(np.shape(x_m), bool)
        for thing in self._in_the_way():
            dx, dy = x_m - thing.x_forward_m, y_m - thing.y_left_m
            cos, sin = np.cos(thing.yaw_rad), np.sin(thing.yaw_rad)
            along, aside = dx * cos + dy * sin, dy * cos - dx * sin
            half_length, half_width = _half_foot_m(thing)
            taken |= (np.abs(along) <= half_length) & (np.abs(aside) <= half_width)
        return taken

    def _in_the_way(self) -> list[StreetObject]:
        return [
            thing
            for thing in self.frame.objects
            if thing.kind in (*VEHICLES, 'person', 'cyclist') and thing.x_forward_m > 0
        ]

    def free_m(self, half_width_m: float, reach_m: float, nearest_m: float) -> float:
        """Free road straight ahead, in steps of 2 cm, from the nearest ground in sight on."""
        x = np.arange(nearest_m, reach_m, 0.02)
        y = np.linspace(-half_width_m, half_width_m, 51)
        points = np.meshgrid(x, y, indexing='ij')
        free = (self.road_at(*points) & ~self.occupied_at(*points)).all(axis=1)
        return float(x[free.argmin()]) if not free.all() else reach_m

    @property
    def visible_road(self) -> np.ndarray:
        """Pixels (H, W) bool that show road, below vehicles too."""
        return np.isin(self.frame.plane_surfaces[self.frame.planes], _ROAD)

    @property
    def free_road(self) -> np.ndarray:
        """Pixels (H, W) bool that show road with nothing over it."""
        columns, rows = np.meshgrid(*(np.arange(n) for n in self.frame.camera.size[::-1]))
        return self._free(self.frame, columns, rows)

    def boundary_rows(self, columns: np.ndarray) -> np.ndarray:
        """Row of the upper edge of the unbroken road from the bottom, to a third of a pixel."""
        height = self.fine.camera.size[0]
        places = np.meshgrid(FINE * columns + FINE // 2, np.arange(height))
        free = self._free(self.fine, *places)[::-1]
        run = np.where(free.all(axis=0), height, free.argmin(axis=0))
        return np.asarray((height - run) / FINE)

    def _free(self, frame: StreetFrame, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Whether pixels show road that no vehicle is over."""
        road = np.isin(frame.plane_surfaces[frame.planes[rows, columns]], _ROAD)
        pixels = np.column_stack([columns[road], rows[road]])
        road[road] = ~self.occupied_at(*frame.camera.pixel_to_ground(pixels).T)
        return road

    def ground_seen_at(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """Whether the camera sees the ground at points (N,) of the vehicle frame."""
        pixels = self.fine.camera.ground_to_pixel(np.column_stack([x_m, y_m]))
        height, width = self.fine.camera.size
        inside = (np.abs(pixels * 2 - (width - 1, height - 1)) < (width, height)).all(axis=1)
        column, row = np.rint(np.where(inside[:, None], pixels, 0)).astype(int).T
        surfaces = self.fine.plane_surfaces[self.fine.planes[row, column]]
        return inside & np.isin(surfaces, _GROUND)


def _half_foot_m(thing: StreetObject) -> tuple[float, float]:
    """Half the length and width of what stands on the ground; people and cyclists are flat."""
    if thing.kind in VEHICLES:
        return thing.length_m / 2, thing.width_m / 2
    return 0.05, 0.15
