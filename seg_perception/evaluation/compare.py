# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Hold one evaluation against another, and against limits that a change may not cross."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np

from seg_perception.core.errors import ParameterError
from seg_perception.core.settings import unknown_key
from seg_perception.evaluation.bootstrap import MEANS, Change, Changes, Pairs, changes, pair_frames
from seg_perception.evaluation.disagreement import Disagreement, disagreement
from seg_perception.evaluation.run_data import COMPARISON, FORMAT, RunData, read_run
from seg_perception.io.atomic import write_json
from seg_perception.report.page import write_report

_CROSSED = 1
_RATIOS = ('fps_ratio', 'latency_ratio')


@dataclass(frozen=True)
class Limit:
    """One limit and what it was held against; drops and rises are in points (0..100)."""

    name: str
    value: float
    limit: float

    @property
    def crossed(self) -> bool:
        """`fps_ratio` is a least value, all others are greatest ones."""
        if self.name == 'fps_ratio':
            return self.value < self.limit
        return self.value > self.limit


@dataclass(frozen=True)
class Difference:
    """One frame that got worst; values of what it was chosen by, None where there is none."""

    row: int
    baseline_row: int
    before: float | None
    after: float


@dataclass(frozen=True)
class Comparison:
    """What changed from the baseline to the run."""

    folder: Path
    baseline: Path
    frames: int  # of the run
    pairs: Pairs
    changes: Changes
    fps: tuple[float, float]  # before, after
    inference_ms: tuple[float, float]  # p50 before, after
    ece: tuple[float, float]  # before, after; NaN without truth
    disagreement: Disagreement | None
    worst_by: str  # miou, disagreement or score
    worst: tuple[Difference, ...]
    limits: tuple[Limit, ...]

    @property
    def exit_code(self) -> int:
        return _CROSSED if any(limit.crossed for limit in self.limits) else 0

    def __str__(self) -> str:
        return '\n'.join(_lines(self))


def compare(folder: Path, baseline: Path, limits: Mapping[str, float]) -> Comparison:
    """
    Compare two finished evaluations, write ``compare.json`` and the report anew with a section.

    :param folder: of the run that is judged.
    :param limits: by name, such as ``{'miou_drop': 1.0, 'fps_ratio': 0.9}``.
    :raises SourceError: when a folder cannot be read, or they share no frames.
    :raises ParameterError: when a limit is unknown, or there is nothing to hold it against.
    """
    run, other = read_run(folder), read_run(baseline)
    _check_limits(limits, [*run.names('iou_'), *run.names('share_')])
    pairs = pair_frames(run, other)
    changed = changes(run, other, pairs)
    found = _disagreement(run, other)
    facts = {
        'fps': _both(other, run, 'fps'),
        'inference_ms': _both(other, run, 'stages_ms', 'inference', 'p50'),
        'ece': _both(other, run, 'truth', 'ece'),
    }
    worst_by, worst = _worst(run, other, pairs, bool(changed.scores), found)
    values = _values(changed.scores, found, facts)
    comparison = Comparison(
        folder=folder,
        baseline=baseline,
        frames=run.frames,
        pairs=pairs,
        changes=changed,
        disagreement=found,
        worst_by=worst_by,
        worst=tuple(worst),
        limits=tuple(_held(name, limit, values) for name, limit in limits.items()),
        **facts,
    )
    write_json(folder / COMPARISON, _record(comparison))
    write_report(folder)
    return comparison


def _check_limits(limits: Mapping[str, float], classes: list[str]) -> None:
    known = [
        'miou_drop',
        *(f'{name}_drop' for name in MEANS),
        *('ece_rise', 'disagreement', *_RATIOS),
        *(f'iou_drop.{name}' for name in dict.fromkeys(classes)),
    ]
    for name, value in limits.items():
        if name not in known:
            raise unknown_key('limit', name, known)
        if not isfinite(value):
            raise ParameterError(f'limit {name!r}', value, 'a finite number')


def _values(
    scores: Sequence[Change], found: Disagreement | None, facts: Mapping[str, tuple[float, float]]
) -> dict[str, float]:
    """What each limit is held against, by its name; drops and rises in points."""
    values = {_limit_name(row.name): -100 * row.change for row in scores}
    values['fps_ratio'] = _ratio(facts['fps'])
    values['latency_ratio'] = _ratio(facts['inference_ms'])
    values['ece_rise'] = 100 * (facts['ece'][1] - facts['ece'][0])
    values['disagreement'] = found.share if found else nan
    return values


def _limit_name(score: str) -> str:
    name, dot, of_class = score.partition('.')
    return f'{name}_drop{dot}{of_class}'


def _held(name: str, limit: float, values: Mapping[str, float]) -> Limit:
    value = values.get(name, nan)
    if not isfinite(value):
        raise ParameterError(
            f'limit {name!r}',
            'nothing to hold it against in these two runs',
            _NEEDS.get(name, 'truth in both, and the class in it'),
            'Evaluate both with it, or leave the limit out.',
        )
    return Limit(name, value, limit)


