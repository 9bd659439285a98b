# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Draws the meshes of vehicles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seg_perception.synthetic.canvas import NEAR_M, Rgb, clip_near, to_fixed
from seg_perception.synthetic.meshes import Mesh, vehicle
from seg_perception.synthetic.scene import PARKED, Thing
from seg_perception.synthetic.view import Glow, View

# Beyond these depths a detail is smaller than a pixel or two at a focal length of 1000 px.
_DETAIL_M = {'seam': 28.0, 'hub': 45.0, 'plate': 45.0, 'trim': 60.0, 'low': 60.0, 'grille': 60.0,
             'sheen': 45.0}  # fmt: skip
_SOLID = ('tyre', 'trim', 'under')  # details that reach beyond their face
_MATERIALS: dict[str, Rgb] = {
    'tyre': (26.0, 26.0, 28.0), 'hub': (128.0, 130.0, 134.0), 'trim': (36.0, 36.0, 39.0),
    'grille': (28.0, 28.0, 30.0), 'plate': (214.0, 208.0, 170.0), 'tail': (158.0, 22.0, 24.0),
    'head': (226.0, 230.0, 232.0), 'under': (14.0, 14.0, 15.0),
}  # fmt: skip
_LIGHTS: dict[str, tuple[Rgb, float]] = {  # colour of the glow and its radius in metres
    'head': ((255.0, 244.0, 214.0), 0.55), 'tail': ((230.0, 30.0, 20.0), 0.3),
}  # fmt: skip


def draw_vehicle(view: View, thing: Thing, foot: np.ndarray) -> None:
    """A vehicle whose middle stands at a camera point (3,)."""
    mesh = vehicle(thing.kind)
    half_m = mesh.length_m / 2 + 1
    half_view = view.camera.size[1] / 2 / view.camera.focal_px  # its width at one metre's depth
    beside_m = max(foot[2] + half_m, 0.0) * half_view
    if foot[2] + half_m < 1.0 or abs(foot[0]) > beside_m + half_m:
        return
    turn = thing.turn_rad + view.scene.heading_rad(thing.along_m)
    to_camera = view.camera.T_camera_vehicle[:3, :3] @ _about_z(turn - view.pose[2])
    points = mesh.points @ to_camera.T + foot
    firsts = points[mesh.triples[:, 0]]
    seen = ((mesh.normals @ to_camera.T) * firsts).sum(1) < 0
    light = view.light.on_all(mesh.normals @ _about_z(turn).T).tolist()
    inverse = view.canvas.inverse_depths_of(points[mesh.triples])
    painter = _Painter(view, thing, mesh, points)
    for number in np.argsort(-firsts[:, 2]).tolist():
        if seen[number]:
            painter.face(number, light[number], inverse[number])


def _about_z(angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


class _Painter:
    """One vehicle on the canvas."""

    def __init__(self, view: View, thing: Thing, mesh: Mesh, points: np.ndarray) -> None:
        self.view, self.mesh, self.points = view, mesh, points
        self.inside = bool(points[:, 2].min() > NEAR_M)
        self.pixels = view.canvas.project(points) if self.inside else points
        self.fixed = to_fixed(self.pixels) if self.inside else points
        self.depth_m = max(float(points[0, 2]), 1.0)
        self.reach = self.depth_m * 1000 / view.camera.focal_px
        self.shining = self.inside and view.light.lamps and thing.variant != PARKED
        r, g, b = thing.colour
        self.colours: dict[str, Rgb] = _MATERIALS | {
            'body': (r, g, b), 'seam': (r * 0.45, g * 0.45, b * 0.45),
            'low': (r * 0.72, g * 0.72, b * 0.72),
            'sheen': (r * 0.8 + 46, g * 0.8 + 48, b * 0.8 + 50),
        }  # fmt: skip

    def face(self, number: int, light: Sequence[float], inverse_depth: np.ndarray) -> None:
        """One face and its details."""
        face, parts = self.mesh.faces[number], self.mesh.parts[number]
        plane = self.view.canvas.add_plane(self.mesh.surface, inverse_depth)
        up = float(self.mesh.normals[number, 2])
        self._fill(parts[0], self._colour('body', light, up), plane, True)
        for part, (_, name) in zip(parts[1:], face.details, strict=True):
            if self.reach < _DETAIL_M.get(name, 120.0):
                self._fill(part, self._colour(name, light, up), plane, name in _SOLID)
                if self.shining and name in _LIGHTS:
                    self._shine(part, name, plane)

    def _fill(self, part: slice, colour: Rgb, plane: int, solid: bool) -> None:
        shape = self.fixed[part]
        if not self.inside:
            points = clip_near(shape)
            if len(points) < 3:
                return
            shape = to_fixed(self.view.canvas.project(points))
        self.view.canvas.fill(shape, colour, plane if solid else None)

    def _colour(self, name: str, light: Sequence[float], up: float) -> Rgb:
        if name in ('glass', 'gleam'):  # glass mirrors the sky, the more the flatter it lies
            share = (0.16 if name == 'glass' else 0.34) + 0.3 * max(0.0, up)
            r, g, b = self.view.light.horizon.tolist()
            mirrored = (r * share + 10, g * share + 11, b * share + 13)
            return self.view.seen(mirrored, (1.0, 1.0, 1.0), self.depth_m)
        return self.view.seen(self.colours[name], light, self.depth_m)

    def _shine(self, part: slice, name: str, plane: int) -> None:
        colour, radius = _LIGHTS[name]
        column, row = self.pixels[part].mean(0).tolist()
        px = self.view.camera.focal_px / self.depth_m
        self.view.glows.append(Glow(column, row, radius * px, colour, plane))
