# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A finished evaluation as the comparison and the report read it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from seg_perception.core.errors import SegPerceptionError, SourceError, first_line
from seg_perception.core.results import RiskLevel
from seg_perception.evaluation.metrics import mean_known

FORMAT = 1
COMPARISON = 'compare.json'
WORST = 12  # frames
_APART_S = 2.0  # frames of one input that are closer show the same scene
_NEAR_NS = 500_000_000  # an image this close shows the same scene
_DANGEROUS = (RiskLevel.HIGH, RiskLevel.CRITICAL)
_COLUMNS = (
    *('source', 'topic', 'index', 'stamp_ns', 'score', 'level', 'reason', 'confidence'),
    *('corridor_share', 'free_distance_m', 'thumbnail', 'inference_ms'),
)
_SUMMARY_KEYS = ('model', 'environment', 'inputs', 'frames', 'fps', 'stages_ms', 'levels')
_COMPARISON_KEYS = (
    *('baseline', 'frames', 'run_frames', 'truth_frames', 'blocks', 'block_s', 'pixels_counted'),
    *('changes', 'fps', 'inference_ms', 'ece', 'disagreement', 'worst_by', 'worst', 'limits'),
)
_AGAIN = 'Run `seg-perception evaluate` into a new folder.'


@dataclass(frozen=True)
class Input:
    """The frames of one image topic of one input, in the order of their stamps."""

    source: str
    topic: str
    rows: np.ndarray  # (n,) int64 into the table of frames

    @property
    def title(self) -> str:
        return f'{self.source} {self.topic}'.strip()


@dataclass(frozen=True)
class RunData:
    """One finished evaluation: the table of its frames and its summary."""

    folder: Path
    table: Any  # pyarrow.Table, one row per frame
    summary: Mapping[str, Any]

    @property
    def frames(self) -> int:
        return int(self.table.num_rows)

    @property
    def truth(self) -> Mapping[str, Any] | None:
        truth: Mapping[str, Any] | None = self.summary.get('truth')
        return truth

    def has(self, name: str) -> bool:
        return name in self.table.column_names

    def names(self, prefix: str) -> list[str]:
        """What follows the prefix in the names of columns, in their order."""
        names = self.table.column_names
        return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]

    def numbers(self, name: str) -> np.ndarray:
        """A numeric column, (frames,); NaN where a value or the column is missing."""
        if not self.has(name):
            return np.full(self.frames, nan)
        values: np.ndarray = self.table[name].to_numpy()
        return values

    def coded(self, name: str) -> tuple[np.ndarray, list[str]]:
        """A column of text as (frames,) codes and the texts that they stand for."""
        column = self.table[name].cast('string').fill_null('').combine_chunks().dictionary_encode()
        codes: np.ndarray = column.indices.to_numpy()
        return codes, column.dictionary.to_pylist()

    def text(self, name: str, row: int) -> str:
        return str(self.table[name][int(row)].as_py() or '')

    def row(self, row: int) -> dict[str, Any]:
        """All columns of one frame."""
        columns: dict[str, Any] = self.table.slice(int(row), 1).to_pylist()[0]
        return columns

    @cached_property
    def total_ms(self) -> np.ndarray:
        """All stages of each frame together, (frames,) milliseconds."""
        stages = [name for name in self.table.column_names if name.endswith('_ms')]
        total: np.ndarray = np.sum(
            [np.nan_to_num(self.numbers(stage)) for stage in stages], axis=0
        )
        return total

    @cached_property
    def inputs(self) -> list[Input]:
        """The inputs by name; a source with two image topics is two of them."""
        sources, source_names = self.coded('source')
        topics, topic_names = self.coded('topic')
        keys = sources * len(topic_names) + topics
        order = np.lexsort((self.numbers('stamp_ns'), keys))
        parts = np.split(order, np.flatnonzero(np.diff(keys[order])) + 1) if len(order) else []
        found = [Input(source_names[sources[r[0]]], topic_names[topics[r[0]]], r) for r in parts]
        return sorted(found, key=lambda one: (one.source, one.topic))

    @cached_property
    def input_of(self) -> np.ndarray:
        """Place in ``inputs`` of each frame, (frames,) int64."""
        place = np.zeros(self.frames, np.int64)
        for index, one in enumerate(self.inputs):
            place[one.rows] = index
        return place

    @cached_property
    def has_image(self) -> np.ndarray:
        """Whether each frame names a thumbnail, (frames,) bool."""
        codes, texts = self.coded('thumbnail')
        named: np.ndarray = np.array([bool(text) for text in texts], bool)[codes]
        return named

    @cached_property
    def comparison(self) -> dict[str, Any] | None:
        """
        What ``compare`` wrote next to the frames; None without it, or when it is of other frames.

        :raises SourceError: when it is damaged or of another format.
        """
        path = self.folder / COMPARISON
        if not path.exists():
            return None
        fix = f'Delete {COMPARISON}, or run `seg-perception evaluate --baseline` again.'
        record = _read_record(f'comparison {str(path)!r}', path, _COMPARISON_KEYS, fix)
        return record if record['run_frames'] == self.frames else None

    def worst_rows(self, values: np.ndarray, count: int = WORST) -> list[int]:
        """Rows of the lowest values (frames,), those of one input at least 2 s apart; no NaN."""
        stamps = self.numbers('stamp_ns')
        rows = np.argsort(values, kind='stable')[: np.count_nonzero(~np.isnan(values))]
        chosen: list[int] = []
        while len(rows) and len(chosen) < count:
            row = rows[0]
            chosen.append(int(row))
            near = np.abs(stamps[rows] - stamps[row]) < _APART_S * 1e9
            rows = rows[~(near & (self.input_of[rows] == self.input_of[row]))]
        return chosen

    def nearest_images(self, rows: Sequence[int]) -> dict[int, int]:
        """For each row the nearest one of its input with a thumbnail, at most 0.5 s away."""
        stamps, named = self.numbers('stamp_ns'), np.flatnonzero(self.has_image)
        found = {}
        for row in rows:
            same = named[self.input_of[named] == self.input_of[row]]
            apart = np.abs(stamps[same] - stamps[row])
            if len(same) and apart.min() <= _NEAR_NS:
                found[row] = int(same[apart.argmin()])
        return found

    def statistics(self, rows: np.ndarray | slice = slice(None)) -> dict[str, float]:
        """Score, level, time and mean IoU of some of the frames; NaN for what is unknown."""
        score, total_ms = self.numbers('score')[rows], self.total_ms[rows]
        danger = np.isin(self.numbers('level')[rows], _DANGEROUS)
        return {
            'frames': len(score),
            'score_median': _quantile(score, 0.5),
            'score_p5': _quantile(score, 0.05),
            'score_lowest': _quantile(score, 0),
            'dangerous_share': float(danger.mean()) if len(danger) else nan,
            'ms_p50': _quantile(total_ms, 0.5),
            'ms_p95': _quantile(total_ms, 0.95),
            'ms_p99': _quantile(total_ms, 0.99),
            'miou': mean_known(self.numbers('miou')[rows]),
        }


