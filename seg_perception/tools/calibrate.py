# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrate the cameras of a recorded drive: a file for each, with a page of how it went."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from seg_perception.core.errors import SourceError
from seg_perception.core.results import CalibrationState, OnlineCalibration
from seg_perception.evaluation.calibrate import CalibrationRun, calibrate_stream
from seg_perception.evaluation.inputs import find_sources
from seg_perception.evaluation.streams import Source, Stream, Wanted
from seg_perception.inference.answer import FrameAnswerer
from seg_perception.inference.engine import thread_count
from seg_perception.inference.open_engine import open_engine
from seg_perception.io.atomic import make_folder, write_image
from seg_perception.io.calibration_file import read_calibration_file, write_calibration_file
from seg_perception.options import CalibrateOptions
from seg_perception.report.calibration import CameraSection, write_calibration_page


@dataclass(frozen=True)
class CalibrateReport:
    """What each camera of a recording learned, and the calibration files, in the same order."""

    runs: tuple[CalibrationRun, ...]
    paths: tuple[Path, ...]

    @property
    def exit_code(self) -> int:
        """1 when a camera is not calibrated."""
        states = {run.online.state for run in self.runs}
        return 0 if states == {CalibrationState.CALIBRATED} else 1

    def __str__(self) -> str:
        pairs = zip(self.paths, self.runs, strict=True)
        lines = [f'{path}: {_in_words(run.online)}' for path, run in pairs]
        shown = ', '.join(str(path.with_suffix('.html')) for path in self.paths)
        return '\n'.join([*lines, f'Look at {shown}.'])


def calibrate(options: CalibrateOptions) -> CalibrateReport:
    """
    Write the calibration of each camera, its picture and its page.

    :raises SegPerceptionError: when an option, the model, the recording or the output cannot be
        used.
    """
    given = read_calibration_file(options.calibration) if options.calibration else None
    wanted = Wanted(options.topics, calibration=given.lens if given else None)
    (source, *more), _ = find_sources([options.source], wanted)
    if more or source.kind == 'images':
        seen = f'{len(more) + 1} inputs' if more else 'a folder of images'
        raise SourceError(f'input {options.source!r}', seen, 'one video or bag')
    threads = options.threads or thread_count(0)
    answerer = FrameAnswerer(open_engine(str(options.model), options.provider, threads=1))
    make_folder(options.out.absolute().parent)
    runs, paths = [], []
    for stream in source.streams:
        path = options.out
        if len(source.streams) > 1:
            path = path.with_name(f'{path.stem}_{stream.camera}{path.suffix}')
        run = _run(options, source, stream, answerer, threads)
        _write(path, source, stream, run)
        runs.append(run)
        paths.append(path)
    return CalibrateReport(tuple(runs), tuple(paths))


def _run(
    options: CalibrateOptions,
    source: Source,
    stream: Stream,
    answerer: FrameAnswerer,
    threads: int,
) -> CalibrationRun:
    bar: tqdm[NoReturn]
    with tqdm(desc=stream.camera, total=100, unit='%', disable=None) as bar:

        def tell(online: OnlineCalibration) -> None:
            bar.set_postfix_str(online.reason, refresh=False)
            bar.update(online.percent - bar.n)

        return calibrate_stream(
            source,
            stream,
            answerer,
            threads=threads,
            limit_s=options.max_seconds,
            height_m=options.camera_height_m,
            progress=tell,
        )


def _write(path: Path, source: Source, stream: Stream, run: CalibrationRun) -> None:
    picture = path.with_suffix('.jpg')
    write_image(picture, run.picture)
    title = source.name if len(source.streams) == 1 else f'{source.name} {stream.camera}'
    facts = run.history[-1] | {'state': run.online.state.name.lower()}
    section = CameraSection(title, facts, run.history, picture)
    write_calibration_page(path.with_suffix('.html'), [section])
    write_calibration_file(path, run.file)


def _in_words(online: OnlineCalibration) -> str:
    told = f'{online.state.name.lower()}, {online.percent} %'
    if online.reason:
        told += f' ({online.reason})'
    if online.vanishing_point:
        point = online.vanishing_point
        told += f'; horizon at {100 * point.row:.1f} % of the height'
        told += f', vanishing point at {100 * point.column:.1f} % of the width'
    if online.pitch_rad == online.pitch_rad:
        told += f'; pitch {online.pitch_rad:.4f} +- {online.pitch_std_rad:.4f} rad'
        told += f', yaw {online.yaw_rad:.4f} +- {online.yaw_std_rad:.4f} rad'
    if online.height_m == online.height_m:
        told += f'; height {online.height_m:.2f} +- {online.height_std_m:.2f} m'
    return told
