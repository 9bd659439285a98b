# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Vehicles as convex meshes with details, in their own frame: x forward, y left, z up, metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from seg_perception.synthetic.surfaces import SURFACE_OF, Surface


@dataclass(frozen=True, eq=False)
class Face:
    """A flat convex polygon of the body and the details that lie on it."""

    corners: np.ndarray  # (N, 3)
    details: tuple[tuple[np.ndarray, str], ...] = ()


@dataclass(frozen=True, eq=False)
class Mesh:
    """A vehicle: faces seen only from outside, wheels on its sides."""

    kind: str
    surface: Surface
    length_m: float
    width_m: float
    height_m: float
    faces: tuple[Face, ...]
    normals: np.ndarray  # (F, 3)
    points: np.ndarray  # all corners of all faces and details, (P, 3)
    parts: tuple[tuple[slice, ...], ...]  # rows of points of each face and of its details
    triples: np.ndarray  # (F, 3) rows of the first three corners of each face


# Side outlines as shares of length and height, from the rear bottom over the roof to the front.
_OUTLINES = {
    'hatchback': (
        (0, 0.14), (0.0, 0.58), (0.05, 0.66), (0.13, 0.97), (0.55, 1.0),
        (0.73, 0.64), (0.97, 0.52), (1, 0.14),
    ),
    'sedan': (
        (0, 0.14), (0.0, 0.58), (0.16, 0.64), (0.29, 0.97), (0.56, 1.0),
        (0.72, 0.64), (0.97, 0.54), (1, 0.14),
    ),
    'estate': (
        (0, 0.14), (0.0, 0.58), (0.03, 0.64), (0.08, 0.95), (0.55, 1.0),
        (0.71, 0.64), (0.97, 0.54), (1, 0.14),
    ),
    'suv': (
        (0, 0.18), (0.0, 0.58), (0.03, 0.62), (0.09, 0.97), (0.58, 1.0),
        (0.73, 0.62), (0.97, 0.56), (1, 0.18),
    ),
    'van': (
        (0, 0.14), (0.0, 0.5), (0.01, 0.55), (0.02, 1.0), (0.74, 1.0),
        (0.9, 0.56), (0.99, 0.46), (1, 0.14),
    ),
    'bus': (
        (0, 0.10), (0.0, 0.35), (0.0, 0.42), (0.01, 1.0), (0.985, 1.0),
        (0.995, 0.40), (1, 0.34), (1, 0.10),
    ),
    'truck': (
        (0, 0.16), (0.0, 0.36), (0.0, 0.42), (0.0, 1.0), (0.97, 1.0),
        (0.985, 0.52), (1, 0.40), (1, 0.16),
    ),
}  # fmt: skip
_SIZES_M = {
    'hatchback': (3.9, 1.72, 1.47), 'sedan': (4.6, 1.8, 1.44), 'estate': (4.6, 1.8, 1.5),
    'suv': (4.6, 1.9, 1.72), 'van': (5.3, 1.98, 2.25), 'bus': (11.5, 2.5, 3.1),
    'truck': (7.8, 2.4, 3.2),
}  # fmt: skip
VEHICLES = tuple(_OUTLINES)


@lru_cache(maxsize=32)
def vehicle(kind: str) -> Mesh:
    """The mesh of one kind of vehicle."""
    length, width, height = _SIZES_M[kind]
    outline = np.array(_OUTLINES[kind]) * (length, height) - (length / 2, 0)
    boxy = kind in ('bus', 'truck', 'van')
    belt = outline[2, 1]
    half = np.where(outline[:, 1] > belt + 0.05, width / 2 * (0.96 if boxy else 0.78), width / 2)
    left = np.column_stack([outline[:, 0], half, outline[:, 1]])
    right = left * (1, -1, 1)
    faces = [*_skin(kind, left, right), *_sides(kind, left, width), *_sides(kind, right, width)]
    normals = np.array([_normal(face.corners) for face in faces])
    shapes = [(face.corners, *(shape for shape, _ in face.details)) for face in faces]
    parts, start = [], 0
    for group in shapes:
        ends = np.cumsum([start, *(len(shape) for shape in group)]).tolist()
        parts.append(tuple(slice(*pair) for pair in pairwise(ends)))
        start = ends[-1]
    points = np.concatenate([shape for group in shapes for shape in group])
    triples = np.array([group[0].start for group in parts])[:, None] + np.arange(3)
    return Mesh(kind, SURFACE_OF[kind], length, width, height, tuple(faces), normals, points,
                tuple(parts), triples)  # fmt: skip


def _normal(corners: np.ndarray) -> np.ndarray:
    """Unit normal that points away from the middle of the vehicle."""
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    normal = normal / max(float(np.linalg.norm(normal)), 1e-9)
    outwards = corners.mean(0) - (0, 0, 0.7)
    return np.asarray(normal if normal @ outwards >= 0 else -normal)


def _patch(quad: np.ndarray, u: tuple[float, float], v: tuple[float, float]) -> np.ndarray:
    """A part of a quad (left low, right low, right high, left high) by shares across and up."""
    low, high = quad[1] - quad[0], quad[2] - quad[3]
    corners = [(u[0], v[0]), (u[1], v[0]), (u[1], v[1]), (u[0], v[1])]
    return np.array([(quad[0] + low * a) * (1 - b) + (quad[3] + high * a) * b for a, b in corners])


