# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The batches of an epoch, a function of seed and epoch alone, so that a run can resume."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.config import TransformConfig
from training.data.camvid import Sample
from training.transforms import augment


@dataclass(frozen=True)
class TrainingSet:
    """Real frames, each once an epoch, and a drawn share of synthetic ones among them."""

    real: Sequence[Sample]
    synthetic: Sequence[Sample]
    synthetic_share: float
    batch: int
    seed: int

    @property
    def synthetic_per_epoch(self) -> int:
        if not self.synthetic:
            return 0
        return round(len(self.real) * self.synthetic_share / (1 - self.synthetic_share))

    @property
    def steps_per_epoch(self) -> int:
        return max(1, (len(self.real) + self.synthetic_per_epoch) // self.batch)

    def epoch(self, number: int, transform: TransformConfig) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches rgb (N, h, w, 3) uint8 and labels (N, h, w) uint8; an odd rest is left out."""
        rng = np.random.default_rng([self.seed, number])
        samples = list(self.real)
        if self.synthetic:
            drawn = rng.choice(len(self.synthetic), self.synthetic_per_epoch)
            samples += [self.synthetic[index] for index in drawn]
        order = rng.permutation(len(samples))
        for step in range(self.steps_per_epoch):
            chosen = order[step * self.batch : (step + 1) * self.batch]
            views = [augment(samples[index], transform, rng) for index in chosen]
            rgb, labels = (np.stack(parts) for parts in zip(*views, strict=True))
            yield torch.from_numpy(rgb), torch.from_numpy(labels)


def prefetch(batches: Iterator[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """The same batches in the same order; a thread makes the next while one is trained on."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch
