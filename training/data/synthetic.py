# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Rendered streets as training frames."""

from __future__ import annotations

from tqdm import tqdm

from seg_perception.core.classes import CAMVID_11
from seg_perception.synthetic.street import Street
from training.data.camvid import Sample

FRAMES_PER_STREET = 40  # the frame is drawn from the first seconds of its street


def render_samples(count: int, size: tuple[int, int], first_seed: int = 1000) -> list[Sample]:
    """
    One frame of each of ``count`` streets, in every weather; the same call gives the same frames.

    Seeds start far from those that demo and tests use, so that a score on their frames is not a
    score on training frames.
    """
    samples = []
    for seed in tqdm(range(first_seed, first_seed + count), desc='synthetic', leave=False):
        street = Street(seed=seed, size=size, table=CAMVID_11, weather='random')
        frame = street.frame(seed % FRAMES_PER_STREET)
        samples.append(Sample(f'street_{seed}', frame.rgb, frame.labels))
    return samples
