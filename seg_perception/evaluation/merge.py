# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Finished shards become one result: the same, byte for byte in its numbers, whoever did which shard.

Parts are taken in the order of their numbers, counts are integers, and rows are sorted. What is
large is linked, not copied.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from seg_perception.core.camera import Calibration
from seg_perception.core.classes import ClassTable
from seg_perception.core.horizon import pitch_difference
from seg_perception.core.results import CalibrationState, RiskLevel
from seg_perception.evaluation.ground_truth import Score
from seg_perception.evaluation.job import FORMAT, EvaluationJob, LearnedCamera
from seg_perception.evaluation.outputs import BAG, ROWS, THUMBS, VIDEOS
from seg_perception.evaluation.shard import SCORES_FILE, SHARD_FILE
from seg_perception.evaluation.stability import LabelStability
from seg_perception.evaluation.streams import Source
from seg_perception.inference.camera_calibrator import disagreement
from seg_perception.inference.environment import environment
from seg_perception.inference.model_file import read_card
from seg_perception.io.atomic import whole, write_json, write_text
from seg_perception.io.scene_fields import calibration_fields
from seg_perception.io.video_writer import join_videos

FRAMES_FILE, SUMMARY_FILE = 'frames.parquet', 'summary.json'
_PERCENTILES = (50, 95, 99)
_WARN_PITCH_RAD, _LEAST_PITCHES = 0.02, 10  # as the node's diagnostics have them
_ROW_KEYS = [('stamp_ns', 'ascending'), ('topic', 'ascending'), ('index', 'ascending')]


def merge(job: EvaluationJob) -> dict[str, Any]:
    """
    Make everything in the output folder from its shards; what ``summary.json`` says.

    :raises OSError: when it cannot be written.
    """
    inputs = _finished(job)
    _merge_rows(job.out / FRAMES_FILE, inputs)
    for one in inputs:
        _merge_files(job, one)
    summary = _summary(job, inputs)
    write_json(job.out / SUMMARY_FILE, summary)
    return summary


@dataclass(frozen=True)
class _Finished:
    """A finished shard: its folder, and what its ``part.json`` says."""

    folder: Path
    facts: dict[str, Any]
    before: Counter[str]  # frames that each camera had in the shards before it


@dataclass(frozen=True)
class _Input:
    """A source with its shards in their order; it has none where it spans no time."""

    source: Source
    shards: list[_Finished]

    @property
    def problems(self) -> list[str]:
        """What could not be read, each thing once."""
        told = (text for shard in self.shards for text in shard.facts['problems'])
        return list(dict.fromkeys([*self.source.problems, *told]))

    @property
    def warnings(self) -> list[str]:
        """What should be known of the source, each thing once."""
        told = (text for shard in self.shards for text in shard.facts.get('warnings', ()))
        return list(dict.fromkeys([*self.source.warnings, *told]))


def _finished(job: EvaluationJob) -> list[_Input]:
    inputs = {source.name: _Input(source, []) for source in job.sources}
    before: dict[str, Counter[str]] = {name: Counter() for name in inputs}
    for shard in job.shards:
        name, folder = shard.source.name, job.folder.part(shard.folder)
        facts = json.loads((folder / SHARD_FILE).read_text(encoding='utf-8'))
        inputs[name].shards.append(_Finished(folder, facts, before[name].copy()))
        before[name].update(facts['counts'])
    return list(inputs.values())


def _merge_rows(path: Path, inputs: Sequence[_Input]) -> None:
    """Sorted by source and stamp; one source at a time is in memory."""
    tables = (
        pa.concat_tables(rows).sort_by(_ROW_KEYS)
        for one in inputs
        if (rows := list(_shard_rows(one)))
    )
    first = next(tables, None)
    if first is None:
        return
    with (
        whole(path) as unfinished,
        pq.ParquetWriter(unfinished, first.schema, compression='zstd') as writer,
    ):
        for table in chain([first], tables):
            writer.write_table(table.select(writer.schema.names))


