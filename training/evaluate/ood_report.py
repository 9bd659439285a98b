# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Results of `python -m training ood`: tables, JSON, a plot, a contact sheet."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from seg_perception.core.image_quality import PerceptionHealthParams
from seg_perception.core.masks import colourise
from seg_perception.inference.model_file import AT_THRESHOLD, OodCalibration
from seg_perception.io.atomic import write_bytes, write_json, write_text
from seg_perception.report import plots
from seg_perception.report.contact_sheet import Tile, contact_sheet, fitted
from seg_perception.report.text import markdown_table, spaced
from training.errors import DatasetError
from training.evaluate.ood_samples import SUMMARIES, Group, OodSample, OodScorer
from training.evaluate.ood_score import CHOSEN, SCORES, scale_of
from training.evaluate.separation import Separation, roc

BEGIN, END = '<!-- begin of what python -m training ood writes -->', '<!-- end of it -->'
EACH = 3  # images per set on the contact sheet: lowest, median and highest OOD score
COLUMNS = 6  # of the contact sheet
TILE_PX = (160, 240)  # height, width
PLOT, SHEET = 'ood_scores.png', 'ood_frames.jpg'
FULL_DOUBT = PerceptionHealthParams().ood_full
_MEAN = SUMMARIES[0]
_INDEX = list(SCORES).index(CHOSEN)


@dataclass(frozen=True)
class Row:
    """Separation of one set from another, by score and summary of an image."""

    unknown: str
    known: str
    unknowns: int
    knowns: int
    found: Mapping[tuple[str, str], Separation]


@dataclass(frozen=True)
class Findings:
    """
    All measurements of one network.

    :param known: sets, the first of which are the held-out frames.
    """

    name: str
    temperature: float
    images: tuple[Row, ...]
    pixels: tuple[Row, ...]
    known: tuple[Group, ...]
    unknown: tuple[Group, ...]

    @property
    def groups(self) -> tuple[Group, ...]:
        return *self.known, *self.unknown

    @property
    def scale(self) -> OodCalibration:
        """
        The scale that a model file of this network would have.

        :raises DatasetError: when all held-out frames have the same value.
        """
        scale = scale_of(self.known[0].images[:, _INDEX, 0].tolist())
        if scale is None:
            raise DatasetError('scores of the held-out frames', 'one value', 'frames that differ')
        return scale

    def text(self) -> str:
        """The tables in Markdown."""
        return '\n\n'.join(
            [
                self._about(),
                'Whole images: AUROC / AUPR / FPR95.',
                _table(self.images, 'images', [(score, _MEAN) for score in SCORES], band=True),
                f'Summary of the pixels of an image, for {spaced(CHOSEN)}.',
                _table(self.images, 'images', [(CHOSEN, summary) for summary in SUMMARIES]),
                'Single pixels, at most 500 per image.',
                _table(self.pixels, 'pixels', [(score, _MEAN) for score in SCORES]),
                f'OOD scores of the sets, by {spaced(CHOSEN)}.',
                self._on_scale(),
            ]
        )

    def _about(self) -> str:
        scale = self.scale
        return (
            f'Network of `{self.name}`, temperature {self.temperature:g}. Mean {spaced(CHOSEN)} '
            f'of the held-out frames: median {scale.median:g} (OOD score 0), 95 % quantile '
            f'{scale.threshold:g} (OOD score {AT_THRESHOLD:g}).'
        )

    def _on_scale(self) -> str:
        full = f'{FULL_DOUBT:g} or more'
        heads = ['set', 'images', 'median', '5 % to 95 %', f'above {AT_THRESHOLD:g}', full]
        rows = []
        for group in self.groups:
            values = on_scale(group, self.scale)
            low, median, high = np.quantile(values, (0.05, 0.5, 0.95))
            lowered, rejected = (values > AT_THRESHOLD).mean(), (values >= FULL_DOUBT).mean()
            span, shares = f'{low:.2f} to {high:.2f}', [f'{lowered:.0%}', f'{rejected:.0%}']
            rows.append([group.name, str(len(values)), f'{median:.2f}', span, *shares])
        return markdown_table(heads, rows)


def on_scale(group: Group, scale: OodCalibration) -> np.ndarray:
    """OOD score of each image of a set, (F,) 0..1."""
    return np.array([scale.calibrated(float(value)) for value in group.images[:, _INDEX, 0]])


def write_findings(
    findings: Findings, scorer: OodScorer, out: Path | None, docs: Path | None, show: Sequence[str]
) -> None:
    """
    Write the files of a folder, and the generated part of a page.

    :param show: names of the sets on the contact sheet; empty: all.
    :raises DatasetError: when the page lacks the two marks.
    """
    page = None if docs is None else _page(docs, findings.text())
    folders = [folder for folder in (out, docs and docs.parent) if folder]
    plots.write_figure(folders[0] / PLOT, _plot(findings))
    plots.write_figure(folders[0] / SHEET, _sheet(findings, scorer, show))
    for folder, name in itertools.product(folders[1:], (PLOT, SHEET)):
        write_bytes(folder / name, (folders[0] / name).read_bytes())
    if out:
        write_text(out / 'ood.md', f'{findings.text()}\n')
        write_json(out / 'ood.json', _record(findings))
    if docs and page is not None:
        write_text(docs, page)


