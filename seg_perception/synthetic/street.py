# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
A street that a vehicle drives along, rendered with exact ground truth.

Same seed, same frames: ``Street(seed).frame(i)`` depends on nothing but its arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from seg_perception.core.classes import CAMVID_11, ClassTable
from seg_perception.core.errors import ImageError, ParameterError
from seg_perception.synthetic.assets import Assets, paint_assets
from seg_perception.synthetic.camera import SyntheticCamera
from seg_perception.synthetic.canvas import Canvas, depth_of
from seg_perception.synthetic.ground import FAR_M, Ground
from seg_perception.synthetic.hood import Hood, HoodPainter
from seg_perception.synthetic.layout import TEXEL_M, random_profile
from seg_perception.synthetic.meshes import VEHICLES, vehicle
from seg_perception.synthetic.render import draw
from seg_perception.synthetic.scene import Scene, Thing, places_of
from seg_perception.synthetic.surfaces import SURFACE_OF, Surface, class_ids
from seg_perception.synthetic.view import View
from seg_perception.synthetic.weather import WEATHERS, Lens, check_weather, random_light

_SMALLEST = 64


@dataclass(frozen=True)
class StreetObject:
    """An object on the street, in the vehicle frame: centre of its ground contact, and size."""

    kind: str
    x_forward_m: float
    y_left_m: float
    width_m: float
    height_m: float
    length_m: float
    yaw_rad: float  # of its own forward axis against the vehicle's
    speed_mps: float
    track: int  # the same thing in all frames
    surface: Surface


@dataclass(frozen=True, eq=False)
class StreetFrame:
    """One frame and its ground truth."""

    rgb: np.ndarray  # (H, W, 3) uint8
    camera: SyntheticCamera
    stamp_s: float
    objects: tuple[StreetObject, ...]
    planes: np.ndarray  # (H, W) uint16, which drawn plane each pixel shows
    plane_surfaces: np.ndarray  # (N,) Surface of each plane
    plane_inverse_depths: np.ndarray  # (N, 3): 1 / depth is a * column + b * row + c
    class_ids: np.ndarray  # (256,) uint8, class of each surface

    @cached_property
    def labels(self) -> np.ndarray:
        """Class ids, (H, W) uint8."""
        return np.asarray(self.class_ids[self.plane_surfaces][self.planes])

    @cached_property
    def ego_mask(self) -> np.ndarray:
        """255 on the own vehicle, (H, W) uint8."""
        ego = self.plane_surfaces == Surface.EGO
        return np.asarray(ego[self.planes] * np.uint8(255))

    @cached_property
    def depth_m(self) -> np.ndarray:
        """Depth along the optical axis, (H, W) float32 metres, inf for the sky."""
        return depth_of(self.planes, self.plane_inverse_depths)


