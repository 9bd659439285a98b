# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The risk of a stream of frames of one camera: rises at once, falls slowly, tells approach.

Each place (a factor, or one zone of a hazard) has a memory of its own. What was seen long is
forgotten slowly, what was seen for a moment in a moment; a place that flickered lately has to show
its hazard twice in four frames, any other place once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from math import inf, isfinite, nan

import numpy as np

from seg_perception.core.hazards import words
from seg_perception.core.results import Hazard, RiskFactor, RiskLevel, SafetyRisk
from seg_perception.core.risk import combine, level_of
from seg_perception.core.risk_params import RiskParams, TimeParams

_LOOKBACK = 4  # frames of which a place that flickered has to show its hazard in two
_BLIP_FRAMES = 2  # a hazard that is gone after at most this many frames was a flicker
_NOTEWORTHY = 0.1  # risk below which nothing flickers
_SAME_THING = 0.12  # share by which a distance may jump and, with 1 / s, be the same thing's
_LEAST_SAMPLES = 4
_LEAST_GROWTH_PX = 1.5  # that has to be seen over the time looked back; edges wander by one
_LEAST_WIDTH_PX = 10.0  # of what only grazes the corridor the width says nothing
# What fills less of the vehicle's track slides along its edge, or, when far, is where it bends.
_LEAST_CENTRED, _LEAST_CENTRED_FAR = 0.25, 0.6
# A nod of 0.2 degrees moves the ground at the distance Z by Z / h of its 0.0035 rad; h is 1.35 m.
_NOD_SHARE = 0.0035 * 4.5 / 1.35
_SAME_PATH_PER_M = 0.0015  # moves the path by 0.3 m at 20 m
_STATIC = 'obstacles'  # when far the road leads around them
_FAR = 4.0  # times the distance at which proximity is full
_FAR_SPAN = 1.5  # times as long has to be seen what is far, where pixels are coarse
_LEAST_SPAN = (0.5, 0.9 * _FAR_SPAN)  # of the time looked back: near, far
_FORGETS = 0.25  # how fast presence is unlearned in absence, relative to how fast it is learned
_QUICKEST = 10.0  # factor by which the risk of a blip falls faster than that of a long-seen hazard

_Place = tuple[str, int | None]


@dataclass(eq=False)
class _Memory:
    """What is remembered of one place."""

    risk: float = 0.0
    reason: str = ''
    high_s: float = -inf  # when the risk was last as high as it is remembered
    seen_s: float = -inf  # when something was last there
    present_s: float = 0.0  # how long something was there, lately
    steady: float = 0.0  # 0 for a blip to 1, of what is remembered
    watched_until_s: float = -inf
    run: int = 0  # frames since something came
    recent: deque[float] = field(default_factory=lambda: deque([0.0], maxlen=_LOOKBACK))

    def update(self, risk: float, reason: str, now_s: float, dt_s: float, p: TimeParams) -> None:
        """Take in what this frame says of the place."""
        self._notice_flicker(risk, now_s, p)
        if now_s < self.watched_until_s:
            confirmed = sorted(self.recent)[-2]
            risk, reason = confirmed, reason if confirmed <= risk else ''
        self._notice_presence(risk, reason, now_s, dt_s, p)
        held = now_s - self.high_s <= self.steady * p.hold_s
        if risk >= self.risk:
            self.risk, self.high_s = risk, now_s
        elif not held:
            rate = p.fall_per_s / max(self.steady, 1.0 / _QUICKEST)
            self.risk = max(risk, self.risk - rate * dt_s)

    def _notice_flicker(self, risk: float, now_s: float, p: TimeParams) -> None:
        """Watch the place for a while after something came and went at once."""
        before = self.run
        if risk > max(_NOTEWORTHY, 2.0 * self.recent[-1]):
            self.run = 1
        elif risk < 0.5 * self.recent[-1] or not before:
            self.run = 0
        else:
            self.run += 1
        if not self.run and 0 < before <= _BLIP_FRAMES:
            self.watched_until_s = now_s + p.flicker_s
        self.recent.append(risk)

    def _notice_presence(
        self, risk: float, reason: str, now_s: float, dt_s: float, p: TimeParams
    ) -> None:
        there = risk > 0.0 and risk >= 0.5 * self.risk
        learned_s = dt_s if there else -_FORGETS * dt_s
        self.present_s = min(max(self.present_s + learned_s, 0.0), p.hold_s)
        if there:
            self.steady = self.present_s / p.hold_s if p.hold_s else 1.0
        if there and reason:
            self.reason, self.seen_s = reason, now_s


