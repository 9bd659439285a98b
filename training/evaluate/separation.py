# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
How well a score tells the unknown from the known: AUROC, AUPR and FPR95, exact, ties and all.

The unknown is what is to be found: it counts as positive, and its scores should be the higher.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.errors import DatasetError

KNOWN_SHARE = 0.95  # of the known that a threshold lets pass


@dataclass(frozen=True)
class Separation:
    """
    What one score reaches.

    :param auroc: how often an unknown scores higher than a known one; 0.5 by chance.
    :param aupr: mean precision over the recall of the unknown; its share of all by chance.
    :param fpr95: share of the unknown that passes a threshold that 95 % of the known pass.
    :param band: of the AUROC, from where to where 95 % of resampled sets lie; NaN: not drawn.
    """

    auroc: float
    aupr: float
    fpr95: float
    band: tuple[float, float] = (float('nan'), float('nan'))


def separation(known: np.ndarray, unknown: np.ndarray) -> Separation:
    """
    Compare scores (M,) of the known with scores (K,) of the unknown.

    :raises DatasetError: when either is empty or has a NaN or an infinity.
    """
    for name, scores in (('known', known), ('unknown', unknown)):
        if not len(scores):
            raise DatasetError(f'scores of the {name}', 'none', 'one or more')
        if broken := int((~np.isfinite(scores)).sum()):
            raise DatasetError(
                f'scores of the {name}', f'{broken} that are not finite', 'finite numbers'
            )
    return Separation(
        auroc(known, unknown),
        aupr(known, unknown),
        float((unknown <= threshold_of(known, KNOWN_SHARE)).mean()),
    )


def auroc(known: np.ndarray, unknown: np.ndarray) -> float:
    """Share of all pairs in which the unknown scores higher; a tie is half a pair."""
    ordered = np.sort(known)
    below, upto = (np.searchsorted(ordered, unknown, side) for side in ('left', 'right'))
    return float((below + upto).mean() / (2 * len(known)))


def aupr(known: np.ndarray, unknown: np.ndarray) -> float:
    """Average precision: of each step of the threshold, recall gained times precision there."""
    steps = np.unique(np.concatenate([known, unknown]))[::-1]
    caught, wrong = (_at_least(scores, steps) for scores in (unknown, known))
    recall = caught / len(unknown)
    return float((np.diff(recall, prepend=0) * caught / (caught + wrong)).sum())


def threshold_of(known: np.ndarray, share: float) -> float:
    """The smallest of the scores that at least that share of them does not exceed."""
    return float(np.quantile(known, share, method='inverted_cdf'))


def roc(known: np.ndarray, unknown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the known and of the unknown above each threshold, from none to all."""
    steps = np.unique(np.concatenate([known, unknown]))[::-1]
    shares = (_at_least(scores, steps) / len(scores) for scores in (known, unknown))
    known_share, unknown_share = (np.concatenate([[0.0], share]) for share in shares)
    return known_share, unknown_share


def auroc_band(
    known: np.ndarray,
    known_blocks: np.ndarray,
    unknown: np.ndarray,
    unknown_blocks: np.ndarray,
    draws: int = 500,
) -> tuple[float, float]:
    """
    Where 95 % of the AUROCs lie when whole blocks are drawn with replacement.

    :param known_blocks: number of the block of each score: frames of one street are no
        independent images.
    """
    rng = np.random.default_rng(0)
    known_parts, unknown_parts = _split(known, known_blocks), _split(unknown, unknown_blocks)
    values = [auroc(_drawn(known_parts, rng), _drawn(unknown_parts, rng)) for _ in range(draws)]
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def _at_least(scores: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Number of scores at or above each step."""
    return len(scores) - np.searchsorted(np.sort(scores), steps, 'left')


def _split(scores: np.ndarray, blocks: np.ndarray) -> list[np.ndarray]:
    return [scores[blocks == block] for block in np.unique(blocks)]


def _drawn(parts: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([parts[i] for i in rng.integers(0, len(parts), len(parts))])
