# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of merging: a thousand bags, worked on in any order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from seg_perception.core.classes import CAMVID_11
from seg_perception.evaluation.class_mapping import class_lut
from seg_perception.evaluation.ground_truth import GroundTruth, Score
from seg_perception.evaluation.job import EvaluationJob, Shard
from seg_perception.evaluation.merge import merge
from seg_perception.evaluation.outputs import ROWS, table_of
from seg_perception.evaluation.shard import SCORES_FILE, SHARD_FILE
from seg_perception.evaluation.streams import NS, Source, Stream
from tiny_model import write_tiny_model

BAGS, FRAMES = 1000, 3
LONG = 5  # of the bags are of two parts
PARTS = BAGS + LONG
CLASSES = len(CAMVID_11)


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp('model') / 'm.onnx')


def job_of(out: Path, model: Path, bags: int) -> EvaluationJob:
    """The first bags are of two parts, the others of one."""
    stream = Stream('/camera', 'camera', 2 * FRAMES, (4, 4), 1.0)
    sources = tuple(
        Source(f'bag{i:04d}', 'bag', f'bag{i}', (__file__,), (stream,), 0, 6 * NS)
        for i in range(bags)
    )
    spans = [(s, half) for i, s in enumerate(sources) for half in ((0, 1) if i < LONG else (0,))]
    shards = tuple(
        Shard(number, source, 3 * half * NS, 3 * (half + 1) * NS)
        for number, (source, half) in enumerate(spans)
    )
    lut = class_lut(CAMVID_11, CAMVID_11)
    truth = GroundTruth('masks', '', CAMVID_11, lut)
    return EvaluationJob(
        out, model, 'tiny', '0', 'cpu', sources, (), shards, None, truth, (), (), 640
    )


def write_shard(job: EvaluationJob, shard: Shard) -> tuple[np.ndarray, float]:
    """A part with made-up counts; its confusion and the sum of its scores."""
    rng = np.random.default_rng(shard.number)
    folder = job.out / 'parts' / shard.folder
    folder.mkdir(parents=True)
    rows = [row(shard, i, float(rng.integers(0, 101))) for i in range(FRAMES)]
    pq.write_table(table_of(rows), folder / ROWS)
    facts = {
        'source': shard.source.name,
        'frames': FRAMES,
        'first_name': '0',
        'counts': {'camera': FRAMES},
        'skipped': {'image encoding': shard.number % 2},
        'problems': [],
        'stability': {
            'pairs': 2,
            'pixel_ns': 20 * NS,
            'counts': [(8 * np.eye(CLASSES, dtype=int)).tolist(), [0] * CLASSES],
        },
        'provider': 'cpu',
        'started_s': float(shard.number),
        'ended_s': shard.number + 2.0,
    }
    (folder / SHARD_FILE).write_text(json.dumps(facts))
    score = Score(CLASSES)
    score.frames += FRAMES
    score.confusion.counts[:] = rng.integers(0, 10**9, (CLASSES, CLASSES))
    score.boundary.sums[:] = rng.random((1, CLASSES))
    score.boundary.frames[:] = FRAMES
    score.calibration.pixels[:, 0] = 2
    score.calibration.pixels[:, 1] = 1
    np.savez(folder / SCORES_FILE, **{f'/{name}': a for name, a in score.arrays().items()})
    return score.confusion.counts, sum(row['score'] for row in rows)


def row(shard: Shard, i: int, score: float) -> dict[str, Any]:
    return {
        'topic': '/camera',
        'index': i,
        'stamp_ns': shard.start_ns + i * NS,
        'inference_ms': 1.0,
        'score': score,
        'pitch_off_rad': float('nan'),
        'level': 1,
        **{f'share_{name}': 1 / CLASSES for name in CAMVID_11.names},
        'thumbnail': '',
    }


@pytest.mark.slow
def test_a_thousand_bags_in_any_order(tmp_path: Path, model: Path) -> None:
    job = job_of(tmp_path, model, BAGS)
    order = np.random.default_rng(7).permutation(len(job.shards))
    written = [write_shard(job, job.shards[i]) for i in order]
    summary = merge(job)
    assert summary['frames'] == PARTS * FRAMES
    truth = summary['truth']
    assert truth['confusion'] == sum(counts for counts, _ in written).tolist()
    assert truth['frames'] == PARTS * FRAMES
    # Half of the pixels are right at each confidence: the gap is the mean distance to 0.5.
    assert truth['ece'] == pytest.approx(0.25, abs=0.01)
    assert summary['stability'] == {'pairs': 2 * PARTS, 'consistency': 1.0, 'flips_per_s': 0.0}
    assert summary['inputs'][0]['stability']['pairs'] == 4  # of two parts
    assert summary['skipped']['bag0001'] == {'image encoding': 1}  # of its parts 2 and 3
    assert summary['seconds'] == PARTS + 1  # spans of two seconds that overlap by one
    table = pq.read_table(tmp_path / 'frames.parquet')
    assert table.num_rows == PARTS * FRAMES
    sources = [f'bag{i:04d}' for i in range(BAGS) for _ in range(6 if i < LONG else 3)]
    assert table['source'].to_pylist() == sources
    assert table['index'].to_pylist() == [*range(6)] * LONG + [*range(3)] * (BAGS - LONG)
    assert sum(table['score'].to_pylist()) == sum(scores for _, scores in written)


def test_merging_again_gives_the_same_bytes(tmp_path: Path, model: Path) -> None:
    jobs = [job_of(tmp_path / name, model, 5) for name in ('a', 'b')]
    for job, step in zip(jobs, (1, -1), strict=True):
        for shard in job.shards[::step]:
            write_shard(job, shard)
    first, second = (json.dumps(merge(job)) for job in jobs)
    assert first == second
    assert json.dumps(merge(jobs[0])) == first
    files = [(job.out / 'frames.parquet').read_bytes() for job in jobs]
    assert files[0] == files[1]
