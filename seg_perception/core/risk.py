# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Safety risk of one frame: a score 0..100 (100 is safe), a level and seven factors with reasons.

Rules from pixels, made to be explained: more hazard never lowers the risk, and neither does less
road or less knowledge. Nearness is in metres with a calibrated camera; without one it comes from
the width of the ego corridor in the lowest row that a hazard fills. ``docs/risk.md`` has the
reasoning and the limits. Not a certified safety function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan, sqrt

import cv2
import numpy as np

from seg_perception.core.camera_geometry import ImageGeometry
from seg_perception.core.classes import ClassTable, Role
from seg_perception.core.hazards import (
    GROUND,
    LANE,
    OWN,
    ROLES,
    TOLD,
    UNKNOWN_BITS,
    HazardView,
    ZoneParams,
    find_hazards,
    having,
    measured,
    most_dangerous,
    sort_pixels,
    words,
    zones_of,
)
from seg_perception.core.image_quality import Knowledge, look_at, scaled_confidence, worst_doubt
from seg_perception.core.measured_hazards import HazardRanges
from seg_perception.core.results import DrivableArea, Hazard, RiskFactor, RiskLevel, SafetyRisk
from seg_perception.core.risk_params import RiskParams

_WORDS = {'vulnerable_road_users': 'people, riders or animals'}  # the others go by their name
# Of the rows above the far end of the corridor, those where no ground can be even on a hill.
_SKYWARD = 0.7


def assess_risk(
    labels: np.ndarray,
    confidence: np.ndarray,
    table: ClassTable,
    area: DrivableArea,
    params: RiskParams = RiskParams(),
    *,
    geometry: ImageGeometry | None = None,
    curvature_per_m: float = 0.0,
    rgb: np.ndarray | None = None,
    ood_score: float = nan,
    ranges: HazardRanges | None = None,
) -> SafetyRisk:
    """
    The risk of labels (H, W) uint8 with confidence (H, W) uint8 0..255 for 0..1.

    Out-of-distribution frames count with less confidence, see ``scaled_confidence``.

    :param area: what ``find_drivable`` found in the same frame.
    :param geometry: of images of that size; metres need that of a camera.
    :param rgb: the image (h, w, 3) uint8 of any size; without one it is not judged.
    :param ood_score: 0..1, how far the frame is unlike what the model has learned; NaN: not known.
    :param ranges: what a sensor of range measures in the same pixels; None: nothing, and flat
        ground tells the distances.
    """
    geometry = geometry or ImageGeometry((labels.shape[0], labels.shape[1]))
    zones = zones_of(geometry, ZoneParams(params.corridor, params.near_m, curvature_per_m))
    rows = zones.rows
    counts = scaled_confidence(confidence[rows], ood_score, params.health)
    view = _View(
        labels=labels[rows],
        groups=geometry.with_ego_body(sort_pixels(labels[rows], table), OWN, rows),
        known=cv2.LUT(counts, _knowledge(params.low_confidence, params.high_confidence)),
        confidence=confidence[rows],
        above=labels[: rows.start],
        geometry=geometry,
        road_from=rows.start / len(labels),
        skyward=labels[: round(_SKYWARD * rows.start)],
        table=table,
        kinds=table.lookup(_kinds),
        zones=zones,
    )
    seen = {name: _hazards(name, view, params, ranges) for name in ROLES}
    factors = (
        _road_visibility(view, params),
        *(_hazard_factor(name, seen[name], view, params) for name in ROLES),
        _clear_path(area, view, params),
        _lane_clarity(view, params),
        _perception_trust(view, rgb, ood_score, params),
    )
    hazards = tuple(hazard for each in seen.values() for hazard in each)
    speed_mps = _suggested_speed_mps(area, params)
    return combine(factors, params, hazards=hazards, suggested_speed_mps=speed_mps)


def combine(
    factors: tuple[RiskFactor, ...],
    params: RiskParams,
    *,
    hazards: tuple[Hazard, ...] = (),
    time_to_contact_s: float = nan,
    suggested_speed_mps: float = nan,
) -> SafetyRisk:
    """The worst factor, raised by the mean of all, so that none is averaged away."""
    weighted = [factor.weight * factor.risk for factor in factors]
    mean = sum(weighted) / max(sum(factor.weight for factor in factors), 1e-9)
    worst = max(weighted)
    risk = min(1.0, worst + (1.0 - worst) * params.spread * mean)
    return SafetyRisk(
        score=100.0 * (1.0 - risk),
        level=level_of(risk, params),
        factors=factors,
        hazards=hazards,
        time_to_contact_s=time_to_contact_s,
        suggested_speed_mps=suggested_speed_mps,
    )


