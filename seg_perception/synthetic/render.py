# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Draws one frame of the synthetic street, far things first."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from seg_perception.synthetic.camera import SyntheticCamera
from seg_perception.synthetic.canvas import Canvas, clip_near
from seg_perception.synthetic.ground import FAR_M, Ground
from seg_perception.synthetic.meshes import Mesh, vehicle
from seg_perception.synthetic.people import (
    PHASES,
    Sprite,
    cyclist,
    cyclist_sideways,
    random_looks,
    sprite,
    walker,
)
from seg_perception.synthetic.scene import CYCLISTS, FACADES, PEOPLE, TREES, Scene, Thing
from seg_perception.synthetic.surfaces import Surface
from seg_perception.synthetic.textures import (
    Facade,
    Rng,
    facade,
    fractal,
    noise,
    pyramid,
    shade,
    sky,
    tree,
)
from seg_perception.synthetic.weather import Light

_PANORAMA_RAD = 1.2
_FACADE_DEPTH_M = 9.0
_UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, eq=False)
class Assets:
    """Everything painted once for a street."""

    facades: list[Facade]
    trees: list[Sprite]
    walkers: list[list[list[Sprite]]]  # person, sideways or along, phase
    cyclists: list[list[list[tuple[Sprite, Sprite]]]]  # cyclist, sideways or along, phase
    strips: dict[str, list[np.ndarray]]  # fences, walls and hedges: pyramids of (h, w, 4)
    sky: np.ndarray
    backdrop: np.ndarray  # (K,) heights of the far roofs in metres


