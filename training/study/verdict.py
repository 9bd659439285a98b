# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Means and spreads over seeds, and whether a claim holds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from training.study.plan import Study, Verdict
from training.study.run import Result


@dataclass(frozen=True)
class Figure:
    """A metric of one variant over its seeds."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    def text(self, digits: int = 3) -> str:
        """The mean, and half the range where there are several seeds."""
        text = f'{self.mean:.{digits}f}'
        if len(self.values) == 1:
            return text
        return f'{text} ± {(max(self.values) - min(self.values)) / 2:.{digits}f}'


def figure(study: Study, results: Sequence[Result], variant: str, metric: str) -> Figure:
    """A metric of the runs of one variant, by seed."""
    runs = sorted((row for row in results if row.variant == variant), key=lambda row: row.seed)
    return Figure(tuple(row.metric(metric, study.groups) for row in runs))


def judge(study: Study, results: Sequence[Result], verdict: Verdict) -> str:
    """
    One sentence: the claim, whether it holds, and the differences that say so.

    It holds, or does not, when every seed agrees; variants are compared seed by seed, since a seed
    has the same batches in both.
    """
    of, over = (
        {
            row.seed: row.metric(verdict.metric, study.groups)
            for row in results
            if row.variant == variant
        }
        for variant in (verdict.of, verdict.over)
    )
    gains = [of[seed] - over[seed] for seed in sorted(of.keys() & over.keys())]
    if not gains:
        return f'{verdict.say}: not tested, its variants have no results.'
    held = [gain > verdict.least for gain in gains]
    word = 'holds' if all(held) else 'does not hold' if not any(held) else 'undecided'
    least = f', asked more than {100 * verdict.least:.1f}' if verdict.least else ''
    points = ', '.join(f'{100 * gain:+.1f}' for gain in gains)
    seeds = '1 seed' if len(gains) == 1 else f'{len(gains)} seeds'
    metric = verdict.metric.replace('_', ' ')
    return (
        f'{verdict.say}: **{word}**. {metric} of {verdict.of} over {verdict.over}: '
        f'{points} points ({seeds}{least}).'
    )


def pareto_front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Indices, by rising cost, of those that no other beats in both."""
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -scores[i]))
    front: list[int] = []
    for index in order:
        if not front or scores[index] > scores[front[-1]]:
            front.append(index)
    return front
