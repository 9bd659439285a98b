# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
How the risk reacts to scripted events on the synthetic street.

    python benchmarks/events.py [--model FILE] [--only PART ...] [--out events.json]

Every event is a drive of seven seconds at 20 Hz: calm, then something happens, then it is gone.
Labels are the street's true ones with a constant confidence, unless a model is given: then it
looks at the pictures. Prints the table of ``docs/risk.md``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from seg_perception.core.camera import Calibration, Camera, Extrinsics
from seg_perception.core.camera_geometry import GeometryKeeper, ImageGeometry, Missing
from seg_perception.core.classes import CAMVID_11, UNLABELED
from seg_perception.core.drivable import find_drivable
from seg_perception.core.results import (
    CalibrationState,
    OnlineCalibration,
    RiskLevel,
    SafetyRisk,
    VanishingPoint,
)
from seg_perception.core.risk import assess_risk
from seg_perception.core.risk_filter import RiskFilter
from seg_perception.core.risk_params import RiskParams
from seg_perception.synthetic.scene import Scene, Thing
from seg_perception.synthetic.street import Street, StreetFrame

SIZE = (360, 640)
FPS = 20.0
SECONDS = 7.0
ONSET_S, GONE_S = 1.5, 3.5  # when an event begins and ends
REACTION_FRAMES = 2
RETURN_S = 3.0
SURE = 230  # of true labels, 0..255
EGO_MPS = 8.0
if TYPE_CHECKING:
    from seg_perception.inference.engine import Engine

UNKNOWN, PLAIN, CALIBRATED = MODES = ('nothing known', 'vanishing point', 'metres')
ROAD, PAVEMENT, TREE = (CAMVID_11.names.index(name) for name in ('road', 'pavement', 'tree'))
PEDESTRIAN = CAMVID_11.names.index('pedestrian')


@dataclass(frozen=True)
class Actor:
    """Something on the street, relative to the ego vehicle: metres ahead and to the left."""

    kind: str
    x_m: float
    y_m: float
    turn_rad: float = 0.0
    variant: int = 3
    height_m: float = 0.0


@dataclass(frozen=True)
class Shot:
    """What the perception gets to see of one frame."""

    labels: np.ndarray  # (H, W) uint8
    confidence: np.ndarray  # (H, W) uint8
    rgb: np.ndarray  # (H, W, 3) uint8


Told = tuple[float, SafetyRisk]
Cast = Callable[[float], list[Actor]]
Spoil = Callable[[Shot, StreetFrame], Shot]


@dataclass(frozen=True)
class Event:
    """What happens, and which level it must reach."""

    name: str
    least: RiskLevel  # to be reached; LOW for calm drives
    actors: Cast = lambda time_s: []  # all the time
    intruders: Cast = lambda time_s: []  # from ONSET_S to GONE_S only
    spoil: Spoil | None = None  # what happens to the picture or its labels meanwhile
    weather: str = 'clear'
    seed: int = 1
    onset_s: float = ONSET_S  # when the level has to be there, for hazards that come nearer
    flickers: Callable[[int], bool] = lambda index: True  # frames in which the intruders show

    @property
    def calm(self) -> bool:
        return self.least is RiskLevel.LOW


@dataclass(frozen=True)
class Outcome:
    """What the risk made of one event."""

    name: str
    least: RiskLevel
    worst: RiskLevel
    reason: str  # at the worst moment
    reaction_frames: float  # 0: in the very frame; inf: never
    return_s: float  # until LOW again; inf: never
    calm_frames: int
    calm_critical: int
    calm_low: int

    @property
    def good(self) -> bool:
        if self.least is RiskLevel.LOW:
            return self.calm_critical < 0.01 * self.calm_frames
        return self.reaction_frames <= REACTION_FRAMES and self.return_s <= RETURN_S


