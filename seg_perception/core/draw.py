# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The picture of a result for people: labels, free road, corridor, score, level, reasons."""

from __future__ import annotations

from math import isnan

import cv2
import numpy as np

from seg_perception.core.classes import ClassTable
from seg_perception.core.corridor import Corridor, corridor_shape
from seg_perception.core.masks import overlay
from seg_perception.core.results import DrivableArea, RiskFactor, RiskLevel, SafetyRisk

_LEVEL_RGB = {
    RiskLevel.UNKNOWN: (160, 160, 160),
    RiskLevel.LOW: (60, 200, 90),
    RiskLevel.MODERATE: (250, 200, 40),
    RiskLevel.HIGH: (255, 130, 30),
    RiskLevel.CRITICAL: (240, 40, 50),
}
_BOUNDARY_RGB = (80, 255, 120)
_CORRIDOR = Corridor()
_WHITE = (255, 255, 255)
_BLACK = (0, 0, 0)


def draw_scene(
    rgb: np.ndarray,
    labels: np.ndarray,
    table: ClassTable,
    area: DrivableArea,
    risk: SafetyRisk,
    status: str = 'OK',
    corridor: Corridor = _CORRIDOR,
    opacity: float = 0.45,
) -> np.ndarray:
    """
    A picture (H, W, 3) uint8 RGB of one result; labels and area have the size of the image.

    :param corridor: the one that area and risk were found with.
    :param opacity: of the class colours, 0 to 1.
    """
    scene = overlay(rgb, labels, table, opacity)
    thickness = max(1, round(rgb.shape[0] / 300))
    _draw_boundary(scene, area, thickness)
    outline = corridor_shape(corridor, (rgb.shape[0], rgb.shape[1])).outline
    cv2.polylines(scene, [outline], True, _LEVEL_RGB[risk.level], thickness, cv2.LINE_AA)
    _draw_score(scene, risk, status)
    return scene


def _draw_boundary(scene: np.ndarray, area: DrivableArea, thickness: int) -> None:
    """One line along the far end of the free road, broken where a column is blocked."""
    height = scene.shape[0]
    points = np.stack([area.boundary_columns, area.boundary_rows], axis=1)
    free = area.boundary_rows < height
    for piece in np.split(points, np.flatnonzero(np.diff(free)) + 1):
        if piece[0, 1] < height:
            cv2.polylines(scene, [piece], False, _BOUNDARY_RGB, 2 * thickness, cv2.LINE_AA)


def _draw_score(scene: np.ndarray, risk: SafetyRisk, status: str) -> None:
    """Bar, headline and the two worst reasons in the upper left corner."""
    height, width = scene.shape[:2]
    line = max(11, round(height / 24))
    left, top, bar = line // 2, line // 2, min(width - line, 9 * line)
    filled = 0 if isnan(risk.score) else round(bar * risk.score / 100)
    corner = left + bar, top + line // 2
    cv2.rectangle(scene, (left, top), corner, (40, 40, 40), cv2.FILLED)
    cv2.rectangle(
        scene, (left, top), (left + filled, corner[1]), _LEVEL_RGB[risk.level], cv2.FILLED
    )
    cv2.rectangle(scene, (left, top), corner, _WHITE, max(1, line // 20))
    score = '--' if isnan(risk.score) else f'{risk.score:.0f}'
    headline = f'safety {score}  {risk.level.name}'
    if status != 'OK':
        headline += f'  {status}'
    baseline = corner[1] + round(1.2 * line)
    _draw_text(scene, headline, (left, baseline), line, _WHITE)
    for factor in _worst(risk.factors, 2):
        baseline += line
        _draw_text(scene, factor.reason, (left, baseline), round(0.8 * line), _WHITE)


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
    room = scene.shape[1] - 2 * origin[0]
    scale *= min(1.0, room / cv2.getTextSize(text, font, scale, thickness)[0][0])
    for colour, width in ((_BLACK, thickness + max(2, height_px // 7)), (rgb, thickness)):
        cv2.putText(scene, text, origin, font, scale, colour, width, cv2.LINE_AA)
