# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Play a video or the synthetic street through the real graph; video and summary of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from seg_perception.core.errors import SegPerceptionError
from seg_perception.core.results import RiskLevel
from seg_perception.inference.open_engine import open_engine
from seg_perception.io.atomic import make_folder, write_json
from seg_perception.io.video_writer import LiveVideoWriter
from seg_perception.node.parameters import extrinsics_parameters
from seg_perception.node.topics import CAMERA, SYNTHETIC
from seg_perception.node.transport import shm_problem
from seg_perception.options import DemoOptions
from seg_perception.tools.contact_sheet import write_sheet
from seg_perception.tools.demo_graph import NODE_LOG, SOURCE_LOG, Cast, play, private_graph
from seg_perception.tools.recorder import Recorder, stage_ms
from seg_perception.tools.versions import environment
from seg_perception.tools.video_inputs import FrameSource, open_source

SYNTHETIC_RATE_HZ = 15.0  # what two cores render, segment, draw and record
SYNTHETIC_SECONDS = 12.0


def run_demo(options: DemoOptions) -> dict[str, Any]:
    """
    Play the source through the graph, write video, contact sheet and summary, return the summary.

    :raises SegPerceptionError: when an input cannot be used or a process fails.
    """
    options = _with_defaults(options)
    source = open_source(
        options.source, options.size, options.rate_hz or 0.0, options.seed, options.weather
    )
    if options.max_seconds:
        frames = max(1, round(options.max_seconds * source.fps))
        options = replace(options, max_frames=frames, max_seconds=None)
    open_engine(options.model, options.provider)  # its error here is plainer than the node's
    make_folder(options.out)
    with private_graph(), _progress(options, source) as bar:
        video = LiveVideoWriter(options.out / 'overlay.mp4', source.fps)
        recorder = Recorder(CAMERA, video)
        play(_cast(options, source), recorder, lambda _: _show(bar, recorder))
        video.close()
        summary = _summary(options, recorder)
    _write_sheet(options.out, video, recorder, source.fps)
    write_json(options.out / 'summary.json', summary)
    return summary


def _with_defaults(options: DemoOptions) -> DemoOptions:
    """The renderer has no end and no rate of its own."""
    if options.source != SYNTHETIC:
        return options
    seconds = options.max_seconds or (None if options.max_frames else SYNTHETIC_SECONDS)
    rate_hz = options.rate_hz or SYNTHETIC_RATE_HZ
    return replace(options, rate_hz=rate_hz, max_seconds=seconds)


def _show(bar: tqdm[Any], recorder: Recorder) -> None:
    source = recorder.source_report
    drawing = source.get('state') == 'preparing'
    bar.set_description(f'drawing {source["frames_prepared"]}' if drawing else 'playing', False)
    bar.update(len(recorder.latency_ms) - bar.n)


def _progress(options: DemoOptions, source: FrameSource) -> tqdm[Any]:
    counts = [count for count in (source.count, options.max_frames) if count]
    bar: tqdm[Any] = tqdm(total=min(counts, default=None), unit='frame', disable=None)
    return bar


def _cast(options: DemoOptions, played: FrameSource) -> Cast:
    height, width = options.size or (0, 0)
    node: dict[str, object] = {'model': str(options.model.resolve()), 'provider': options.provider}
    if played.extrinsics is not None:
        node |= extrinsics_parameters(CAMERA, played.extrinsics())
    source = {
        'source': options.source,
        'rate': options.rate_hz or 0.0,
        'max_frames': options.max_frames or 0,
        'height': height,
        'width': width,
        'seed': options.seed,
        'weather': options.weather,
        'read_ahead': 30,
    }
    return Cast(node, source, options.out)


