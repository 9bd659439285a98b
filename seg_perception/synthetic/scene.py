# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Objects that stand and move along the synthetic street, and their positions over time.

World frame: X along the street, Y left, Z up; the centre line is ``Scene.centre_m(X)``. Things
are placed by X and by their offset to the left of the centre line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import atan, cos

import numpy as np

from seg_perception.synthetic.layout import BLOCK_M, Profile
from seg_perception.synthetic.meshes import VEHICLES
from seg_perception.synthetic.textures import Rng

SIGHT_M = 160.0
BEHIND_M = 12.0
PARKED = 1  # variant of a vehicle that stands with its lamps off
FACADES = 8
TREES = 5
PEOPLE = 16

_FRONTS = ('city', 'suburb', 'park')
PAINTS = (
    (205, 207, 210), (158, 162, 166), (40, 42, 46), (24, 25, 28), (228, 228, 226), (112, 18, 22),
    (28, 52, 104), (70, 98, 132), (44, 78, 58), (178, 148, 60), (140, 132, 120), (176, 60, 30),
)  # fmt: skip


@dataclass(frozen=True)
class Thing:
    """An object on the street at one time."""

    kind: str
    along_m: float  # world X
    left_m: float  # of the centre line
    variant: int = 0
    length_m: float = 0.0  # along the street, from along_m on, for fences and buildings
    height_m: float = 0.0
    turn_rad: float = 0.0  # against the direction of the street
    speed_mps: float = 0.0  # along the street
    phase: int = 0
    track: int = 0
    colour: tuple[int, int, int] = (128, 128, 128)
    gable: bool = True  # of a building: the end wall towards the camera can be seen


def places_of(things: Sequence[Thing]) -> tuple[np.ndarray, np.ndarray]:
    """Distances along the street and offsets to the left of the centre line, (N,) each."""
    return np.array([t.along_m for t in things]), np.array([t.left_m for t in things])


@dataclass(frozen=True)
class Traffic:
    """Moving objects of one kind that reappear after a window of road."""

    kind: str
    start_m: float
    speed_mps: float
    left_m: float
    window_m: float
    track: int


