# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Several cameras, one answer: the worst of what is seen, and what is not seen.

A camera without a fresh answer never hides: its status says so and the risk rises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import compress
from math import inf, isfinite, nan, pi, tau

import numpy as np

from seg_perception.core.camera import Camera
from seg_perception.core.errors import ParameterError
from seg_perception.core.results import UNKNOWN_RISK, Grid, RiskFactor, RiskLevel, SafetyRisk
from seg_perception.core.risk import level_of
from seg_perception.core.risk_params import RiskParams
from seg_perception.core.settings import Settings, ratio, setting

_DIRECTIONS = 720  # the circle is covered in steps of half a degree


class CameraState(IntEnum):
    """Whether a camera is part of the answer; the numbers are those of ``CameraStatus.msg``."""

    OK = 0
    TIMEOUT = 1  # no answer, or one too old compared with the others
    INVALID = 2  # its last frame could not be processed


@dataclass(frozen=True)
class FusionParams(Settings, name='fusion'):
    """How cameras are put together."""

    skew_s: float = setting(
        0.2, 'maximum age of an answer, relative to the newest of all cameras', 's', 0.0, 10
    )
    lost_risk: float = ratio(
        0.5, 'share of the remaining safety that a camera without an answer takes away'
    )


@dataclass(frozen=True)
class Sector:
    """The ground directions that a camera sees: 0 is ahead, left positive, right to left."""

    right_rad: float = nan  # -pi to pi; NaN without calibration
    left_rad: float = nan

    @property
    def known(self) -> bool:
        return isfinite(self.right_rad) and isfinite(self.left_rad)


@dataclass(frozen=True)
class CameraScene:
    """The last answer of one camera."""

    camera: str
    stamp_s: float = nan  # NaN: none has come
    risk: SafetyRisk = UNKNOWN_RISK
    state: CameraState = CameraState.OK
    text: str = ''  # why it is not OK
    sector: Sector = Sector()
    grid: Grid | None = None


@dataclass(frozen=True)
class CameraStatus:
    """What one camera adds to the fused scene."""

    camera: str
    state: CameraState
    text: str
    age_s: float  # compared with the newest of all; NaN without an answer
    level: RiskLevel  # UNKNOWN unless OK
    sector: Sector


@dataclass(frozen=True)
class FusedScene:
    """All cameras in one answer."""

    stamp_s: float  # the newest; NaN when no camera is OK
    risk: SafetyRisk  # the worst of the cameras that are OK, raised by those that are not
    worst_camera: str  # whose risk it is; empty when none is known
    cameras: tuple[CameraStatus, ...]
    skew_s: float  # between the oldest and the newest answer in it; NaN if none
    coverage_share: float  # 0..1 of all directions, by OK calibrated cameras; NaN if none is
    grid: Grid | None  # None if no camera has one

    @property
    def complete(self) -> bool:
        """Whether every camera is OK."""
        return all(status.state is CameraState.OK for status in self.cameras)


def fuse(
    scenes: Sequence[CameraScene],
    params: FusionParams = FusionParams(),
    risk: RiskParams = RiskParams(),
) -> FusedScene:
    """
    One answer of the last answers of all cameras.

    :param risk: where the levels begin.
    :raises ParameterError: when two grids cannot be laid over each other.
    """
    newest_s = max((scene.stamp_s for scene in scenes if _answered(scene)), default=nan)
    statuses = tuple(_status(scene, newest_s, params.skew_s) for scene in scenes)
    live = list(compress(scenes, (status.state is CameraState.OK for status in statuses)))
    grids = [(scene.camera, scene.grid) for scene in live if scene.grid is not None]
    worst = min(live, key=lambda scene: scene.risk.score, default=None)
    return FusedScene(
        stamp_s=newest_s,
        risk=_fused_risk(live, statuses, params, risk),
        worst_camera=worst.camera if worst else '',
        cameras=statuses,
        skew_s=newest_s - min((scene.stamp_s for scene in live), default=nan),
        coverage_share=_coverage([scene.sector for scene in live]),
        grid=fuse_grids(grids) if grids else None,
    )


def fuse_grids(grids: Sequence[tuple[str, Grid]]) -> Grid:
    """
    One grid of the grids of named cameras: blocked wins, free over unknown.

    The cells are -1 unknown, 0 free, 100 blocked: the largest is the answer.

    :raises ParameterError: when they do not cover the same ground in the same cells.
    """
    first_name, first = grids[0]
    cells = first.cells
    for name, grid in grids[1:]:
        if grid.layout != first.layout:
            expected = f'that of {first_name!r}: {first.layout}'
            raise ParameterError(f'grid of camera {name!r}', grid.layout, expected)
        cells = np.maximum(cells, grid.cells)
    return replace(first, cells=cells)


