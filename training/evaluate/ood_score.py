# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
How unlike the training data an input looks, told from logits alone (``docs/ood.md``).

Each score takes logits (N, C, h, w) and the temperature of the confidence, gives (N, h, w), and
grows with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from seg_perception.inference.engine import Engine
from seg_perception.inference.model_file import OodCalibration
from training.data.reading import read_ahead
from training.data.sample import FrameSet
from training.evaluate.scores import working_frame
from training.evaluate.separation import KNOWN_SHARE, threshold_of

MAX_FRAMES = 500  # that a scale is fitted on; more say the same
Score = Callable[[Tensor, float], Tensor]


def max_softmax(logits: Tensor, temperature: float) -> Tensor:
    """One minus the largest softmax (Hendrycks and Gimpel 2017, 1610.02136)."""
    return 1 - 1 / sum_of_shares(logits, temperature)[:, 0]


def max_logit(logits: Tensor, temperature: float) -> Tensor:
    """The largest logit, negated (Hendrycks et al. 2022, 1911.11132)."""
    return -logits.amax(1)


def energy(logits: Tensor, temperature: float) -> Tensor:
    """-T log sum exp(logits / T) (Liu et al. 2020, 2010.03759)."""
    top = logits.amax(1, keepdim=True)
    return -(top + temperature * sum_of_shares(logits, temperature).log())[:, 0]


def entropy(logits: Tensor, temperature: float) -> Tensor:
    """Entropy of the softmax, 0 for certain to 1 for all classes alike."""
    shares = (logits / temperature).softmax(1)
    return -(shares * shares.clamp_min(1e-12).log()).sum(1) / math.log(logits.shape[1])


SCORES: dict[str, Score] = {
    'max_softmax': max_softmax,
    'max_logit': max_logit,
    'energy': energy,
    'entropy': entropy,
}
CHOSEN = 'energy'
"""The one in model files: the best of ``docs/ood.md``."""


def of_images(logits: Tensor, temperature: float, score: str = CHOSEN) -> Tensor:
    """OOD scores (N,) of whole images: the mean of a score over their pixels."""
    return SCORES[score](logits, temperature).mean((1, 2))


def scale_of(known: Sequence[float]) -> OodCalibration | None:
    """The calibration of the OOD score on known images; None where they do not differ."""
    values = np.array(known, np.float64)
    median, threshold = float(np.median(values)), threshold_of(values, KNOWN_SHARE)
    # Rounded as the card states them.
    median, threshold = round(median, 4), round(threshold, 4)
    return OodCalibration(CHOSEN, median, threshold) if median < threshold else None


def fit_scale(engine: Engine, frames: FrameSet) -> OodCalibration | None:
    """The scale of a model file from its own answers; None where all frames give the same."""
    chosen = np.linspace(0, len(frames) - 1, min(MAX_FRAMES, len(frames))).astype(int).tolist()
    samples = read_ahead(frames, chosen, 'ood_score')
    frames_at_work = (working_frame(sample.rgb, engine.size_for) for sample in samples)
    return scale_of([float(engine.run(rgb[None]).ood_score[0]) for rgb in frames_at_work])


def sum_of_shares(logits: Tensor, temperature: float) -> Tensor:
    """Sum (N, 1, h, w) of what each class has of the largest one's exp(logit / T)."""
    below_top = logits - logits.amax(1, keepdim=True)
    return (below_top / temperature).exp().sum(1, keepdim=True)
