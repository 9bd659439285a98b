# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The overlay image of a result: labels, free road, corridor, metres, score, reasons, map."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, isfinite, isnan

import cv2
import numpy as np

from seg_perception.core.camera import Camera
from seg_perception.core.camera_geometry import CameraGeometry, ImageGeometry
from seg_perception.core.classes import ClassTable
from seg_perception.core.corridor import Corridor, image_outline
from seg_perception.core.draw_camera import draw_camera
from seg_perception.core.grid import BLOCKED, FREE
from seg_perception.core.masks import overlay
from seg_perception.core.results import (
    BoundaryFlag,
    CalibrationState,
    DrivableArea,
    Grid,
    OnlineCalibration,
    RiskFactor,
    RiskLevel,
    SafetyRisk,
    SceneRecord,
)
from seg_perception.core.turning import turn_image, turn_record

LEVEL_RGB = {
    RiskLevel.UNKNOWN: (160, 160, 160),
    RiskLevel.LOW: (60, 200, 90),
    RiskLevel.MODERATE: (250, 200, 40),
    RiskLevel.HIGH: (255, 130, 30),
    RiskLevel.CRITICAL: (240, 40, 50),
}
_CORRIDOR = Corridor()
_BOUNDARY_RGB = {
    BoundaryFlag.SEEN: (80, 255, 120),
    BoundaryFlag.BRIDGED: (230, 255, 90),
    BoundaryFlag.UNKNOWN: (190, 190, 190),
}
_FREE_RGB, _BLOCKED_RGB, _UNSEEN_RGB = (50, 130, 70), (215, 80, 60), (35, 38, 44)
_CELL_RGB = np.full((256, 3), _UNSEEN_RGB, np.uint8)  # of a cell's value 0..100; -1 is 255
_SHARES = np.linspace(0.0, 1.0, BLOCKED + 1 - FREE)[:, None]
_CELL_RGB[FREE : BLOCKED + 1] = (1 - _SHARES) * _FREE_RGB + _SHARES * np.array(_BLOCKED_RGB)
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_MARKS_M = (10.0, 20.0, 30.0, 40.0, 50.0)  # lines across the corridor and rings of the map
_MAP_SHARE = 0.36  # height of the map, as a share of the image
_LEAST_MAP_PX = 40
_RING_RGB = (120, 125, 135)


def draw_scene(
    rgb: np.ndarray,
    record: SceneRecord,
    table: ClassTable,
    *,
    corridor: Corridor = _CORRIDOR,
    opacity: float = 0.45,
    geometry: ImageGeometry | None = None,
    curvature_per_m: float = 0.0,
    online: OnlineCalibration | None = None,
) -> np.ndarray:
    """
    An overlay (H, W, 3) uint8 RGB of a record of the same size.

    :param corridor: the one that area and risk were found with, as are geometry and curvature.
    :param opacity: of the class colours, 0 to 1.
    :param geometry: of images of any size.
    :param online: what the camera has learned of itself; its state is told until it is calibrated.
    """
    turns = geometry.turns if geometry is not None else 0
    rgb, record = turn_image(rgb, turns), turn_record(record, turns)
    area, risk, grid = record.area, record.risk, record.grid
    scene = overlay(rgb, record.labels, table, opacity)
    thickness = max(1, round(rgb.shape[0] / 300))
    size = rgb.shape[0], rgb.shape[1]
    camera = geometry.image_camera.scaled(size) if isinstance(geometry, CameraGeometry) else None
    if geometry is not None:
        draw_camera(scene, geometry)
    _draw_boundary(scene, area, thickness)
    colour = LEVEL_RGB[risk.level]
    path = _path(area, corridor, camera, curvature_per_m)
    if camera is not None and path is not None:
        _draw_path(scene, path, camera, colour)
    else:
        outline = image_outline(corridor, size, geometry, curvature_per_m)
        cv2.polylines(scene, [outline], True, colour, thickness, cv2.LINE_AA)
    if grid is not None:
        _draw_map(scene, grid, path, colour)
    _draw_score(scene, record, _state(online))
    return turn_image(scene, -turns)