def sector_of(camera: Camera) -> Sector:
    """The ground directions between the left and right edge of a camera's view."""
    height, width = camera.size
    rows = np.arange(height, dtype=float)
    extrinsics = camera.extrinsics

    def bearings(column: float) -> np.ndarray:
        ground = camera.pixel_to_ground(np.column_stack([np.full(height, column), rows]))
        x, y = (ground - (extrinsics.forward_m, extrinsics.left_m)).T
        return np.asarray(_wrapped(np.arctan2(y, x) - extrinsics.yaw_rad))

    left, right = bearings(0.0), bearings(width - 1.0)
    if np.isnan(left).all() or np.isnan(right).all():
        return Sector()
    right_rad = _wrapped(float(np.nanmin(right)) + extrinsics.yaw_rad)
    return Sector(float(right_rad), float(_wrapped(float(np.nanmax(left)) + extrinsics.yaw_rad)))


def _wrapped(angle: np.ndarray | float) -> np.ndarray | float:
    """The same direction within -pi to pi."""
    return (angle + pi) % tau - pi


def _answered(scene: CameraScene) -> bool:
    known = isfinite(scene.stamp_s) and isfinite(scene.risk.score)
    return scene.state is CameraState.OK and known


def _status(scene: CameraScene, newest_s: float, skew_s: float) -> CameraStatus:
    age_s = newest_s - scene.stamp_s
    state, text = scene.state, scene.text
    if state is CameraState.OK and not _answered(scene):
        state, text = CameraState.TIMEOUT, text or 'no answer yet'
    elif state is CameraState.OK and age_s > skew_s:
        state, text = CameraState.TIMEOUT, f'{age_s:.2f} s behind the newest camera'
    level = scene.risk.level if state is CameraState.OK else RiskLevel.UNKNOWN
    return CameraStatus(scene.camera, state, text, age_s, level, scene.sector)


def _fused_risk(
    live: Sequence[CameraScene],
    statuses: Sequence[CameraStatus],
    params: FusionParams,
    risk: RiskParams,
) -> SafetyRisk:
    """The worst risk; of each factor the worst camera's, which its reason names."""
    if not live:
        return UNKNOWN_RISK
    worst = min(live, key=lambda scene: scene.risk.score).risk
    lost = [status for status in statuses if status.state is not CameraState.OK]
    score, level = worst.score, max(scene.risk.level for scene in live)
    factors = _worst_factors(live)
    if lost:
        score *= 1.0 - params.lost_risk
        level = max(level, level_of(1.0 - score / 100.0, risk))
        reason = ', '.join(f'camera {each.camera}: {each.state.name}' for each in lost)
        factors += (RiskFactor('cameras_lost', 1.0, params.lost_risk, reason),)
    hazards = tuple(
        replace(hazard, camera=scene.camera) for scene in live for hazard in scene.risk.hazards
    )
    return replace(
        _worst_braking(live), score=score, level=level, factors=factors, hazards=hazards
    )


def _worst_braking(live: Sequence[CameraScene]) -> SafetyRisk:
    """What the cameras say of contact, speed and brakes: of each the worst that is known."""
    risks = [scene.risk for scene in live]
    tightest = min(risks, key=lambda risk: _or_inf(risk.stop_margin_m))
    return replace(
        tightest,
        time_to_contact_s=_least([risk.time_to_contact_s for risk in risks]),
        suggested_speed_mps=_least([risk.suggested_speed_mps for risk in risks]),
        required_deceleration_mps2=-_least([-risk.required_deceleration_mps2 for risk in risks]),
    )


def _worst_factors(live: Sequence[CameraScene]) -> tuple[RiskFactor, ...]:
    worst: dict[str, RiskFactor] = {}
    for scene in live:
        for factor in scene.risk.factors:
            if factor.name not in worst or factor.risk > worst[factor.name].risk:
                reason = f'{scene.camera}: {factor.reason}'
                worst[factor.name] = replace(factor, reason=reason)
    return tuple(worst.values())


def _or_inf(value: float) -> float:
    return value if isfinite(value) else inf


def _least(values: Sequence[float]) -> float:
    """The least that is known; NaN when none is."""
    return min((value for value in values if isfinite(value)), default=nan)


def _coverage(sectors: Sequence[Sector]) -> float:
    known = [sector for sector in sectors if sector.known]
    if not known:
        return nan
    directions = (np.arange(_DIRECTIONS) + 0.5) * (tau / _DIRECTIONS)
    seen = np.zeros(_DIRECTIONS, bool)
    for sector in known:
        width = (sector.left_rad - sector.right_rad) % tau
        seen |= (directions - sector.right_rad) % tau < width
    return float(seen.mean())
