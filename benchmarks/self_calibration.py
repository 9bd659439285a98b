# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Self-calibration over drives of the synthetic street with known mountings, and what it costs.

    python -m benchmarks.self_calibration --mountings 20 --out self_calibration.json

Pitch and yaw are up to 5 degrees off, roll up to 2, with three focal lengths and five kinds of
weather; 25 s of curves, a stop, nodding, swaying and other traffic at 10 Hz. Rendering takes about
a minute a mounting; ``--frames`` keeps the frames for the next time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.mixed_drive import DriveFrame, MixedDrive, Mounting
from benchmarks.record import write_record
from seg_perception.core.classes import CAMVID_11
from seg_perception.core.results import OnlineCalibration
from seg_perception.core.self_calibration import SelfCalibrationParams, SelfCalibrator

EARLY_S = 3.0
COST_SIZE, COST_FPS = (1280, 720), 30


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('--mountings', type=int, default=20)
    parser.add_argument('--frames', type=Path, help='folder that keeps rendered frames')
    parser.add_argument('--out', type=Path)
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    runs = [Run(seed, options.frames) for seed in range(options.mountings)]
    figures = {
        'drives': len(runs),
        'states': [run.final.state.name for run in runs],
        'final': errors_of([(run.mounting, run.final) for run in runs]),
        f'after_{EARLY_S:g}_s': errors_of([(run.mounting, run.early) for run in runs]),
        'vanishing_point_without_focal_length': points_of(runs),
        'ms_per_frame': cost_figures(runs[0]),
    }
    write_record('self_calibration', figures, options.out)


class Run:
    """One drive: what is known of the camera after a few seconds and at its end."""

    def __init__(self, seed: int, folder: Path | None) -> None:
        self.mounting = Mounting.random(seed)
        self.frames = list(_frames(self.mounting, folder))
        known = SelfCalibrator(calibration=self.mounting.calibration)
        blind = SelfCalibrator()
        self.early = OnlineCalibration()
        for frame in self.frames:
            for calibrator in (known, blind):
                calibrator.update(frame.rgb, 'rgb', frame.labels, CAMVID_11, frame.stamp_s)
            if frame.stamp_s <= EARLY_S:
                self.early = known.online
        self.final, self.blind = known.online, blind.online
        del self.frames[40:]


def _frames(mounting: Mounting, folder: Path | None) -> Iterator[DriveFrame]:
    """The frames of a drive, from the folder where it has them."""
    path = None if folder is None else folder / f'{mounting.seed}.npz'
    if path is None or not path.is_file():
        frames = list(MixedDrive(mounting).frames())
        if path is not None:
            _write(path, frames)
        yield from frames
        return
    with np.load(path, allow_pickle=True) as kept:
        for image, labels, row in zip(kept['J'], kept['L'], kept['O'], strict=True):
            bgr, ids = cv2.imdecode(image, 1), cv2.imdecode(labels, 0)
            yield DriveFrame(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), ids, *map(float, row))


def _write(path: Path, frames: Sequence[DriveFrame]) -> None:
    images, labels = np.empty((2, len(frames)), object)
    for i, frame in enumerate(frames):
        bgr = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
        images[i] = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].ravel()
        labels[i] = cv2.imencode('.png', frame.labels)[1].ravel()
    rows = [(frame.stamp_s, frame.speed_mps, frame.yaw_rate_radps) for frame in frames]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, J=images, L=labels, O=np.array(rows))


def errors_of(pairs: Sequence[tuple[Mounting, OnlineCalibration]]) -> dict[str, Any]:
    """Errors in degrees, and the share of them within one stated standard deviation."""
    figures: dict[str, Any] = {}
    for name in ('pitch', 'yaw', 'roll'):
        told, true = f'{name}_rad', [getattr(m.extrinsics, f'{name}_rad') for m, _ in pairs]
        off = np.degrees(np.array([getattr(said, told) for _, said in pairs]) - true)
        std = np.degrees([getattr(said, f'{name}_std_rad') for _, said in pairs])
        figures[name] = _summary(off, std)
    return figures


def points_of(runs: Sequence[Run]) -> dict[str, Any]:
    """Errors of the vanishing point without a focal length, percent of the image's size."""
    off, std = [], []
    for run in runs:
        calibration, point = run.mounting.calibration, run.blind.vanishing_point
        if point is None:
            continue
        ahead = run.mounting.extrinsics.rotation.T @ np.array([[1.0], [0.0], [0.0]])
        column, row = calibration.project(ahead.T)[0]
        height, width = calibration.size
        off.append((point.column - (column + 0.5) / width, point.row - (row + 0.5) / height))
        std.append((point.column_std, point.row_std))
    off_percent, std_percent = 100 * np.array(off).T, 100 * np.array(std).T
    return {
        name: _summary(off_percent[i], std_percent[i]) for i, name in enumerate(('column', 'row'))
    }


def _summary(off: np.ndarray, std: np.ndarray) -> dict[str, float]:
    told = np.isfinite(off)
    off, std = np.abs(off[told]), std[told]
    if not len(off):
        return {'answered': 0.0}
    figures = {
        'answered': np.mean(told),
        'median': np.median(off),
        'p95': np.percentile(off, 95),
        'max': off.max(),
        'stated_std_median': np.median(std),
        'share_within_one_std': np.mean(off <= std),
    }
    return {name: round(float(value), 4) for name, value in figures.items()}


def cost_figures(run: Run) -> dict[str, float]:
    """Milliseconds of the processor a frame of 1280x720 at 30 Hz, averaged; one thread."""
    calibrator = SelfCalibrator(
        SelfCalibrationParams(), run.mounting.calibration.scaled((720, 1280))
    )
    large = [cv2.resize(frame.rgb, COST_SIZE) for frame in run.frames]
    step = COST_FPS // 10
    count = len(large) * step
    for i in range(2 * count):  # what comes first is learned from nothing, and costs more
        if i == count:
            clock, worked = time.perf_counter(), time.thread_time()
        at = i // step % len(large)
        frame = run.frames[at]
        calibrator.update(large[at], 'rgb', frame.labels, CAMVID_11, i / COST_FPS)
    return {
        'wall': round((time.perf_counter() - clock) / count * 1e3, 3),
        'processor': round((time.thread_time() - worked) / count * 1e3, 3),
    }


if __name__ == '__main__':
    main()