class Scene:
    """The objects of one street."""

    def __init__(self, seed: int, rng: Rng, profile: Profile) -> None:
        self.seed, self.profile = seed, profile
        # Two waves: amplitude and length / 2 pi in metres, phase.
        waves = rng.uniform([[-3, 45, 0], [-8, 110, 0]], [[3, 70, 6], [8, 190, 6]])
        self.bend = waves.tolist()
        self.speed_mps = float(rng.uniform(5, 12))
        self.surge = rng.uniform((0, 4, 0), (4, 9, 6)).tolist()
        self.lane = int(rng.integers(profile.lanes))
        self.sides = rng.choice(_FRONTS, 2, p=[0.5, 0.34, 0.16]).tolist()
        self.storeys = rng.integers(2, 6, 2)
        self.planting = rng.random(2)
        self.parking = rng.uniform(0.2, 0.9, 2)
        self.traffic = list(self._plan_traffic(rng))
        self.lead = rng.random() < 0.65
        self.lead_gap = rng.uniform((14, 1, 0), (34, 6, 6)).tolist()
        self.block = lru_cache(maxsize=64)(self._plan_block)

    def centre_m(self, along: np.ndarray | float) -> np.ndarray:
        """Offset of the centre line to the left at distances along the street."""
        (a, w, p), (b, v, q) = self.bend
        return np.asarray(a * np.sin(along / w + p) + b * np.sin(along / v + q))

    def heading_rad(self, along: float) -> float:
        """Direction of the street, positive to the left."""
        return atan(sum(a / w * cos(along / w + p) for a, w, p in self.bend))

    def ego_m(self, time_s: float) -> tuple[float, float]:
        """Distance along the street and offset from the centre line of the ego vehicle."""
        size, period, phase = self.surge
        surge = size * (np.sin(time_s / period + phase) - np.sin(phase))
        sway = 0.12 * np.sin(time_s / 3.1 + phase)
        along = self.speed_mps * time_s + surge + 8.0
        return float(along), self.profile.lane_centre_m(self.lane) + float(sway)

    def things(self, time_s: float) -> list[Thing]:
        """All visible objects at a time."""
        along, _ = self.ego_m(time_s)
        first = int(np.floor((along - BEHIND_M) / BLOCK_M))
        last = int(np.floor((along + SIGHT_M) / BLOCK_M))
        things = [thing for k in range(first, last + 1) for thing in self.block(k)]
        things += self._crossing(range(first, last + 1), time_s)
        things += [self._mover(traffic, along, time_s) for traffic in self.traffic]
        if self.lead:
            things.append(self._leader(along, time_s))
        near, far = along - BEHIND_M, along + SIGHT_M
        return [t for t in things if t.along_m + t.length_m > near and t.along_m < far]

    def _leader(self, along: float, time_s: float) -> Thing:
        gap, swing, phase = self.lead_gap
        kind, colour = _car(np.random.default_rng([self.seed, 77]))
        ahead = along + gap + swing * np.sin(time_s / 4.0 + phase)
        return Thing(kind, float(ahead), self.profile.lane_centre_m(self.lane),
                     speed_mps=self.speed_mps, track=1, colour=colour)  # fmt: skip

    def _plan_traffic(self, rng: Rng) -> Iterator[Traffic]:
        profile = self.profile
        for i in range(rng.integers(1, 5)):
            left = profile.lane_centre_m(int(rng.integers(profile.lanes)), forward=False)
            start, speed = rng.uniform(0, 220), -float(rng.uniform(6, 13))
            yield Traffic('car', start, speed, left, 230.0, 100 + i)
        for i in range(rng.integers(4, 16)):
            side = int(rng.integers(2))
            sign = 1 - 2 * side
            inner = profile.kerb_m(side) + profile.verge_m[side] + 0.4
            left = sign * rng.uniform(inner, profile.front_m(side) - 0.25)
            speed = float(rng.choice([-1, 1]) * rng.uniform(0.8, 1.7))
            yield Traffic('person', rng.uniform(0, 100), speed, left, 100.0, 200 + i)
        for i in range(rng.integers(0, 4)):
            forward = bool(rng.random() < 0.6)
            edge = profile.lane_m * profile.lanes - 0.7
            left = edge if forward == profile.drives_left else -edge
            speed = float(rng.uniform(3, 6)) * (1 if forward else -1)
            yield Traffic('cyclist', rng.uniform(0, 110), speed, left, 120.0, 300 + i)

    def _mover(self, traffic: Traffic, along: float, time_s: float) -> Thing:
        ahead = traffic.start_m + traffic.speed_mps * time_s - (along - 8.0) + BEHIND_M
        lap, place = divmod(ahead, traffic.window_m)
        rng = np.random.default_rng([self.seed, traffic.track, int(lap) % 1_000_003])
        kind, colour = _car(rng) if traffic.kind == 'car' else (traffic.kind, (0, 0, 0))
        steps = abs(traffic.speed_mps) * time_s / (0.22 if kind == 'person' else 0.5)
        variant = int(rng.integers(PEOPLE))
        backwards = traffic.speed_mps < 0
        return Thing(
            kind, along - BEHIND_M + place, traffic.left_m, variant,
            turn_rad=np.pi if backwards else 0.0, speed_mps=traffic.speed_mps,
            phase=int(steps + traffic.start_m), track=traffic.track, colour=colour,
        )  # fmt: skip

    def _crossing(self, blocks: range, time_s: float) -> Iterator[Thing]:
        """People that cross the road, some on the crossing of their block."""
        width = self.profile.front_m(0) + self.profile.front_m(1)
        for block in blocks:
            rng = np.random.default_rng([self.seed, 5, block % 1_000_003])
            for i in range(rng.integers(0, 3)):
                along = block * BLOCK_M + rng.uniform(*self.profile.crossing_m or (20.0, 24.0))
                along += 0 if rng.random() < 0.7 else rng.uniform(3, 25)
                speed, pause = rng.uniform(1.0, 1.8), rng.uniform(4, 20)
                walked = (time_s * speed + rng.uniform(0, 60)) % (width + pause) - 0.3
                sign = 1 if rng.random() < 0.5 else -1
                variant = int(rng.integers(PEOPLE))
                if walked < width - 0.6:
                    edge = self.profile.front_m(0 if sign > 0 else 1) - 0.3
                    track, phase = 400 + block % 1000 * 8 + i, int(walked / 0.22)
                    left, turn = sign * (edge - max(walked, 0.0)), -sign * np.pi / 2
                    yield Thing(
                        'person', along, left, variant, turn_rad=turn, phase=phase, track=track
                    )

    def _plan_block(self, number: int) -> list[Thing]:
        rng = np.random.default_rng([self.seed, 9, number % 1_000_003])
        start = number * BLOCK_M
        plans = (self._plan_fronts, self._plan_furniture, self._plan_parking)
        things = (thing for side in (0, 1) for plan in plans for thing in plan(rng, side, start))
        first = 10_000 + number % 1_000_003 * 200
        return [replace(thing, track=first + i) for i, thing in enumerate(things)]

    def _free_stretches(self, start: float) -> list[tuple[float, float]]:
        cut = self.profile.junction_m
        if cut is None:
            return [(start, start + BLOCK_M)]
        return [(start, start + cut[0] - 1.0), (start + cut[1] + 1.0, start + BLOCK_M)]

    def _plan_fronts(self, rng: Rng, side: int, start: float) -> Iterator[Thing]:
        kind, sign = self.sides[side], 1 - 2 * side
        if rng.random() < 0.12:
            kind = str(rng.choice(_FRONTS))
        setback = {'city': 0.0, 'suburb': rng.uniform(3, 6), 'park': 14.0}[kind]
        front = self.profile.front_m(side)
        for first, end in self._free_stretches(start):
            along, before = first, 0.0
            while kind != 'park' and end - along > 5:
                length = float(min(rng.uniform(7, 18), end - along))
                height = 3.0 * float(max(1, self.storeys[side] + rng.integers(-1, 3)))
                if kind == 'suburb':
                    height, length = min(height, 6.0), min(length, 11.0)
                gable = height > before
                left, variant = sign * (front + setback), int(rng.integers(FACADES))
                yield Thing('building', along, left, variant, length, height, gable=gable)
                joined = kind == 'city' and rng.random() < 0.85
                before = height if joined else 0.0
                along += length + (0.0 if joined else rng.uniform(2, 5))
            if kind != 'city' and end - first > 6:
                border = str(rng.choice(['fence', 'fence', 'wall', 'hedge', 'rail', 'none']))
                height = float(rng.uniform(0.9, 1.9))
                for piece in np.arange(first, end - 1.5, 4.0):
                    if border != 'none' and rng.random() < 0.92:
                        left, length = sign * (front + 0.2), float(min(4.0, end - piece))
                        yield Thing(border, float(piece), left, side, length, height)
            for _ in range({'city': 0, 'suburb': 3, 'park': 10}[kind]):
                left = sign * (front + rng.uniform(1.5, 3.2 if kind == 'suburb' else 13))
                yield _tree(rng, rng.uniform(first, end), left, rng.uniform(4, 11))

    def _plan_furniture(self, rng: Rng, side: int, start: float) -> Iterator[Thing]:
        profile, sign = self.profile, 1 - 2 * side
        edge = sign * (profile.kerb_m(side) + 0.55)
        for along in np.arange(4.0, BLOCK_M, 27.0):
            place = start + along + rng.uniform(-2, 2)
            yield Thing('lamp', place, edge, side, height_m=rng.uniform(5.5, 8))
        planted = self.planting[side] < 0.55
        for along in np.arange(2.0, BLOCK_M, 9.0 + 8 * self.planting[side]):
            if planted and rng.random() < 0.8 and self._clear(along):
                yield _tree(rng, start + along + rng.uniform(-1, 1), edge, rng.uniform(4, 9))
        for _ in range(rng.integers(1, 5)):
            along = rng.uniform(0, BLOCK_M)
            if self._clear(along):
                variant, height = int(rng.integers(6)), rng.uniform(2.1, 2.9)
                yield Thing('sign', start + along, edge * 1.02, variant, height_m=height)
        for _ in range(rng.integers(0, 4)):
            yield Thing('bollard', start + rng.uniform(0, BLOCK_M), edge, height_m=1.0)
        if profile.junction_m is not None and (side == 0) == profile.drives_left:
            along = start + profile.junction_m[0] - 5.6
            yield Thing('traffic_light', along, edge, int(rng.integers(3)), height_m=3.2)

    def _clear(self, along: float) -> bool:
        cut = self.profile.junction_m
        return cut is None or not cut[0] - 1.5 < along < cut[1] + 1.5

    def _plan_parking(self, rng: Rng, side: int, start: float) -> Iterator[Thing]:
        profile, sign = self.profile, 1 - 2 * side
        if profile.parking_m[side] < 2:
            return
        left = sign * (profile.kerb_m(side) - 1.06)
        forward = (side == 0) == profile.drives_left
        for along in np.arange(3.0, BLOCK_M - 2.0, 5.9):
            crossing = profile.crossing_m
            blocked = crossing is not None and crossing[0] - 3 < along < crossing[1] + 3
            taken = rng.random() < self.parking[side] and not blocked
            if taken and self._clear(along - 2.5) and self._clear(along + 2.5):
                kind, colour = _car(rng, big=False)
                place, aside = start + along + rng.uniform(-0.4, 0.4), rng.uniform(-0.1, 0.1)
                turn = (0.0 if forward else np.pi) + rng.normal(0, 0.02)
                yield Thing(kind, place, left + aside, PARKED, turn_rad=turn, colour=colour)


def _car(rng: Rng, big: bool = True) -> tuple[str, tuple[int, int, int]]:
    shares = np.array([0.28, 0.22, 0.14, 0.18, 0.10, 0.04, 0.04]) * ([1] * 5 + [int(big)] * 2)
    kind = str(rng.choice(VEHICLES, p=shares / shares.sum()))
    colour = np.array(PAINTS[rng.integers(len(PAINTS))]) * rng.uniform(0.85, 1.1)
    r, g, b = (int(min(255, value)) for value in colour)
    return kind, (r, g, b)


def _tree(rng: Rng, along: float, left: float, height: float) -> Thing:
    variant = int(rng.integers(TREES))
    return Thing('tree', float(along), float(left), variant, height_m=float(height))