def paint_assets(rng: Rng, light: Light, size: tuple[int, int], focal_px: float) -> Assets:
    """Paint all pictures, finer for larger images."""
    px_per_m = float(np.clip(focal_px / 28, 12, 36))
    facades = [
        facade(rng, px_per_m, int(rng.integers(4, 7)), int(rng.integers(4, 7)))
        for _ in range(FACADES)
    ]
    sun_side = float(light.sun_direction[1]) * -1
    tree_px = int(np.clip(focal_px / 3, 128, 320))
    trees = [sprite(*tree(rng, tree_px, sun_side), px_per_m=tree_px) for _ in range(TREES)]
    people = [random_looks(rng) for _ in range(PEOPLE)]
    walkers = [
        [[walker(rng, looks, phase, turned) for phase in range(PHASES)] for turned in (True, False)]
        for looks in people
    ]
    bikes = [rng.uniform(20, 220, 3) for _ in range(CYCLISTS)]
    cyclists = [
        [
            [paint(rng, people[i], phase, bikes[i]) for phase in range(PHASES)]
            for paint in (cyclist_sideways, cyclist)
        ]
        for i in range(CYCLISTS)
    ]
    heaven = sky(rng, (size[0] * 2 // 3, size[1] * 2), light.zenith, light.horizon, light.clouds)
    roofs = 7 + 5 * np.repeat(rng.random(40), 3) + 3 * rng.random(120)
    return Assets(facades, trees, walkers, cyclists, _strips(rng, px_per_m), heaven, roofs)


def _strips(rng: Rng, px_per_m: float) -> dict[str, list[np.ndarray]]:
    """Four metres of fence, wall, hedge and rail; the fourth channel is the mask."""
    size = (round(1.6 * px_per_m), round(4 * px_per_m))
    tones = {'fence': [120, 92, 66], 'wall': [150, 118, 98], 'hedge': [62, 84, 38], 'rail': [70, 74, 76]}
    strips = {}
    for kind, tone in tones.items():
        texture = 1 + {'hedge': 0.5}.get(kind, 0.15) * fractal(rng, size, 0.5 * px_per_m)
        rgb = shade(np.array(tone, np.float32) * rng.uniform(0.8, 1.3, 3), texture)
        mask = np.full(size, 255, np.uint8)
        step = max(3, round(0.16 * px_per_m))
        if kind == 'fence':
            rgb[:, ::step] //= 2
            mask[: max(1, step // 3), :: step * 2] = 0
        elif kind == 'wall':
            rgb[:: max(2, step // 2)] = rgb[:: max(2, step // 2)] * 0.8
        elif kind == 'rail':
            mask[:] = 0
            mask[:, ::step] = 255
            mask[: max(2, step // 2)] = mask[-max(2, step // 2) :] = 255
        else:
            mask[: size[0] // 6] = (noise(rng, (size[0] // 6, size[1]), (4, 4)) > 0) * 255
        strips[kind] = pyramid(np.dstack([rgb, mask]), 8)
    return strips


class Painter:
    """Draws onto one canvas."""

    def __init__(
        self, canvas: Canvas, assets: Assets, ground: Ground, light: Light, scene: Scene,
        pose: tuple[float, float, float],
    ) -> None:  # fmt: skip
        """
        Take what the frame is made of.

        :param pose: world X and Y in metres and heading in radians of the vehicle.
        """
        self.canvas, self.assets, self.ground = canvas, assets, ground
        self.light, self.scene, self.pose = light, scene, pose
        self.camera: SyntheticCamera = canvas.camera
        self.glows: list[tuple[np.ndarray, float, tuple[float, float, float], int]] = []
        self.pictures: dict[tuple[str, int], np.ndarray] = {}

    def draw(self, things: list[Thing]) -> None:
        """Draw everything."""
        self._sky()
        self._backdrop()
        self._ground()
        self._shadows(things)
        order = sorted(things, key=lambda thing: -(thing.along_m + thing.length_m))
        for thing in order:
            self._thing(thing)
        for pixel, radius, colour, plane in self.glows:
            self._glow(pixel, radius, colour, plane)

    # --- places ---

    def vehicle_xy(self, along: np.ndarray | float, left: np.ndarray | float) -> np.ndarray:
        """Points (N, 2) of the vehicle frame from distances along and left of the centre line."""
        x0, y0, heading = self.pose
        along = np.atleast_1d(np.asarray(along, np.float64))
        dx, dy = along - x0, self.scene.centre_m(along) + left - y0
        cos, sin = np.cos(heading), np.sin(heading)
        return np.column_stack([dx * cos + dy * sin, dy * cos - dx * sin])

    def _camera_points(self, along: np.ndarray, left: np.ndarray, up: np.ndarray) -> np.ndarray:
        xy = self.vehicle_xy(along, left)
        return self.camera.vehicle_to_camera(np.column_stack([xy, up]))

    # --- the far and the flat ---

    def _sky(self) -> None:
        height, width = self.camera.size
        panorama = self.assets.sky
        self.canvas.add_plane(Surface.SKY, np.zeros(3))
        shift = self.pose[2] * self.camera.focal_px
        spare = panorama.shape[1] - width
        left = int(np.clip(spare / 2 - shift, 0, spare))
        horizon = int(np.clip(self.camera.horizon_row, 1, height - 1))
        top = max(0, panorama.shape[0] - horizon)
        part = panorama[top:, left : left + width]
        self.canvas.rgb[horizon - part.shape[0] : horizon] = part
        if horizon > part.shape[0]:
            self.canvas.rgb[: horizon - part.shape[0]] = part[0]
        self.canvas.rgb[horizon:] = self.light.haze

    def _backdrop(self) -> None:
        """Roofs and trees at the end of sight."""
        camera, light = self.camera, self.light
        focal, cx = camera.focal_px, camera.K[0, 2]
        share = light.haze_share(FAR_M * 0.8)
        plane = {
            surface: self.canvas.upright(surface, FAR_M)
            for surface in (Surface.BUILDING, Surface.TREE)
        }
        roofs = self.assets.backdrop
        angle = np.linspace(-_PANORAMA_RAD, _PANORAMA_RAD, len(roofs) + 1) + self.pose[2]
        columns = cx + np.tan(np.clip(angle, -1.4, 1.4)) * focal
        base = camera.horizon_row + focal * camera.height_m / FAR_M + 2
        for i, roof in enumerate(roofs):
            if columns[i + 1] < 0 or columns[i] > camera.size[1]:
                continue
            green = (i // 3) % 3 == 0
            tone = np.array([70.0, 84, 56]) if green else np.array([120.0, 112, 108]) + 25 * (i % 3)
            colour = tone * light.ambient * (1 - share) + light.haze * share
            top = camera.horizon_row - roof * focal / FAR_M
            box = np.array([[columns[i], top], [columns[i + 1] + 1, top],
                            [columns[i + 1] + 1, base], [columns[i], base]])  # fmt: skip
            surface = Surface.TREE if green else Surface.BUILDING
            self.canvas.fill(box, tuple(colour.tolist()), plane[surface])

    def _ground(self) -> None:
        camera, canvas = self.camera, self.canvas
        height, width = camera.size
        focal = camera.focal_px
        first = int(np.ceil(camera.horizon_row + focal * camera.height_m / FAR_M))
        first = max(first, 0)
        forward, depth = camera.ground_ray((np.arange(first, height) - camera.K[1, 2]) / focal)
        along, offset = self._ray_table(forward, depth)
        self.along, self.first_row, self.forward = along, first, forward
        surface = np.zeros((height, width), np.uint8)
        self.ground.draw(camera, offset, along, canvas.rgb, surface, first)
        sin, cos = np.sin(camera.pitch_rad), np.cos(camera.pitch_rad)
        inverse = np.array([0.0, cos / focal, sin - cos * camera.K[1, 2] / focal]) / camera.height_m
        lut = np.zeros(256, np.uint16)
        for kind in (Surface.ROAD, Surface.MARKING, Surface.PAVEMENT, Surface.TERRAIN):
            lut[kind] = canvas.add_plane(kind, inverse)
        canvas.planes[first:] = lut[surface[first:]]
        self._ground_haze(depth)

    def _ray_table(self, forward: np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World X and offset from the centre line of the ground pixels, each (rows, W) float32."""
        x0, y0, heading = self.pose
        width = self.camera.size[1]
        cos, sin = np.cos(heading), np.sin(heading)
        knots = np.linspace(0, width - 1, 41)
        left = -(knots[None] - self.camera.K[0, 2]) / self.camera.focal_px * depth[:, None]
        along = x0 + forward[:, None] * cos - left * sin
        offset = y0 + forward[:, None] * sin + left * cos - self.scene.centre_m(along)
        # Between the knots both are linear along a row, but for the bend of the street.
        place = np.arange(width) / (width - 1) * 40
        lower = np.minimum(place.astype(int), 39)
        weights = np.zeros((41, width), np.float32)
        weights[lower, np.arange(width)] = 1 - (place - lower)
        weights[lower + 1, np.arange(width)] += place - lower
        base = np.floor(x0 / 1024) * 1024  # float32 would lose the millimetres
        self.base = base
        return (along - base).astype(np.float32) @ weights, offset.astype(np.float32) @ weights

    def _ground_haze(self, depth: np.ndarray) -> None:
        share = 1 - np.exp(-self.light.haze_per_m * depth)
        rows = int(np.searchsorted(-share, -0.02))
        if rows:
            part = self.canvas.rgb[self.first_row : self.first_row + rows]
            weight = share[:rows, None, None].astype(np.float32)
            part[:] = part * (1 - weight) + self.light.haze.astype(np.float32) * weight

    def _shadows(self, things: list[Thing]) -> None:
        """Shadows on the ground, soft, at half size."""
        height, width = self.camera.size
        mask = np.zeros(((height - self.first_row) // 2 + 1, width // 2 + 1), np.uint8)
        sun = self.light.sun_direction
        reach = np.array([sun[0], sun[1]]) / max(float(sun[2]), 0.3)
        for thing in things:
            for outline, depth in self._shadow_outlines(thing, reach):
                xy = self.vehicle_xy(outline[:, 0], outline[:, 1] - self.scene.centre_m(outline[:, 0]))
                points = clip_near(self.camera.vehicle_to_camera(np.column_stack([xy, np.zeros(len(xy))])))
                if len(points) >= 3:
                    pixels = (self.canvas.project(points) - (0, self.first_row)) / 2
                    strength = 255 if depth == 'contact' else 200
                    cv2.fillConvexPoly(mask, np.rint(pixels * 16).astype(np.int32), strength, cv2.LINE_AA, 4)
        soft = cv2.GaussianBlur(mask, (0, 0), max(1.0, self.camera.focal_px / 400))
        full = cv2.resize(soft, (width, height - self.first_row), interpolation=cv2.INTER_LINEAR)
        factor = cv2.convertScaleAbs(full, alpha=-self.light.shadow, beta=255 - 0.0)
        view = self.canvas.rgb[self.first_row :]
        cv2.multiply(view, cv2.cvtColor(factor, cv2.COLOR_GRAY2RGB), view, 1 / 255)

    def _shadow_outlines(self, thing: Thing, reach: np.ndarray) -> list[tuple[np.ndarray, str]]:
        x, y = thing.along_m, float(self.scene.centre_m(np.array(thing.along_m))) + thing.left_m
        if thing.kind in _MESH_KINDS:
            mesh = vehicle(thing.kind)
            turn = thing.turn_rad + self.scene.heading_rad(x)
            box = _rectangle(mesh.length_m * 1.02, mesh.width_m * 1.05, turn) + (x, y)
            cast = np.concatenate([box, box - reach * mesh.height_m * 0.8])
            return [(_hull(cast), 'cast'), (box, 'contact')]
        if thing.kind == 'tree':
            round_ = _ring(0.30 * thing.height_m)
            centre = np.array([x, y]) - reach * 0.6 * thing.height_m
            return [(round_ + centre, 'cast'), (_hull(np.concatenate([_ring(0.12) + (x, y), _ring(0.12) + centre])), 'cast')]
        if thing.kind in ('person', 'cyclist'):
            foot, head = _ring(0.2) + (x, y), _ring(0.2) + np.array([x, y]) - reach * 1.6
            return [(_hull(np.concatenate([foot, head])), 'cast')]
        if thing.kind in ('lamp', 'sign', 'traffic_light', 'bollard'):
            foot, head = _ring(0.06) + (x, y), _ring(0.06) + np.array([x, y]) - reach * thing.height_m
            return [(_hull(np.concatenate([foot, head])), 'cast')]
        if thing.kind == 'building':
            ends = np.array([x, x + thing.length_m])
            side = self.scene.centre_m(ends) + thing.left_m
            base = np.column_stack([ends, side])
            return [(_hull(np.concatenate([base, base - reach * thing.height_m])), 'cast')]
        return []

    # --- things ---

    def _thing(self, thing: Thing) -> None:
        if thing.kind == 'building':
            self._building(thing)
        elif thing.kind in ('fence', 'wall', 'hedge', 'rail'):
            self._strip(thing)
        elif thing.kind in _MESH_KINDS:
            self._vehicle(thing)
        else:
            self._upright(thing)

    def _building(self, thing: Thing) -> None:
        art = self.assets.facades[thing.variant]
        depth_m = np.copysign(_FACADE_DEPTH_M, thing.left_m)
        end = thing.along_m + thing.length_m
        corners = np.array([thing.along_m, end])
        gable = (np.array([thing.along_m] * 2), np.array([thing.left_m + depth_m, thing.left_m]))
        front = (corners, np.array([thing.left_m] * 2))
        if thing.left_m < 0:
            gable = (gable[0], gable[1][::-1])
        else:
            front = (front[0][::-1], front[1])
        normal = np.array([0.0, -np.sign(thing.left_m), 0.0])
        self._roof(thing, depth_m)
        self._wall(art, *gable, thing.height_m, np.array([-1.0, 0, 0]), Surface.BUILDING)
        self._wall(art, *front, thing.height_m, normal, Surface.BUILDING)

    def _roof(self, thing: Thing, depth_m: float) -> None:
        if thing.height_m > 7 or thing.variant % 2:
            return
        ends = np.array([thing.along_m, thing.along_m + thing.length_m])
        ridge = thing.height_m + 2.6
        middle = thing.left_m + depth_m / 2
        along = np.array([ends[0], ends[1], ends[1], ends[0]])
        left = np.array([thing.left_m, thing.left_m, middle, middle])
        up = np.array([thing.height_m, thing.height_m, ridge, ridge])
        slate = np.array([[112.0, 74, 62], [84, 82, 86], [96, 70, 58]][thing.variant % 3])
        normal = np.array([0.0, -np.sign(thing.left_m) * 0.6, 0.8])
        self._flat(along, left, up, slate, normal, Surface.BUILDING)
        along = np.array([ends[0]] * 3)
        left = np.array([thing.left_m, thing.left_m + depth_m, middle])
        up = np.array([thing.height_m, thing.height_m, ridge])
        self._flat(along, left, up, np.array([150.0, 138, 126]), np.array([-1.0, 0, 0]), Surface.BUILDING)

    def _flat(
        self, along: np.ndarray, left: np.ndarray, up: np.ndarray, colour: np.ndarray,
        normal: np.ndarray, surface: Surface,
    ) -> None:  # fmt: skip
        points = clip_near(self._camera_points(along, left, up))
        if len(points) < 3:
            return
        plane = self.canvas.plane_through(surface, points)
        self.canvas.fill(self.canvas.project(points), self._seen(colour, normal, points), plane)

    def _seen(self, colour: np.ndarray, normal: np.ndarray, points: np.ndarray) -> tuple[float, ...]:
        """Colour of a surface under the light and through the haze."""
        share = self.light.haze_share(float(points[:, 2].mean()))
        lit = colour * self.light.on(normal) * (1 - share) + self.light.haze * share
        r, g, b = np.clip(lit, 0, 255).tolist()
        return r, g, b

    def _wall(
        self, art: Facade, along: np.ndarray, left: np.ndarray, height: float,
        normal: np.ndarray, surface: Surface,
    ) -> None:  # fmt: skip
        """A textured wall; along and left hold its ends as seen from left to right."""
        foot = self._camera_points(along, left, np.zeros(2))
        head = self._camera_points(along, left, np.full(2, height))
        if foot[:, 2].max() < 1.2:
            return
        length = float(np.hypot(along[1] - along[0], left[1] - left[0]))
        shares = [0.0, 1.0]
        for i in (0, 1):
            if foot[i, 2] < 1.0:
                share = float((1.0 - foot[i, 2]) / (foot[1 - i, 2] - foot[i, 2]))
                shares[i] = share if i == 0 else 1 - share
                foot[i] = foot[i] + share * (foot[1 - i] - foot[i])
                head[i] = head[i] + share * (head[1 - i] - head[i])
        corners = np.array([head[0], head[1], foot[1], foot[0]])
        pixels = self.canvas.project(corners)
        if pixels[1, 0] <= pixels[0, 0]:
            return  # seen from behind
        span = min(length, art.width_m), min(height, art.height_m)
        u = [share * length / span[0] * span[0] for share in shares]
        self._texture(art, u, height, length, corners, pixels, normal, surface)

    def _texture(
        self, art: Facade, u: list[float], height: float, length: float, corners: np.ndarray,
        pixels: np.ndarray, normal: np.ndarray, surface: Surface,
    ) -> None:  # fmt: skip
        region = self.canvas.region(pixels)
        if region is None:
            return
        top, bottom, left, right = region
        levels = art.lit if self.light.weather == 'night' else art.levels
        scale = self.camera.focal_px / float(corners[:, 2].min()) / art.px_per_m
        level = int(np.clip(np.floor(-np.log2(max(scale, 1e-6)) + 0.3), 0, len(levels) - 1))
        texture = levels[level]
        stretch = min(1.0, art.width_m / length)
        texel = texture.shape[1] / art.width_m * stretch, texture.shape[0] / art.height_m
        rows = texture.shape[0] - min(height, art.height_m) * texel[1], texture.shape[0]
        source = np.array([[u[0] * texel[0], rows[0]], [u[1] * texel[0], rows[0]],
                           [u[1] * texel[0], rows[1]], [u[0] * texel[0], rows[1]]])  # fmt: skip
        target = (pixels - (left, top)).astype(np.float32)
        warp = cv2.getPerspectiveTransform(source.astype(np.float32) - 0.5, target)
        size = (right - left, bottom - top)
        patch = cv2.warpPerspective(texture, warp, size, borderMode=cv2.BORDER_REPLICATE)
        depth = float(corners[:, 2].mean())
        patch = cv2.transform(patch, self.light.matrix(self._wall_light(normal), depth))
        mask = np.zeros(size[::-1], np.uint8)
        cv2.fillConvexPoly(mask, np.rint(target * 16).astype(np.int32), 255, cv2.LINE_8, 4)
        self.canvas.paste(patch, mask, top, left, self.canvas.plane_through(surface, corners))

    def _wall_light(self, normal: np.ndarray) -> np.ndarray:
        if self.light.weather == 'night':
            return np.full(3, 0.8 if abs(normal[1]) > 0 else 0.4)
        return self.light.on(normal)

    def _strip(self, thing: Thing) -> None:
        along = np.array([thing.along_m, thing.along_m + thing.length_m])
        if thing.left_m > 0:
            along = along[::-1]
        left = np.full(2, thing.left_m)
        foot = self._camera_points(along, left, np.zeros(2))
        head = self._camera_points(along, left, np.full(2, thing.height_m))
        if foot[:, 2].min() < 1.0:
            return
        corners = np.array([head[0], head[1], foot[1], foot[0]])
        pixels = self.canvas.project(corners)
        region = self.canvas.region(pixels)
        if region is None or pixels[1, 0] <= pixels[0, 0]:
            return
        top, bottom, start, stop = region
        levels = self.assets.strips[thing.kind]
        scale = (pixels[2, 0] - pixels[3, 0]) / levels[0].shape[1]
        texture = levels[int(np.clip(-np.log2(max(scale, 1e-3)), 0, len(levels) - 1))]
        height, width = texture.shape[:2]
        source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
        warp = cv2.getPerspectiveTransform(source, (pixels - (start, top)).astype(np.float32))
        patch = cv2.warpPerspective(texture, warp, (stop - start, bottom - top), borderValue=0)
        normal = np.array([0.0, -np.sign(thing.left_m), 0.0])
        light = self.light.matrix(self.light.on(normal), float(foot[:, 2].mean()))
        mask = cv2.compare(cv2.extractChannel(patch, 3), 127, cv2.CMP_GT)
        lit = cv2.transform(cv2.cvtColor(patch, cv2.COLOR_RGBA2RGB), light)
        surface = {'fence': Surface.FENCE, 'rail': Surface.FENCE, 'wall': Surface.WALL}.get(thing.kind, Surface.TREE)
        self.canvas.paste(lit, mask, top, start, self.canvas.plane_through(surface, corners))

    def _upright(self, thing: Thing) -> None:
        foot = self._camera_points(np.array([thing.along_m]), np.array([thing.left_m]), np.zeros(1))[0]
        if foot[2] < 1.0:
            return
        if thing.kind == 'tree':
            art = self.assets.trees[thing.variant]
            self._sprite(art, foot, thing.height_m / art.height_m, Surface.TREE)
        elif thing.kind == 'person':
            across = abs(np.cos(thing.turn_rad)) < 0.5
            art = self.assets.walkers[thing.variant][0 if across else 1][thing.phase % PHASES]
            self._sprite(art, foot, 1.0, Surface.PERSON, flip=thing.turn_rad > 0.1)
        elif thing.kind == 'cyclist':
            bicycle, rider = self.assets.cyclists[thing.variant][1][thing.phase % PHASES]
            self._sprite(bicycle, foot, 1.0, Surface.BICYCLE)
            self._sprite(rider, foot, 1.0, Surface.RIDER)
        else:
            self._post(thing, foot)

    def _sprite(
        self, art: Sprite, foot: np.ndarray, scale: float, surface: Surface, flip: bool = False
    ) -> None:
        """A picture that stands on its foot, a camera point (3,)."""
        px = self.camera.focal_px / foot[2] * scale
        base = self.canvas.project(foot[None])[0]
        width, height = art.width_m * px, art.height_m * px
        corners = np.array([[base[0] - width / 2, base[1] - height], [base[0] + width / 2, base[1]]])
        region = self.canvas.region(corners)
        if region is None or height < 2:
            return
        top, bottom, left, right = region
        zoom = height / art.rgb[0].shape[0]
        level = int(np.clip(-np.log2(zoom), 0, len(art.rgb) - 1))
        rgb, mask = art.rgb[level], art.mask[level]
        sx, sy = width / mask.shape[1], height / mask.shape[0]
        warp = np.array([[sx, 0, corners[0, 0] - left], [0, sy, corners[0, 1] - top]])
        if flip:
            warp[0] = -sx, 0, corners[1, 0] - left
        size = (right - left, bottom - top)
        patch = cv2.warpAffine(rgb, warp, size, borderMode=cv2.BORDER_REPLICATE)
        shape = cv2.warpAffine(mask, warp, size)
        normal = np.array([-0.6, 0.0, 0.5])
        patch = cv2.transform(patch, self.light.matrix(self.light.on(normal), float(foot[2])))
        solid = cv2.compare(shape, 127, cv2.CMP_GT)
        self.canvas.paste(patch, solid, top, left, self.canvas.upright(surface, float(foot[2])))

    def _post(self, thing: Thing, foot: np.ndarray) -> None:
        """Lamps, signs, traffic lights and bollards."""
        px = self.camera.focal_px / foot[2]
        base = self.canvas.project(foot[None])[0]
        plane = self.canvas.upright(Surface.POLE, float(foot[2]))
        half = {'lamp': 0.08, 'bollard': 0.09}.get(thing.kind, 0.04)
        normal = np.array([-0.7, 0.0, 0.3])
        grey = self._seen(np.array([96.0, 100, 102]), normal, foot[None])
        self._box(base, px, (-half, half), (0.0, thing.height_m), grey, plane)
        bright = self._seen(np.array([150.0, 154, 156]), normal, foot[None])
        self._box(base, px, (-half, -half * 0.3), (0.0, thing.height_m), bright, None)
        if thing.kind == 'lamp':
            reach = -np.sign(thing.left_m) * (-1.6)
            self._box(base, px, (min(0, reach), max(0, reach)), (thing.height_m - 0.1, thing.height_m), grey, plane)
            head = base + (reach * px, -thing.height_m * px)
            self._box(head, px, (-0.35, 0.35), (-0.08, 0.1), grey, plane)
            if self.light.lamps:
                self.glows.append((head, 1.1 * px, (255, 206, 130), plane))
        elif thing.kind == 'sign':
            self._sign(thing, base - (0, thing.height_m * px), px, foot)
        elif thing.kind == 'traffic_light':
            self._traffic_light(thing, base - (0, thing.height_m * px), px, foot)

    def _box(
        self, base: np.ndarray, px: float, x: tuple[float, float], z: tuple[float, float],
        colour: tuple[float, ...], plane: int | None,
    ) -> None:  # fmt: skip
        """A rectangle in metres about a pixel."""
        corners = np.array([[x[0], z[0]], [x[1], z[0]], [x[1], z[1]], [x[0], z[1]]]) * (px, -px) + base
        if plane is None:
            self.canvas.paint(corners, colour)
        else:
            self.canvas.fill(corners, colour, plane)

    def _sign(self, thing: Thing, centre: np.ndarray, px: float, foot: np.ndarray) -> None:
        plane = self.canvas.upright(Surface.SIGN, float(foot[2]) - 0.02)
        edge, inner = (
            ((196, 24, 30), (238, 236, 232)), ((28, 74, 160), (36, 92, 190)), ((196, 24, 30), (240, 238, 230)),
            ((238, 200, 40), (246, 214, 60)), ((240, 240, 240), (30, 90, 60)), ((190, 20, 26), (196, 28, 34)),
        )[thing.variant]  # fmt: skip
        corners = {2: 3, 4: 4, 3: 4, 5: 8}.get(thing.variant, 18)
        turn = {3: 3, 4: 4, 8: 8, 18: 18}[corners]
        angle = np.arange(turn) * 2 * np.pi / turn + {3: -np.pi / 2, 4: np.pi / 4, 8: np.pi / 8}.get(turn, 0.0)
        ring = np.column_stack([np.cos(angle), np.sin(angle)])
        for radius, colour in ((0.38, edge), (0.27, inner)):
            seen = self._seen(np.array(colour, float), np.array([-0.8, 0.0, 0.2]), foot[None])
            if radius > 0.3:
                self.canvas.fill(ring * radius * px + centre, seen, plane)
            else:
                self.canvas.paint(ring * radius * px + centre, seen)
        dark = (30.0, 30.0, 34.0) if sum(inner) > 500 else (230.0, 230.0, 230.0)
        self._box(centre, px, (-0.12, 0.12), (-0.05, 0.05), dark, None)

    def _traffic_light(self, thing: Thing, centre: np.ndarray, px: float, foot: np.ndarray) -> None:
        plane = self.canvas.upright(Surface.TRAFFIC_LIGHT, float(foot[2]) - 0.02)
        self._box(centre, px, (-0.18, 0.18), (-0.5, 0.5), (24.0, 26.0, 26.0), plane)
        angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        ring = np.column_stack([np.cos(angle), np.sin(angle)]) * 0.11 * px
        colours = ((255.0, 40.0, 30.0), (255.0, 170.0, 20.0), (40.0, 235.0, 130.0))
        for i, colour in enumerate(colours):
            spot = centre + (0, (i - 1) * 0.31 * px)
            on = i == thing.variant
            self.canvas.paint(ring + spot, colour if on else (46.0, 40.0, 36.0))
            if on:
                self.glows.append((spot, 0.35 * px, colour, plane))

    def _vehicle(self, thing: Thing) -> None:
        mesh = vehicle(thing.kind)
        x0, y0, heading = self.pose
        turn = thing.turn_rad + self.scene.heading_rad(thing.along_m) - heading
        place = self.vehicle_xy(thing.along_m, thing.left_m)[0]
        cos, sin = np.cos(turn), np.sin(turn)
        rotation = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        points = self.camera.vehicle_to_camera(mesh.points @ rotation.T + (*place, 0))
        if points[:, 2].max() < 1.0:
            return
        world_turn = turn + heading
        c, s = np.cos(world_turn), np.sin(world_turn)
        normals = mesh.normals @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T
        seen = mesh.normals @ rotation.T @ self.camera.T_camera_vehicle[:3, :3].T
        self._mesh(mesh, thing, points, normals, seen)

    def _mesh(
        self, mesh: Mesh, thing: Thing, points: np.ndarray, normals: np.ndarray, seen: np.ndarray
    ) -> None:
        """Faces that look at the camera, far ones first."""
        near = points[:, 2].min() < 0.6
        pixels = None if near else self.canvas.project(points)
        start, jobs = 0, []
        for face, normal, view in zip(mesh.faces, normals, seen, strict=True):
            count = len(face.corners)
            parts = [slice(start, start + count)]
            for detail, _ in face.details:
                parts.append(slice(parts[-1].stop, parts[-1].stop + len(detail)))
            start = parts[-1].stop
            corners = points[parts[0]]
            if view @ corners[0] < 0:
                jobs.append((float(corners[:, 2].mean()), face, normal, parts))
        for _, face, normal, parts in sorted(jobs, key=lambda job: -job[0]):
            plane = self.canvas.plane_through(mesh.surface, points[parts[0]])
            names = [face.material, *(name for _, name in face.details)]
            for i, (part, name) in enumerate(zip(parts, names, strict=True)):
                shape = self.canvas.project(clipped) if pixels is None and len(clipped := clip_near(points[part])) > 2 else (None if pixels is None else pixels[part])
                if shape is None:
                    continue
                colour = self._material(name, thing, normal, points[part])
                if i == 0 or name in ('tyre', 'trim'):
                    self.canvas.fill(shape, colour, plane)
                else:
                    self.canvas.paint(shape, colour)
                if self.light.lamps and name in ('head', 'tail') and not (thing.variant == 1):
                    px = self.camera.focal_px / max(float(points[part][0, 2]), 1.0)
                    glow = (255, 244, 214) if name == 'head' else (230, 30, 20)
                    self.glows.append((shape.mean(0), (0.55 if name == 'head' else 0.3) * px, glow, plane))

    def _material(self, name: str, thing: Thing, normal: np.ndarray, points: np.ndarray) -> tuple[float, ...]:
        if name == 'glass':
            mirrored = 0.45 * self.light.horizon * max(0.15, float(normal[2])) + 18
            return self._seen(mirrored, _UP * 0, points)
        colours = {
            'body': thing.colour, 'tyre': (26, 26, 28), 'hub': (128, 130, 134), 'trim': (34, 34, 37),
            'grille': (28, 28, 30), 'plate': (214, 208, 170), 'tail': (158, 22, 24), 'head': (226, 230, 232),
        }  # fmt: skip
        return self._seen(np.array(colours[name], float), normal, points)

    def _glow(self, pixel: np.ndarray, radius: float, colour: tuple[float, ...], plane: int) -> None:
        """Light that spills round a lamp, unless something stands before it."""
        height, width = self.camera.size
        column, row = int(round(pixel[0])), int(round(pixel[1]))
        if not (0 <= column < width and 0 <= row < height) or self.canvas.planes[row, column] != plane:
            return
        reach = int(np.clip(radius * 2, 2, 160))
        top, left = max(0, row - reach), max(0, column - reach)
        bottom, right = min(height, row + reach + 1), min(width, column + reach + 1)
        y = (np.arange(top, bottom) - row)[:, None] / max(radius, 1)
        x = (np.arange(left, right) - column)[None] / max(radius, 1)
        fall = np.exp(-(x * x + y * y) * 1.4).astype(np.float32) * 0.9
        spill = (fall[..., None] * np.array(colour, np.float32)).astype(np.uint8)
        view = self.canvas.rgb[top:bottom, left:right]
        cv2.add(view, spill, view)


_MESH_KINDS = ('hatchback', 'sedan', 'estate', 'suv', 'van', 'bus', 'truck')


def _ring(radius: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    return np.column_stack([np.cos(angle), np.sin(angle)]) * radius


def _rectangle(length: float, width: float, turn: float) -> np.ndarray:
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (length / 2, width / 2)
    cos, sin = np.cos(turn), np.sin(turn)
    return np.asarray(corners @ np.array([[cos, sin], [-sin, cos]]))


def _hull(points: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.convexHull(points.astype(np.float32))[:, 0], np.float64)
