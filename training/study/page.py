# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The page of a study: table, plot, contact sheet and verdicts, in Markdown and PNG."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import onnxruntime
import torch

from seg_perception.core.masks import colourise
from seg_perception.io.atomic import write_text
from seg_perception.report import plots
from seg_perception.report.contact_sheet import Tile, contact_sheet
from seg_perception.report.text import markdown_table, spaced
from training.config import TrainConfig
from training.data.sample import FrameSet
from training.evaluate.predictors import file_predictor
from training.models import NETWORKS
from training.presets import IN_REPOSITORY
from training.study.plan import Run, Study
from training.study.run import MODEL, SIZE, Result
from training.study.verdict import Figure, figure, judge, pareto_front

SHOWN = 3  # frames of the sheet


@dataclass(frozen=True)
class Findings:
    """All that a page tells."""

    study: Study
    runs: tuple[Run, ...]  # those with a result
    results: tuple[Result, ...]
    cpu_ms: Mapping[str, float]  # of each variant
    missing: tuple[str, ...]  # runs without a result

    @property
    def variants(self) -> list[str]:
        """Variants with a result, the best first."""
        names = {row.variant for row in self.results}
        return sorted(names, key=lambda variant: -self.figure(variant, 'mean_iou').mean)

    def figure(self, variant: str, metric: str) -> Figure:
        """A metric of a variant over its seeds."""
        return figure(self.study, self.results, variant, metric)

    def first(self, variant: str) -> Result:
        """The result of the first seed of a variant."""
        return min(
            (row for row in self.results if row.variant == variant), key=lambda row: row.seed
        )


def write_page(findings: Findings, val: FrameSet, folder: Path) -> Path:
    """Write ``NAME.md`` and its images ``NAME_plot.png`` and ``NAME_frames.jpg``."""
    name = findings.study.name
    plot = _pareto if findings.study.plot == 'pareto' else _bars
    plots.write_figure(folder / f'{name}_plot.png', plot(findings))
    plots.write_figure(folder / f'{name}_frames.jpg', _sheet(findings, val))
    path = folder / f'{name}.md'
    write_text(path, _text(findings, val))
    return path


def _text(findings: Findings, val: FrameSet) -> str:
    study, config = findings.study, findings.runs[0].config
    verdicts = [f'- {judge(study, findings.results, row)}' for row in study.verdicts]
    missing = [f'Without a result: {", ".join(findings.missing)}.', '']
    parts = [
        f'# {study.title}',
        '',
        study.claim.strip(),
        '',
        *(['## Verdict', '', *verdicts, ''] if verdicts else []),
        '## Results',
        '',
        _table(findings),
        '',
        *(missing if findings.missing else []),
        _how(findings, config, val),
        '',
        f'![plot]({study.name}_plot.png)',
        '',
        '## The same frames',
        '',
        f'![predictions]({study.name}_frames.jpg)',
        '',
        f'Written by `python -m training study {study.name}`.',
        '',
    ]
    return '\n'.join(parts)


def _table(findings: Findings) -> str:
    """Variants by rows, the best first."""
    columns = _columns(findings)
    rows = [[cell(variant) for cell in columns.values()] for variant in findings.variants]
    return markdown_table([*columns], rows, f'l{"r" * (len(columns) - 1)}')


def _columns(findings: Findings) -> dict[str, Callable[[str], str]]:
    """Heading and cell of each column."""

    def score(metric: str) -> Callable[[str], str]:
        return lambda variant: findings.figure(variant, metric).text()

    columns: dict[str, Callable[[str], str]] = {'variant': str, 'mean IoU': score('mean_iou')}
    columns |= {f'{group} IoU': score(group) for group in findings.study.groups}
    columns['pixel accuracy'] = score('pixel_accuracy')
    columns['CPU [ms]'] = lambda variant: f'{findings.cpu_ms[variant]:.0f}'
    columns['parameters [M]'] = lambda variant: f'{findings.first(variant).parameters / 1e6:.2f}'
    columns['GMACs'] = lambda variant: f'{findings.first(variant).macs / 1e9:.1f}'
    columns['training [min]'] = lambda variant: f'{findings.first(variant).minutes:.1f}'
    if findings.study.plot == 'pareto':
        names = {run.variant: run.config.model.name for run in findings.runs}
        columns['paper'] = lambda variant: NETWORKS[names[variant]].paper
    return columns


