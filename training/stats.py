# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
How often the classes of a data set occur, and the class weights that follow.

Everything comes from one table: pixels of each class in each frame.
"""

from __future__ import annotations

import functools
import hashlib
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch.distributed as dist
from tqdm import tqdm

from seg_perception.core.classes import ClassTable
from seg_perception.io.atomic import write_arrays
from training.config import TrainConfig
from training.data.sample import FrameSet
from training.distributed import from_first
from training.sampling import samples_per_set

WEIGHT_RANGE = (0.1, 10.0)
"""
Of weights that are a quotient of shares. The published six-class weights of "Streetview
Semantics" (BDD100K) end at these; without them a class of a few pixels takes all the weight.
"""
COUNTS_FILE = 'label_counts.npz'
CHUNKS = 16  # parts that each worker counts, one after the other


@dataclass(frozen=True)
class ClassStatistics:
    """
    Of a data set: labelled pixels and frames of each class, in the order of the table.

    ``pixels_around`` are all labelled pixels of the frames that have the class.
    """

    classes: ClassTable
    pixels: np.ndarray  # (C,) int64
    frames: np.ndarray  # (C,) int64
    pixels_around: np.ndarray  # (C,) int64
    total_frames: int
    void_share: float  # of all pixels

    @property
    def share(self) -> np.ndarray:
        """Of the labelled pixels, (C,)."""
        return self.pixels / max(1, self.pixels.sum())

    @property
    def groups(self) -> np.ndarray:
        """Order of magnitude of each class above the rarest, (C,); -1 for those without pixels."""
        return magnitude_groups(self.pixels)

    @classmethod
    def unknown(cls, classes: ClassTable) -> ClassStatistics:
        """Of labels that nobody has read: no pixels, and so equal weights."""
        none = np.zeros(len(classes), np.int64)
        return cls(classes, none, none, none, 0, 0.0)

    def weights(self, kind: str, offset: float = 1.02) -> np.ndarray:
        """
        Weights of the classes in the loss, (C,) float32.

        A class without a pixel weighs as much as the heaviest of the others: should it turn up,
        it is at least as rare.

        :param kind: ``none``; ``enet``: 1 / ln(offset + share), Paszke et al. 2016;
            ``inverse_frequency``: 1 / share, mean 1, "Streetview Semantics";
            ``median_frequency``: median share / share, both of the frames that have the class,
            Eigen and Fergus 2015. The last two are kept in ``WEIGHT_RANGE``.
        """
        weights = np.ones(len(self.classes))
        seen = self.pixels > 0
        if kind == 'none' or not seen.any():
            return weights.astype(np.float32)
        share = self.share[seen]
        if kind == 'enet':
            known = 1 / np.log(offset + share)
        elif kind == 'inverse_frequency':
            known = np.clip(len(share) / share / (1 / share).sum(), *WEIGHT_RANGE)
        elif kind == 'median_frequency':
            share = self.pixels[seen] / self.pixels_around[seen]
            known = np.clip(np.median(share) / share, *WEIGHT_RANGE)
        else:
            raise ValueError(f'no class weights {kind!r}')
        weights[seen] = known
        weights[~seen] = known.max()
        return weights.astype(np.float32)


def magnitude_groups(counts: np.ndarray) -> np.ndarray:
    """
    Order of magnitude of pixels (C,) by those of the rarest class, (C,) int; -1 without pixels.

    Group 0 is up to ten times the rarest, group 1 up to a hundred times: the exponents of DSNet's
    object weighted focal loss (Wang et al., IEEE Access 2020, equation 3).
    """
    groups = np.full(len(counts), -1)
    seen = counts > 0
    if seen.any():
        ratio = counts[seen] / counts[seen].min()
        groups[seen] = np.floor(np.log10(ratio) + 1e-12).astype(int)
    return groups


def rare_classes(counts: np.ndarray) -> tuple[int, ...]:
    """Ids of the classes of the rarest order of magnitude, from pixels (C,)."""
    return tuple(int(label) for label in np.flatnonzero(magnitude_groups(counts) == 0))


def summarise(
    sets: Sequence[tuple[FrameSet, float]], counts: Sequence[np.ndarray]
) -> ClassStatistics:
    """
    The statistics of sets with their shares, from ``count_labels`` of each.

    Pixels of a set that is drawn by share count as often as an epoch draws them.
    """
    frames, shares = zip(*sets, strict=True)
    takes = samples_per_set([len(part) for part in counts], shares)
    sums = np.zeros((3, len(frames[0].classes) + 1))
    for part, take in zip(counts, takes, strict=True):
        has, labelled = part > 0, part[:, :-1].sum(axis=1)
        drawn = take / len(part)
        sums += part.sum(axis=0) * drawn, has.sum(axis=0), labelled @ has * drawn
    pixels, having, around = np.rint(sums).astype(np.int64)
    return ClassStatistics(
        classes=frames[0].classes,
        pixels=pixels[:-1],
        frames=having[:-1],
        pixels_around=around[:-1],
        total_frames=sum(len(part) for part in counts),
        void_share=float(pixels[-1] / pixels.sum()),
    )


def label_counts(train: Sequence[tuple[FrameSet, float]], config: TrainConfig) -> list[np.ndarray]:
    """
    ``count_labels`` of each set; kept in the run's folder, where a resumed run finds them.

    Of processes that train together the first one counts. Labels that are edited under the same
    file names are not noticed: delete the file ``label_counts.npz``.
    """
    first = not dist.is_initialized() or dist.get_rank() == 0
    return from_first(_kept_counts(train, config) if first else None)


def count_labels(frames: FrameSet, workers: int = 0) -> np.ndarray:
    """Pixels of each class in each frame, (F, C + 1) int64; the last column is ignored pixels."""
    coming = _rows(frames, workers)
    rows = tqdm(coming, 'counting labels', len(frames), leave=False, unit='frame')
    return np.array(list(rows), np.int64).reshape(len(frames), len(frames.classes) + 1)


def _rows(frames: FrameSet, workers: int) -> Iterator[list[int]]:
    if not workers:
        yield from (_row(frames, index) for index in range(len(frames)))
        return
    spawn = multiprocessing.get_context('spawn')
    chunk = max(1, len(frames) // (CHUNKS * workers))
    with ProcessPoolExecutor(workers, spawn) as pool:
        yield from pool.map(functools.partial(_row, frames), range(len(frames)), chunksize=chunk)


def _row(frames: FrameSet, index: int) -> list[int]:
    labels = frames.labels(index)
    counts = np.bincount(labels.ravel(), minlength=256)[: len(frames.classes)]
    return [*counts.tolist(), labels.size - int(counts.sum())]


def _kept_counts(train: Sequence[tuple[FrameSet, float]], config: TrainConfig) -> list[np.ndarray]:
    path, key = Path(config.out) / COUNTS_FILE, _fingerprint(train, config)
    if path.is_file():
        with np.load(path) as kept:
            if str(kept['key']) == key:
                return [kept[f'set{number}'] for number in range(len(train))]
    counts = [count_labels(frames, config.data.workers) for frames, _ in train]
    named = {f'set{number}': part for number, part in enumerate(counts)}
    write_arrays(path, key=key, **named)
    return counts


def _fingerprint(train: Sequence[tuple[FrameSet, float]], config: TrainConfig) -> str:
    """Changes with the frames, their classes, and what is done to labels when they are read."""
    text = repr((config.data.train, config.data.classes, config.data.keep, config.data.size))
    for frames, _ in train:
        text += f'\n{frames.classes.names} {list(frames.names)}'
    return hashlib.sha256(text.encode()).hexdigest()