class _Track:
    """Distances and widths of the nearest hazard of one kind in the ego corridor."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float, float]] = deque()

    def update(self, distance: float, width_px: float, now_s: float, p: TimeParams) -> None:
        """Take in this frame's distance, 1 where proximity is full; inf when nothing is there."""
        while self._samples and self._samples[0][0] < now_s - _FAR_SPAN * p.approach_s - 1e-6:
            self._samples.popleft()
        if not isfinite(distance):
            return
        if self._samples:
            last_s, last, _ = self._samples[-1]
            if abs(distance - last) > (_SAME_THING + now_s - last_s) * last:
                self._samples.clear()
            elif now_s <= last_s:
                self._samples.pop()
        self._samples.append((now_s, distance, 1.0 / width_px if width_px else nan))

    def time_to_contact_s(self, spare: float, p: TimeParams) -> float:
        """
        Seconds until the distance is down to ``spare``; NaN when nothing comes nearer.

        A thing that comes nearer grows, and its ground contact moves down in the image. A camera
        that nods changes the one alone, something that enters the corridor the other: the rate
        is that of the growth, but no more than the ground contact and a nod can explain. What is
        far has to be seen longer.
        """
        if len(self._samples) < _LEAST_SAMPLES:
            return nan
        times, distances, sizes = np.array(self._samples).T
        is_far = bool(distances[-1] > _FAR)
        if not is_far:
            recent = times >= times[-1] - p.approach_s - 1e-6
            times, distances, sizes = times[recent], distances[recent], sizes[recent]
        if len(times) < _LEAST_SAMPLES or times[-1] - times[0] < (
            _LEAST_SPAN[is_far] * p.approach_s - 1e-6
        ):
            return nan
        width_px = 1.0 / float(sizes[-1])
        nodding = _NOD_SHARE * float(distances[-1]) / float(times[-1] - times[0])
        closing, growing = _rate(times, distances), _rate(times, sizes)
        rate = min(closing + nodding, growing)
        if not min(closing, rate) > 0.0:
            return nan
        if width_px < _LEAST_WIDTH_PX or rate * p.approach_s * width_px < _LEAST_GROWTH_PX:
            return nan
        return max(0.0, 1.0 - spare / float(distances[-1])) / rate


def _is_ahead(hazard: Hazard, distance: float) -> bool:
    """Whether a hazard in the corridor is one that the vehicle would meet."""
    if distance <= _FAR:
        return hazard.centred >= _LEAST_CENTRED
    return hazard.centred >= _LEAST_CENTRED_FAR and hazard.factor != _STATIC


def _rate(times: np.ndarray, values: np.ndarray) -> float:
    """
    Share of the last value that is lost in a second.

    The median of the slopes between all pairs (Theil and Sen): single wrong values do not count.
    """
    first, second = np.triu_indices(len(times), 1)
    slopes = (values[second] - values[first]) / (times[second] - times[first])
    return -float(np.median(slopes)) / float(values[-1])


