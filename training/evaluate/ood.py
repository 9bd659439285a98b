# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m training ood``: can a network tell that it has never seen something?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from seg_perception.core.classes import ClassTable
from training.checkpoint import load_checkpoint
from training.config import TrainConfig, parse_config
from training.data import open_val
from training.data.tables import check_table, keep_lut
from training.distributed import pick_device
from training.errors import ConfigError, check_known
from training.evaluate.ood_report import Findings, Row, write_findings
from training.evaluate.ood_samples import (
    SUMMARIES,
    Group,
    Kind,
    OodScorer,
    image_samples,
    labelled_samples,
)
from training.evaluate.ood_score import SCORES
from training.evaluate.predictors import checkpoint_network, holdout_temperature
from training.evaluate.separation import auroc_band, separation
from training.options import OodOptions

HELD_BACK = 'held-out frames'
ALL_KNOWN = 'all known'
LABELLED = 'labelled pixels'
Paths = Mapping[str, Sequence[Path]]


def measure(options: OodOptions) -> str:
    """
    Score all sets, write the files that were asked for, and give the tables to print.

    :raises SegPerceptionError: when options, files and data do not fit.
    """
    _check(options)
    state = load_checkpoint(options.checkpoint)
    config = parse_config(state['config'], options.overrides)
    classes = ClassTable.from_dict(state['classes'])
    if config.threads:
        torch.set_num_threads(config.threads)
    samples = {
        name: image_samples(paths, options.every)
        for name, paths in {**options.known, **options.unknown}.items()
    }
    data = dataclasses.replace(config.data, cache=False)
    frames = open_val(data)
    check_table('the checkpoint', classes, frames.classes)
    # Labels with the classes that the network was not trained on.
    labelled = open_val(dataclasses.replace(data, keep=()))
    if not options.unknown and labelled.classes == frames.classes:
        raise ConfigError('--unknown', 'nothing', 'NAME=PATH: images that it should not know')
    net = checkpoint_network(state, pick_device(config.device))
    temperature = options.temperature or holdout_temperature(net, frames, config)
    lut = keep_lut(labelled.classes, config.data.keep or labelled.classes.names)
    scorer = OodScorer(net, temperature, config.deploy.size_for, classes, lut)
    held_back = scorer.group(HELD_BACK, labelled_samples(labelled))
    groups = {name: scorer.group(name, part) for name, part in samples.items()}
    findings = _find(options, config, temperature, held_back, groups)
    if options.out or options.docs:
        write_findings(findings, scorer, options.out, options.docs, options.show)
    return findings.text()


def _find(
    options: OodOptions,
    config: TrainConfig,
    temperature: float,
    held_back: Group,
    groups: Mapping[str, Group],
) -> Findings:
    known = [held_back, *(groups[name] for name in options.known)]
    unknown = [groups[name] for name in options.unknown]
    return Findings(
        name=config.name,
        temperature=temperature,
        images=tuple(_image_rows(known, unknown)),
        pixels=tuple(_pixel_rows(held_back, unknown)),
        known=tuple(known),
        unknown=tuple(unknown),
    )


def _image_rows(known: Sequence[Group], unknown: Sequence[Group]) -> Iterator[Row]:
    """Each unknown set against the held-out frames and against all known; then known by known."""
    held_back, others = known[0], known[1:]
    for group in unknown:
        yield _image_row(held_back, group)
        if others:
            yield _image_row(_joined(known), group)
    for group in others:
        yield _image_row(held_back, group)


def _image_row(known: Group, unknown: Group) -> Row:
    found = {}
    for index, score in enumerate(SCORES):
        for way, summary in enumerate(SUMMARIES):
            a, b = known.images[:, index, way], unknown.images[:, index, way]
            one = separation(a, b)
            if summary == SUMMARIES[0]:
                band = auroc_band(a, known.blocks, b, unknown.blocks)
                one = dataclasses.replace(one, band=band)
            found[score, summary] = one
    return Row(unknown.name, known.name, len(unknown.images), len(known.images), found)


def _pixel_rows(held_back: Group, unknown: Sequence[Group]) -> Iterator[Row]:
    """Pixels by kind, told apart by their score; kinds that do not occur are left out."""
    of_kind = {kind: held_back.pixels[held_back.kinds == kind] for kind in Kind}
    labelled = np.concatenate([of_kind[Kind.RIGHT], of_kind[Kind.WRONG]])
    pairs = [
        ('held-out class', LABELLED, of_kind[Kind.HELD_OUT], labelled),
        ('void', LABELLED, of_kind[Kind.VOID], labelled),
        ('wrong label', 'right label', of_kind[Kind.WRONG], of_kind[Kind.RIGHT]),
        *((group.name, LABELLED, group.pixels, labelled) for group in unknown),
    ]
    for name, against, positive, negative in pairs:
        if len(positive) and len(negative):
            found = {
                (score, SUMMARIES[0]): separation(negative[:, index], positive[:, index])
                for index, score in enumerate(SCORES)
            }
            yield Row(name, against, len(positive), len(negative), found)


def _joined(groups: Sequence[Group]) -> Group:
    """Several sets as one; none of their blocks is another's."""
    starts = np.cumsum([0, *(group.blocks.max() + 1 for group in groups[:-1])])
    blocks = [group.blocks + start for group, start in zip(groups, starts, strict=True)]
    return Group(
        ALL_KNOWN,
        tuple(sample for group in groups for sample in group.samples),
        np.concatenate([group.images for group in groups]),
        np.concatenate(blocks),
        np.concatenate([group.pixels for group in groups]),
        np.concatenate([group.kinds for group in groups]),
    )


def _check(options: OodOptions) -> None:
    names = [HELD_BACK, ALL_KNOWN, *options.known, *options.unknown]
    for name in options.known:
        if name in options.unknown or name in (HELD_BACK, ALL_KNOWN):
            raise ConfigError('--known', repr(name), 'a name that no other set has')
    for name in options.show:
        check_known('--show', name, names)
