# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The model card as Markdown next to a model file, and the card inside the file."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seg_perception.inference.model_file import AT_THRESHOLD, ModelCard
from seg_perception.report.text import markdown_table
from training.config import SIZE_MULTIPLE, TrainConfig
from training.evaluate.domains import SHOWN, DomainScores
from training.evaluate.scores import Scores
from training.export.candidate import ExportCandidate
from training.export.provenance import data_text, limits, terms, val_name

LEAST_MISTAKE = 0.01
"""Share of a class's pixels from which on the card tells what they are taken for."""


@dataclass(frozen=True)
class FileNote:
    """One exported file: its description, and the checks that it passed before it was written."""

    name: str
    size_bytes: int
    what: str
    checks: Sequence[str]


def make_card(candidate: ExportCandidate, variant: str = '') -> ModelCard:
    """The card without scores; ``variant`` is added to the name, such as ``int8``."""
    deploy = candidate.config.deploy
    return ModelCard(
        name=' '.join(filter(None, (candidate.config.name, variant))),
        classes=candidate.classes,
        input_size=deploy.input_size,
        size_multiple=SIZE_MULTIPLE if deploy.dynamic else 1,
        dynamic=deploy.dynamic,
        temperature=candidate.temperature,
        data=data_text(candidate.config, candidate.held_out),
        scores={},
        licence='; '.join(terms(candidate.config)),
        commit=_commit(),
        upscale=deploy.upscale,
    )


def score_table(candidate: ExportCandidate, scores: Scores | DomainScores) -> dict[str, float]:
    """
    Scores by name, for the card in the file; classes without labelled pixels are left out.

    Of domains: those of each, and the mean over them.
    """
    if isinstance(scores, DomainScores):
        return _domain_table(scores)
    where, means = val_name(candidate.config), scores.means()
    named = {name: means[name] for name in ('mean_iou', 'pixel_accuracy', 'calibration_error')}
    for name, iou in zip(candidate.classes.names, scores.matrix.iou(), strict=True):
        named[f'iou {name}'] = float(iou)
    return {
        f'{name} {where}': round(value, 4) for name, value in named.items() if not np.isnan(value)
    }


def _domain_table(scores: DomainScores) -> dict[str, float]:
    rows = scores.by_domain() | {'mean of domains': scores.means()}
    named = {
        f'{key} {name}': row[key] for name, row in rows.items() for key in row if key != 'frames'
    }
    return {name: round(value, 4) for name, value in named.items() if not np.isnan(value)}


def card_text(
    card: ModelCard,
    candidate: ExportCandidate,
    scores: Scores | DomainScores,
    files: Sequence[FileNote],
) -> str:
    """The card as Markdown."""
    config = candidate.config
    sections = [
        f'# Model card: {card.name}',
        f'{_origin(card, candidate)} {_sizes(card)}',
        '## Files and checks',
        _bullets(line for file in files for line in _about(file)),
        '## Data and terms',
        card.data,
        _bullets(f'{line[:1].upper()}{line[1:]}.' for line in terms(config)),
        '## Scores',
        _scores(card, candidate, scores),
        '## Limits',
        _bullets(_limits(card, config)),
    ]
    return '\n\n'.join(sections) + '\n'


def _origin(card: ModelCard, candidate: ExportCandidate) -> str:
    model = candidate.config.model
    options = ', '.join(f'{key} {value}' for key, value in model.options.items())
    network = f'{model.name} ({options})' if options else model.name
    start = f'the weights `{model.weights}`' if model.weights else 'fresh weights'
    blended = (
        f'; the weights are the mean of {" and ".join(candidate.blend)}' if candidate.blend else ''
    )
    return (
        f'{network}, trained from {start} by `python -m training fit`: epoch {candidate.epoch}, '
        f'step {candidate.step}{blended}. Contract version {card.contract}, class '
        f'table `{card.classes.name}` of {len(card.classes)} classes.'
    )


def _sizes(card: ModelCard) -> str:
    height, width = card.input_size
    if not card.dynamic:
        return f'Every frame is stretched to {height}x{width} (height x width).'
    small = (
        f' Smaller frames are enlarged by a factor of at most {card.upscale:g}.'
        if card.upscale > 1
        else ''
    )
    return (
        f'Frames keep their aspect ratio and are scaled to fit into {height}x{width} (height x '
        f'width), portrait frames into {width}x{height}.{small} The network accepts any height '
        f'and width that are multiples of {card.size_multiple}.'
    )