def _skin(kind: str, left: np.ndarray, right: np.ndarray) -> list[Face]:
    """Rear, boot lid, rear window, roof, windscreen, hood and front."""
    quads = list(np.stack([left[:-1], right[:-1], right[1:], left[1:]], axis=1))
    quads[4:] = [quad[::-1] for quad in quads[4:]]
    glass = [((0.05, 0.95), (0.07, 0.93), 'glass'), ((0.05, 0.95), (0.55, 0.93), 'gleam')]
    middle = [((0.08, 0.92), (0.15, 0.85), 'sheen')]
    window = [((0.04, 0.96), (0.05, 0.95), 'seam')] if kind == 'truck' else glass
    parts: list[Sequence[_Part]] = [_REAR, middle, window, middle, glass, middle, _FRONT]
    faces = []
    for number, (quad, part) in enumerate(zip(quads, parts, strict=True)):
        details = [(_patch(quad, u, v), name) for u, v, name in part]
        if number in (0, 6):
            details = [*_underside(quad), *details]
        faces.append(Face(quad, tuple(details)))
    return faces


_Part = tuple[tuple[float, float], tuple[float, float], str]
# Share across, share up.
_REAR: tuple[_Part, ...] = (
    ((0.0, 1.0), (0.0, 0.26), 'trim'), ((0.02, 0.98), (0.30, 0.50), 'low'),
    ((0.0, 0.15), (0.56, 0.92), 'tail'), ((0.85, 1.0), (0.56, 0.92), 'tail'),
    ((0.15, 0.85), (0.925, 0.945), 'seam'), ((0.36, 0.64), (0.54, 0.70), 'plate'),
)  # fmt: skip
_FRONT: tuple[_Part, ...] = (
    ((0.0, 1.0), (0.0, 0.2), 'trim'), ((0.2, 0.8), (0.06, 0.34), 'grille'),
    ((0.02, 0.24), (0.58, 0.86), 'head'), ((0.76, 0.98), (0.58, 0.86), 'head'),
    ((0.3, 0.7), (0.56, 0.80), 'grille'), ((0.37, 0.63), (0.36, 0.50), 'plate'),
)  # fmt: skip


def _underside(quad: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """The dark underside and two tyres below a bumper."""
    low = quad.copy()
    low[2:] = quad[[1, 0]]
    low[:2, 2] = 0.06
    dark = _patch(low, (0.05, 0.95), (0.45, 1.0))
    tyres = [_patch(low, span, (0.0, 1.0)) for span in ((0.01, 0.13), (0.87, 0.99))]
    return [(dark, 'under'), *((tyre, 'tyre') for tyre in tyres)]


def _sides(kind: str, side: np.ndarray, width: float) -> list[Face]:
    """Body below the belt, cabin above with windows, and two wheels."""
    body, cabin = side[[0, 1, 2, 5, 6, 7]], side[[2, 5, 4, 3]]
    split = 0.72 if kind == 'van' else 0.5
    panes = {
        'bus': [((0.02 + i * 0.14, 0.14 + i * 0.14), (0.3, 0.86)) for i in range(7)],
        'truck': [((0.86, 0.96), (0.25, 0.7))],
        'van': [((0.74, 0.93), (0.1, 0.85))],
    }.get(kind, [((0.07, split - 0.02), (0.08, 0.88)), ((split + 0.02, 0.93), (0.08, 0.88))])
    windows = [(_patch(cabin, u, v), 'glass') for u, v in panes]
    windows += [(_patch(cabin, u, ((v[0] + v[1]) / 2, v[1])), 'gleam') for u, v in panes]
    length = float(np.ptp(side[:, 0]))
    return [Face(cabin, tuple(windows)), Face(body, tuple(_flank(kind, side, width, length)))]


def _flank(
    kind: str, side: np.ndarray, width: float, length: float
) -> list[tuple[np.ndarray, str]]:
    """Sill, shaded lower half, door seams and wheels of one side."""
    y, bottom, belt = float(side[0, 1]), float(side[0, 2]), float(side[2, 2])
    half, waist = length / 2, bottom + 0.55 * (belt - bottom)

    def plate(x: tuple[float, float], z: tuple[float, float]) -> np.ndarray:
        return np.array([(x[0], y, z[0]), (x[1], y, z[0]), (x[1], y, z[1]), (x[0], y, z[1])])

    details = [
        (plate((-0.29 * length, 0.30 * length), (0.07, bottom + 0.02)), 'under'),
        (plate((-half * 0.99, half * 0.99), (bottom, waist)), 'low'),
        (plate((-half, half), (bottom, bottom + 0.10)), 'trim'),
    ]
    for share in {'bus': (0.38,), 'truck': (0.36,)}.get(kind, (-0.17, 0.02, 0.21)):
        x = share * length
        details.append((plate((x, x + 0.025), (bottom + 0.1, belt)), 'seam'))
        if len(details) < 6:
            details.append((plate((x - 0.22, x - 0.06), (belt - 0.14, belt - 0.09)), 'seam'))
    radius = {'bus': 0.48, 'truck': 0.46, 'suv': 0.36, 'van': 0.35}.get(kind, 0.32)
    for share in (-0.31, 0.32):
        for scale, name in ((1.16, 'trim'), (1.0, 'tyre'), (0.62, 'hub'), (0.2, 'trim')):
            details.append((_wheel(share * length, np.sign(y) * width / 2, radius, scale), name))
    return details


def _wheel(x: float, y: float, radius: float, scale: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    reach = radius * scale
    height = np.maximum(radius + reach * np.sin(angle), 0.0)
    return np.column_stack([x + reach * np.cos(angle), np.full(14, y), height])