def _how(findings: Findings, config: TrainConfig, val: FrameSet) -> str:
    """What the figures were measured on, in one paragraph."""
    steps = round(statistics.median(row.steps for row in findings.results))
    study, crop, optim = findings.study, config.transform.crop, config.optim
    seeds = len({row.seed for row in findings.results})
    return (
        f'Budget of every run: {steps} steps of {optim.batch} crops of {crop[0]}x{crop[1]}; base '
        f'`{findings.study.base}`, and of each variant the keys in '
        f'`{IN_REPOSITORY}/studies/{study.name}.yaml`. '
        f'Scored: the exported file on {len(val)} frames that no run was trained on, classes of '
        f'{val.classes.name}. {seeds} seed{"s" * (seeds > 1)}'
        f'{", ± half their range" if seeds > 1 else ""}. CPU: uint8 frame of '
        f'{SIZE[0]}x{SIZE[1]} to labels, onnxruntime {onnxruntime.__version__}, 2 threads, the '
        f'files taking turns; MACs of the same size. Minutes of training depend on what else the '
        f'machine did. torch {torch.__version__}, {_processor()}, {os.cpu_count()} cores.'
    )


def _processor() -> str:
    """Name of the CPU as Linux tells it."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        return next(row.split(':')[1].strip() for row in lines if row.startswith('model name'))
    except (OSError, StopIteration):
        return platform.machine()


def _pareto(findings: Findings) -> Any:
    variants = findings.variants
    milliseconds = [findings.cpu_ms[variant] for variant in variants]
    scores = [findings.figure(variant, 'mean_iou').mean for variant in variants]
    parameters_m = [findings.first(variant).parameters / 1e6 for variant in variants]
    front = pareto_front(milliseconds, scores)
    return plots.pareto(variants, milliseconds, scores, parameters_m, front)


def _bars(findings: Findings) -> Any:
    metrics = ['mean_iou', *findings.study.groups]
    values = {
        variant: [findings.figure(variant, metric).values for metric in metrics]
        for variant in findings.study.variants
        if variant in findings.variants
    }
    return plots.grouped_bars([spaced(metric) for metric in metrics], values)


def _sheet(findings: Findings, val: FrameSet) -> Any:
    """The same frames, evenly spread, through the files of all variants."""
    frames = [val[len(val) * (2 * number + 1) // (2 * SHOWN)] for number in range(SHOWN)]
    classes = val.classes
    rows = [
        ('image', [frame.rgb for frame in frames]),
        ('ground truth', [colourise(frame.labels, classes) for frame in frames]),
    ]
    firsts = {run.variant: run for run in reversed(findings.runs)}
    for variant in findings.variants:
        predict = file_predictor(firsts[variant].out / MODEL, classes)
        masks = [colourise(predict(frame.rgb)[0], classes) for frame in frames]
        # A hint of the image, so that edges can be compared.
        images = [
            cv2.addWeighted(frame.rgb, 0.25, mask, 0.75, 0)
            for frame, mask in zip(frames, masks, strict=True)
        ]
        rows.append((f'{variant} {findings.figure(variant, "mean_iou").mean:.3f}', images))
    tiles = [
        [Tile('' if number else title, image) for number, image in enumerate(images)]
        for title, images in rows
    ]
    return contact_sheet(tiles, 3.4, 11, (classes, range(len(classes))), legend_columns=4)
