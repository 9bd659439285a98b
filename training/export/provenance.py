# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a model card says of data and network: names, terms, and what they cannot teach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training.checkpoint import load_checkpoint
from training.config import SourceConfig, TrainConfig, parse_config
from training.errors import CheckpointError
from training.models import NETWORKS


@dataclass(frozen=True)
class About:
    """One kind of data set; terms as its source states them, limits of what is learned from it."""

    name: str
    terms: str
    limits: str = ''


_CAMVID_LIMITS = (
    'CamVid is a few hundred frames of one city, one camera and mostly daylight, left-hand '
    'traffic. Models trained on it miss vehicles at night, and then the risk reads far too low; '
    'bonnets and dashboards in view are taken for road or car.'
)
_CITYSCAPES_LIMITS = (
    'Cityscapes is dry daylight in German and neighbouring cities, one camera behind a clean '
    'windscreen: night, snow, rain and country roads are outside of what it shows.'
)
_DRIVABLE_LIMITS = (
    'Labels of the drivable area say where one may drive, not what stands there: nothing in the '
    'model finds people or vehicles.'
)
_CITYSCAPES_TERMS = 'Cityscapes terms: non-commercial use only, no redistribution of the data'
_BDD_TERMS = 'BDD100K licence: educational, research and not-for-profit use'
_VISTAS_TERMS = 'Mapillary Vistas research edition, CC BY-NC-SA: non-commercial use'

ABOUT = {
    'camvid': About(
        'CamVid (SegNet grouping, 360x480)',
        'CC BY-NC: CamVid as it comes with SegNet, for research and other non-commercial use',
        _CAMVID_LIMITS,
    ),
    'camvid_exact': About(
        'CamVid (exact-colour protocol)',
        'CC BY-NC: CamVid, for research and other non-commercial use',
        _CAMVID_LIMITS,
    ),
    'cityscapes': About('Cityscapes fine', _CITYSCAPES_TERMS, _CITYSCAPES_LIMITS),
    'cityscapes_coarse': About('Cityscapes coarse', _CITYSCAPES_TERMS, _CITYSCAPES_LIMITS),
    'bdd100k': About('BDD100K 10k', _BDD_TERMS),
    'bdd100k_drivable': About('BDD100K drivable area', _BDD_TERMS, _DRIVABLE_LIMITS),
    'vistas': About('Mapillary Vistas v1.2', _VISTAS_TERMS),
    'vistas_v2': About('Mapillary Vistas v2.0', _VISTAS_TERMS),
    'crowdai': About(
        "Udacity's CrowdAI boxes",
        'MIT: the annotated driving data of Udacity',
        'Boxes were painted as masks: the outlines of vehicles are rectangles.',
    ),
    'folder': About('own frames', 'own frames: their owner states the terms'),
    'shards': About('shards of other sets', 'shards: the terms of the sets they were made of'),
    'synthetic': About('rendered streets', 'rendered streets: Apache-2.0, made by this project'),
}
"""A row for each of ``training.data.KINDS``."""


IMAGENET = 'imagenet'
_IMAGENET_TERMS = (
    'ImageNet weights: as their publisher states, Apache-2.0 for EfficientNet-Lite, BSD-3-Clause '
    'for torchvision; the pictures of ImageNet are for non-commercial research'
)


def data_text(config: TrainConfig, chosen_on: TrainConfig | None = None) -> str:
    """
    What the model was trained on, and chosen and calibrated on.

    :param chosen_on: of the run that was chosen and calibrated in its place.
    """
    chosen = '; '.join(map(_part, (chosen_on or config).data.val))
    whose = 'chosen and calibrated on'
    if chosen_on is not None:
        whose = 'a run without them was chosen and calibrated on'
    return f'trained on {_trained(config)}; {whose} {chosen}'


def terms(config: TrainConfig) -> list[str]:
    """The terms of everything that the model is made of, trained or chosen on, each once."""
    kinds = [source.kind for source in (*config.data.train, *config.data.val)]
    found = [NETWORKS[config.model.name].terms, *(ABOUT[kind].terms for kind in kinds)]
    weights, before = config.model.weights, _run_before(config)
    if before is not None:
        found += terms(before)
    elif weights == IMAGENET:
        found.append(_IMAGENET_TERMS)
    elif weights:
        found.append(f'the terms of the weights {weights} that it started from')
    return _once(found)


def _trained(config: TrainConfig) -> str:
    data = '; '.join(map(_part, config.data.train)) or 'nothing'
    weights, before = config.model.weights, _run_before(config)
    if before is not None:
        return f'{data}, starting from a run that was trained on {_trained(before)}'
    if weights == IMAGENET:
        return f'{data}, starting from weights of ImageNet'
    return f'{data}, starting from the weights {weights}' if weights else data


def _run_before(config: TrainConfig) -> TrainConfig | None:
    """The run whose checkpoint this one started from; None where that was none of ours."""
    try:
        return parse_config(load_checkpoint(Path(config.model.weights))['config'])
    except CheckpointError:
        return None


def limits(config: TrainConfig) -> list[str]:
    """What the training data leave out, each once."""
    return _once(ABOUT[source.kind].limits for source in config.data.train)


def val_name(config: TrainConfig) -> str:
    """A short name of the frames that scores are of, such as ``0001TP`` or ``cityscapes val``."""
    return ' + '.join(
        '+'.join(source.only) or f'{source.kind} {source.split}' for source in config.data.val
    )


def _part(source: SourceConfig) -> str:
    """One data set, and which frames of it."""
    if source.kind == 'synthetic':
        words = [f'{source.frames} {ABOUT[source.kind].name}']
    elif source.kind == 'folder':
        words = [ABOUT[source.kind].name, Path(source.root).name, source.split]
    else:
        words = [ABOUT[source.kind].name, source.split]
    if source.only:
        words.append(f'({", ".join(source.only)} only)')
    if source.exclude:
        words.append(f'(without {", ".join(source.exclude)})')
    if source.limit:
        words.append(f'(the first {source.limit} frames)')
    if source.share:
        words.append(f'({source.share:.0%} of the samples)')
    return ' '.join(words)


def _once(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(line for line in lines if line))