def _shard_rows(one: _Input) -> Iterator[pa.Table]:
    """Rows with their source, their index in all of it, and where the thumbnail will be."""
    source = one.source
    cameras = {stream.topic: stream.camera for stream in source.streams}
    for shard in one.shards:
        path = shard.folder / ROWS
        if not path.is_file():
            continue
        table = pq.read_table(path)
        topics = table['topic'].to_pylist()
        offsets = [shard.before[cameras[topic]] for topic in topics]
        index = pc.add(table['index'], pa.array(offsets, pa.int64()))
        names = [
            name and _thumb_path(source, cameras[topic], number)
            for name, topic, number in zip(
                table['thumbnail'].to_pylist(), topics, index.to_pylist(), strict=True
            )
        ]
        table = _with_column(table, 'index', index)
        table = _with_column(table, 'thumbnail', pa.array(names, pa.string()))
        yield table.add_column(0, 'source', pa.array([source.name] * len(table), pa.string()))


def _with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def _thumb_path(source: Source, camera: str, index: int) -> str:
    name = f'{index}.jpg' if len(source.streams) == 1 else f'{camera}_{index}.jpg'
    return f'{THUMBS}/{source.name}/{name}'


def _merge_files(job: EvaluationJob, one: _Input) -> None:
    if 'bag' in job.outputs:
        _merge_bags(job.out / 'bags', one)
    if 'thumbs' in job.outputs:
        _link_thumbs(job.out, one)
    if 'video' in job.outputs:
        for stream in one.source.streams:
            _merge_videos(job.out / 'overlay', one, stream.camera)


def _merge_bags(out: Path, one: _Input) -> None:
    """One bag whose files are those of the shards, as recorders split long ones."""
    bags = [shard.folder / BAG for shard in one.shards]
    read = [yaml.safe_load((bag / 'metadata.yaml').read_text(encoding='utf-8')) for bag in bags]
    infos = [data['rosbag2_bagfile_information'] for data in read]
    used = [(bag, info) for bag, info in zip(bags, infos, strict=True) if info['message_count']]
    final = out / one.source.name
    shutil.rmtree(final, ignore_errors=True)
    if not used:
        return
    names = [f'{one.source.name}_{i}.mcap' for i in range(len(used))]
    metadata = {'rosbag2_bagfile_information': _joined([info for _, info in used], names)}
    with whole(final) as unfinished:
        unfinished.mkdir()
        for name, (bag, info) in zip(names, used, strict=True):
            _link(bag / info['relative_file_paths'][0], unfinished / name)
        write_text(unfinished / 'metadata.yaml', yaml.safe_dump(metadata, sort_keys=False))


