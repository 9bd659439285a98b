# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m training study``: train what is missing, compare all, write the page."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from subprocess import CalledProcessError

from tqdm import tqdm

from seg_perception.core.classes import ClassTable
from seg_perception.core.errors import SegPerceptionError
from training.data import open_val
from training.data.tables import class_id
from training.errors import FailedRunsError, StudyError
from training.options import StudyOptions
from training.study.page import Findings, write_page
from training.study.plan import Run, Study, load_study, plan_runs
from training.study.run import MODEL, SIZE, check_same, finish, is_done, read_result, train
from training.study.timing import seconds_left, time_files

log = logging.getLogger(__name__)


def study(options: StudyOptions) -> Path:
    """
    Run a study to its page, from where it stands.

    :raises StudyError: when the time is too short for what is left, or a variant failed; the page
        of the others is written first.
    """
    whole = load_study(options.name)
    runs = plan_runs(
        whole.only(options.variants, options.seeds), options.out / options.name, options.overrides
    )
    for run in runs:
        check_same(run)
    _check_groups(whole, open_val(runs[0].config.data).classes)
    if options.minutes:
        _check_time(runs, options.minutes)
    failures = _run_all(runs)
    every = plan_runs(whole.only((), options.seeds), options.out / options.name, options.overrides)
    path = _write(whole, every, options.docs)
    if failures:
        raise FailedRunsError(
            f'study {options.name}',
            '; '.join(failures),
            'every run to its end',
            'Mend it and give the same command again: what is done is kept.',
        )
    return path


def _run_all(runs: Sequence[Run]) -> list[str]:
    """Train and finish what has no result yet; what failed, in words."""
    failures = []
    for number, run in enumerate(runs, start=1):
        if is_done(run):
            continue
        log.info('run %d of %d: %s', number, len(runs), run.out)
        try:
            train(run)
            finish(run)
        except CalledProcessError as error:
            failures.append(f'{run.out}: training ended with {error.returncode}')
        except SegPerceptionError as error:
            failures.append(f'{run.out}: {error}')
    return failures


def _write(whole: Study, runs: Sequence[Run], docs: Path) -> Path:
    done = [run for run in runs if is_done(run)]
    if not done:
        raise StudyError(f'study {whole.name}', 'no run with a result', 'one at least')
    firsts = {run.variant: run.out / MODEL for run in reversed(done)}
    val = open_val(done[0].config.data)
    findings = Findings(
        study=whole,
        runs=tuple(done),
        results=tuple(read_result(run) for run in done),
        cpu_ms=time_files(firsts, val[0].rgb, SIZE),
        missing=tuple(run.out.name for run in runs if not is_done(run)),
    )
    return write_page(findings, val, docs)


def _check_groups(whole: Study, classes: ClassTable) -> None:
    """
    Find a misspelt class before hours of training, not after.

    :raises ConfigError: when the data have no such class.
    """
    for group, names in whole.groups.items():
        for name in names:
            class_id(name, classes, f'group {group} of study {whole.name}')


def _check_time(runs: Sequence[Run], minutes: float) -> None:
    """
    Compare what is left with the time there is.

    :raises StudyError: when it is too short; the estimates are printed first.
    """
    left = [run for run in runs if not is_done(run)]
    seconds = {
        run.out.name: seconds_left(run)
        for run in tqdm(left, desc='estimate', unit='run', disable=None)
    }
    for name, value in seconds.items():
        log.info('%-32s%8.1f min', name, value / 60)
    needed = sum(seconds.values()) / 60
    if needed > minutes:
        raise StudyError(
            f'time for {len(left)} runs',
            f'--minutes {minutes:g}',
            f'{needed:.0f}, as estimated from {len(left)} short tries',
            'Give more, fewer --variants or --seeds, or a smaller optim.epochs.',
        )
    log.info('%.0f min for %d runs', needed, len(left))
