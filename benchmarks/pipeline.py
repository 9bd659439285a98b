# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
What a curvature that changes every frame costs, and what the first metric frame costs.

    python -m benchmarks.pipeline [--rounds 3] [--frames 60] [--out pipeline.json]

The default model answers the same 1280x720 frame of the synthetic street, seen by a calibrated
camera, without ROS. Each round is a fresh process: it loads the model, prepares for the camera as
the node does when camera_info arrives, and answers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.record import spread, write_record
from seg_perception.core.camera import Calibration
from seg_perception.core.camera_geometry import CameraGeometry, CameraView, GeometryKeeper
from seg_perception.inference.answer import FrameAnswerer, FrameContext
from seg_perception.inference.open_engine import open_engine
from seg_perception.models import model_path
from seg_perception.synthetic.street import Street
from seg_perception.tools.video_inputs import street_extrinsics

SIZE, SEED = (720, 1280), 1
CURVATURE_PER_M = 0.01
FOLLOWING = 10  # frames after the first one


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('--rounds', type=int, default=3, help='processes to measure in')
    parser.add_argument('--frames', type=int, default=60, help='frames of each curvature a round')
    parser.add_argument(
        '--threads', type=int, default=0, help='threads of the model; 0: all cores'
    )
    parser.add_argument('--model', type=Path, default=model_path(), help='model file')
    parser.add_argument('--provider', default='auto', help='what runs the model')
    parser.add_argument('--out', type=Path, help='file to write the JSON record to')
    options = parser.parse_args(arguments)
    rounds = []
    for _ in range(options.rounds):
        with ProcessPoolExecutor(1, get_context('spawn')) as pool:
            rounds.append(pool.submit(measure, options).result())
    figures = {
        'image': '1280x720, calibrated',
        'model': options.model.name,
        'provider': options.provider,
        'rounds': options.rounds,
        **{name: spread([each[name] for each in rounds]) for name in rounds[0]},
    }
    write_record('pipeline', figures, options.out)


def measure(options: argparse.Namespace) -> dict[str, float]:
    """
    Milliseconds of one round.

    Those of curvatures are of drivable area and risk; those of first and following frames are of
    everything from the decoded frame to its answer.
    """
    street = Street(seed=SEED, size=SIZE)
    rgb = street.frame(0).rgb
    engine = open_engine(str(options.model), options.provider, options.threads)
    engine.warm_up()
    answerer = FrameAnswerer(engine)
    views = [_view(answerer, street) for _ in range(3)]
    answerer.prepare(SIZE, FrameContext(view=views[0]))
    times_ms = [_total_ms(answerer, rgb, views[0]) for _ in range(1 + FOLLOWING)]
    stages: dict[str, list[float]] = {'straight': [], 'constant': [], 'changing': []}
    for number in range(options.frames):
        # Each with a geometry of its own: what is kept of one is not thrown away by another.
        changing = CURVATURE_PER_M + 1e-4 * (number + 1)
        curvatures = 0.0, CURVATURE_PER_M, changing
        for values, view, curvature in zip(stages.values(), views, curvatures, strict=True):
            context = FrameContext(view=view, curvature_per_m=curvature)
            record = answerer.answer(rgb, 'rgb', context)
            if number:  # the first one of each prepares it
                values.append(record.stage_ms['drivable'] + record.stage_ms['risk'])
    return {
        **{f'{name}_curvature_ms': float(np.median(values)) for name, values in stages.items()},
        'first_frame_ms': times_ms[0],
        'following_frames_ms': float(np.median(times_ms[1:])),
    }


def _view(answerer: FrameAnswerer, street: Street) -> CameraView:
    calibration = Calibration.pinhole(street.camera(0).K, SIZE)
    view = GeometryKeeper(answerer.labels_size).view(calibration, street_extrinsics(SEED), SIZE)
    assert isinstance(view.geometry, CameraGeometry)
    return view


def _total_ms(answerer: FrameAnswerer, rgb: np.ndarray, view: CameraView) -> float:
    began_s = time.perf_counter()
    answerer.answer(rgb, 'rgb', FrameContext(view=view))
    return (time.perf_counter() - began_s) * 1e3


if __name__ == '__main__':
    main()
