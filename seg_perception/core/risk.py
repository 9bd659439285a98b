# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Safety risk of a scene: a score 0..100 (100 is safe), a level and five factors with reasons.

Rules from pixels, made to be explained: more hazard never lowers the risk, and neither does less
road or less knowledge. Nearness comes from the width of the ego corridor in the lowest rows that
a hazard reaches; how far aside it stands, from the zone. Not a certified safety function.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np

from seg_perception.core.classes import ClassTable, Role
from seg_perception.core.corridor import Corridor, corridor_shape
from seg_perception.core.errors import ParameterError
from seg_perception.core.results import DrivableArea, RiskFactor, RiskLevel, SafetyRisk

# One bit a group of roles, so that one lookup sorts every pixel.
_GROUPS = {
    'vulnerable_road_users': (1, (Role.VULNERABLE,)),
    'vehicles': (2, (Role.VEHICLE,)),
    'obstacles': (4, (Role.OBSTACLE, Role.NATURE)),
    'ground': (8, (Role.DRIVABLE, Role.MARKING, Role.WALKABLE)),
    'told': (16, tuple(role for role in Role if role not in (Role.OTHER, Role.EGO))),
    'own': (32, (Role.EGO,)),
}
_WORDS = {'vulnerable_road_users': 'people, riders or animals'}  # the others go by their name


@dataclass(frozen=True)
class Hazard:
    """How one group of classes becomes a risk."""

    weight: float  # 0..1, how far this factor alone can push the risk of the scene
    in_path: float  # 0..1, factor at the nearest row of the corridor
    beside: float  # the same up to one corridor width to its left and right
    away: float  # the same farther aside
    fade: float  # power of nearness: 1 halves the factor at twice the distance, 0.5 takes 30 %


@dataclass(frozen=True)
class RiskParams:
    """
    Every weight and threshold of the risk; what they do to real frames is in the tests.

    Set by hand on CamVid and Cityscapes truth; nobody has tied them to accidents.
    """

    corridor: Corridor = field(default_factory=Corridor)
    # People hurt easily and move any way: they count far off and beside the path too.
    vulnerable: Hazard = Hazard(weight=1.0, in_path=1.0, beside=0.55, away=0.2, fade=0.5)
    # Vehicles beside are the other lanes and parked cars; ahead they mostly drive along.
    vehicles: Hazard = Hazard(weight=0.85, in_path=1.0, beside=0.3, away=0.1, fade=0.8)
    # Poles, walls and trees beside a road are where they belong.
    obstacles: Hazard = Hazard(weight=0.9, in_path=1.0, beside=0.15, away=0.0, fade=0.8)
    visibility_weight: float = 0.85
    blind_full_share: float = 0.85  # share of the corridor without known ground that counts as 1
    blind_aside: float = 0.5  # what unknown pixels beside the corridor count
    low_confidence: float = 0.3  # a ground pixel at or below it is not known at all
    high_confidence: float = 0.6  # from here on it is fully known
    path_weight: float = 0.85
    blocked_full_share: float = 0.85  # share of the corridor that is not free that counts as 1
    # Share of the corridor's width that a hazard's footprint is square in: 0.15 of 2.5 m. Fewer
    # pixels count in proportion, so that a few wrong ones do not raise an alarm.
    footprint_share: float = 0.15
    no_class_risk: float = 0.3  # factor of a hazard that the class table has no class for
    spread: float = 0.5  # how much the mean of all factors adds to the worst one
    moderate_from: float = 0.25  # risk at which each level begins
    high_from: float = 0.5
    critical_from: float = 0.75

    def __post_init__(self) -> None:
        if not self.low_confidence < self.high_confidence:
            raise ParameterError(
                'risk high_confidence', self.high_confidence, f'above {self.low_confidence}'
            )
        if not 0 < self.moderate_from < self.high_from < self.critical_from <= 1:
            raise ParameterError(
                'risk levels',
                (self.moderate_from, self.high_from, self.critical_from),
                'moderate_from < high_from < critical_from, above 0, to 1',
            )


def assess_risk(
    labels: np.ndarray,
    confidence: np.ndarray,
    table: ClassTable,
    area: DrivableArea,
    params: RiskParams = RiskParams(),
) -> SafetyRisk:
    """
    The risk of labels (H, W) uint8 with confidence (H, W) uint8 0..255 for 0..1.

    :param area: what ``find_drivable`` found in the same frame.
    """
    view = _view(labels, confidence, table, params)
    factors = (
        _road_visibility(view, params),
        _hazard('vulnerable_road_users', params.vulnerable, view, params),
        _hazard('vehicles', params.vehicles, view, params),
        _hazard('obstacles', params.obstacles, view, params),
        _clear_path(area, params),
    )
    risk = _combine(factors, params.spread)
    return SafetyRisk(100.0 * (1.0 - risk), _level(risk, params), factors)


@dataclass(frozen=True)
class _View:
    """The rows (R) of the corridor, cut out of a frame."""

    groups: np.ndarray  # (R, W) uint8, bits of _GROUPS
    known: np.ndarray  # (R, W) uint8, how far the confidence counts as knowledge, 0 to 255
    table: ClassTable
    inside: np.ndarray  # (R, W) uint8, 255 in the corridor
    beside: np.ndarray  # (R, W) uint8, 255 up to one corridor width beside it
    elsewhere: np.ndarray  # (R, W) uint8, 255 in the rest
    nearness: np.ndarray  # (R,) 1 near to 0 far
    footprints_px: np.ndarray  # (R,) pixels that make a hazard there