def _state(online: OnlineCalibration | None) -> str:
    """The state of the self-calibration in words; empty when there is nothing to say."""
    if online is None or online.state is CalibrationState.CALIBRATED:
        return ''
    told = f'camera {online.state.name.lower()} {online.percent} %'
    return f'{told}: {online.reason}' if online.reason else told


def _draw_boundary(scene: np.ndarray, area: DrivableArea, thickness: int) -> None:
    """One line along the far end of the free road, broken where a column shows none."""
    points = np.stack([area.boundary_columns, area.boundary_rows], axis=1)
    flags = area.boundary_flags if len(area.boundary_flags) else np.zeros(len(points), np.uint8)
    flags = np.where(area.boundary_rows < len(scene), flags, BoundaryFlag.EGO)
    for piece in np.split(np.arange(len(points)), np.flatnonzero(np.diff(flags)) + 1):
        colour = _BOUNDARY_RGB.get(flags[piece[0]])
        if colour is not None:
            before = max(piece[0] - 1, 0)  # the line goes on from there, where it is drawn
            first = before if flags[before] in _BOUNDARY_RGB else piece[0]
            line = points[first : piece[-1] + 1]
            cv2.polylines(scene, [line], False, colour, 2 * thickness, cv2.LINE_AA)


@dataclass(frozen=True)
class _Path:
    """The ego corridor on the ground, as far as it is free."""

    half_m: float  # of its width
    free_m: float
    drawn_m: float  # up to where it is drawn
    curvature_per_m: float
    forward: float  # 1 ahead, -1 for the path of reversing

    def at(self, along_m: np.ndarray, aside_m: np.ndarray | float) -> np.ndarray:
        """Ground points (N, 2) at distances along the path and to the left of it."""
        curvature, aside_m = self.curvature_per_m, np.broadcast_to(aside_m, along_m.shape)
        if not curvature:
            return np.column_stack([self.forward * along_m, aside_m])
        inner, angle = 1.0 / curvature - aside_m, along_m * curvature
        x, y = inner * np.sin(angle), 1.0 / curvature - inner * np.cos(angle)
        return np.column_stack([self.forward * x, y])

    def sides(self, end_m: float) -> tuple[np.ndarray, np.ndarray]:
        """Ground points of the left and the right edge, near to far."""
        along_m = np.linspace(0.0, end_m, 40)
        return self.at(along_m, self.half_m), self.at(along_m, -self.half_m)

    def across(self, along_m: float) -> np.ndarray:
        """Ground points of the left and the right end of a line across."""
        return self.at(np.full(2, along_m), np.array([self.half_m, -self.half_m]))


def _path(
    area: DrivableArea, corridor: Corridor, camera: Camera | None, curvature_per_m: float
) -> _Path | None:
    """The corridor in metres; None where they are unknown."""
    if camera is None or not isfinite(area.free_distance_m):
        return None
    return _Path(
        corridor.vehicle_width_m / 2 + corridor.margin_m,
        area.free_distance_m,
        min(area.free_distance_m, corridor.reach_m),
        curvature_per_m,
        1.0 if cos(camera.extrinsics.yaw_rad) >= 0 else -1.0,
    )


def _draw_path(scene: np.ndarray, path: _Path, camera: Camera, colour: tuple[int, ...]) -> None:
    """The corridor up to the free distance, with marks and that distance."""
    thickness, line = max(1, round(len(scene) / 300)), _line_px(scene)
    for side in path.sides(path.drawn_m):
        _draw_line(scene, camera.ground_to_pixel(side), colour, thickness)
    end = camera.ground_to_pixel(path.across(path.drawn_m))
    _draw_line(scene, end, _WHITE, 2 * thickness)
    last_row = end[:, 1].max()
    for mark_m in reversed([mark for mark in _MARKS_M if mark < path.drawn_m]):
        mark = camera.ground_to_pixel(path.across(mark_m))
        _draw_line(scene, mark, colour, thickness)
        # Not over the one before, and not outside the image.
        if mark[:, 1].min() > last_row + 0.7 * line and _is_inside(scene, mark):
            last_row = mark[:, 1].max()
            place = round(mark[:, 0].max()) + line // 3, round(last_row) + line // 4
            _draw_text(scene, f'{mark_m:.0f}', place, round(0.7 * line), _WHITE)
    if _is_inside(scene, end):
        above = round(end[:, 0].min()), round(end[:, 1].min()) - line // 2
        _draw_text(scene, f'{path.free_m:.1f} m free', above, line, _WHITE)


