# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Results of `python -m training ood`: tables, JSON, a plot, a contact sheet."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from seg_perception.core.image_quality import TrustParams
from seg_perception.core.masks import colourise
from seg_perception.inference.model_file import AT_THRESHOLD, StrangeScale
from seg_perception.io.atomic import write_bytes, write_json, write_text
from training.errors import DatasetError
from training.evaluate.ood_samples import SUMMARIES, Group, OodSample, OodScorer
from training.evaluate.plots import save_figure
from training.evaluate.separation import Separation, roc
from training.evaluate.strangeness import CHOSEN, SCORES, scale_of

if TYPE_CHECKING:  # seconds to import
    from matplotlib.axes import Axes

BEGIN, END = '<!-- begin of what python -m training ood writes -->', '<!-- end of it -->'
EACH = 3  # images per set on the contact sheet: lowest, median and highest OOD score
COLUMNS = 6  # of the contact sheet
TILE_PX = (160, 240)  # height, width
PLOT, SHEET = 'ood_scores.png', 'ood_frames.jpg'
FULL_DOUBT = TrustParams().strange_full
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
    def scale(self) -> StrangeScale:
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
                f'Summary of the pixels of an image, for {_words(CHOSEN)}.',
                _table(self.images, 'images', [(CHOSEN, summary) for summary in SUMMARIES]),
                'Single pixels, at most 500 per image.',
                _table(self.pixels, 'pixels', [(score, _MEAN) for score in SCORES]),
                f'OOD scores of the sets, by {_words(CHOSEN)}.',
                self._on_scale(),
            ]
        )

    def _about(self) -> str:
        scale = self.scale
        return (
            f'Network of `{self.name}`, temperature {self.temperature:g}. Mean {_words(CHOSEN)} '
            f'of the held-out frames: median {scale.median:g} (OOD score 0), 95 % quantile '
            f'{scale.threshold:g} (OOD score {AT_THRESHOLD:g}).'
        )

    def _on_scale(self) -> str:
        full = f'{FULL_DOUBT:g} or more'
        heads = ['set', 'images', 'median', '5 % to 95 %', f'above {AT_THRESHOLD:g}', full]
        rows = []
        for group in (*self.known, *self.unknown):
            strange = on_scale(group, self.scale)
            low, median, high = np.quantile(strange, (0.05, 0.5, 0.95))
            doubted, lost = (strange > AT_THRESHOLD).mean(), (strange >= FULL_DOUBT).mean()
            rows.append(
                [
                    group.name,
                    str(len(strange)),
                    f'{median:.2f}',
                    f'{low:.2f} to {high:.2f}',
                    f'{doubted:.0%}',
                    f'{lost:.0%}',
                ]
            )
        return _markdown(heads, rows)


def on_scale(group: Group, scale: StrangeScale) -> np.ndarray:
    """OOD score of each image of a set, (F,) 0..1."""
    return np.array([scale.strange(float(value)) for value in group.images[:, _INDEX, 0]])


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
    _plot(findings, folders[0] / PLOT)
    _sheet(findings, scorer, folders[0] / SHEET, show)
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
    names = [_words(score if by_score else summary) for score, summary in columns]
    heads = ['unknown', 'against', unit, *names, *([f'AUROC of {_words(CHOSEN)}'] * band)]
    lines = []
    for row in rows:
        cells = [_cell(row.found[column]) for column in columns]
        low, high = row.found[CHOSEN, _MEAN].band
        counts = f'{row.unknowns:,} / {row.knowns:,}'
        more = [f'{low:.3f} to {high:.3f}'] * band
        lines.append([row.unknown, row.known, counts, *cells, *more])
    return _markdown(heads, lines)


def _cell(one: Separation) -> str:
    return f'{one.auroc:.3f} / {one.aupr:.2f} / {one.fpr95:.0%}'


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ['---'] * len(heads), *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _words(name: str) -> str:
    return name.replace('_', ' ')


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
            for group in (*findings.known, *findings.unknown)
        },
    }


def _row_record(row: Row) -> dict[str, Any]:
    found = {
        f'{score} {summary}': {
            'auroc': one.auroc,
            'aupr': one.aupr,
            'fpr95': one.fpr95,
            'band': None if math.isnan(one.band[0]) else list(one.band),
        }
        for (score, summary), one in row.found.items()
    }
    counts = {'unknowns': row.unknowns, 'knowns': row.knowns}
    return {'unknown': row.unknown, 'known': row.known, **counts, **found}


