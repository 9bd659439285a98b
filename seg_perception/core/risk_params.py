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
from seg_perception.core.settings import HIDDEN, Settings, ratio, setting


@dataclass(frozen=True)
class TimeParams(Settings, name='risk time'):
    """How the risk moves over time; see ``RiskFilter``."""

    fall_per_s: float = setting(
        0.5, 'rate at which the risk of a vanished hazard falls', '1/s', 0.05, 10
    )
    hold_s: float = setting(
        0.5, 'time for which the risk of a vanished hazard is held before it falls', 's', 0, 5
    )
    hysteresis: float = ratio(
        0.05, 'margin below its threshold at which a risk level ends', 0, 0.2
    )
    gap_s: float = setting(
        1.0,
        'longest pause between two frames after which the filter still continues',
        's',
        0.05,
        60,
    )
    flicker_s: float = setting(
        2.0, 'time for which a place that flickered has to confirm its hazard', 's', 0, 60
    )
    approach_s: float = setting(
        0.4, 'time span over which the rate of approach is measured', 's', 0.1, 5
    )
    contact_from_s: float = setting(4.0, 'time to contact below which risk begins', 's', 0.1, 30)
    contact_full_s: float = setting(1.5, 'time to contact at which risk is full', 's', 0, 30)
    speed_up_mps2: float = setting(1.5, 'rate at which the suggested speed rises', 'm/s2', 0, 20)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.contact_full_s < self.contact_from_s:
            expected = f'above contact_full_s, {self.contact_full_s}'
            raise ParameterError('risk time contact_from_s', self.contact_from_s, expected)


@dataclass(frozen=True)
class RiskParams(Settings, name='risk'):
    """
    Every weight and threshold of the risk; ``docs/risk.md`` says why they are what they are.

    Set by hand; no accident data support them.
    """

    corridor: Annotated[Corridor, HIDDEN] = field(default_factory=Corridor)
    # People hurt easily and move any way: they count at a distance and in the adjacent zones too.
    vulnerable: HazardRule = HazardRule(1.0, 1.0, adjacent=0.4, outer=0.2, fade=0.45)
    # Vehicles in the adjacent zones drive in other lanes or are parked; ahead they mostly move.
    vehicles: HazardRule = HazardRule(0.85, 1.0, adjacent=0.2, outer=0.1, fade=1.0)
    # Poles, walls and trees in the adjacent zones are where they belong.
    obstacles: HazardRule = HazardRule(0.9, 1.0, adjacent=0.15, outer=0.0, fade=0.8)
    near_m: float = setting(4.5, 'distance up to which a hazard counts in full', 'm', 0.5, 50)
    no_class_risk: float = ratio(
        0.3, 'factor of a kind of hazard for which the model has no class'
    )
    visibility_weight: float = ratio(0.85, 'largest risk that an unseen road alone can cause')
    blind_full_share: float = ratio(
        0.85, 'share of the corridor without known ground at which the factor is full', 0.01
    )
    blind_aside: float = ratio(0.5, 'weight of unknown pixels at the sides of the corridor')
    low_confidence: float = ratio(0.3, 'confidence up to which a pixel counts as unknown')
    high_confidence: float = ratio(
        0.6, 'confidence from which a road pixel counts as known in full'
    )
    path_weight: float = ratio(0.85, 'largest risk that a blocked ego corridor alone can cause')
    blocked_full_share: float = ratio(
        0.85, 'share of the corridor that is not free at which the factor is full', 0.01
    )
    lane_weight: float = ratio(0.4, 'largest risk that an unclear lane alone can cause')
    unmarked_risk: float = ratio(
        0.3, 'factor of a lane without markings, if the model has a class for markings'
    )
    health: PerceptionHealthParams = field(default_factory=PerceptionHealthParams)
    time: TimeParams = field(default_factory=TimeParams)
    spread: float = ratio(
        0.5, 'weight of the mean of all factors, which is added to the worst factor'
    )
    moderate_from: float = ratio(0.25, 'risk at which the level MODERATE begins')
    high_from: float = ratio(0.5, 'risk at which the level HIGH begins')
    critical_from: float = ratio(0.75, 'risk at which the level CRITICAL begins')
    reaction_s: float = setting(1.0, 'time before the brakes act', 's', 0, 10)
    braking_mps2: float = setting(
        4.0, 'deceleration that the brakes reach reliably', 'm/s2', 0.1, 12
    )
    standoff_m: float = setting(
        2.0, 'space to keep free ahead of base_frame: front overhang and a gap', 'm', 0, 30
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low_confidence < self.high_confidence:
            expected = f'above {self.low_confidence}'
            raise ParameterError('risk high_confidence', self.high_confidence, expected)
        begins = self.moderate_from, self.high_from, self.critical_from
        if not 0 < begins[0] < begins[1] < begins[2] <= 1:
            expected = 'moderate_from < high_from < critical_from, above 0, to 1'
            raise ParameterError('risk levels', begins, expected)

    @property
    def hazards(self) -> dict[str, HazardRule]:
        """How each factor that is a hazard becomes a risk."""
        return dict(zip(ROLES, (self.vulnerable, self.vehicles, self.obstacles), strict=True))