def _draw_line(
    scene: np.ndarray, points: np.ndarray, rgb: tuple[int, ...], thickness: int
) -> None:
    """A line through pixels (N, 2), without those that are NaN or far outside."""
    limit = 4 * max(scene.shape[:2])
    seen = points[(np.abs(np.nan_to_num(points, nan=2 * limit)) < limit).all(axis=1)]
    cv2.polylines(scene, [np.rint(seen).astype(np.int32)], False, rgb, thickness, cv2.LINE_AA)


def _is_inside(scene: np.ndarray, points: np.ndarray) -> bool:
    """Whether one of the pixels (N, 2), and none of them NaN, lies in the image."""
    height, width = scene.shape[:2]
    inside = ((points >= 0) & (points < (width, height))).all(axis=1).any()
    return bool(inside and np.abs(points).max() < 4 * max(height, width))


def _line_px(scene: np.ndarray) -> int:
    """Height of a line of text."""
    return max(11, round(len(scene) / 24))


@dataclass(frozen=True, eq=False)
class _Map:
    """A piece of the image that shows the ground from above, ahead upwards."""

    pixels: np.ndarray  # (h, w, 3) view of the image
    scale: float  # pixels a metre
    far_m: float  # of the upper edge
    left_m: float  # of the left edge

    def place(self, ground_m: np.ndarray) -> np.ndarray:
        """Ground points (N, 2) as pixels (N, 2)."""
        points: np.ndarray = (np.array([self.left_m, self.far_m]) - ground_m[:, ::-1]) * self.scale
        return points


def _draw_map(scene: np.ndarray, grid: Grid, path: _Path | None, colour: tuple[int, ...]) -> None:
    """The grid from above in the lower right corner, with rings, the path and the vehicle."""
    bird, thin = _lay_map(scene, grid), max(1, round(len(scene) / 500))
    if bird is None:
        return
    _draw_rings(bird, thin, round(0.7 * _line_px(scene)))
    if path is not None:
        left, right = path.sides(min(path.drawn_m, 1.5 * bird.far_m))
        outline = bird.place(np.concatenate([left, right[::-1]]))
        _draw_line(bird.pixels, outline, colour, 2 * thin)
    nose = bird.place(np.array([[0.0, 1.2], [2.4, 0.0], [0.0, -1.2]]))
    cv2.fillPoly(bird.pixels, [np.rint(nose).astype(np.int32)], _WHITE, cv2.LINE_AA)


def _lay_map(scene: np.ndarray, grid: Grid) -> _Map | None:
    """Cells and frame of the map; None where the image is too small for one."""
    (height, width), (rows, columns) = scene.shape[:2], grid.cells.shape
    scale = min(_MAP_SHARE * height / columns, 0.5 * width / rows)  # pixels a cell
    size = round(rows * scale), round(columns * scale)
    if min(size) < _LEAST_MAP_PX:
        return None
    gap = _line_px(scene) // 2
    top, left = height - size[1] - gap, width - size[0] - gap
    pixels = scene[top : top + size[1], left : left + size[0]]
    seen = _CELL_RGB[grid.cells.T[::-1, ::-1].astype(np.uint8)]  # ahead is up, left is left
    cv2.resize(seen, size, dst=pixels, interpolation=cv2.INTER_NEAREST)
    corner = left + size[0], top + size[1]
    cv2.rectangle(scene, (left - 1, top - 1), corner, _WHITE, max(1, round(height / 500)))
    return _Map(
        pixels,
        scale / grid.resolution_m,
        grid.origin_x_m + columns * grid.resolution_m,
        grid.origin_y_m + rows * grid.resolution_m,
    )