class Street:
    """A seeded street and the drive along it."""

    def __init__(
        self,
        seed: int = 0,
        size: tuple[int, int] = (720, 1280),
        table: ClassTable = CAMVID_11,
        weather: str = 'clear',
        fps: float = 20.0,
        hood: Hood | None = None,
    ) -> None:
        """
        Build the street; every frame is drawn when it is asked for.

        :param size: height and width in pixels.
        :param table: CAMVID_11, CITYSCAPES_19 or STREET.
        :param weather: clear, fog, rain, night, dusk, or random for one that the seed chooses.
        :param hood: of the own vehicle, drawn over the scene; None keeps it out of view.
        :raises ParameterError: for a weather or a rate that cannot be.
        :raises ImageError: for a size that cannot be.
        :raises ClassTableError: for another class table.
        """
        check_weather(weather)
        _check(size, fps)
        self.seed, self.size, self.table, self.fps = seed, (int(size[0]), int(size[1])), table, fps
        self._class_ids = class_ids(table)
        chosen = str(np.random.default_rng([seed, 1]).choice(WEATHERS))
        self.weather = chosen if weather == 'random' else weather
        layout = np.random.default_rng([seed, 2])
        self.profile = random_profile(layout)
        self.scene = Scene(seed, layout, self.profile)
        extrinsics = np.random.default_rng([seed, 3])
        self.height_m = float(extrinsics.uniform(1.3, 1.7))
        self.pitch_rad = float(extrinsics.uniform(-0.005, 0.06))
        self.focal_px = float(extrinsics.uniform(0.78, 1.0)) * max(size[1], size[0] * 4 / 3)
        self.light = random_light(np.random.default_rng([seed, 4]), self.weather)
        texel_m = TEXEL_M if size[0] > 500 else 2 * TEXEL_M
        art = np.random.default_rng([seed, 5])
        self._ground = Ground(
            art, self.profile, self.focal_px * self.height_m, texel_m,
            self.light.on(np.array([0.0, 0.0, 1.0])),
        )  # fmt: skip
        self._assets = paint_assets(art, self.light, self.size, self.focal_px, FAR_M)
        art = np.random.default_rng([seed, 10])
        lit = self.light.on(np.array([0.0, 0.0, 1.0]))
        painter = HoodPainter(hood, art, lit, self.light.ambient, self.size) if hood else None
        self._hood = painter
        self._lens = Lens(np.random.default_rng([seed, 6]), self.light, self.size, self.focal_px)

    def camera(self, index: int) -> SyntheticCamera:
        """The camera of a frame."""
        time_s = index / self.fps
        x, y, heading = self._pose(time_s)
        height, width = self.size
        intrinsics = np.diag([self.focal_px, self.focal_px, 1.0])
        intrinsics[:2, 2] = (width - 1) / 2, (height - 1) / 2
        pitch = self.pitch_rad + 0.0025 * np.sin(time_s * 5.1) + 0.0015 * np.sin(time_s * 11.3)
        camera = SyntheticCamera(intrinsics, self.size, self.height_m, float(pitch), np.eye(4))
        world_vehicle = np.eye(4)
        cos, sin = np.cos(heading), np.sin(heading)
        world_vehicle[:2, :2] = [[cos, -sin], [sin, cos]]
        world_vehicle[:2, 3] = x, y
        pose = world_vehicle @ np.linalg.inv(camera.T_camera_vehicle)
        return replace(camera, T_world_camera=pose)

    def frame(self, index: int) -> StreetFrame:
        """Draw one frame; index 0 is at the start."""
        time_s = index / self.fps
        camera = self.camera(index)
        canvas = Canvas(camera)
        view = View(canvas, self.light, self.scene, self._pose(time_s))
        things = self.scene.things(time_s)
        draw(view, self._assets, self._ground, self._lens, things)
        if self._hood:
            self._hood.draw(canvas)
        rgb = self._lens.expose(canvas.rgb, np.random.default_rng([self.seed, 8, index]))
        return StreetFrame(
            rgb, camera, time_s, _place(view, self._assets, things), canvas.planes,
            np.array(canvas.surfaces, np.uint8), np.array(canvas.inverse_depths), self._class_ids,
        )  # fmt: skip

    def _pose(self, time_s: float) -> tuple[float, float, float]:
        along, offset = self.scene.ego_m(time_s)
        centre = float(self.scene.centre_m(np.array(along)))
        return along, centre + offset, self.scene.heading_rad(along)


def _place(view: View, assets: Assets, things: Sequence[Thing]) -> tuple[StreetObject, ...]:
    """The objects in the vehicle frame."""
    places = view.vehicle_xy(*places_of(things)).tolist()
    return tuple(
        _object(view, assets, thing, x, y) for thing, (x, y) in zip(things, places, strict=True)
    )


def _object(view: View, assets: Assets, thing: Thing, x: float, y: float) -> StreetObject:
    length, width, height = thing.length_m, 0.0, thing.height_m
    if thing.kind in VEHICLES:
        mesh = vehicle(thing.kind)
        length, width, height = mesh.length_m, mesh.width_m, mesh.height_m
    elif thing.kind in ('person', 'cyclist'):
        height = assets.people.heights_m[thing.variant] if thing.kind == 'person' else 1.8
        length, width = (0.5, 0.5) if thing.kind == 'person' else (1.7, 0.6)
    yaw = thing.turn_rad + view.scene.heading_rad(thing.along_m) - view.pose[2]
    return StreetObject(
        thing.kind, x, y, width, height, length, yaw, thing.speed_mps, thing.track,
        SURFACE_OF[thing.kind],
    )  # fmt: skip


def _check(size: tuple[int, int], fps: float) -> None:
    if len(size) != 2 or min(size) < _SMALLEST or max(size) > 8192:
        raise ImageError(
            'size of the synthetic street', size, f'(height, width), each {_SMALLEST} to 8192',
            'Height comes first.',
        )  # fmt: skip
    if not fps > 0:
        raise ParameterError('rate of the synthetic street', fps, 'more than 0 frames a second')
