# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The folder of an evaluation whose numbers are known, as `evaluate` leaves it.

Frames are a tenth of a second apart. The score is 80 but for frame 7 of each input, which has 20
and is critical. Every pixel count of the truth follows from ``HITS``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CLASSES = ('road', 'pole', 'car')
FRONT = '/front/image/compressed'
BAD = 7
BAD_REASON = 'people in the path, near'
STEP_NS = 100_000_000
START_NS = 1_700_000_000_000_000_000
COLOURS = ((60, 60, 200), (60, 200, 60), (200, 60, 60))
HITS = (60, 10, 20)  # right pixels of each class in a frame, of 100
MISSED = (0, 10, 0)  # true pixels of each class that were taken for road
_LEVELS = ('UNKNOWN', 'LOW', 'MODERATE', 'HIGH', 'CRITICAL')


def write_run(
    folder: Path,
    frames: int = 12,
    inputs: Sequence[tuple[str, str]] = (('drive.mcap', FRONT),),
    classes: Sequence[str] = CLASSES,
    with_truth: bool = True,
    with_thumbs: bool = True,
    with_fix: bool = True,
    free_m: float = 30.0,
    pole_hits: int = HITS[1],
    summary: dict[str, Any] | None = None,
) -> Path:
    """
    Write frames.parquet, summary.json, run.json and the thumbnails.

    :param pole_hits: right pixels of the pole, 0 to 20 in each frame; the others are road.
    :param summary: values that replace those of summary.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = frame_table(
        frames, inputs, classes, with_truth, with_thumbs, with_fix, free_m, pole_hits
    )
    pq.write_table(table, folder / 'frames.parquet')
    if with_thumbs:
        for source, _ in inputs:
            write_thumbs(folder / 'thumbs' / source, frames)
    facts = summary_of(frames, inputs, classes, with_truth, pole_hits) | (summary or {})
    (folder / 'summary.json').write_text(json.dumps(facts))
    (folder / 'run.json').write_text(json.dumps({'inputs': [name for name, _ in inputs]}))
    return folder


def frame_table(
    frames: int,
    inputs: Sequence[tuple[str, str]],
    classes: Sequence[str] = CLASSES,
    with_truth: bool = True,
    with_thumbs: bool = True,
    with_fix: bool = True,
    free_m: float = 30.0,
    pole_hits: int = HITS[1],
) -> pa.Table:
    count = frames * len(inputs)
    index = np.tile(np.arange(frames), len(inputs))
    source = np.repeat([name for name, _ in inputs], frames)
    bad = index == BAD
    columns: dict[str, Any] = {
        'source': source,
        'topic': np.repeat([topic for _, topic in inputs], frames),
        'index': index,
        'stamp_ns': START_NS + index * STEP_NS,
        'height': np.full(count, 90, np.int32),
        'width': np.full(count, 160, np.int32),
        'decode_ms': _real(count, 2),
        'inference_ms': np.linspace(10, 30, count).astype(np.float32),
        'corridor_share': _real(count, 0.9),
        'free_distance_m': _real(count, free_m),
        'score': np.where(bad, 20, 80).astype(np.float32),
        'level': np.where(bad, 4, 1).astype(np.int8),
        'reason': np.where(bad, BAD_REASON, 'vehicles beside the path'),
        'factor_vehicles': _real(count, 0.2),
        'factor_vulnerable_road_users': np.where(bad, 0.8, 0.0).astype(np.float32),
        'confidence': _real(count, 0.9),
        **{f'share_{name}': _real(count, 1 / len(classes)) for name in classes},
        'lat': np.where(with_fix, 47 + index * 1e-5, nan),
        'lon': np.where(with_fix, 8 + index * 2e-5, nan),
    }
    if with_truth:
        columns |= _truth_columns(count, classes, pole_hits)
    names = [f'thumbs/{name}/{number:06d}.jpg' for name, number in zip(source, index, strict=True)]
    columns['thumbnail'] = names if with_thumbs else [''] * count
    return pa.table(columns)


def summary_of(
    frames: int,
    inputs: Sequence[tuple[str, str]],
    classes: Sequence[str] = CLASSES,
    with_truth: bool = True,
    pole_hits: int = HITS[1],
) -> dict[str, Any]:
    count = frames * len(inputs)
    critical = len(inputs) * (frames > BAD)
    return {
        'format': 1,
        'model': {'name': 'tiny', 'sha256': 'ab' * 32, 'scores': {'mean_iou': 0.5}},
        'environment': {'python': '3.11', 'provider': 'CPUExecutionProvider'},
        'inputs': [{'source': name, 'topic': topic, 'frames': frames} for name, topic in inputs],
        'frames': count,
        'seconds': 5.0,
        'fps': 25.0,
        'stages_ms': {
            'decode': {'p50': 2.0, 'p95': 2.0, 'p99': 2.0},
            'inference': {'p50': 20.0, 'p95': 29.0, 'p99': 30.0},
        },
        'levels': dict.fromkeys(_LEVELS, 0) | {'LOW': count - critical, 'CRITICAL': critical},
        'class_share': {name: 1 / len(classes) for name in classes},
        'truth': _truth(count, classes, pole_hits) if with_truth else None,
        'failures': [],
        'skipped': {},
    }


def write_thumbs(folder: Path, frames: int, first: int = 0) -> None:
    """Pictures of one colour each, which a test can tell apart."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(first, frames):
        picture = np.full((90, 160, 3), COLOURS[index % len(COLOURS)], np.uint8)
        cv2.putText(picture, str(index), (50, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (255,) * 3, 3)
        cv2.imwrite(str(folder / f'{index:06d}.jpg'), picture)


def confusion(classes: Sequence[str], pole_hits: int = HITS[1]) -> np.ndarray:
    """Of one frame: the pole is half right and half taken for road, everything else is right."""
    counts = np.diag([HITS[index % 3] for index in range(len(classes))])
    counts[1, 1], counts[1, 0] = pole_hits, HITS[1] + MISSED[1] - pole_hits
    return counts


def _truth_columns(count: int, classes: Sequence[str], pole_hits: int) -> dict[str, np.ndarray]:
    counts = confusion(classes, pole_hits)
    hit = np.diagonal(counts)
    extra, lost = counts.sum(axis=0) - hit, counts.sum(axis=1) - hit
    iou = hit / (hit + extra + lost)
    columns = {'miou': _real(count, iou.mean()), 'pixel_accuracy': _real(count, 0.9)}
    columns |= {'drivable_iou': _real(count, iou[0]), 'boundary_f': _real(count, 0.5)}
    for place, name in enumerate(classes):
        columns[f'iou_{name}'] = _real(count, iou[place])
        for kind, values in (('tp', hit), ('fp', extra), ('fn', lost)):
            columns[f'{kind}_{name}'] = np.full(count, values[place], np.int64)
    return columns


def _truth(count: int, classes: Sequence[str], pole_hits: int) -> dict[str, Any]:
    counts = confusion(classes, pole_hits)
    hit = np.diagonal(counts)
    iou = hit / (counts.sum(axis=0) + counts.sum(axis=1) - hit)
    return {
        'frames': count,
        'table': 'tiny',
        'miou': float(iou.mean()),
        'pixel_accuracy': float(hit.sum() / counts.sum()),
        'iou': dict(zip(classes, iou.tolist(), strict=True)),
        'dice': dict.fromkeys(classes, 0.5),
        'boundary_f': 0.5,
        'drivable_iou': float(iou[0]),
        'ece': 0.04,
        'confusion': (count * counts).tolist(),
        'reliability': [
            {'confidence': 0.5, 'accuracy': 0.4, 'count': 100},
            {'confidence': 0.9, 'accuracy': 0.95, 'count': 900},
        ],
        'conditions': {'day': {'frames': count, 'miou': 0.75}},
    }


def _real(count: int, value: float) -> np.ndarray:
    return np.full(count, value, np.float32)