def _summary(options: DemoOptions, recorder: Recorder) -> dict[str, Any]:
    if not recorder.source_report or not recorder.scenes or not recorder.latency_ms:
        raise SegPerceptionError(
            'demo', f'{len(recorder.scenes)} answers of the node', 'one per image', _LOOK
        )
    published = int(recorder.source_report['frames_published'])
    node = recorder.node_report
    received = max(int(node['frames_received']), len(recorder.latency_ms))  # of up to a second ago
    if received < _LEAST_SHARE * published and (problem := shm_problem()):
        seen, expected = f'{received} of {published} images reached the node', 'most of them'
        raise SegPerceptionError('demo', seen, expected, f'{problem} {_LOOK}')
    scenes = list(recorder.scenes.values())
    times_ms = [stage_ms(scene) for scene in scenes]
    return {
        'source': options.source,
        'frames_published': published,
        'frames_received': received,
        'frames_segmented': len(recorder.latency_ms),
        'frames_dropped': published - len(recorder.latency_ms),
        'latency_ms': _percentiles(recorder.latency_ms.values()),
        'inference_ms': _percentiles(times['inference'] for times in times_ms),
        'stage_ms': _medians(times_ms),
        'provider': node['provider'],
        'provider_fallback': node['provider_fallback'],
        'model': scenes[0].model,
        'risk': _range([scene.safety_risk.score for scene in scenes]),
        'free_distance_m': _range([scene.drivable_area.free_distance_m for scene in scenes]),
        'environment': environment(),
    }


_LEAST_SHARE = 0.5  # of the images; fewer are lost on the way, a slow model only drops them
_LOOK = f'See {NODE_LOG} and {SOURCE_LOG} in the output folder, and `seg-perception doctor`.'


def _range(values: Sequence[float]) -> dict[str, float] | None:
    """Least, mean and greatest of what is known; None when nothing is."""
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return None
    return {
        'min': round(min(known), 1),
        'mean': round(float(np.mean(known)), 1),
        'max': round(max(known), 1),
    }


def _medians(times_ms: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Median of each stage over the frames that have it; some come and go with their listeners."""
    stages = dict.fromkeys(stage for times in times_ms for stage in times)
    return {
        stage: round(float(np.median([times[stage] for times in times_ms if stage in times])), 2)
        for stage in stages
    }


def _percentiles(values_ms: Iterable[float]) -> dict[str, float]:
    p50, p95, p99 = np.percentile(list(values_ms), [50, 95, 99])
    return {'p50': round(float(p50), 2), 'p95': round(float(p95), 2), 'p99': round(float(p99), 2)}


def _write_sheet(out: Path, video: LiveVideoWriter, recorder: Recorder, fps: float) -> None:
    captions = {}
    for index, stamp_ns in enumerate(video.stamps_ns):
        said = 'no road scene'
        if scene := recorder.scenes.get(stamp_ns):
            risk = scene.safety_risk
            said = f'safety {risk.score:.0f} {RiskLevel(risk.level).name}'
        captions[index] = f'{index / fps:.1f} s   {said}'
    write_sheet(video.path, out / 'contact_sheet.png', captions)


def describe(summary: dict[str, Any], out: Path) -> str:
    """The summary's headline in a few lines, for people."""
    latency, inference = summary['latency_ms'], summary['inference_ms']
    scores, free_m = (_in_words(summary[name]) for name in ('risk', 'free_distance_m'))
    return '\n'.join(
        [
            f'{summary["frames_segmented"]} of {summary["frames_published"]} frames segmented, '
            f'{summary["frames_dropped"]} dropped ({summary["model"]} on {summary["provider"]})',
            f'image to mask {latency["p50"]} ms p50, {latency["p95"]} p95, {latency["p99"]} p99; '
            f'inference {inference["p50"]} ms p50',
            f'safety score {scores} (100 is safe); free road ahead [m] {free_m}',
            *(f'  {out / name}' for name in ('overlay.mp4', 'contact_sheet.png', 'summary.json')),
        ]
    )


def _in_words(span: dict[str, float] | None) -> str:
    return f'{span["min"]} to {span["max"]}, mean {span["mean"]}' if span else 'unknown'
