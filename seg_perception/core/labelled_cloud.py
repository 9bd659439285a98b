# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Labels as point clouds: a small labelled image with a place for each pixel, and labelled LiDAR.

Without depth only the ground has places, and things where they meet it: what stands would be
smeared over the ground behind it. The rest is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import cv2
import numpy as np

from seg_perception.core.camera import Calibration, Camera
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import UNLABELED, ClassTable, Role
from seg_perception.core.corridor import COARSE_SHARE
from seg_perception.core.range_image import GROUND_ROLES, UPRIGHT_ROLES, points_in_image
from seg_perception.core.results import LabelledImage
from seg_perception.core.terrain import Surface, Terrain

_WIDTH = 400  # about, of the small image: what a costmap needs
_CELLS = 24, 80  # rows and columns of cells, in which points of one class hide those behind
_HIDDEN_M, _HIDDEN_SHARE = 0.5, 0.1  # by which what is hidden is farther
_GROUND_M = 0.2  # above the ground: no ground any more, whatever its label


def labelled_image(
    labels: np.ndarray,
    confidence: np.ndarray,
    table: ClassTable,
    geometry: CameraGeometry,
    surface: Surface | None = None,
) -> LabelledImage:
    """
    Every n-th pixel of labels and confidence (H, W) uint8, about 400 a row, with its place.

    :param surface: what is measured. With a depth image all places come from it.
    """
    step = max(1, round(labels.shape[1] / _WIDTH))
    pick = slice(step // 2, None, step), slice(step // 2, None, step)
    small, sure = (np.ascontiguousarray(part[pick]) for part in (labels, confidence))
    if surface is not None and surface.ranges.source == 'depth':
        xyz = surface.ranges.xyz_m[:, pick[0], pick[1]].copy()
    else:
        xyz = _places_on_ground(labels, table, geometry, step)
        if surface is not None:
            standing = cv2.LUT(small, table.role_mask(*UPRIGHT_ROLES)) > 0
            measured = surface.ranges.xyz_m[:, pick[0], pick[1]]
            np.copyto(xyz, measured, where=standing & np.isfinite(measured[2]))
    placeless = geometry.with_ego_body(cv2.LUT(labels, table.lookup(_placeless)), 255)[pick]
    np.copyto(xyz, np.nan, where=placeless > 0)
    return LabelledImage(small, sure, xyz, geometry.part(_lens, (step, small.shape)))


def _placeless(table: ClassTable) -> np.ndarray:
    return table.role_mask(Role.SKY, Role.EGO)


def _lens(geometry: CameraGeometry, settings: tuple[int, tuple[int, int]]) -> Calibration:
    """The calibration of every n-th pixel, given n and their (height, width)."""
    (step, size), lens, shift = settings, geometry.camera.calibration, np.eye(3)
    shift[:2, 2] = -(step // 2)
    scale = np.diag([1 / step, 1 / step, 1.0]) @ shift
    return replace(lens, size=size, k=scale @ lens.k, p=scale @ lens.p)


@dataclass(frozen=True, eq=False)
class _Footing:
    """Flat ground of every n-th pixel (h, w, 2), NaN where a pixel tells too little, and below."""

    ground_m: np.ndarray  # (2, h, w) float32 at the pixels
    edges_m: np.ndarray  # (n, 2, h, w) float32 at the lower edges of the n pixels from each on


def _footing(geometry: CameraGeometry, step: int) -> _Footing:
    ground, pose, first = geometry.ground, geometry.camera.extrinsics, step // 2
    pick = slice(first, None, step), slice(first, None, step)
    xy = np.stack([ground.x_m[pick], ground.y_m[pick]])
    away = np.hypot(xy[0] - pose.forward_m, xy[1] - pose.left_m)
    xy[:, ~(ground.coarse_m[pick] <= COARSE_SHARE * away)] = np.nan
    last = len(ground.edges_m) - 1
    rows = [np.minimum(np.arange(first, last, step) + below + 1, last) for below in range(step)]
    edges = [ground.edges_m[each][:, first::step].transpose(2, 0, 1) for each in rows]
    return _Footing(xy, np.stack(edges))


def _places_on_ground(
    labels: np.ndarray, table: ClassTable, geometry: CameraGeometry, step: int
) -> np.ndarray:
    """Places (3, h, w) of every n-th pixel on flat ground: ground, and contacts of things."""
    footing, first = geometry.part(_footing, step), step // 2
    narrow = np.ascontiguousarray(labels[:, first::step])
    is_ground = cv2.LUT(narrow, table.role_mask(*GROUND_ROLES)) > 0
    standing = cv2.LUT(narrow[first::step], table.role_mask(*UPRIGHT_ROLES)) > 0
    xyz = np.zeros((3, *standing.shape), np.float32)
    xyz[:2] = footing.ground_m
    np.copyto(xyz[:2], np.nan, where=~is_ground[first::step])
    for below in range(step):  # the first ground below a thing is where it stands
        meets = is_ground[first + below + 1 :: step]
        shown = slice(len(meets))
        contact = standing[shown] & meets
        np.copyto(xyz[:2, shown], footing.edges_m[below][:, shown], where=contact)
        standing[shown] &= ~meets
    xyz[2] += xyz[0] * 0  # NaN where the others are
    return xyz


@dataclass(frozen=True, eq=False)
class LabelledView:
    """The last answer of one camera, for points that it sees."""

    labels: np.ndarray  # (H, W) uint8, of the camera's upright images
    confidence: np.ndarray  # (H, W) uint8
    camera: Camera


def label_points(
    points_m: np.ndarray, views: Sequence[LabelledView], table: ClassTable
) -> tuple[np.ndarray, np.ndarray]:
    """
    Class ids (N,) uint8 and probabilities (N,) float32 of points (N, 3) in the vehicle frame.

    Points that no camera sees, or that something hides from it, have class 255 and probability 0.
    Of several cameras the surest counts.
    """
    ids = np.full(len(points_m), UNLABELED, np.uint8)
    sure = np.zeros(len(points_m), np.uint8)
    for view in views:
        seen = points_in_image(points_m, view.camera)
        own = view.labels.ravel()[seen.pixels]
        standing = table.lookup(_standing)[own] > 0  # ground hides no ground
        clear = np.ones(len(own), bool)
        clear[standing] = ~_hidden(
            seen.pixels[standing], seen.depth_m[standing], own[standing], view.camera.size
        )
        numbers, own = seen.numbers[clear], own[clear]
        confidence = view.confidence.ravel()[seen.pixels[clear]]
        better = (confidence > sure[numbers]) | (ids[numbers] == UNLABELED)
        ids[numbers[better]], sure[numbers[better]] = own[better], confidence[better]
    sure[ids == UNLABELED] = 0
    return ids, sure * np.float32(1 / 255)


def _standing(table: ClassTable) -> np.ndarray:
    return table.role_mask(*UPRIGHT_ROLES)


def _hidden(
    pixels: np.ndarray, depth_m: np.ndarray, ids: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """
    Which points (M,) lie behind another of their class in the same part of the image.

    The LiDAR sees past what hides them from the camera, and their pixels show that thing.
    """
    (rows, columns), (row, column) = _CELLS, np.divmod(pixels, size[1])
    cells = (row * rows // size[0]) * columns + column * columns // size[1]
    classes = np.flatnonzero(np.bincount(ids, minlength=256))
    own = np.zeros(256, np.intp)
    own[classes] = np.arange(len(classes))
    own = own[ids]
    nearest = np.full((rows * columns, max(1, len(classes))), inf, np.float32)
    np.minimum.at(nearest, (cells, own), depth_m)
    around = cv2.erode(nearest.reshape(rows, columns, -1), np.ones((3, 3), np.uint8))
    before = around.reshape(nearest.shape)[cells, own]
    return np.asarray(depth_m > before * (1 + _HIDDEN_SHARE) + _HIDDEN_M)


def ground_points(
    points_m: np.ndarray, ids: np.ndarray, table: ClassTable, roles: Sequence[Role]
) -> np.ndarray:
    """
    Which points (N, 3) are of some roles, (N,) bool.

    A point that is labelled as ground and measured above it is none.

    :param ids: (N,) uint8 class ids.
    """
    chosen, flat = (np.asarray(table.role_mask(*each)[ids] > 0) for each in (roles, GROUND_ROLES))
    if not flat.any():
        return chosen
    own = np.flatnonzero(flat)
    x, y, z = points_m[own].astype(np.float32).T
    height = z - Terrain.of(x, y, z).at(x, y)
    chosen[own[np.abs(height) > _GROUND_M]] = False
    return chosen