def level_of(risk: float, params: RiskParams) -> RiskLevel:
    """The level in which a risk 0..1 lies."""
    begins = (params.moderate_from, params.high_from, params.critical_from)
    return RiskLevel(RiskLevel.LOW + sum(risk >= begin for begin in begins))


def _hazards(
    name: str, view: _View, params: RiskParams, ranges: HazardRanges | None
) -> tuple[Hazard, ...]:
    """The hazards of a factor; none where the model has no class for them, which is a risk too."""
    if name not in view.kinds.factors:
        return ()
    rule = params.hazards[name]
    found = find_hazards(name, rule, view)
    if ranges is None:
        return found
    seen = [(hazard, ranges.of(hazard)) for hazard in found]
    found = tuple(
        hazard if place is None else measured(hazard, place, rule, params.near_m)
        for hazard, place in seen
    )
    return most_dangerous(found, ranges.found(name, rule, params.near_m))


def _hazard_factor(
    name: str, seen: Sequence[Hazard], view: _View, params: RiskParams
) -> RiskFactor:
    """The factor of one kind of hazard: the most dangerous place."""
    weight, who = params.hazards[name].weight, _WORDS.get(name, name)
    if name not in view.kinds.factors:
        return RiskFactor(name, params.no_class_risk, weight, f'the model has no class for {who}')
    if not seen:
        return RiskFactor(name, 0.0, weight, f'no {who} near')
    worst = max(seen, key=lambda each: (each.risk, -abs(each.zone)))
    return RiskFactor(name, worst.risk, weight, words(worst))


@dataclass(frozen=True, eq=False)
class _Kinds:
    """What the classes of a table are to the risk."""

    factors: frozenset[str]  # the kinds of hazard that it has classes for
    has_marks: bool
    marks: np.ndarray  # (256,) uint8, 255 for markings
    ground: np.ndarray  # (256,) uint8, 255 for flat ground


def _kinds(table: ClassTable) -> _Kinds:
    marks = table.role_mask(Role.MARKING)
    return _Kinds(
        factors=frozenset(name for name, roles in ROLES.items() if table.role_mask(*roles).any()),
        has_marks=bool(marks.any()),
        marks=marks,
        ground=table.role_mask(Role.DRIVABLE, Role.MARKING, Role.WALKABLE),
    )


@dataclass(frozen=True, eq=False)
class _View(HazardView):
    """The rows (R) of the corridor, cut out of a frame."""

    known: np.ndarray  # (R, W) uint8, how far the confidence counts as knowledge, 0 to 255
    road_from: float  # share of the image's height where the rows begin
    skyward: np.ndarray  # (r, W) uint8, the labels of rows where no ground can be
    kinds: _Kinds


def _knowledge(low: float, high: float) -> np.ndarray:
    """Lookup table of how far a confidence 0..255 counts as knowledge, (256,) uint8."""
    return np.rint(np.interp(np.arange(256) / 255.0, (low, high), (0, 255))).astype(np.uint8)


def _road_visibility(view: _View, params: RiskParams) -> RiskFactor:
    """Ground that is known in the path; in the adjacent zones only unknown pixels count."""
    seen = _known_share(GROUND, view.zones.inside, view)
    seen_aside = _known_share(TOLD, view.zones.adjacent, view)
    blind, blind_aside = 1.0 - seen, params.blind_aside * (1.0 - seen_aside)
    reason = f'{seen:.0%} of the path is known ground'
    if blind_aside > blind:
        reason = f'{1.0 - seen_aside:.0%} of the adjacent zones is unknown'
    risk = min(1.0, max(blind, blind_aside) / params.blind_full_share)
    return RiskFactor('road_visibility', risk, params.visibility_weight, reason)


def _known_share(bit: int, zone: np.ndarray, view: _View) -> float:
    """Share 0..1 of a zone that is known to be of a group; the own vehicle does not count."""
    groups = cv2.bitwise_and(view.groups, zone)
    pixels = having(groups, bit)
    total = cv2.countNonZero(zone) - cv2.countNonZero(having(groups, OWN))
    known = cv2.mean(view.known, pixels)[0] / 255.0 * cv2.countNonZero(pixels)
    return min(1.0, round(known / total, 9)) if total else 0.0