class _Stage(Scene):
    """A straight street with its houses and parked cars, and the actors of an event."""

    def __init__(self, street: Street, event: Event) -> None:
        super().__init__(street.seed, np.random.default_rng([street.seed, 2]), street.profile)
        self.bend = [(0.0, 1.0, 0.0), (0.0, 1.0, 0.0)]
        self.event, self.lane = event, 0

    def ego_m(self, time_s: float) -> tuple[float, float]:
        return EGO_MPS * time_s + 8.0, self.profile.lane_centre_m(self.lane)

    def things(self, time_s: float) -> list[Thing]:
        self.traffic, self.lead = [], False
        along, left = self.ego_m(time_s)
        fixed = [thing for thing in super().things(time_s) if thing.track >= 10_000]
        return fixed + [_thing(actor, along, left, time_s) for actor in self.cast(time_s)]

    def cast(self, time_s: float) -> list[Actor]:
        actors = self.event.actors(time_s)
        index = round(time_s * FPS)
        if _meanwhile(time_s) and self.event.flickers(index):
            actors = actors + self.event.intruders(time_s)
        return actors


def _thing(actor: Actor, along: float, left: float, time_s: float) -> Thing:
    return Thing(
        actor.kind, along + actor.x_m, left + actor.y_m, actor.variant, 0.0, actor.height_m,
        actor.turn_rad, phase=int(time_s * 8), track=1, colour=(70, 98, 132),
    )  # fmt: skip


def _meanwhile(time_s: float) -> bool:
    return ONSET_S - 1e-6 <= time_s < GONE_S - 1e-6


def _walk(x_m: float, from_m: float, speed_mps: float) -> Cast:
    """A pedestrian who walks across, from a place adjacent, once the event begins."""
    turn = np.pi / 2 * np.sign(speed_mps)
    return lambda t: [Actor('person', x_m, from_m + speed_mps * (t - ONSET_S), turn)]


def _still(kind: str, x_m: float, y_m: float, **more: float) -> Cast:
    return lambda t: [Actor(kind, x_m, y_m, **more)]  # type: ignore[arg-type]


def _closing(kind: str, from_m: float, speed_mps: float, turn_rad: float = 0.0) -> Cast:
    """Something ahead that comes nearer at a constant rate from the beginning of the event."""
    return lambda t: [Actor(kind, from_m - speed_mps * max(0.0, t - ONSET_S), 0.0, turn_rad)]


def _brakes(t: float) -> list[Actor]:
    """A car ahead that brakes at 8 m/s2 until it stands, and in the end turns off."""
    braking_s = min(max(0.0, t - ONSET_S), 1.0)
    x_m = 25.0 - 4.0 * braking_s**2 - 8.0 * max(0.0, t - ONSET_S - 1.0)
    return [Actor('hatchback', x_m, 0.0)] if t < GONE_S - 1e-6 else []


def _crowd(t: float) -> list[Actor]:
    """Twelve people who walk on the pavements."""
    return [
        Actor('person', 7.0 + 3.1 * i - 1.2 * t % 3.0, side * (5.6 + 0.4 * (i % 3)), variant=i)
        for i in range(6)
        for side in (-1, 1)
    ]