def _view(
    labels: np.ndarray, confidence: np.ndarray, table: ClassTable, params: RiskParams
) -> _View:
    shape = corridor_shape(params.corridor, (labels.shape[0], labels.shape[1]))
    rows = slice(shape.top_row, shape.end_row)
    ramp = _ramp(params.low_confidence, params.high_confidence)
    return _View(
        groups=cv2.LUT(labels[rows], _group_bits(table)),
        known=cv2.LUT(confidence[rows], ramp),
        table=table,
        inside=shape.inside[rows],
        beside=shape.beside[rows],
        elsewhere=shape.elsewhere[rows],
        nearness=shape.nearness[rows],
        footprints_px=np.maximum(1.0, params.footprint_share * shape.widths_px[rows]) ** 2,
    )


@lru_cache(maxsize=32)
def _group_bits(table: ClassTable) -> np.ndarray:
    """Lookup table from class id to the bits of its groups, (256,) uint8."""
    bits = np.zeros(256, np.uint8)
    for bit, roles in _GROUPS.values():
        bits[table.role_mask(*roles) > 0] |= bit
    bits.setflags(write=False)
    return bits


def _road_visibility(view: _View, params: RiskParams) -> RiskFactor:
    """Ground that is known in the path; beside it only what is not known at all counts."""
    seen = _known_share('ground', view.inside, view)
    seen_aside = _known_share('told', view.beside, view)
    blind, blind_aside = 1.0 - seen, params.blind_aside * (1.0 - seen_aside)
    reason = f'{seen:.0%} of the path is known ground'
    if blind_aside > blind:
        reason = f'{1.0 - seen_aside:.0%} of what is beside the path is unknown'
    return RiskFactor(
        'road_visibility',
        min(1.0, max(blind, blind_aside) / params.blind_full_share),
        params.visibility_weight,
        reason,
    )


def _known_share(group: str, zone: np.ndarray, view: _View) -> float:
    """Share 0..1 of a zone that is known to be of a group; the own vehicle does not count."""
    own = _members(_GROUPS['own'][0], zone, view)
    pixels = _members(_GROUPS[group][0], zone, view)
    total = cv2.countNonZero(zone) - cv2.countNonZero(own)
    known = cv2.mean(view.known, pixels)[0] / 255.0 * cv2.countNonZero(pixels)
    return known / total if total else 0.0


def _members(bit: int, zone: np.ndarray, view: _View) -> np.ndarray:
    """Pixels of a zone in the group of that bit, (R, W) uint8 of 0 or the bit."""
    groups: np.ndarray = cv2.bitwise_and(view.groups, zone)
    members: np.ndarray = groups & bit
    return members


def _hazard(name: str, hazard: Hazard, view: _View, params: RiskParams) -> RiskFactor:
    """The most dangerous of the places where a hazard stands."""
    bit, roles = _GROUPS[name]
    who = _WORDS.get(name, name)
    if not any(row.role in roles for row in view.table.classes):
        reason = f'the model has no class for {who}'
        return RiskFactor(name, params.no_class_risk, hazard.weight, reason)
    risk, reason = 0.0, f'no {who} near'
    for zone, share, where in (
        (view.inside, hazard.in_path, 'in the path'),
        (view.beside, hazard.beside, 'beside the path'),
        (view.elsewhere, hazard.away, 'away from the path'),
    ):
        danger, nearness = _nearest(bit, zone, hazard.fade, view)
        if share * danger > risk:
            risk, reason = share * danger, f'{who} {where}, {_distance(nearness)}'
    return RiskFactor(name, risk, hazard.weight, reason)


def _nearest(bit: int, zone: np.ndarray, fade: float, view: _View) -> tuple[float, float]:
    """
    Danger and nearness at the row of a zone where the group of that bit is most dangerous.

    Pixels in and below a row have to fill a footprint, else they count in proportion; each pixel
    fills its share of the footprint of its own row, so a near speck is no far hazard.
    """
    counts = cv2.reduce(_members(bit, zone, view), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0] / bit
    presence = np.minimum(1.0, np.cumsum((counts / view.footprints_px)[::-1])[::-1])
    danger = presence * view.nearness**fade
    row = int(danger.argmax())
    return float(danger[row]), float(view.nearness[row])


def _clear_path(area: DrivableArea, params: RiskParams) -> RiskFactor:
    return RiskFactor(
        'clear_path',
        min(1.0, (1.0 - area.corridor_share) / params.blocked_full_share),
        params.path_weight,
        f'{area.corridor_share:.0%} of the path is free road',
    )


def _combine(factors: tuple[RiskFactor, ...], spread: float) -> float:
    """Risk 0..1: the worst factor, raised by the mean of all, so that none is averaged away."""
    weighted = [factor.weight * factor.risk for factor in factors]
    mean = sum(weighted) / max(sum(factor.weight for factor in factors), 1e-9)
    worst = max(weighted)
    return min(1.0, worst + (1.0 - worst) * spread * mean)


def _level(risk: float, params: RiskParams) -> RiskLevel:
    begins = (params.moderate_from, params.high_from, params.critical_from)
    return RiskLevel(RiskLevel.LOW + sum(risk >= begin for begin in begins))


def _ramp(low: float, high: float) -> np.ndarray:
    """Lookup table of how far a confidence 0..255 counts as knowledge, (256,) uint8."""
    return np.rint(np.interp(np.arange(256) / 255.0, (low, high), (0, 255))).astype(np.uint8)


def _distance(nearness: float) -> str:
    return 'near' if nearness >= 0.5 else 'ahead' if nearness >= 0.25 else 'far'