def _joined(infos: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """The metadata of a bag of several files from those of bags of one."""
    files = [info['files'][0] | {'path': name} for name, info in zip(names, infos, strict=True)]
    topics: dict[str, dict[str, Any]] = {}
    for row in (row for info in infos for row in info['topics_with_message_count']):
        name = row['topic_metadata']['name']
        count = topics[name]['message_count'] if name in topics else 0
        topics[name] = row | {'message_count': count + row['message_count']}
    starts = [info['starting_time']['nanoseconds_since_epoch'] for info in infos]
    ends = [
        start + info['duration']['nanoseconds'] for start, info in zip(starts, infos, strict=True)
    ]
    return infos[0] | {
        'duration': {'nanoseconds': max(ends) - min(starts)},
        'starting_time': {'nanoseconds_since_epoch': min(starts)},
        'message_count': sum(info['message_count'] for info in infos),
        'relative_file_paths': list(names),
        'files': files,
        'topics_with_message_count': list(topics.values()),
    }


def _link_thumbs(out: Path, one: _Input) -> None:
    for shard in one.shards:
        for file in (shard.folder / THUMBS).glob('*.jpg'):
            camera, _, index = file.stem.rpartition('_')
            target = out / _thumb_path(one.source, camera, int(index) + shard.before[camera])
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(file, target)


def _merge_videos(out: Path, one: _Input, camera: str) -> None:
    videos = [shard.folder / VIDEOS / f'{camera}.mp4' for shard in one.shards]
    videos = [video for video in videos if video.is_file()]
    if not videos:
        return
    name = one.source.name if len(one.source.streams) == 1 else f'{one.source.name}_{camera}'
    with whole(out / f'{name}.mp4') as unfinished:
        if len(videos) == 1:
            _link(videos[0], unfinished)
        else:
            join_videos(videos, unfinished)


def _link(file: Path, target: Path) -> None:
    """A second name where the file system knows that, else a copy."""
    target.unlink(missing_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)


def _summary(job: EvaluationJob, inputs: Sequence[_Input]) -> dict[str, Any]:
    card = read_card(job.model)
    facts = [shard.facts for one in inputs for shard in one.shards]
    path = job.out / FRAMES_FILE
    frames = sum(fact['frames'] for fact in facts)
    seconds = _busy_s([(fact['started_s'], fact['ended_s']) for fact in facts])
    truth = _truth(job, card.classes)
    providers = sorted({fact['provider'] for fact in facts})
    return {
        'format': FORMAT,
        'model': json.loads(card.to_json()) | {'sha256': job.model_sha256},
        'environment': environment() | {'provider': ', '.join(providers)},
        'inputs': [_input(one) for one in inputs],
        'frames': frames,
        'seconds': round(seconds, 3),
        'fps': round(frames / seconds, 3) if seconds else 0.0,
        **(_figures(pq.ParquetFile(path), card.classes) if frames else _NO_FIGURES),
        'stability': _stability(facts),
        'truth': truth,
        'failures': [
            *({'source': row.source, 'what': row.what} for row in job.failures),
            *({'source': i.source.name, 'what': what} for i in inputs for what in i.problems),
            *_missing_truth(job, truth, facts),
        ],
        'skipped': _skipped(facts),
        'warnings': [
            *({'source': i.source.name, 'what': what} for i in inputs for what in i.warnings),
            *(_extrinsics_warnings(pq.ParquetFile(path)) if frames else []),
            *_calibration_warnings(job),
        ],
        'calibrations': [_calibration(job, row) for row in job.learned],
    }


def _calibration(job: EvaluationJob, row: LearnedCamera) -> dict[str, Any]:
    """What a camera has learned of itself; null where it is not known."""
    applied = job.applied(row.source, row.camera) is not None
    fields = calibration_fields(row.online, row.camera, row.size, applied)
    known = {key: None if value != value else value for key, value in fields.items()}
    state = row.online.state.name.lower()
    return {'source': row.source, 'files': row.files, **known, 'state': state}


def _calibration_warnings(job: EvaluationJob) -> Iterator[dict[str, str]]:
    """Cameras that do not look ahead, or whose extrinsics contradict what they have learned."""
    for row in job.learned:
        what = disagreement(row.online, job.extrinsics) if job.extrinsics else ''
        if row.online.state is CalibrationState.INVALID and not job.extrinsics:
            what = f'self-calibration invalid: {row.online.reason}'
        if what:
            yield {'source': row.source, 'what': f'{row.camera}: {what}'}


def _extrinsics_warnings(file: pq.ParquetFile) -> list[dict[str, str]]:
    """Cameras whose pitch contradicts the edges of the road in many frames."""
    table = file.read(['source', 'topic', 'pitch_off_rad'])
    known = table.filter(pc.is_finite(table['pitch_off_rad']))
    groups = known.group_by(['source', 'topic'], use_threads=False)
    seen = groups.aggregate([('pitch_off_rad', 'list')]).to_pylist()
    offs = [(row, float(np.median(row['pitch_off_rad_list']))) for row in seen]
    return [
        {
            'source': row['source'],
            'what': f'{row["topic"]}: estimated pitch is {pitch_difference(off)} the configured '
            'pitch, so distances are wrong: check --mount-pitch',
        }
        for row, off in offs
        if len(row['pitch_off_rad_list']) >= _LEAST_PITCHES and abs(off) > _WARN_PITCH_RAD
    ]


_NO_FIGURES: dict[str, Any] = {'stages_ms': {}, 'levels': {}, 'class_share': {}}


def _figures(file: pq.ParquetFile, table: ClassTable) -> dict[str, Any]:
    """Column by column, so that the memory does not grow with their number."""

    def column(name: str) -> np.ndarray:
        values: np.ndarray = file.read([name])[name].to_numpy()
        return values

    stages = [name for name in file.schema_arrow.names if name.endswith('_ms')]
    levels = Counter(column('level').tolist())
    return {
        'stages_ms': {
            name.removesuffix('_ms'): {
                f'p{q}': round(float(np.nanpercentile(column(name), q)), 3) for q in _PERCENTILES
            }
            for name in stages
        },
        'levels': {level.name: levels.get(int(level), 0) for level in RiskLevel},
        'class_share': {
            name: float(column(f'share_{name}').mean(dtype=np.float64)) for name in table.names
        },
    }


def _input(one: _Input) -> dict[str, Any]:
    source = one.source
    return {
        'source': source.name,
        'kind': source.kind,
        'path': source.path,
        'topic': ', '.join(stream.topic for stream in source.streams),
        'frames': sum(shard.facts['frames'] for shard in one.shards),
        'frames_claimed': source.frames,
        'calibrated': all(
            isinstance(stream.calibration, Calibration) for stream in source.streams
        ),
        'stability': _stability([shard.facts for shard in one.shards]),
        'failures': one.problems,
    }


def _stability(facts: Sequence[dict[str, Any]]) -> dict[str, float] | None:
    """How steady the labels of some shards are together; None for single images."""
    if not facts:
        return None
    parts = [LabelStability.from_json(fact['stability']) for fact in facts]
    for part in parts[1:]:
        parts[0].merge(part)
    return parts[0].summary()


def _skipped(facts: Sequence[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Frames that could not be used: how many of each source, by what was wrong."""
    skipped: dict[str, Counter[str]] = {}
    for fact in facts:
        if fact['skipped']:
            skipped.setdefault(fact['source'], Counter()).update(fact['skipped'])
    return {source: dict(counts) for source, counts in skipped.items()}


def _truth(job: EvaluationJob, table: ClassTable) -> dict[str, Any] | None:
    if job.ground_truth is None:
        return None
    whole, conditions = Score(len(table)), dict[str, Score]()
    for shard in job.shards:
        for condition, score in _scores(job.folder.part(shard.folder) / SCORES_FILE):
            whole.merge(score)
            if condition:
                conditions.setdefault(condition, Score(len(table))).merge(score)
    return whole.summary(table) | {
        'table': job.ground_truth.table.name,
        'conditions': {name: score.summary(table) for name, score in sorted(conditions.items())},
    }


def _missing_truth(
    job: EvaluationJob, truth: dict[str, Any] | None, facts: Sequence[dict[str, Any]]
) -> Iterator[dict[str, str]]:
    """Masks under other names are the likeliest of all mistakes."""
    if job.ground_truth is None or truth is None or truth['frames']:
        return
    name = next((fact['first_name'] for fact in facts if fact['first_name']), '')
    what = f'no mask for any frame, such as {f"{name}.png"!r}'
    if job.ground_truth.topic:
        what = 'no label image with the stamp of any frame'
    yield {'source': job.ground_truth.folder or job.ground_truth.topic, 'what': what}


def _scores(path: Path) -> Iterator[tuple[str, Score]]:
    """The scores of a shard by condition, in the order of the conditions' names."""
    if not path.is_file():
        return
    with np.load(path) as arrays:
        keys = sorted(key.rpartition('/')[::2] for key in arrays)
        for condition, group in groupby(keys, key=lambda key: key[0]):
            named = {name: arrays[f'{condition}/{name}'] for _, name in group}
            yield condition, Score.from_arrays(named)


def _busy_s(spans: Sequence[tuple[float, float]]) -> float:
    """Seconds in which at least one shard was worked on, over all runs that it took."""
    total, reached = 0.0, 0.0
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