def _plot(findings: Findings, path: Path) -> None:
    """Histograms of the images and ROC curves, one column per score."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * 3.6, 6.6), layout='constrained')
    grid = figure.subplots(2, len(SCORES))
    for index, score in enumerate(SCORES):
        _histograms(grid[0, index], findings, index)
        grid[0, index].set(title=_words(score), xlabel='mean of an image', yticks=[])
        _curves(grid[1, index], findings, index)
    grid[0, 0].set_ylabel('images')
    grid[1, 0].set_ylabel('unknown images detected')
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside lower center', ncols=len(labels), fontsize=9)
    save_figure(figure, path)


def _histograms(axes: Axes, findings: Findings, index: int) -> None:
    groups = (*findings.known, *findings.unknown)
    values = [group.images[:, index, 0] for group in groups]
    edges = np.histogram_bin_edges(np.concatenate(values), 30)
    for number, (group, part) in enumerate(zip(groups, values, strict=True)):
        is_known = number < len(findings.known)
        weights = np.full(len(part), 1 / len(part))
        style = {'histtype': 'stepfilled', 'alpha': 0.4} if is_known else {'histtype': 'step'}
        axes.hist(part, edges, weights=weights, label=group.name, lw=1.6, **style)


def _curves(axes: Axes, findings: Findings, index: int) -> None:
    known = np.concatenate([group.images[:, index, 0] for group in findings.known])
    for number, group in enumerate(findings.unknown, start=len(findings.known)):
        axes.plot(*roc(known, group.images[:, index, 0]), color=f'C{number}')
    axes.plot([0, 1], [0, 1], '--', color='0.7')
    axes.axvline(0.05, color='0.7', lw=1)
    axes.set(xlabel='known images rejected', xlim=(-0.02, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)


def _sheet(findings: Findings, scorer: OodScorer, path: Path, show: Sequence[str]) -> None:
    """Images of each set with labels and OOD map below."""
    from matplotlib.figure import Figure

    shown = [
        group for group in (*findings.known, *findings.unknown) if group.name in show or not show
    ]
    chosen = [(group.name, *each) for group in shown for each in _examples(group, findings.scale)]
    bands = -(-len(chosen) // COLUMNS)
    figure = Figure(figsize=(COLUMNS * 1.9, bands * 4.2), layout='constrained')
    grid = figure.subplots(3 * bands, COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for number, (name, sample, strange) in enumerate(chosen):
        band, column = divmod(number, COLUMNS)
        tiles = _tiles(sample, scorer, findings.scale)
        for row, tile in enumerate(tiles):
            grid[3 * band + row, column].imshow(tile)
        grid[3 * band, column].set_title(f'{name}: {strange:.2f}', fontsize=9, loc='left')
    save_figure(figure, path)


def _examples(group: Group, scale: StrangeScale) -> list[tuple[OodSample, float]]:
    """The images with the lowest, median and highest OOD score."""
    strange = on_scale(group, scale)
    order = np.argsort(group.images[:, _INDEX, 0])
    places = np.unique(np.linspace(0, len(order) - 1, min(EACH, len(order))).astype(int))
    return [(group.samples[i], float(strange[i])) for i in order[places]]


def _tiles(sample: OodSample, scorer: OodScorer, scale: StrangeScale) -> tuple[np.ndarray, ...]:
    """Image, labels and OOD map by cell (bright: high score), (H, W, 3) each."""
    rgb, _ = sample.read()
    answer = scorer.answer(rgb)
    values = [scale.strange(float(value)) for value in answer.maps[_INDEX].ravel()]
    grey = np.rint(255 * np.array(values).reshape(answer.labels.shape)).astype(np.uint8)
    heat = cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    labels = colourise(answer.labels, scorer.classes)
    return _fit(rgb, cv2.INTER_AREA), _fit(labels, cv2.INTER_NEAREST), _fit(heat, cv2.INTER_LINEAR)


def _fit(image: np.ndarray, way: int) -> np.ndarray:
    """An image scaled to the width or height of a tile, on white."""
    height, width = image.shape[:2]
    scale = min(TILE_PX[0] / height, TILE_PX[1] / width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    tile = np.full((*TILE_PX, 3), 255, np.uint8)
    top, left = (TILE_PX[0] - size[0]) // 2, (TILE_PX[1] - size[1]) // 2
    tile[top : top + size[0], left : left + size[1]] = cv2.resize(
        image, size[::-1], interpolation=way
    )
    return tile