_ROUGH = 0.6  # as free as road is other ground, such as pavement, and road beyond it


def _clear_path(area: DrivableArea, view: _View, params: RiskParams) -> RiskFactor:
    """How much of the path is free; in metres, how near the end of the free road is."""
    other = max(0.0, _known_share(GROUND, view.zones.inside, view) - area.corridor_share)
    clear = area.corridor_share + _ROUGH * other
    blocked = min(1.0, (1.0 - clear) / params.blocked_full_share)
    reason = f'{area.corridor_share:.0%} of the path is free road'
    free_m = area.free_distance_m
    if isfinite(free_m):
        ends = params.near_m / max(free_m, params.near_m)
        if ends > blocked:
            blocked, reason = ends, f'the road is free for {free_m:.1f} m'
    return RiskFactor('clear_path', blocked, params.path_weight, reason)


_WHERE_LANE = np.where(np.arange(256) & LANE, 255, 0).astype(np.uint8)


def _lane_clarity(view: _View, params: RiskParams) -> RiskFactor:
    """
    How much of the own lane can be told: known road in each row of the path, far rows like near.

    Where the model knows markings, a lane without any is less clear.
    """
    zones = view.zones
    groups = cv2.bitwise_and(view.groups, zones.inside)
    lane = cv2.bitwise_and(view.known, cv2.LUT(groups, _WHERE_LANE))
    room = _row_sums(zones.inside) - _row_sums(having(groups, OWN)) * (255.0 / OWN)
    rows = room > 0.5
    clear = float((_row_sums(lane)[rows] / room[rows]).mean()) if rows.any() else 0.0
    clear = min(1.0, clear)
    risk, reason = 1.0 - clear, f'the lane is clear in {clear:.0%} of the path'
    if view.kinds.has_marks:
        marked = _marked_share(view)
        unmarked = params.unmarked_risk * (1.0 - min(1.0, marked / _MARKED_SHARE))
        if unmarked > risk:
            risk, reason = unmarked, f'lane markings along {marked:.0%} of the path'
    return RiskFactor('lane_clarity', risk, params.lane_weight, reason)


# Dashes cover a third of a line and less, and only those near are seen apart.
_MARKED_SHARE = 0.25


def _marked_share(view: _View) -> float:
    """Share of the rows with a marking in the path or the adjacent zones."""
    marks = cv2.LUT(view.labels, view.kinds.marks)
    zone = cv2.bitwise_or(view.zones.inside, view.zones.adjacent)
    return float((_row_sums(cv2.bitwise_and(marks, zone)) > 0).mean())


def _row_sums(values: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.reduce(values, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32F)[:, 0])


def _perception_trust(
    view: _View, rgb: np.ndarray | None, ood_score: float, params: RiskParams
) -> RiskFactor:
    knowledge = Knowledge(
        confidence=cv2.mean(view.confidence)[0] / 255.0,
        unknown_share=_unknown_share(view, params.low_confidence),
        false_ground_share=_false_ground_share(view),
        ood_score=ood_score,
    )
    exposure = None if rgb is None else look_at(rgb, view.road_from)
    risk, reason = worst_doubt(knowledge, exposure, params.health)
    return RiskFactor('perception_trust', risk, params.health.weight, reason)


def _unknown_share(view: _View, least: float) -> float:
    """Share of the pixels without a class, or with one of low confidence."""
    unsure = view.confidence <= least * 255.0
    unknown = unsure | (having(view.groups, UNKNOWN_BITS) == UNKNOWN_BITS)
    return float(np.count_nonzero(unknown) / unknown.size)


def _false_ground_share(view: _View) -> float:
    """Share of the rows well above the road that the labels call ground: a wall close by, say."""
    if not view.skyward.size:
        return 0.0
    return cv2.countNonZero(cv2.LUT(view.skyward, view.kinds.ground)) / view.skyward.size


def _suggested_speed_mps(area: DrivableArea, params: RiskParams) -> float:
    """
    The speed v with v t + v^2 / (2 a) = the free distance that is certain; NaN without metres.

    t is the reaction time and a the braking deceleration.
    """
    certain_m = area.free_distance_band_m[0]
    if not isfinite(certain_m):
        return nan
    room_m = max(0.0, certain_m - params.standoff_m)
    reach = params.braking_mps2 * params.reaction_s
    return sqrt(reach**2 + 2.0 * params.braking_mps2 * room_m) - reach