def _about(file: FileNote) -> list[str]:
    head = f'`{file.name}`, {file.size_bytes / 1e6:.1f} MB: {file.what}.'
    return [head, *(f'Measured: {check}.' for check in file.checks)]


def _scores(card: ModelCard, candidate: ExportCandidate, scores: Scores | DomainScores) -> str:
    if isinstance(scores, DomainScores):
        return _domain_scores(card, candidate, scores)
    means = scores.means()
    rows = [
        [name, 'not in the ground truth' if np.isnan(iou) else f'{iou:.3f}']
        for name, iou in zip(card.classes.names, scores.matrix.iou(), strict=True)
    ]
    mean = ['**mean**', f'**{means["mean_iou"]:.3f}**']
    table = markdown_table(['class', 'IoU'], [*rows, mean])
    where = val_name(candidate.held_out or candidate.config)
    return (
        f'{scores.frames} frames of {where}, scored at their own size with one confusion matrix '
        f'over all frames; pixels with the ignore label do not count. '
        f'{_worth(candidate)}\n\n{table}\n\n'
        f'Pixel accuracy {means["pixel_accuracy"]:.3f}. The confidence is the largest softmax of '
        f'logits / {card.temperature:g}; its expected calibration error (15 bins) is '
        f'{means["calibration_error"]:.3f}, measured on the frames on which the temperature was '
        f'fitted. {_ood_text(card)}'
    )


def _domain_scores(card: ModelCard, candidate: ExportCandidate, scores: DomainScores) -> str:
    heads = ['street', 'frames', *(key.replace('_', ' ') for key in SHOWN)]
    rows = [
        [name, str(int(row['frames'])), *(f'{row[key]:.3f}' for key in SHOWN)]
        for name, row in scores.by_domain().items()
    ]
    mean = ['**mean**', '', *(f'**{scores.means()[key]:.3f}**' for key in SHOWN)]
    classes = [
        [name, row['class'], f'{row["iou"]:.3f}', _mistake(row)] for name, row in scores.classes()
    ]
    return (
        'Each kind of street is scored at the size and in the classes of its own labels, with one '
        f'confusion matrix. {_worth(candidate)}\n\n{markdown_table(heads, [*rows, mean])}\n\n'
        f'{markdown_table(["street", "class", "IoU", "most often taken for"], classes)}\n\n'
        f'The confidence is the largest softmax of logits / {card.temperature:g}. '
        f'{_ood_text(card)}'
    )


def _mistake(row: Mapping[str, Any]) -> str:
    """What a class is most often taken for, and which share of its pixels is."""
    share = row['taken_for_share']
    return f'{row["taken_for"]} ({share:.1%})' if share >= LEAST_MISTAKE else ''


def _worth(candidate: ExportCandidate) -> str:
    """What the scores allow a reader to conclude."""
    if candidate.held_out:
        return (
            'The scores are those of a parallel run that was not trained on these frames; the '
            'shipped run was. The checkpoint was selected and the temperature fitted on them, so '
            'expect lower scores on other streets.'
        )
    if candidate.trained_on_val():
        return (
            '**The run was trained on these frames, so the scores show that training works, not '
            'how good the model is.**'
        )
    return (
        'The run was not trained on these frames, but the checkpoint was selected and the '
        'temperature fitted on them, so expect lower scores on other streets.'
    )


def _ood_text(card: ModelCard) -> str:
    scale = card.ood_calibration
    if scale is None:
        return 'The file has no OOD calibration: all these frames have the same OOD output.'
    return (
        f'The output `ood_score` is the mean {scale.score.replace("_", " ")} of a frame. Its '
        f'median on these frames, {scale.median:g}, is OOD score 0; its 95 % quantile, '
        f'{scale.threshold:g}, is OOD score {AT_THRESHOLD:g} (of 1).'
    )


def _limits(card: ModelCard, config: TrainConfig) -> list[str]:
    return [
        '**Not for driving a car**, nor for any use where a wrong pixel can hurt someone.',
        *limits(config),
        'Thin, rare and distant objects are missed most often; see the table above.',
        f'Every object gets one of the {len(card.classes)} classes, often with high confidence, '
        'even if none of them fits.',
    ]


def _bullets(lines: Iterable[str]) -> str:
    return '\n'.join(f'- {line}' for line in lines)


def _commit() -> str:
    """Commit of the training code; empty outside of a repository."""
    done = subprocess.run(
        ['git', 'rev-parse', 'HEAD'], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ''
