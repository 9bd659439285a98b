# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What `evaluate` left in its folder, as the report and the comparison read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from seg_perception.core.errors import SegPerceptionError, SourceError

FORMAT = 1
_COLUMNS = (
    *('source', 'topic', 'index', 'stamp_ns', 'score', 'level', 'reason', 'confidence'),
    *('corridor_share', 'free_distance_m', 'thumbnail', 'inference_ms'),
)
_SUMMARY_KEYS = ('model', 'environment', 'inputs', 'frames', 'fps', 'stages_ms', 'levels')
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
    table: Any  # pyarrow.Table, one row a frame
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
        """A numeric column, (frames,); NaN where a value is missing, or the column is."""
        if not self.has(name):
            return np.full(self.frames, np.nan)
        values: np.ndarray = self.table[name].to_numpy()
        return values

    def coded(self, name: str) -> tuple[np.ndarray, list[str]]:
        """A column of text as (frames,) codes and the texts that they stand for."""
        column = self.table[name].cast('string').fill_null('').combine_chunks().dictionary_encode()
        codes: np.ndarray = column.indices.to_numpy()
        return codes, column.dictionary.to_pylist()

    def text(self, name: str, row: int) -> str:
        return str(self.table[name][int(row)].as_py() or '')

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
    return RunData(folder, _read_frames(folder / 'frames.parquet'), _read_summary(folder))


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
            "Run: pip install 'seg_perception[offline]'",
        ) from error


def _read_frames(path: Path) -> Any:
    parquet = optional('pyarrow.parquet')
    if not path.is_file():
        raise SourceError(
            f'frames {str(path)!r}',
            'nothing there',
            'the table of a finished evaluation',
            'Run the same `seg-perception evaluate` again: it goes on where it stopped.',
        )
    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:  # pyarrow's errors are of these families
        raise SourceError(
            f'frames {str(path)!r}',
            f'{path.stat().st_size} bytes that do not read ({_first_line(error)})',
            'a whole parquet file',
            _AGAIN,
        ) from error
    missing = [name for name in _COLUMNS if name not in table.column_names]
    if missing:
        raise SourceError(
            f'frames {str(path)!r}', f'no column {", ".join(missing)}', 'all columns', _AGAIN
        )
    return table


def _read_summary(folder: Path) -> Mapping[str, Any]:
    path = folder / 'summary.json'
    try:
        summary = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise SourceError(
            f'summary {str(path)!r}', 'nothing there', 'one beside frames.parquet', _AGAIN
        ) from error
    except (OSError, ValueError) as error:
        raise SourceError(
            f'summary {str(path)!r}', _first_line(error), 'readable JSON', _AGAIN
        ) from error
    if not isinstance(summary, dict) or summary.get('format') != FORMAT:
        seen = summary.get('format') if isinstance(summary, dict) else type(summary).__name__
        raise SourceError(f'summary {str(path)!r}: format', repr(seen), FORMAT, _AGAIN)
    missing = [name for name in _SUMMARY_KEYS if name not in summary]
    if missing:
        raise SourceError(
            f'summary {str(path)!r}', f'no {", ".join(missing)}', 'all of its keys', _AGAIN
        )
    return summary


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
