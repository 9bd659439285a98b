# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Thumbnails of frames inside the report, as many as it can carry."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seg_perception.evaluation.run_data import RunData

BUDGET_BYTES = 7_500_000  # with plotly (4.8 MB) and the timeline the report stays below 15 MB
_PROBES = 32  # files whose size tells how many fit
_TYPES = {b'\xff\xd8\xff': 'jpeg', b'\x89PNG': 'png', b'RIFF': 'webp'}


@dataclass(frozen=True)
class Images:
    """The embedded images, and what could not be embedded."""

    uri_of_row: dict[int, str]  # row of the frame -> data URI
    offered: int  # frames that name an image
    missing: int  # files that are not there, or are not images
    near: dict[int, int]  # row that was asked for -> row of the image that shows it

    @property
    def rows(self) -> np.ndarray:
        return np.array(sorted(self.uri_of_row), np.int64)

    def of(self, row: int) -> int | None:
        """The row whose embedded image shows that row; None for none."""
        found = self.near.get(row, row)
        return found if found in self.uri_of_row else None


def embed(run: RunData, first: Sequence[int], budget_bytes: int = BUDGET_BYTES) -> Images:
    """
    The images of the rows in ``first``, then of others evenly over all frames.

    :param budget_bytes: what all of them may take in the report.
    """
    offered = np.flatnonzero(run.has_image)
    near = run.nearest_images(first)
    room = _how_many_fit(run, offered, budget_bytes) - len(near)
    uri_of_row: dict[int, str] = {}
    missing = 0
    for row in dict.fromkeys([*near.values(), *_evenly(offered, max(0, room))]):
        uri = data_uri(run.folder / run.text('thumbnail', row))
        if not uri:
            missing += 1
            continue
        budget_bytes -= len(uri)
        if budget_bytes < 0:
            break
        uri_of_row[row] = uri
    return Images(uri_of_row, len(offered), missing, near)


def data_uri(path: Path) -> str:
    """The file as a data URI; empty when there is none, or it is not an image."""
    try:
        data = path.read_bytes()
    except OSError:
        return ''
    kind = next((kind for magic, kind in _TYPES.items() if data.startswith(magic)), '')
    return f'data:image/{kind};base64,{base64.b64encode(data).decode()}' if kind else ''


def _how_many_fit(run: RunData, offered: np.ndarray, budget_bytes: int) -> int:
    files = [run.folder / run.text('thumbnail', row) for row in _evenly(offered, _PROBES)]
    sizes = [file.stat().st_size for file in files if file.is_file()]
    return int(budget_bytes / (np.mean(sizes) * 4 / 3 + 30)) if sizes else 0


def _evenly(rows: np.ndarray, count: int) -> list[int]:
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return [int(row) for row in rows[places]]