def _page(path: Path, text: str) -> str:
    """The page with new figures between its two marks."""
    old = path.read_text() if path.is_file() else ''
    head, begin, rest = old.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise DatasetError(f'page {path}', 'no place for the figures', f'{BEGIN} and {END} in it')
    return f'{head}{BEGIN}\n\n{text}\n\n{END}{tail}'


def _table(
    rows: Sequence[Row], unit: str, columns: Sequence[tuple[str, str]], band: bool = False
) -> str:
    by_score = len({score for score, _ in columns}) > 1
    names = [spaced(score if by_score else summary) for score, summary in columns]
    heads = ['unknown', 'against', unit, *names, *([f'AUROC of {spaced(CHOSEN)}'] * band)]
    lines = []
    for row in rows:
        found = [row.found[column] for column in columns]
        cells = [f'{one.auroc:.3f} / {one.aupr:.2f} / {one.fpr95:.0%}' for one in found]
        low, high = row.found[CHOSEN, _MEAN].band
        counts = f'{row.unknowns:,} / {row.knowns:,}'
        cells += [f'{low:.3f} to {high:.3f}'] * band
        lines.append([row.unknown, row.known, counts, *cells])
    return markdown_table(heads, lines)


def _record(findings: Findings) -> dict[str, Any]:
    """All numbers for programs."""
    return {
        'name': findings.name,
        'temperature': findings.temperature,
        'scale': vars(findings.scale),
        'images': [_row_record(row) for row in findings.images],
        'pixels': [_row_record(row) for row in findings.pixels],
        'pictures': {
            group.name: {
                sample.name: dict(zip(SCORES, values[:, 0].round(5).tolist(), strict=True))
                for sample, values in zip(group.samples, group.images, strict=True)
            }
            for group in findings.groups
        },
    }


def _row_record(row: Row) -> dict[str, Any]:
    found = {
        f'{score} {summary}': {
            **vars(one),
            'band': None if math.isnan(one.band[0]) else list(one.band),
        }
        for (score, summary), one in row.found.items()
    }
    counts = {'unknowns': row.unknowns, 'knowns': row.knowns}
    return {'unknown': row.unknown, 'known': row.known, **counts, **found}


def _plot(findings: Findings) -> Any:
    """Histograms of the images and ROC curves, one column per score."""
    columns = len(SCORES)
    figure, grid = plots.subplots((3.6 * columns, 6.6), 2, columns, squeeze=False)
    for index, score in enumerate(SCORES):
        above, below = grid[:, index]
        known, unknown = (
            {group.name: group.images[:, index, 0] for group in groups}
            for groups in (findings.known, findings.unknown)
        )
        plots.histograms(above, known, unknown)
        above.set(title=spaced(score), xlabel='mean of an image', yticks=[])
        every = np.concatenate(list(known.values()))
        plots.roc_curves(below, [roc(every, values) for values in unknown.values()], len(known))
        below.set(xlabel='known images rejected')
    grid[0, 0].set_ylabel('images')
    grid[1, 0].set_ylabel('unknown images detected')
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside lower center', ncols=len(labels), fontsize=9)
    return figure


def _sheet(findings: Findings, scorer: OodScorer, show: Sequence[str]) -> Any:
    """Bands of images, each with its labels and OOD map below."""
    scale = findings.scale
    examples = [
        _tiles(group.name, group.samples[place], scorer, scale)
        for group in findings.groups
        if group.name in show or not show
        for place in _examples(group)
    ]
    bands = [examples[start : start + COLUMNS] for start in range(0, len(examples), COLUMNS)]
    return contact_sheet([row for band in bands for row in zip(*band, strict=True)], 1.9, 9)


def _examples(group: Group) -> list[int]:
    """Places of the images with the lowest, median and highest OOD score."""
    order = np.argsort(group.images[:, _INDEX, 0])
    places = np.unique(np.linspace(0, len(order) - 1, min(EACH, len(order))).astype(int))
    return [int(place) for place in order[places]]


def _tiles(name: str, sample: OodSample, scorer: OodScorer, scale: OodCalibration) -> list[Tile]:
    """Image, labels and OOD map by cell (bright: high score)."""
    rgb, _ = sample.read()
    answer = scorer.answer(rgb)
    maps = answer.maps[_INDEX]
    values = np.array([scale.calibrated(float(value)) for value in maps.ravel()])
    grey = np.rint(255 * values).reshape(maps.shape).astype(np.uint8)
    heat = cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    labels = colourise(answer.labels, scorer.classes)
    return [
        Tile(f'{name}: {scale.calibrated(float(maps.mean())):.2f}', fitted(rgb, TILE_PX)),
        Tile('', fitted(labels, TILE_PX, cv2.INTER_NEAREST)),
        Tile('', fitted(heat, TILE_PX, cv2.INTER_LINEAR)),
    ]
