# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
How steady the labels of a video are: whether they stay with what they label.

The labels of the frame before are moved along the optical flow between the two images and compared
with the present ones. The flow (DIS, Kroeger et al. 2016) comes from the images alone, so that no
filter of the labels can flatter its own score. Pixels that are hidden in one of the frames do not
count: flow there and back does not return to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from seg_perception.core.classes import UNLABELED
from seg_perception.core.masks import narrow, resize_nearest
from seg_perception.evaluation.metrics import ConfusionMatrix
from seg_perception.io.encodings import Pixels

_WIDTH = 320  # of the images that the flow is found in
_LEAST_PX = 16  # of their sides; flow needs some patches of 8 px
_MOST_APART_NS = 200_000_000
_MOST_ASTRAY_PX = 1.0  # between a pixel and where flow there and back leads
_OUTSIDE_PX = 1e4  # flow outside of the image: it leads nowhere
_LEAST_SHARE = 0.2  # of the pixels that flow has to explain; less is a cut


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What is kept of a frame to compare the next one with."""

    gray: np.ndarray  # (h, w) uint8
    labels: np.ndarray  # (h, w) uint8
    stamp_ns: int
    frame_id: str

    @classmethod
    def of(cls, pixels: Pixels, labels: np.ndarray, stamp_ns: int, frame_id: str) -> Snapshot:
        """The snapshot of an image and its labels (H, W) uint8."""
        size = narrow((labels.shape[0], labels.shape[1]), _WIDTH)
        small = cv2.resize(pixels.array, size[::-1], interpolation=cv2.INTER_AREA)
        code = cv2.COLOR_BGR2GRAY if pixels.order == 'bgr' else cv2.COLOR_RGB2GRAY
        return cls(cv2.cvtColor(small, code), resize_nearest(labels, size), stamp_ns, frame_id)

    def follows(self, before: Snapshot) -> bool:
        """Whether it is of the same camera as the one before, and at most 0.2 s later."""
        same = self.frame_id == before.frame_id and self.gray.shape == before.gray.shape
        is_large = min(self.gray.shape) >= _LEAST_PX
        return same and is_large and 0 < self.stamp_ns - before.stamp_ns <= _MOST_APART_NS


class LabelStability:
    """
    Counts over pairs of frames: of (class before, class now), and of time.

    :param num_classes: of the labels.
    """

    def __init__(self, num_classes: int) -> None:
        self.pairs = 0
        self._classes = ConfusionMatrix(num_classes)
        self._pixel_ns = 0  # time between the frames of a pair, summed over its pixels

    def add(self, before: Snapshot, now: Snapshot) -> None:
        """Count a pair of frames, unless the second does not follow the first or is a cut."""
        if not now.follows(before):
            return
        moved = _moved(before, now)
        compared = cv2.countNonZero(np.not_equal(moved, UNLABELED).view(np.uint8))
        if compared < _LEAST_SHARE * moved.size:
            return
        self._classes.add(moved, now.labels)
        self._pixel_ns += compared * (now.stamp_ns - before.stamp_ns)
        self.pairs += 1

    def row(self) -> dict[str, float]:
        """The columns of a frame."""
        return {'label_consistency': self.consistency, 'label_flips_per_s': self.flips_per_s}

    def summary(self) -> dict[str, float] | None:
        """The figures as JSON types; None without pairs."""
        if not self.pairs:
            return None
        figures = {'consistency': self.consistency, 'flips_per_s': self.flips_per_s}
        return {'pairs': self.pairs, **figures}

    def merge(self, other: LabelStability) -> None:
        """Add the counts of other pairs."""
        self._classes.merge(other._classes)
        self._pixel_ns += other._pixel_ns
        self.pairs += other.pairs

    @property
    def consistency(self) -> float:
        """Mean IoU of the moved labels and the present ones, 0..1; NaN without pairs."""
        return self._classes.mean_iou()

    @property
    def flips_per_s(self) -> float:
        """How often a pixel changes its class, per second; NaN without pairs."""
        if not self._pixel_ns:
            return float('nan')
        same = int(np.trace(self._classes.counts))
        return 1e9 * (int(self._classes.truth_pixels.sum()) - same) / self._pixel_ns

    def to_json(self) -> dict[str, Any]:
        """The counts as JSON types; ``from_json`` reads them back."""
        counts = self._classes.counts.tolist(), self._classes.missed.tolist()
        return {'pairs': self.pairs, 'pixel_ns': self._pixel_ns, 'counts': counts}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LabelStability:
        """The counts that ``to_json`` gave."""
        counts, missed = data['counts']
        stability = cls(len(missed))
        stability._classes.counts += np.array(counts, np.int64)
        stability._classes.missed += np.array(missed, np.int64)
        stability.pairs, stability._pixel_ns = data['pairs'], data['pixel_ns']
        return stability


def _moved(before: Snapshot, now: Snapshot) -> np.ndarray:
    """The labels before, where the present image has them; unlabeled where only one has."""
    back, there = _flow(now.gray, before.gray), _flow(before.gray, now.gray)
    rows, columns = np.indices(now.gray.shape, np.float32)
    x, y = columns + back[..., 0], rows + back[..., 1]
    outside = _OUTSIDE_PX, _OUTSIDE_PX
    returned = cv2.remap(there, x, y, cv2.INTER_LINEAR, None, cv2.BORDER_CONSTANT, outside)
    astray = cv2.magnitude(back[..., 0] + returned[..., 0], back[..., 1] + returned[..., 1])
    moved = cv2.remap(before.labels, x, y, cv2.INTER_NEAREST)
    moved[astray > _MOST_ASTRAY_PX] = UNLABELED
    return np.asarray(moved)


def _flow(gray: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Where each pixel of an image goes in another, (h, w, 2) float32 in pixels, x and y."""
    empty = np.zeros((*gray.shape, 2), np.float32)
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return np.asarray(flow.calc(gray, other, empty))