def _draw_rings(bird: _Map, thin: int, text_px: int) -> None:
    """Circles about the vehicle, every other with its metres."""
    origin = tuple(np.rint(bird.place(np.zeros((1, 2)))[0]).astype(int).tolist())
    for index, mark_m in enumerate(mark for mark in _MARKS_M if mark < bird.far_m):
        radius = round(mark_m * bird.scale)
        cv2.circle(bird.pixels, origin, radius, _RING_RGB, thin, cv2.LINE_AA)
        if index % 2:
            place = thin, origin[1] - radius
            _draw_text(bird.pixels, f'{mark_m:.0f} m', place, text_px, _WHITE)


def _draw_score(scene: np.ndarray, record: SceneRecord, state: str) -> None:
    """Bar, headline, metres, the two worst reasons and the state in the upper left corner."""
    area, risk, status = record.area, record.risk, record.status.name
    width, line = scene.shape[1], _line_px(scene)
    left, top, bar = line // 2, line // 2, min(width - line, 9 * line)
    filled = 0 if isnan(risk.score) else round(bar * risk.score / 100)
    corner = left + bar, top + line // 2
    cv2.rectangle(scene, (left, top), corner, (40, 40, 40), cv2.FILLED)
    end, colour = (left + filled, corner[1]), LEVEL_RGB[risk.level]
    cv2.rectangle(scene, (left, top), end, colour, cv2.FILLED)
    cv2.rectangle(scene, (left, top), corner, _WHITE, max(1, line // 20))
    score = '--' if isnan(risk.score) else f'{risk.score:.0f}'
    headline = f'safety {score}  {risk.level.name}'
    if status != 'OK':
        headline += f'  {status}'
    baseline = corner[1] + round(1.2 * line)
    _draw_text(scene, headline, (left, baseline), line, _WHITE)
    reasons = (factor.reason for factor in _worst(risk.factors, 2))
    for text in (_metres(area, risk), *reasons, state):
        if text:
            baseline += line
            _draw_text(scene, text, (left, baseline), round(0.8 * line), _WHITE)


def _metres(area: DrivableArea, risk: SafetyRisk) -> str:
    """What is metric, in words; empty without any."""
    told = []
    if isfinite(area.free_distance_m):
        std_m = area.free_distance_std_m
        spread = f' +-{std_m:.1f}' if std_m >= 0.1 else ''
        told.append(f'{area.free_distance_m:.1f}{spread} m free')
    if isfinite(risk.suggested_speed_mps):
        told.append(f'up to {3.6 * risk.suggested_speed_mps:.0f} km/h')
    if isfinite(risk.time_to_contact_s):
        told.append(f'contact in {risk.time_to_contact_s:.1f} s')
    return ', '.join(told)


def _worst(factors: tuple[RiskFactor, ...], count: int) -> list[RiskFactor]:
    """The factors that matter most, without those that matter little."""
    factors = tuple(factor for factor in factors if factor.weight * factor.risk >= 0.1)
    return sorted(factors, key=lambda factor: -factor.weight * factor.risk)[:count]


def _draw_text(
    scene: np.ndarray, text: str, origin: tuple[int, int], height_px: int, rgb: tuple[int, ...]
) -> None:
    """One line of text with a dark outline, made smaller until it fits the image."""
    font, thickness = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(height_px / 16))
    scale = cv2.getFontScaleFromHeight(font, round(0.7 * height_px), thickness)
    room = max(1, scene.shape[1] - origin[0] - height_px)
    scale *= min(1.0, room / cv2.getTextSize(text, font, scale, thickness)[0][0])
    for colour, width in ((_BLACK, thickness + max(2, height_px // 7)), (rgb, thickness)):
        cv2.putText(scene, text, origin, font, scale, colour, width, cv2.LINE_AA)
