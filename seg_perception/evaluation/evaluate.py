# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Evaluate recordings: share out their shards, resume an earlier run, merge.

    make_job -> shards that are not finished -> this process, several, or a Ray cluster -> merge
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tqdm import tqdm

from seg_perception.core.results import OnlineCalibration
from seg_perception.evaluation.calibrate import calibrated
from seg_perception.evaluation.executors import run_in_processes, run_on_ray
from seg_perception.evaluation.job import EvaluationJob, Shard, make_job
from seg_perception.evaluation.merge import merge
from seg_perception.evaluation.shard import SHARD_FILE, run_shard
from seg_perception.inference.engine import thread_count
from seg_perception.io.atomic import output_error
from seg_perception.options import EvaluationOptions
from seg_perception.report import write_report

if TYPE_CHECKING:
    from seg_perception.evaluation.compare import Comparison

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation: where it is, what ``summary.json`` says, and the report if any."""

    out: Path
    summary: Mapping[str, Any]
    report: Path | None = None

    @property
    def exit_code(self) -> int:
        return 1 if self.summary['failures'] else 0

    def __str__(self) -> str:
        summary = self.summary
        inputs = len(summary['inputs'])
        lines = [
            f'{summary["frames"]} frames of {inputs} {"input" if inputs == 1 else "inputs"} in '
            f'{summary["seconds"]:.1f} s ({summary["fps"]:.1f} a second).'
        ]
        if truth := summary['truth']:
            lines.append(_truth_line(truth))
        skipped = sum(sum(counts.values()) for counts in summary['skipped'].values())
        if skipped:
            lines.append(f'{skipped} frames could not be used.')
        if failures := summary['failures']:
            lines.append(f'{len(failures)} problems:')
            lines += [f'  {row["source"]}: {row["what"]}' for row in failures]
        lines += [f'Warning: {row["source"]}: {row["what"]}.' for row in summary['warnings']]
        return '\n'.join([*lines, f'Look at {self.report or self.out}.'])


def evaluate(options: EvaluationOptions) -> Evaluation:
    """
    Evaluate everything, or what an earlier run of the same left undone.

    :raises SegPerceptionError: when an option, the model, all inputs or the output cannot be used.
    :raises KeyboardInterrupt: when interrupted; what is finished stays.
    """
    job = make_job(options)
    folder = job.folder
    with _output_errors(job.out), folder.locked():
        folder.claim()
        folder.clear_unfinished()
        try:
            job = _calibrated(job, options)
            _run(job, options)
            summary = merge(job)
            report = write_report(job.out) if 'report' in job.outputs else None
        except KeyboardInterrupt:
            done = len(job.shards) - len(_unfinished(job))
            log.warning(
                'Interrupted: %d of %d parts are finished in %s. '
                'The same command resumes from there.',
                done,
                len(job.shards),
                job.out,
            )
            raise
    return Evaluation(job.out, summary, report)


def evaluate_against(
    options: EvaluationOptions, baseline: Path, limits: Mapping[str, float]
) -> tuple[Evaluation, Comparison]:
    """
    Evaluate, and compare with another evaluation, or with another model on the same inputs.

    :param baseline: folder of a finished evaluation, or a model file, which is evaluated first
        into a folder next to ``out``.
    :param limits: by name; see ``compare``.
    :raises SegPerceptionError: as ``evaluate`` and ``compare`` do.
    """
    from seg_perception.evaluation.compare import compare

    if baseline.is_file():
        other = replace(
            options,
            model=baseline,
            out=options.out.with_name(f'{options.out.name}_{baseline.stem}'),
        )
        baseline = evaluate(other).out
    evaluation = evaluate(options)
    return evaluation, compare(evaluation.out, baseline.absolute(), limits)


def _calibrated(job: EvaluationJob, options: EvaluationOptions) -> EvaluationJob:
    bar: tqdm[NoReturn]
    with tqdm(desc='calibrating', unit='frame', disable=None, leave=False) as bar:

        def tell(online: OnlineCalibration) -> None:
            bar.set_postfix_str(f'{online.percent} % {online.reason}', refresh=False)
            bar.update()

        return calibrated(job, options.threads or thread_count(0), tell)


def _run(job: EvaluationJob, options: EvaluationOptions) -> None:
    shards = _unfinished(job)
    cores = thread_count(0)
    bar: tqdm[NoReturn]
    with tqdm(total=job.frames, initial=_frames_done(job), unit='frame', disable=None) as bar:
        tick: Callable[[int], Any] = bar.update
        if options.ray:
            run_on_ray(job, shards, options.ray, options.threads or 1, tick)
        elif options.workers > 1 and len(shards) > 1:
            workers = min(options.workers, len(shards))
            run_in_processes(job, shards, workers, options.threads or cores // workers or 1, tick)
        else:
            for shard in shards:
                run_shard(job, shard, options.threads or cores, lambda: tick(1))


def _unfinished(job: EvaluationJob) -> list[Shard]:
    return [shard for shard in job.shards if not job.folder.part(shard.folder).is_dir()]


def _frames_done(job: EvaluationJob) -> int:
    files = (job.folder.part(shard.folder) / SHARD_FILE for shard in job.shards)
    return sum(json.loads(file.read_text())['frames'] for file in files if file.is_file())


@contextmanager
def _output_errors(out: Path) -> Iterator[None]:
    """What the file system refuses, as an error of ours."""
    try:
        yield
    except OSError as error:
        raise output_error(out, error) from error


def _truth_line(truth: Mapping[str, Any]) -> str:
    names = {'miou': 'mIoU', 'pixel_accuracy': 'pixel accuracy', 'drivable_iou': 'drivable IoU'}
    known = {text: truth[key] for key, text in names.items() if truth[key] is not None}
    scores = ', '.join(f'{text} {value:.3f}' for text, value in known.items())
    return f'Truth of {truth["frames"]} frames: {scores or "nothing to compare"}.'
