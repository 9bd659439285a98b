# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Time of the node around the model at 1280x720, over DDS, and its behaviour under overload.

    python benchmarks/node_overhead.py [--rounds 3] [--seconds 10] [--out node_overhead.json]

Three processes as in a vehicle: a camera (the video source), the node with the default model, and
a reader of mask and road scene. The camera is calibrated, so distances are computed too. It is
first slower than the node, so that nothing queues, then twice as fast as the model.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.record import spread, write_record
from seg_perception.models import model_path
from seg_perception.node.parameters import extrinsics_parameters
from seg_perception.node.processes import RosProcess
from seg_perception.node.topics import CAMERA
from seg_perception.node.transport import ensure_transport
from seg_perception.synthetic.street import Street
from seg_perception.tools.demo_graph import Cast, play, private_graph
from seg_perception.tools.recorder import Recorder, stage_ms
from seg_perception.tools.video_inputs import street_extrinsics

SIZE, SEED = (720, 1280), 1
WARM_FRAMES = 10  # not counted: caches and clocks settle


@dataclass(frozen=True)
class Run:
    """One camera rate and the messages received at it."""

    recorder: Recorder
    rss_mb: tuple[float, ...]

    @property
    def scenes(self) -> list[Any]:
        return [self.recorder.scenes[stamp] for stamp in self.stamps]

    @property
    def stamps(self) -> list[int]:
        """Stamps of the frames whose mask and scene arrived, without the first ones."""
        both = sorted(set(self.recorder.scenes) & set(self.recorder.latency_ms))
        return both[WARM_FRAMES:]


def main() -> None:
    """Measure some rounds and print the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=10.0, help='of each of the two streams')
    parser.add_argument('--rate', type=float, default=10.0, help='of the slow camera [Hz]')
    parser.add_argument('--model', type=Path, default=model_path())
    parser.add_argument('--provider', default='auto')
    parser.add_argument('--out', type=Path)
    options = parser.parse_args()
    ensure_transport(sys.argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_street(folder)
        rounds = [_round(options, folder) for _ in range(options.rounds)]
    figures = {
        'image': '1280x720 bgr8, best effort',
        'rounds': options.rounds,
        'slow_camera_hz': options.rate,
        **{name: _merge([part[name] for part in rounds]) for name in rounds[0]},
    }
    write_record('node_overhead', figures, options.out)


def _write_street(folder: Path) -> None:
    """A folder with one image and the calibration of its camera."""
    street = Street(seed=SEED, size=SIZE)
    (folder / 'images').mkdir()
    bgr = cv2.cvtColor(street.frame(0).rgb, cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(folder / 'images' / 'street.png'), bgr)
    k = street.camera(0).K
    matrices = {
        'camera_matrix': k,
        'rectification_matrix': np.eye(3),
        'projection_matrix': np.hstack([k, np.zeros((3, 1))]),
        'distortion_coefficients': np.zeros(5),
    }
    calibration = {
        'image_height': SIZE[0],
        'image_width': SIZE[1],
        'distortion_model': 'plumb_bob',
        **{name: {'data': matrix.ravel().tolist()} for name, matrix in matrices.items()},
    }
    (folder / 'calibration.yaml').write_text(yaml.safe_dump(calibration), encoding='utf-8')


def _round(options: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    slow = _run(options, folder, options.rate)
    model_ms = float(np.median([stage_ms(scene)['inference'] for scene in slow.scenes]))
    fast_hz = 2e3 / model_ms
    fast = _run(options, folder, fast_hz)
    return {'relaxed': _cost(slow), 'overrun': {'camera_hz': fast_hz, **_overrun(fast)}}


def _run(options: argparse.Namespace, folder: Path, rate_hz: float) -> Run:
    node = {
        'model': str(options.model.resolve()),
        'provider': options.provider,
        **extrinsics_parameters(CAMERA, street_extrinsics(SEED)),
    }
    source = {
        'source': str(folder / 'images'),
        'calibration': str(folder / 'calibration.yaml'),
        'rate': rate_hz,
        'loop': True,
        'max_frames': round(options.seconds * rate_hz),
    }
    rss_mb: list[float] = []
    with private_graph(), tempfile.TemporaryDirectory() as logs:
        recorder = Recorder(CAMERA)
        cast = Cast(node, source, Path(logs))
        play(cast, recorder, lambda process: rss_mb.append(_rss_mb(process)))
    return Run(recorder, tuple(rss_mb))


def _rss_mb(process: RosProcess) -> float:
    lines = Path(f'/proc/{process.pid}/status').read_text(encoding='utf-8').splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith('VmRSS'))


def _cost(run: Run) -> dict[str, float]:
    """Milliseconds, each the median over frames."""
    pairs = [(run.recorder.latency_ms[stamp], run.recorder.scenes[stamp]) for stamp in run.stamps]
    pipeline_ms = [sum(scene.stage_ms) for _, scene in pairs]
    medians = {
        f'{stage}_ms': float(np.median([stage_ms(scene)[stage] for scene in run.scenes]))
        for stage in run.scenes[0].stage_names
    }
    around = [scene.latency_ms - stage_ms(scene)['inference'] for scene in run.scenes]
    dds = [seen - took for (seen, _), took in zip(pairs, pipeline_ms, strict=True)]
    return {
        **medians,
        'around_model_ms_p50': float(np.median(around)),
        'around_model_ms_p95': float(np.percentile(around, 95)),
        'dds_added_ms_p50': float(np.median(dds)),
        'dds_added_ms_p95': float(np.percentile(dds, 95)),
        'image_to_mask_ms_p50': float(np.median([seen for seen, _ in pairs])),
        'frames_dropped': float(run.recorder.node_report['frames_dropped']),  # 0, or too fast
        'rss_mb': max(run.rss_mb),
    }


def _overrun(run: Run) -> dict[str, float]:
    latency_ms = [run.recorder.latency_ms[stamp] for stamp in run.stamps]
    third = len(latency_ms) // 3
    rss_third = len(run.rss_mb) // 3
    node, source = run.recorder.node_report, run.recorder.source_report
    return {
        'frames_published': float(source['frames_published']),
        'frames_segmented': float(len(run.recorder.latency_ms)),
        'frames_dropped_counted_by_node': float(node['frames_dropped']),
        'latency_ms_p50': float(np.median(latency_ms)),
        'latency_ms_p99': float(np.percentile(latency_ms, 99)),
        'latency_ms_p95_first_third': float(np.percentile(latency_ms[:third], 95)),
        'latency_ms_p95_last_third': float(np.percentile(latency_ms[-third:], 95)),
        'rss_mb': max(run.rss_mb),
        'rss_growth_mb': max(run.rss_mb[-rss_third:]) - max(run.rss_mb[rss_third:-rss_third]),
    }


def _merge(parts: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    return {name: spread([part[name] for part in parts]) for name in parts[0]}


if __name__ == '__main__':
    main()
