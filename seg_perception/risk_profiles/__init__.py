# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Risk profiles: YAML files with the numbers by which frames are judged, chosen by name or path.

What belongs to the vehicle and its cameras is no part of a profile; see ``VEHICLE``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from seg_perception.core.corridor import Corridor
from seg_perception.core.drivable import CLEARANCE, MIN_CONFIDENCE, DrivableParams
from seg_perception.core.errors import ParameterError, did_you_mean
from seg_perception.core.fusion import FusionParams
from seg_perception.core.grid import GridParams
from seg_perception.core.horizon import HorizonParams
from seg_perception.core.risk_params import RiskParams
from seg_perception.core.scan import ScanParams
from seg_perception.core.settings import Item, Settings, items, load, nested
from seg_perception.core.terrain import RangeParams
from seg_perception.io.yaml_file import read_mapping

DEFAULT = 'default'
VEHICLE = (
    'corridor.vehicle_width_m',
    'corridor.margin_m',
    'corridor.reach_m',
    'corridor.ego_mask_share',
    'clearance_m',
    'min_confidence',
    'grid.resolution_m',
    'grid.ahead_m',
    'grid.behind_m',
    'grid.side_m',
    'scan.range_max_m',
    'scan.unknown',
)
"""Rules that are parameters of the node: they belong to one vehicle, not to a way of driving."""
_OLD_NAMES = (
    (re.compile(r'^risk\.trust\.strange_'), 'risk.health.ood_'),
    (re.compile(r'^risk\.trust\.'), 'risk.health.'),
    (re.compile(r'^(risk\.\w+)\.beside$'), r'\1.adjacent'),
    (re.compile(r'^(risk\.\w+)\.away$'), r'\1.outer'),
)
REMOVED = {
    'corridor.top_share': 'found from the vanishing point',
    'corridor.near_width_share': 'found from the vanishing point',
    'corridor.far_width_share': 'found from the vanishing point',
    'risk.footprint_share': 'fixed for each kind of hazard',
}
"""Rules of version 0.1.0 that have no effect any more, and what became of them."""


@dataclass(frozen=True)
class Rules(Settings):
    """Every number by which frames are judged; what several groups read stands once, here."""

    clearance_m: Annotated[float, CLEARANCE] = 0.06
    min_confidence: Annotated[float, MIN_CONFIDENCE] = 0.3
    corridor: Corridor = field(default_factory=Corridor)
    drivable: DrivableParams = field(default_factory=DrivableParams)
    grid: GridParams = field(default_factory=GridParams)
    scan: ScanParams = field(default_factory=ScanParams)
    horizon: HorizonParams = field(default_factory=HorizonParams)
    fusion: FusionParams = field(default_factory=FusionParams)
    risk: RiskParams = field(default_factory=RiskParams)
    range: RangeParams = field(default_factory=RangeParams)

    def __post_init__(self) -> None:
        super().__post_init__()
        corridor: dict[str, Any] = {'corridor': self.corridor}
        clearance = {'clearance_m': self.clearance_m}
        confidence = {'min_confidence': self.min_confidence}
        shared = {
            'drivable': corridor | clearance | confidence,
            'grid': clearance | confidence,
            'scan': clearance,
            'risk': corridor,
        }
        for name, values in shared.items():
            object.__setattr__(self, name, replace(getattr(self, name), **values))


def profile_items() -> list[Item]:
    """What a profile may set, with the defaults."""
    return [item for item in items(Rules()) if item.path not in VEHICLE]


def current_name(name: str) -> str:
    """The name of a rule, given that name or the one that it had in version 0.1.0."""
    for old, new in _OLD_NAMES:
        name = old.sub(new, name)
    return name


def profile_names() -> list[str]:
    """Names of the profiles that come with the package."""
    return sorted(path.stem for path in Path(__file__).parent.glob('*.yaml'))


def profile_path(profile: str | Path) -> Path:
    """
    The file of a profile.

    :param profile: a name of ``profile_names``, or the path of a YAML file.
    :raises ParameterError: when there is neither.
    """
    names = profile_names()
    if str(profile) in names:
        return Path(__file__).with_name(f'{profile}.yaml')
    path = Path(profile).expanduser()
    if not path.is_file():
        expected = f'one of {", ".join(names)}, or the path of a YAML file'
        fix = did_you_mean(str(profile), names)
        raise ParameterError('risk_profile', repr(str(profile)), expected, fix)
    return path


def read_rules(
    profile: str | Path = DEFAULT, changes: Mapping[str, Any] | None = None, what: str = 'setting'
) -> Rules:
    """
    The rules of a profile.

    :param changes: values that win over the profile, by dotted name such as ``risk.time.hold_s``.
    :param what: the kind of thing that these names are, for error texts.
    :raises ParameterError: when there is no such profile, or it or a change is wrong.
    """
    path = profile_path(profile)
    data, kind = read_mapping(path, 'risk profile', ParameterError), f'{path.name}:'
    for name in VEHICLE:
        group, _, leaf = name.rpartition('.')
        within = data.get(group) if group else data
        if isinstance(within, Mapping) and leaf in within:
            fix = f'Set it as the parameter {name}.'
            raise ParameterError(f'{kind} {name!r}', within[leaf], 'nothing', fix)
    data = _without_removed(data)
    changes = {
        current_name(name): value for name, value in (changes or {}).items() if name not in REMOVED
    }
    return load(Rules, nested(changes), what, base=load(Rules, data, kind))


def _without_removed(data: Mapping[str, Any]) -> dict[str, Any]:
    """A profile without the rules that have no effect any more."""
    kept = {
        name: dict(group) if isinstance(group, Mapping) else group for name, group in data.items()
    }
    for name in REMOVED:
        group, _, leaf = name.partition('.')
        if isinstance(kept.get(group), dict):
            kept[group].pop(leaf, None)
    return kept
