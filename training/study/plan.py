# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
What a study compares: a YAML file of ``config/training/studies``, and the runs that follow.

    title, claim   what the page says first
    base           configuration that every variant starts from
    changes        keys and values over it, the same for all variants
    seeds          one run each for every variant
    variants       by name, the keys and values that make the variant
    groups         by name, classes whose mean IoU is a metric of its own
    plot           pareto (mean IoU over milliseconds) or bars
    verdicts       claims: ``metric`` of variant ``of`` exceeds that of ``over`` by ``least``
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from seg_perception.core.settings import Setting, load
from seg_perception.io.yaml_file import read_mapping
from training.config import TrainConfig, load_config
from training.errors import ConfigError, check_known
from training.presets import PRESETS

STUDIES = PRESETS / 'studies'
PLOTS = ('bars', 'pareto')
METRICS = ('mean_iou', 'pixel_accuracy', 'mean_dice', 'boundary_f_3px', 'calibration_error')


@dataclass(frozen=True)
class Verdict:
    """A claim that numbers decide: a metric of one variant lies above that of another."""

    say: str
    metric: str
    of: str
    over: str
    least: float = 0.0  # by how much it has to


@dataclass(frozen=True)
class Study:
    """A claim and its variants."""

    name: str
    title: str
    claim: str
    base: Path
    variants: dict[str, dict[str, Any]]
    changes: dict[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    plot: Annotated[str, Setting('of the page', choices=PLOTS)] = 'bars'
    verdicts: tuple[Verdict, ...] = ()

    def only(self, variants: Sequence[str], seeds: Sequence[int]) -> Study:
        """The study of some of the variants and other seeds; empty leaves them."""
        for variant in variants:
            check_known(f'variant of study {self.name}', variant, self.variants)
        chosen = {variant: self.variants[variant] for variant in variants or self.variants}
        return dataclasses.replace(self, variants=chosen, seeds=tuple(seeds) or self.seeds)


@dataclass(frozen=True)
class Run:
    """One variant with one seed."""

    variant: str
    seed: int
    config: TrainConfig

    @property
    def out(self) -> Path:
        return Path(self.config.out)


def study_names() -> list[str]:
    """Names of the studies that there are."""
    return sorted(path.stem for path in STUDIES.glob('*.yaml'))


def load_study(name: str) -> Study:
    """
    Read a study by its name.

    :raises ConfigError: when there is none of that name, or a key of it cannot be.
    """
    check_known('study', name, study_names())
    path = STUDIES / f'{name}.yaml'
    data = read_mapping(path, 'study', ConfigError)
    if 'arms' in data:  # their name in older files
        data['variants'] = data.pop('arms')
    groups = ('changes', 'variants', 'groups')
    data |= {key: data[key] or {} for key in groups if key in data}
    if 'variants' in data:
        data['variants'] = {row: keys or {} for row, keys in data['variants'].items()}
    study = load(Study, {**data, 'name': name}, f'key of {path}', error=ConfigError)
    _check(study, path)
    return study


def _check(study: Study, path: Path) -> None:
    if not study.variants:
        raise ConfigError(f'variants of {path}', 'none', 'one or more, by name')
    known = [*METRICS, *study.groups]
    for row in study.verdicts:
        check_known(f'metric of a verdict in {path}', row.metric, known)
        for variant in (row.of, row.over):
            check_known(f'variant of a verdict in {path}', variant, study.variants)


def plan_runs(study: Study, folder: Path, words: Sequence[str] = ()) -> list[Run]:
    """
    The runs of a study, seed by seed, so that an early stop leaves whole comparisons.

    :param folder: where each run gets a folder of its own.
    :param words: ``key=value`` over the configuration of every variant.
    """
    return [
        Run(variant, seed, _config(study, variant, seed, folder, words))
        for seed in study.seeds
        for variant in study.variants
    ]


def _config(
    study: Study, variant: str, seed: int, folder: Path, words: Sequence[str]
) -> TrainConfig:
    own = {
        'name': f'{study.name}_{variant}',
        'out': str(folder / f'{variant}_{seed}'),
        'seed': seed,
    }
    changes = _words(study.changes) + _words(study.variants[variant])
    return load_config(study.base, [*changes, *words, *_words(own)])


def _words(keys: Mapping[str, Any]) -> list[str]:
    return [f'{key}={json.dumps(value)}' for key, value in keys.items()]