def _quantile(values: np.ndarray, share: float) -> float:
    known = values[~np.isnan(values)]
    return float(np.quantile(known, share)) if len(known) else nan


def read_run(folder: Path) -> RunData:
    """
    Read the folder of an evaluation.

    :raises SourceError: when a file is missing, damaged or of another format.
    :raises SegPerceptionError: when pyarrow is not installed.
    """
    if not folder.is_dir():
        raise SourceError(
            f'evaluation {str(folder)!r}',
            'a file' if folder.exists() else 'nothing there',
            'the folder that `seg-perception evaluate --out` wrote',
        )
    frames, path = _read_frames(folder / 'frames.parquet'), folder / 'summary.json'
    summary = _read_record(f'summary {str(path)!r}', path, _SUMMARY_KEYS, _AGAIN)
    return RunData(folder, frames, summary)


def optional(module: str) -> Any:
    """
    A module of the extra `offline`.

    :raises SegPerceptionError: when it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition('.')[0]
        raise SegPerceptionError(
            'evaluation offline',
            f'a Python without {package}',
            package,
            f'Run: pip install {package}',
        ) from error


def _read_frames(path: Path) -> Any:
    parquet, thing = optional('pyarrow.parquet'), f'frames {str(path)!r}'
    if not path.is_file():
        raise SourceError(
            thing,
            'nothing there',
            'the table of a finished evaluation',
            'Run the same `seg-perception evaluate` again: it goes on where it stopped.',
        )
    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:  # pyarrow's errors are of these families
        seen = f'{path.stat().st_size} bytes that do not read ({first_line(error)})'
        raise SourceError(thing, seen, 'a whole parquet file', _AGAIN) from error
    missing = [name for name in _COLUMNS if name not in table.column_names]
    if missing:
        raise SourceError(thing, f'no column {", ".join(missing)}', 'all columns', _AGAIN)
    return table


def _read_record(thing: str, path: Path, keys: Sequence[str], fix: str) -> dict[str, Any]:
    """A JSON object of this format with all of its keys."""
    try:
        record = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise SourceError(thing, first_line(error), 'readable JSON', fix) from error
    seen = record.get('format') if isinstance(record, dict) else type(record).__name__
    if seen != FORMAT:
        raise SourceError(f'{thing}: format', repr(seen), FORMAT, fix)
    missing = [key for key in keys if key not in record]
    if missing:
        raise SourceError(thing, f'no {", ".join(missing)}', 'all of its keys', fix)
    return dict(record)