class RiskFilter:
    """
    The memory of one camera's risk.

    It starts anew after a stamp that runs backwards, a pause longer than ``gap_s``, another
    camera, and an unknown risk. ``params`` may be replaced between frames.
    """

    def __init__(self, params: RiskParams = RiskParams()) -> None:
        self.params = params
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._memories: dict[_Place, _Memory] = {}
        self._tracks: dict[str, _Track] = {}
        self._level = RiskLevel.UNKNOWN
        self._speed_mps = nan
        self._stamp_s = nan
        self._camera = ''
        self._curvature_per_m = 0.0

    def update(
        self, raw: SafetyRisk, stamp_s: float, camera: str = '', curvature_per_m: float = 0.0
    ) -> SafetyRisk:
        """
        The risk at a frame, given what ``assess_risk`` says of it alone.

        :param curvature_per_m: of the path that it was found on. A path that swings meets things
            that do not come nearer, so approach is followed anew when it has moved.
        """
        dt_s = stamp_s - self._stamp_s
        if not 0.0 <= dt_s <= self.params.time.gap_s or camera != self._camera:
            self.reset()
            dt_s = 0.0
        if not isfinite(raw.score) or not isfinite(stamp_s):
            self.reset()
            return raw
        self._stamp_s, self._camera = stamp_s, camera
        if abs(curvature_per_m - self._curvature_per_m) > _SAME_PATH_PER_M:
            self._tracks.clear()
            self._curvature_per_m = curvature_per_m
        ahead = {hazard.factor: hazard for hazard in raw.hazards if hazard.zone == 0}
        contact_s = self._contacts_s(ahead)
        places = _places(raw)
        for name, seconds in contact_s.items():
            standing, reason = places[name, 0]
            closing = self._contact_risk(ahead[name], seconds)
            places[name, 0] = max(standing, closing), f'{reason}, contact in {seconds:.1f} s'
        self._remember(places, dt_s)
        risk = combine(
            tuple(self._factor(factor) for factor in raw.factors),
            self.params,
            hazards=raw.hazards,
            time_to_contact_s=min(contact_s.values(), default=nan),
            suggested_speed_mps=self._speed(raw.suggested_speed_mps, dt_s),
        )
        return self._with_level(risk)

    def _contacts_s(self, ahead: dict[str, Hazard]) -> dict[str, float]:
        """Time to contact of each kind of hazard that is in the ego corridor and comes nearer."""
        contacts = {}
        for name in {*ahead, *self._tracks}:
            track, hazard = self._tracks.setdefault(name, _Track()), ahead.get(name)
            distance, spare = self._distance(hazard)
            if hazard and not _is_ahead(hazard, distance):
                distance = inf
            width_px = hazard.width_px if hazard else nan
            track.update(distance, width_px, self._stamp_s, self.params.time)
            contact_s = track.time_to_contact_s(spare, self.params.time)
            if hazard and isfinite(distance) and isfinite(contact_s):
                contacts[name] = contact_s
        return contacts

    def _distance(self, hazard: Hazard | None) -> tuple[float, float]:
        """How far it is and what of it is spare; 1 is where proximity is full."""
        if hazard is None or hazard.proximity <= 0.0:
            return inf, 0.0
        if isfinite(hazard.distance_m):
            near_m = self.params.near_m
            return hazard.distance_m / near_m, self.params.standoff_m / near_m
        return 1.0 / hazard.proximity, 0.0

    def _contact_risk(self, hazard: Hazard, seconds: float) -> float:
        """As far as the hazard is there at all: a grazed edge is no wall."""
        time, kind = self.params.time, self.params.hazards[hazard.factor]
        share = (time.contact_from_s - seconds) / (time.contact_from_s - time.contact_full_s)
        fullness = min(1.0, hazard.risk / float(hazard.proximity**kind.fade))
        return fullness * min(1.0, max(0.0, share))

    def _remember(self, places: dict[_Place, tuple[float, str]], dt_s: float) -> None:
        for place in {*places, *self._memories}:
            memory = self._memories.setdefault(place, _Memory())
            risk, reason = places.get(place, (0.0, ''))
            memory.update(risk, reason, self._stamp_s, dt_s, self.params.time)

    def _factor(self, raw: RiskFactor) -> RiskFactor:
        """The factor as it is remembered: the worst of its places."""
        memories = [memory for (name, _), memory in self._memories.items() if name == raw.name]
        worst = max(memories, key=lambda memory: memory.risk)
        age_s = self._stamp_s - worst.seen_s
        if worst.risk < raw.risk:
            reason = f'{raw.reason}, unconfirmed'
        elif worst.risk <= 0.0:
            reason = raw.reason
        else:
            reason = worst.reason
            if age_s >= 0.05:
                reason += f', {age_s:.1f} s ago'
        return replace(raw, risk=worst.risk, reason=reason)

    def _speed(self, raw_mps: float, dt_s: float) -> float:
        """Down at once, up as a vehicle would; NaN while unknown."""
        risen_mps = self._speed_mps + self.params.time.speed_up_mps2 * dt_s
        self._speed_mps = min(raw_mps, risen_mps) if isfinite(risen_mps) else raw_mps
        return self._speed_mps

    def _with_level(self, risk: SafetyRisk) -> SafetyRisk:
        """Up at once, down only when the risk is well below where the level begins."""
        above = 1.0 - risk.score / 100.0 + self.params.time.hysteresis
        self._level = max(risk.level, min(self._level, level_of(above, self.params)))
        return replace(risk, level=self._level)


def _places(raw: SafetyRisk) -> dict[_Place, tuple[float, str]]:
    """Risk and reason of every place of a frame; a factor without hazards is one place."""
    places: dict[_Place, tuple[float, str]] = {
        (hazard.factor, hazard.zone): (hazard.risk, words(hazard)) for hazard in raw.hazards
    }
    standing = {hazard.factor for hazard in raw.hazards}
    for factor in raw.factors:
        if factor.name not in standing:
            places[factor.name, None] = factor.risk, factor.reason
    return places
