# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Small pictures of frames inside the report, as many as it can carry."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seg_perception.report.run_data import RunData

BUDGET_BYTES = 7_500_000  # with plotly (4.8 MB) and the timeline the report stays below 15 MB
_NEAR_NS = 500_000_000  # a picture this near shows the same scene
_PROBES = 32  # files whose size tells how many fit
_TYPES = {b'\xff\xd8\xff': 'jpeg', b'\x89PNG': 'png', b'RIFF': 'webp'}


@dataclass(frozen=True)
class Pictures:
    """The embedded pictures, and what could not be embedded."""

    uri_of_row: dict[int, str]  # row of the frame -> data URI
    offered: int  # frames that name a picture
    missing: int  # of those asked for: not there, or no picture
    near: dict[int, int]  # row that was asked for -> row of the picture that shows it

    @property
    def rows(self) -> np.ndarray:
        return np.array(sorted(self.uri_of_row), np.int64)

    def of(self, row: int) -> int | None:
        """The row whose embedded picture shows that row; None for none."""
        found = self.near.get(row, row)
        return found if found in self.uri_of_row else None


def embed(run: RunData, first: Sequence[int], budget_bytes: int = BUDGET_BYTES) -> Pictures:
    """
    The pictures of the rows in ``first``, then of others evenly over all frames.

    :param budget_bytes: what all of them may take in the report.
    """
    offered = np.flatnonzero(_named(run))
    near = nearest_named(run, first)
    room = _how_many_fit(run, offered, budget_bytes) - len(near)
    wanted = dict.fromkeys([*near.values(), *_evenly(offered, max(0, room))])
    uri_of_row: dict[int, str] = {}
    missing = 0
    for row in wanted:
        uri = data_uri(run.folder / run.text('thumbnail', row))
        if not uri:
            missing += 1
            continue
        budget_bytes -= len(uri)
        if budget_bytes < 0:
            break
        uri_of_row[row] = uri
    return Pictures(uri_of_row, len(offered), missing, near)


def nearest_named(run: RunData, rows: Sequence[int]) -> dict[int, int]:
    """For each row the nearest one of its input that names a picture; none too far away."""
    stamps, named = run.numbers('stamp_ns'), np.flatnonzero(_named(run))
    found = {}
    for row in rows:
        same = named[run.input_of[named] == run.input_of[row]]
        apart = np.abs(stamps[same] - stamps[row])
        if len(same) and apart.min() <= _NEAR_NS:
            found[row] = int(same[apart.argmin()])
    return found


def data_uri(path: Path) -> str:
    """The file as a data URI; empty when there is none, or it is no picture."""
    try:
        data = path.read_bytes()
    except OSError:
        return ''
    kind = next((kind for magic, kind in _TYPES.items() if data.startswith(magic)), '')
    return f'data:image/{kind};base64,{base64.b64encode(data).decode()}' if kind else ''


def _named(run: RunData) -> np.ndarray:
    codes, texts = run.coded('thumbnail')
    named: np.ndarray = np.array([bool(text) for text in texts], bool)[codes]
    return named


def _how_many_fit(run: RunData, offered: np.ndarray, budget_bytes: int) -> int:
    sizes = [_size(run.folder / run.text('thumbnail', row)) for row in _evenly(offered, _PROBES)]
    known = [size for size in sizes if size]
    return int(budget_bytes / (np.mean(known) * 4 / 3 + 30)) if known else 0


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _evenly(rows: np.ndarray, count: int) -> list[int]:
    if count >= len(rows):
        return [int(row) for row in rows]
    return [int(row) for row in rows[np.linspace(0, len(rows) - 1, count).round().astype(int)]]
