# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets and network on a model card: names, terms and limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.checkpoint import load_checkpoint
from training.config import SourceConfig, TrainConfig, parse_config
from training.errors import CheckpointError
from training.models import NETWORKS


@dataclass(frozen=True)
class About:
    """One kind of data set; terms as its publisher states them, limits of models trained on it."""

    name: str
    terms: str
    limits: str = ''


_CAMVID_LIMITS = (
    'CamVid is a few hundred frames of one city, one camera and mostly daylight, left-hand '
    'traffic. Models trained on it miss vehicles at night, and the risk is then far too low. They '
    'label a hood or dashboard in view as road or car.'
)
_CITYSCAPES_LIMITS = (
    'Cityscapes shows dry daylight in German and neighbouring cities, through a clean windscreen. '
    'It has no night, snow, rain or country roads.'
)
_DRIVABLE_LIMITS = (
    'Drivable-area labels say where a vehicle may drive, not what stands there: the model does '
    'not detect people or vehicles.'
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
        'The labels are boxes, so the model draws vehicles as rectangles.',
    ),
    'folder': About('own frames', 'own frames: terms of their owner'),
    'shards': About('shards of other sets', 'shards: terms of the data sets they were made from'),
    'synthetic': About('rendered streets', 'rendered streets: Apache-2.0, made by this project'),
}
"""A row for each of ``training.data.KINDS``."""


IMAGENET = 'imagenet'
_IMAGENET_TERMS = (
    'ImageNet weights: licence of their publisher (Apache-2.0 for EfficientNet-Lite, BSD-3-Clause '
    'for torchvision); the images of ImageNet are for non-commercial research'
)


def data_text(config: TrainConfig, chosen_on: TrainConfig | None = None) -> str:
    """
    Three sentences: the training data of the whole chain of runs, its start, and the selection.

    :param chosen_on: configuration of the run that was selected and calibrated in its place.
    """
    runs = list(_chain(config))
    sources = [source for run in runs for source in run.data.train]
    whole = {_named(source) for source in sources if _part(source) == _named(source)}
    parts = _once(_part(s) for s in sources if _part(s) == _named(s) or _named(s) not in whole)
    val = (chosen_on or config).data.val
    selection = val_name(chosen_on or config) if val[0].domain else '; '.join(map(_part, val))
    return ' '.join(
        [
            f'Trained on {"; ".join(parts) or "nothing"}.',
            _start(runs),
            f'Checkpoint and temperature were selected on {selection}'
            + (', by a parallel run that left these frames out.' if chosen_on else '.'),
        ]
    )


def terms(config: TrainConfig) -> list[str]:
    """The terms of network, weights, training data and selection data, each once."""
    sources = (*config.data.train, *config.data.val)
    of_data = (source.terms or ABOUT[source.kind].terms for source in sources)
    found = [NETWORKS[config.model.name].terms, *of_data]
    weights, before = config.model.weights, _run_before(config)
    if before is not None:
        found += terms(before)
    elif weights == IMAGENET:
        found.append(_IMAGENET_TERMS)
    elif weights:
        found.append(f'terms of the weights {weights}, from which training started')
    return _once(found)


def _chain(config: TrainConfig) -> Iterator[TrainConfig]:
    """This run and the runs before it whose checkpoints it started from, newest first."""
    run: TrainConfig | None = config
    while run is not None:
        yield run
        run = _run_before(run)


def _start(runs: Sequence[TrainConfig]) -> str:
    weights = runs[-1].model.weights
    start = f'the weights {weights}' if weights else 'fresh weights'
    if weights == IMAGENET:
        start = 'ImageNet weights'
    stages = f' and continued through {len(runs)} runs' if len(runs) > 1 else ''
    return f'Training started from {start}{stages}.'


def _run_before(config: TrainConfig) -> TrainConfig | None:
    """The run whose checkpoint this run started from; None if that is not a checkpoint of ours."""
    try:
        return parse_config(load_checkpoint(Path(config.model.weights))['config'])
    except CheckpointError:
        return None


def limits(config: TrainConfig) -> list[str]:
    """The limits of the training data, each once."""
    return _once(ABOUT[source.kind].limits for source in config.data.train)


def val_name(config: TrainConfig) -> str:
    """Short name of the scored frames, such as ``0001TP`` or ``cityscapes val``."""
    domains = dict.fromkeys(source.domain for source in config.data.val if source.domain)
    return ', '.join(domains) or ' + '.join(
        '+'.join(source.only) or f'{source.kind} {source.split}' for source in config.data.val
    )


def _named(source: SourceConfig) -> str:
    """One data set and its split."""
    if source.about:
        return source.about
    if source.kind == 'synthetic':
        return f'{source.frames} {ABOUT[source.kind].name}'
    root = [Path(source.root).name] if source.kind == 'folder' else []
    return ' '.join([ABOUT[source.kind].name, *root, source.split])


def _part(source: SourceConfig) -> str:
    """One data set, and which frames of it."""
    words = [_named(source)]
    if source.only:
        words.append(f'({", ".join(source.only)} only)')
    if source.exclude:
        words.append(f'(without {", ".join(source.exclude)})')
    if source.limit:
        words.append(f'(the first {source.limit} frames)')
    return ' '.join(words)


def _once(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(line for line in lines if line))