def _edit(labels: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Spoil:
    """Other labels where the ground is: of labels and metres ahead, both (H, W)."""

    def spoil(shot: Shot, frame: StreetFrame) -> Shot:
        return replace(shot, labels=labels(shot.labels, frame.depth_m))

    return spoil


def _picture(change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    return lambda shot, frame: replace(shot, rgb=change(shot.rgb))


def _tree_across(labels: np.ndarray, depth_m: np.ndarray) -> np.ndarray:
    return _swap(labels, (depth_m > 9) & (depth_m < 14) & (labels == ROAD), TREE)


def _road_ends(labels: np.ndarray, depth_m: np.ndarray) -> np.ndarray:
    return _swap(labels, (depth_m > 8) & (labels == ROAD), TREE)


def _unknown_patch(labels: np.ndarray, depth_m: np.ndarray) -> np.ndarray:
    return _swap(labels, (depth_m > 6) & (depth_m < 9) & (labels == ROAD), UNLABELED)


def _swap(labels: np.ndarray, where: np.ndarray, value: int) -> np.ndarray:
    return np.where(where, value, labels).astype(np.uint8)


def _unsure(shot: Shot, frame: StreetFrame) -> Shot:
    return replace(shot, confidence=np.full_like(shot.confidence, 60))


def _only_road(shot: Shot, frame: StreetFrame) -> Shot:
    return replace(shot, labels=np.full_like(shot.labels, ROAD))


def _false_blip(shot: Shot, frame: StreetFrame) -> Shot:
    """A pedestrian of one frame, twice a second, where none is."""
    labels = shot.labels.copy()
    if round(frame.stamp_s * FPS) % 10 == 0:
        labels[200:260, 300:330] = PEDESTRIAN
    return replace(shot, labels=labels)


def _covered(rgb: np.ndarray) -> np.ndarray:
    glow = cv2.GaussianBlur(rgb, (0, 0), 60) * 0.2 + (40, 16, 10)
    noise = np.random.default_rng(0).normal(0, 3, rgb.shape)
    return np.clip(glow + noise, 0, 255).astype(np.uint8)


def _half_covered(rgb: np.ndarray) -> np.ndarray:
    half = rgb.shape[1] // 2
    return np.hstack([_covered(rgb)[:, :half], rgb[:, half:]])


def _fog(shot: Shot, frame: StreetFrame) -> Shot:
    """Fog in which contrast is down to a twentieth at 30 m."""
    clear = np.exp(-0.1 * frame.depth_m)[..., None]
    return replace(shot, rgb=np.rint(shot.rgb * clear + 205 * (1 - clear)).astype(np.uint8))


LEVEL = RiskLevel
EVENTS = (
    Event('pedestrian steps out 8 m ahead', LEVEL.CRITICAL, intruders=_still('person', 8, -0.6)),
    Event('pedestrian walks into the path, 12 m', LEVEL.HIGH, intruders=_walk(12, -1.1, 1.4)),
    Event('child runs out between cars, 7 m', LEVEL.CRITICAL, seed=4,
          intruders=_walk(7, 1.2, -2.5)),
    Event('pedestrian crosses far ahead, 18 m', LEVEL.MODERATE, intruders=_walk(18, -1.2, 1.2)),
    Event('cyclist swerves in, 9 m', LEVEL.HIGH, intruders=_still('cyclist', 9, 0.5), seed=2),
    Event('car cuts in, 7 m', LEVEL.HIGH, intruders=_still('sedan', 9.3, 0.4)),
    Event('car 25 m ahead brakes to a stop', LEVEL.HIGH, onset_s=2.9,
          actors=_brakes),
    Event('car comes head-on: 50 m, closing at 16 m/s', LEVEL.HIGH, onset_s=2.75,
          intruders=_closing('sedan', 50, 16, np.pi)),
    Event('lorry stands ahead: 24 m, closing at 8 m/s', LEVEL.HIGH, onset_s=2.5,
          intruders=_closing('truck', 28, 8)),
    Event('bollard in the lane, 7 m', LEVEL.HIGH,
          intruders=_still('bollard', 7, 0.2, height_m=1.0)),
    Event('tree lies across the road, 9 m', LEVEL.HIGH, spoil=_edit(_tree_across)),
    Event('road ends, 8 m', LEVEL.HIGH, spoil=_edit(_road_ends)),
    Event('something unknown in the path, 6 m', LEVEL.CRITICAL, spoil=_edit(_unknown_patch)),
    Event('model is sure of nothing', LEVEL.CRITICAL, spoil=_unsure),
    Event('model sees nothing but road', LEVEL.HIGH, spoil=_only_road),
    Event('pedestrian seen in every other frame, 8 m', LEVEL.CRITICAL,
          intruders=_still('person', 8, -0.4), flickers=lambda index: index % 2 == 0),
    Event('dense fog', LEVEL.MODERATE, spoil=_fog),
    Event('lens covered', LEVEL.HIGH, spoil=_picture(_covered)),
    Event('half of the lens covered', LEVEL.MODERATE, spoil=_picture(_half_covered)),
    Event('lamps fail at night', LEVEL.MODERATE, weather='night',
          spoil=_picture(lambda rgb: rgb // 4)),
    Event('image overexposed', LEVEL.MODERATE,
          spoil=_picture(lambda rgb: cv2.add(rgb, np.full_like(rgb, 160)))),
    Event('image blurred', LEVEL.MODERATE,
          spoil=_picture(lambda rgb: cv2.GaussianBlur(rgb, (0, 0), 4))),
    Event('empty road', LEVEL.LOW),
    Event('empty road, cars parked on both sides', LEVEL.LOW, seed=4),
    Event('crowd on the pavement only', LEVEL.LOW, actors=_crowd),
    Event('traffic in the other lane', LEVEL.LOW, actors=lambda t: [
        Actor('sedan', 80 - 20 * t + 40 * i, 3.3, np.pi) for i in range(4)]),
    Event('following a car at 25 m', LEVEL.LOW, actors=_still('estate', 25, 0)),
    Event('queue moves slowly, car 12 m ahead', LEVEL.LOW, actors=_still('suv', 12, 0)),
    Event('night, lit street', LEVEL.LOW, weather='night', seed=2),
    Event('light fog', LEVEL.LOW, weather='fog', seed=3),
    Event('rain', LEVEL.LOW, weather='rain', seed=3),
    Event('dusk', LEVEL.LOW, weather='dusk', seed=5),
    Event('false pedestrian in every tenth frame', LEVEL.LOW, spoil=_false_blip),
)  # fmt: skip


def drive(event: Event, engine: Engine | None = None) -> Iterator[tuple[float, Shot, Camera]]:
    """The frames of an event: stamp, what is seen, camera."""
    street = Street(event.seed, SIZE, CAMVID_11, event.weather, FPS)
    street.scene = _Stage(street, event)
    extrinsics = Extrinsics(street.height_m, street.pitch_rad)
    for index in range(round(SECONDS * FPS)):
        frame = street.frame(index)
        camera = Camera(Calibration.pinhole(frame.camera.K, SIZE), extrinsics)
        shot = Shot(frame.labels, np.full(SIZE, SURE, np.uint8), frame.rgb)
        if event.spoil and (_meanwhile(frame.stamp_s) or event.calm):
            shot = event.spoil(shot, frame)
        yield frame.stamp_s, shot if engine is None else _seen_by(engine, shot), camera


def _seen_by(engine: Engine, shot: Shot) -> Shot:
    size = engine.size_for(SIZE)
    rgb = cv2.resize(shot.rgb, size[::-1]) if size != SIZE else shot.rgb
    answer = engine.run(rgb[np.newaxis])
    return Shot(answer.labels[0], answer.confidence[0], rgb)


def geometry_of(
    mode: str, keeper: GeometryKeeper, camera: Camera, size: tuple[int, int]
) -> ImageGeometry:
    """The geometry of labels of that size, by what is known of their camera."""
    calibration, none = camera.calibration.scaled(size), Missing('not given')
    if mode == CALIBRATED:
        return keeper.view(calibration, camera.extrinsics, size).geometry
    if mode == UNKNOWN:
        return keeper.view(none, none, size).geometry
    row, column = (camera.horizon + 0.5) / camera.size[0], (calibration.k[0, 2] + 0.5) / size[1]
    point = VanishingPoint(column, row, column_std=0.005, row_std=0.005)
    online = OnlineCalibration(CalibrationState.CALIBRATED, 100, vanishing_point=point)
    return keeper.view(none, none, size, online).geometry


def watch(event: Event, engine: Engine | None = None) -> dict[str, list[Told]]:
    """Stamps and filtered risks of an event in every mode."""
    params = RiskParams()
    memories = {mode: RiskFilter(params) for mode in MODES}
    told: dict[str, list[Told]] = {mode: [] for mode in MODES}
    keepers = {mode: GeometryKeeper(lambda size: size) for mode in MODES}
    for stamp_s, shot, camera in drive(event, engine):
        for mode, memory in memories.items():
            used = geometry_of(mode, keepers[mode], camera, shot.labels.shape)
            area = find_drivable(shot.labels, shot.confidence, CAMVID_11, geometry=used)
            raw = assess_risk(
                shot.labels, shot.confidence, CAMVID_11, area, params, geometry=used, rgb=shot.rgb
            )
            told[mode].append((stamp_s, memory.update(raw, stamp_s)))
    return told


def judge(event: Event, risks: Sequence[Told]) -> Outcome:
    """Measure the risks of one event."""
    worst = min((risk for _, risk in risks), key=lambda risk: risk.score)
    top = max(worst.factors, key=lambda factor: factor.risk * factor.weight)
    calm = [risk.level for stamp_s, risk in risks if _is_calm(event, stamp_s)]
    reacted_s = _first(risks, event.onset_s if not event.calm else inf, lambda r: r >= event.least)
    back_s = _first(risks, GONE_S, lambda level: level is LEVEL.LOW)
    return Outcome(
        event.name, event.least, max(risk.level for _, risk in risks), top.reason,
        reaction_frames=round((reacted_s - event.onset_s) * FPS) if isfinite(reacted_s) else inf,
        return_s=round(back_s - GONE_S, 2),
        calm_frames=len(calm),
        calm_critical=sum(level is LEVEL.CRITICAL for level in calm),
        calm_low=sum(level is LEVEL.LOW for level in calm),
    )  # fmt: skip


def _is_calm(event: Event, stamp_s: float) -> bool:
    """Before an event begins, and when it should be forgotten; calm drives always."""
    return event.calm or stamp_s < ONSET_S - 1e-6 or stamp_s > GONE_S + RETURN_S


def _first(risks: Sequence[Told], from_s: float, right: Callable[[RiskLevel], bool]) -> float:
    return min((s for s, risk in risks if s >= from_s - 1e-6 and right(risk.level)), default=inf)


def table(*modes: Sequence[Outcome]) -> str:
    """Markdown: the outcomes of every mode side by side, the last of them in metres."""
    lines = [
        '| event | must reach | worst | after frames | LOW again after | reason in metres |',
        '|---|---|---|---|---|---|',
    ]
    for each in zip(*modes, strict=True):
        one = each[0]
        cells = [one.name, one.least.name, *(_all(each, text) for text in _CELLS)]
        if one.least is LEVEL.LOW:
            low = _all(each, lambda told: f'{told.calm_low / told.calm_frames:.0%}')
            cells = [one.name, 'calm', cells[2], '-', f'LOW in {low} of frames']
        lines.append(f'| {" | ".join([*cells, each[-1].reason])} |')
    return '\n'.join(lines)


_CELLS: tuple[Callable[[Outcome], str], ...] = (
    lambda each: each.worst.name,
    lambda each: f'{each.reaction_frames:g}',
    lambda each: f'{each.return_s:.2f} s',
)


def _all(outcomes: Sequence[Outcome], text: Callable[[Outcome], str]) -> str:
    """What is said of the modes, once if it is the same."""
    return ' / '.join(dict.fromkeys(text(each) for each in outcomes))


def summary(outcomes: Sequence[Outcome]) -> dict[str, float | list[str]]:
    """The figures that count."""
    hazards = [each for each in outcomes if each.least is not LEVEL.LOW]
    frames = sum(each.calm_frames for each in outcomes)
    return {
        'events': len(outcomes),
        'calm_drives': len(outcomes) - len(hazards),
        'reacted_within_2_frames': sum(e.reaction_frames <= REACTION_FRAMES for e in hazards),
        'low_again_within_3_s': sum(each.return_s <= RETURN_S for each in hazards),
        'of': len(hazards),
        'not_good': [each.name for each in outcomes if not each.good],
        'calm_frames': frames,
        'calm_frames_critical_percent': round(
            100 * sum(each.calm_critical for each in outcomes) / frames, 2
        ),
        'calm_frames_low_percent': round(
            100 * sum(each.calm_low for each in outcomes) / frames, 2
        ),
    }


def main() -> None:
    """Drive every event and print what came of it."""
    # Here, so that a test can take the events without onnxruntime and ROS.
    from benchmarks.record import write_record
    from seg_perception.inference.open_engine import open_engine

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', type=Path, help='labels by this model instead of true ones')
    parser.add_argument(
        '--only', nargs='+', default=[''], help='events whose names hold one of these'
    )
    parser.add_argument('--out', type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    engine = open_engine(options.model, 'cpu', 1) if options.model else None
    chosen = [event for event in EVENTS if any(part in event.name for part in options.only)]
    outcomes: dict[str, list[Outcome]] = {mode: [] for mode in MODES}
    for event in chosen:
        for mode, risks in watch(event, engine).items():
            outcomes[mode].append(judge(event, risks))
        print('.', end='', flush=True, file=sys.stderr)
    print('\n' + table(*(outcomes[mode] for mode in MODES)))
    figures = {mode: summary(outcomes[mode]) for mode in MODES}
    labels = str(options.model or 'true')
    write_record('events', {'labels': labels, **figures}, options.out)


if __name__ == '__main__':
    main()
