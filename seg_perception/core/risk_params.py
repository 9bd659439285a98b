# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every weight and threshold of the risk, of one frame and over time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from seg_perception.core.corridor import Corridor
from seg_perception.core.errors import ParameterError
from seg_perception.core.hazards import ROLES, HazardRule
from seg_perception.core.image_quality import PerceptionHealthParams
from seg_perception.core.settings import HIDDEN, Setting, Settings, share


@dataclass(frozen=True)
class TimeParams(Settings, name='risk time'):
    """How the risk moves over time; see ``RiskFilter``."""

    fall_per_s: Annotated[
        float, Setting('rate at which the risk of a vanished hazard falls', '1/s', 0.05, 10)
    ] = 0.5
    hold_s: Annotated[
        float,
        Setting('time for which the risk of a vanished hazard is held before it falls', 's', 0, 5),
    ] = 0.5
    hysteresis: Annotated[
        float, share('margin below its threshold at which a risk level ends', 0, 0.2)
    ] = 0.05
    gap_s: Annotated[
        float,
        Setting(
            'longest pause between two frames after which the filter still continues',
            's',
            0.05,
            60,
        ),
    ] = 1.0
    flicker_s: Annotated[
        float,
        Setting('time for which a place that flickered has to confirm its hazard', 's', 0, 60),
    ] = 2.0
    approach_s: Annotated[
        float, Setting('time span over which the rate of approach is measured', 's', 0.1, 5)
    ] = 0.4
    contact_from_s: Annotated[
        float, Setting('time to contact below which risk begins', 's', 0.1, 30)
    ] = 4.0
    contact_full_s: Annotated[
        float, Setting('time to contact at which risk is full', 's', 0, 30)
    ] = 1.5
    speed_up_mps2: Annotated[
        float, Setting('rate at which the suggested speed rises', 'm/s2', 0, 20)
    ] = 1.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.contact_full_s < self.contact_from_s:
            raise ParameterError(
                'risk time contact_from_s',
                self.contact_from_s,
                f'above contact_full_s, {self.contact_full_s}',
            )


@dataclass(frozen=True)
class RiskParams(Settings, name='risk'):
    """
    Every weight and threshold of the risk; ``docs/risk.md`` says why they are what they are.

    Set by hand; nobody has tied them to accidents.
    """

    corridor: Annotated[Corridor, HIDDEN] = field(default_factory=Corridor)
    # People hurt easily and move any way: they count at a distance and in the adjacent zones too.
    vulnerable: HazardRule = field(
        default_factory=lambda: HazardRule(
            weight=1.0, in_path=1.0, adjacent=0.4, outer=0.2, fade=0.45
        )
    )
    # Vehicles in the adjacent zones drive in other lanes or are parked; ahead they mostly move.
    vehicles: HazardRule = field(
        default_factory=lambda: HazardRule(
            weight=0.85, in_path=1.0, adjacent=0.2, outer=0.1, fade=1.0
        )
    )
    # Poles, walls and trees in the adjacent zones are where they belong.
    obstacles: HazardRule = field(
        default_factory=lambda: HazardRule(
            weight=0.9, in_path=1.0, adjacent=0.15, outer=0.0, fade=0.8
        )
    )
    near_m: Annotated[
        float, Setting('distance up to which a hazard counts in full', 'm', 0.5, 50)
    ] = 4.5
    footprint_share: Annotated[
        float, Setting('width and length of a full hazard', 'corridor widths', 0.01, 1)
    ] = 0.12
    no_class_risk: Annotated[
        float, share('factor of a kind of hazard for which the model has no class')
    ] = 0.3
    visibility_weight: Annotated[
        float, share('largest risk that an unseen road alone can cause')
    ] = 0.85
    blind_full_share: Annotated[
        float,
        share('share of the corridor without known ground at which the factor is full', 0.01),
    ] = 0.85
    blind_aside: Annotated[
        float, share('weight of unknown pixels at the sides of the corridor')
    ] = 0.5
    low_confidence: Annotated[float, share('confidence up to which a pixel counts as unknown')] = (
        0.3
    )
    high_confidence: Annotated[
        float, share('confidence from which a road pixel counts as known in full')
    ] = 0.6
    path_weight: Annotated[
        float, share('largest risk that a blocked ego corridor alone can cause')
    ] = 0.85
    blocked_full_share: Annotated[
        float, share('share of the corridor that is not free at which the factor is full', 0.01)
    ] = 0.85
    lane_weight: Annotated[float, share('largest risk that an unclear lane alone can cause')] = 0.4
    unmarked_risk: Annotated[
        float, share('factor of a lane without markings, if the model has a class for markings')
    ] = 0.3
    health: PerceptionHealthParams = field(default_factory=PerceptionHealthParams)
    time: TimeParams = field(default_factory=TimeParams)
    spread: Annotated[
        float, share('weight of the mean of all factors, which is added to the worst factor')
    ] = 0.5
    moderate_from: Annotated[float, share('risk at which the level MODERATE begins')] = 0.25
    high_from: Annotated[float, share('risk at which the level HIGH begins')] = 0.5
    critical_from: Annotated[float, share('risk at which the level CRITICAL begins')] = 0.75
    reaction_s: Annotated[float, Setting('time before the brakes act', 's', 0, 10)] = 1.0
    braking_mps2: Annotated[
        float, Setting('deceleration that the brakes reach reliably', 'm/s2', 0.1, 12)
    ] = 4.0
    standoff_m: Annotated[
        float,
        Setting('space to keep free ahead of base_frame: front overhang and a gap', 'm', 0, 30),
    ] = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
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

    @property
    def hazards(self) -> dict[str, HazardRule]:
        """How each factor that is a hazard becomes a risk."""
        return dict(zip(ROLES, (self.vulnerable, self.vehicles, self.obstacles), strict=True))
