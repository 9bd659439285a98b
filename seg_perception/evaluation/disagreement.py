# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Where two evaluations label the same frames differently; this needs no truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from seg_perception.core.errors import SourceError
from seg_perception.io.bags import Bag

GRID = (36, 64)  # rows and columns of the map
_IMAGE = 'sensor_msgs/msg/Image'
_MASK = '/mask'


@dataclass
class Disagreement:
    """Share of pixels with different labels: of each frame, and of each cell of the image."""

    share_of: dict[tuple[str, int], float] = field(default_factory=dict)  # by source and stamp
    frames: int = 0
    total: np.ndarray = field(default_factory=lambda: np.zeros(GRID))

    @property
    def share(self) -> float:
        return float(self.total.mean() / self.frames)

    @property
    def cells(self) -> np.ndarray:
        """(36, 64) shares 0..1."""
        cells: np.ndarray = self.total / self.frames
        return cells

    def add(self, source: str, stamp_ns: int, mask: np.ndarray, other: np.ndarray) -> None:
        """Count one frame, two (H, W) uint8 masks of it."""
        differs = (mask != other).astype(np.float32)
        cell = cv2.resize(differs, GRID[::-1], interpolation=cv2.INTER_AREA)
        self.total += cell
        self.frames += 1
        share = float(differs.mean())
        self.share_of[source, stamp_ns] = max(share, self.share_of.get((source, stamp_ns), 0.0))


def disagreement(folder: Path, baseline: Path, sources: list[str]) -> Disagreement | None:
    """
    Compare the masks in the output bags of two evaluations; None where they share none.

    :raises SourceError: when the masks of a frame differ in size.
    """
    found = Disagreement()
    for source in sources:
        paths = [one / 'bags' / source for one in (folder, baseline)]
        if all(path.exists() for path in paths):
            for mask, other in _shared_masks(*paths):
                _check_sizes(source, mask, other)
                found.add(source, mask.stamp_ns, mask.labels, other.labels)
    return found if found.frames else None


@dataclass(frozen=True)
class _Mask:
    log_ns: int  # the same in all evaluations of an input, and ascending
    stamp_ns: int
    labels: np.ndarray


def _shared_masks(path: Path, other: Path) -> Iterator[tuple[_Mask, _Mask]]:
    """Masks of the same topic and frame; one of each bag in memory at a time."""
    with Bag(path) as bag, Bag(other) as other_bag:
        names = {row.name for row in bag.of_type(_IMAGE)} & {
            row.name for row in other_bag.of_type(_IMAGE)
        }
        for name in sorted(one for one in names if one.endswith(_MASK)):
            theirs = _masks(other_bag, name)
            waiting = next(theirs, None)
            for mask in _masks(bag, name):
                while waiting and waiting.log_ns < mask.log_ns:
                    waiting = next(theirs, None)
                if waiting and waiting.log_ns == mask.log_ns:
                    yield mask, waiting


def _masks(bag: Bag, topic: str) -> Iterator[_Mask]:
    for message in bag.messages([topic]):
        image = bag.deserialise(message)
        stamp = image.header.stamp
        rows = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)
        stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        yield _Mask(message.log_ns, stamp_ns, rows[:, : image.width])


def _check_sizes(source: str, mask: _Mask, other: _Mask) -> None:
    if mask.labels.shape != other.labels.shape:
        raise SourceError(
            f'masks of {source} at {mask.stamp_ns / 1e9:.3f} s',
            f'{mask.labels.shape} here, {other.labels.shape} in the baseline',
            'one size (height, width)',
            'Evaluate both models on the same inputs.',
        )