_NEEDS = {
    'disagreement': 'output bags of both, with masks of one class table',
    'fps_ratio': 'the speed of both',
    'latency_ratio': 'the time of inference of both',
}


def _disagreement(run: RunData, other: RunData) -> Disagreement | None:
    """None too where the classes differ: equal numbers would mean different things."""
    if run.names('share_') != other.names('share_'):
        return None
    sources = list(dict.fromkeys(one.source for one in run.inputs))
    return disagreement(run.folder, other.folder, sources)


def _both(before: RunData, after: RunData, *keys: str) -> tuple[float, float]:
    """A number of both summaries; NaN where there is none."""
    return _number(before.summary, keys), _number(after.summary, keys)


def _number(value: Any, keys: tuple[str, ...]) -> float:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, (int, float)) else nan


def _ratio(values: tuple[float, float]) -> float:
    return values[1] / values[0] if values[0] else nan


def _worst(
    run: RunData, other: RunData, pairs: Pairs, has_truth: bool, found: Disagreement | None
) -> tuple[str, list[Difference]]:
    """The frames that lost most mean IoU; without truth those labelled most differently."""
    by = 'miou' if has_truth else 'disagreement' if found else 'score'
    before, after, partner = np.full(run.frames, nan), run.numbers(by), pairs.partner
    if found and not has_truth:
        (codes, sources), stamps = run.coded('source'), run.numbers('stamp_ns')
        for row in partner:
            key = sources[codes[row]], int(stamps[row])
            after[row] = found.share_of.get(key, nan)
        drop = -after
    else:
        before[pairs.rows] = other.numbers(by)[pairs.baseline_rows]
        drop = after - before
    drop[~(drop < 0)] = nan
    known = {row: float(before[row]) for row in partner if not np.isnan(before[row])}
    return by, [
        Difference(row, partner[row], known.get(row), float(after[row]))
        for row in run.worst_rows(drop)
    ]


def _record(comparison: Comparison) -> dict[str, Any]:
    """What ``compare.json`` says; NaN becomes null there."""
    found, changed = comparison.disagreement, comparison.changes
    return {
        'format': FORMAT,
        'baseline': os.path.relpath(comparison.baseline, comparison.folder),
        'frames': len(comparison.pairs.rows),
        'run_frames': comparison.frames,
        'truth_frames': changed.frames,
        'blocks': changed.blocks,
        'block_s': changed.block_s,
        'pixels_counted': changed.pixels_counted,
        'changes': [asdict(row) for row in changed.scores],
        'fps': comparison.fps,
        'inference_ms': comparison.inference_ms,
        'ece': comparison.ece,
        'disagreement': None
        if found is None
        else {
            'share': found.share,
            'frames': found.frames,
            'cells': [[round(cell, 4) for cell in row] for row in found.cells.tolist()],
        },
        'worst_by': comparison.worst_by,
        'worst': [asdict(one) for one in comparison.worst],
        'limits': [asdict(one) | {'crossed': one.crossed} for one in comparison.limits],
    }


def _lines(comparison: Comparison) -> list[str]:
    changed = comparison.changes
    lines = [
        f'Compared with {comparison.baseline}: {len(comparison.pairs.rows)} of '
        f'{comparison.frames} frames are in both.'
    ]
    if changed.scores:
        iou = 'of all pixels together' if changed.pixels_counted else 'the mean of the frames'
        lines.append(
            f'{changed.frames} with truth, IoU {iou}; intervals over {changed.blocks} blocks of '
            f'{changed.block_s:.1f} s.'
        )
        lines.append(f'{"":<24}{"before":>8}{"after":>8}{"change":>8}   95 % interval')
        lines += map(_change_line, changed.scores)
    else:
        lines.append('No truth in both runs: scores are not compared.')
    if comparison.disagreement:
        found = comparison.disagreement
        lines.append(
            f'Labels differ in {100 * found.share:.2f} % of the pixels of {found.frames} frames.'
        )
    before, after = comparison.fps
    lines.append(
        f'Speed {before:.1f} -> {after:.1f} frames/s, {_ratio(comparison.fps):.2f} times.'
    )
    lines += [
        f'Limit {one.name}={one.limit:g}: {one.value:.3g}, {"CROSSED" if one.crossed else "kept"}.'
        for one in comparison.limits
    ]
    return lines


def _change_line(row: Change) -> str:
    cells = [100 * value for value in (row.before, row.after, row.change)]
    interval = (
        f'   {100 * row.low:+.2f} to {100 * row.high:+.2f}' if isfinite(row.low) else '   too few'
    )
    return f'{row.name:<24}{cells[0]:>8.2f}{cells[1]:>8.2f}{cells[2]:>+8.2f}{interval}'
