# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every engine does: uint8 frames in, class ids and confidence out."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np

from seg_perception.core.classes import UNLABELED
from seg_perception.core.errors import ImageError, ModelFileError, ParameterError, ProviderError
from seg_perception.inference.model_file import ADAPT_FIX, ModelCard

PROVIDERS = ('auto', 'cpu', 'cuda', 'tensorrt')
_NEAR = 0.92  # of the sides, that a whole fraction keeps at least
_ROUNDING = 1e-6  # 385 * (384 / 385) may be less than 384


@dataclass(frozen=True)
class Segmentation:
    """The model's answer for N images, at the size that the model was given."""

    labels: np.ndarray  # (N, h, w) uint8 class ids
    confidence: np.ndarray  # (N, h, w) uint8, 0..255 for 0..1
    ood_score: np.ndarray  # (N,) float32, raw, read with ``card.ood_score``; NaN: not in the file


class Engine(ABC):
    """
    One loaded model on one execution provider; ``open_engine`` makes the one for a file.

    ``run`` may be called from several threads. ``provider`` is what is really used; ``fallback``
    is None, or the sentence why ``auto`` took the CPU.
    """

    card: ModelCard
    provider: str
    fallback: str | None

    def size_for(self, frame_size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) to which a frame of that (height, width) should be resized."""
        card = self.card
        if not card.dynamic:
            return card.input_size
        return working_size(frame_size, card.input_size, card.size_multiple, card.upscale)

    def warm_up(self, frame_size: tuple[int, int] | None = None) -> None:
        """
        Run twice, so that the first frame is not the slow one and a bad model is found out.

        :param frame_size: (height, width) of the frames to come; GPUs choose algorithms by size.
        :raises ModelFileError: when what comes out is not in the contract.
        """
        size = self.size_for(frame_size) if frame_size else self.card.input_size
        noise = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
        for rgb in (np.zeros_like(noise), noise):
            found = self.run(rgb)
        if self.card.ood_calibration is not None and not np.isfinite(found.ood_score).all():
            raise ModelFileError(
                'output `ood_score` of the model', found.ood_score.tolist(), 'a number', ADAPT_FIX
            )

    def run(self, rgb: np.ndarray) -> Segmentation:
        """
        Segment N images, (N, h, w, 3) uint8 RGB of a size that ``size_for`` gives.

        :raises ImageError: when type, shape or size is not what the model takes.
        :raises ModelFileError: when the model answers with what its card does not say.
        """
        self._check(rgb)
        labels, confidence, *more = self._run(rgb)
        ood_score = more[0] if more else np.full(len(rgb), np.nan, np.float32)
        self._check_outputs(rgb, labels, confidence, ood_score)
        return Segmentation(labels, confidence, ood_score)

    @abstractmethod
    def _run(self, rgb: np.ndarray) -> Sequence[np.ndarray]:
        """Labels, confidence and, where the file has it, ood_score of checked images; new."""

    def _check_outputs(
        self, rgb: np.ndarray, labels: np.ndarray, confidence: np.ndarray, ood_score: np.ndarray
    ) -> None:
        """A declared type may be another at run time, and labels may leave the class table."""
        wanted = (np.uint8, rgb.shape[:3]), (np.uint8, rgb.shape[:3]), (np.float32, rgb.shape[:1])
        outputs = {'labels': labels, 'confidence': confidence, 'ood_score': ood_score}
        for (name, array), (kind, shape) in zip(outputs.items(), wanted, strict=True):
            if array.dtype != kind or array.shape != shape:
                seen, expected = f'{array.dtype} {array.shape}', f'{np.dtype(kind)} {shape}'
                raise ModelFileError(f'output `{name}` of the model', seen, expected, ADAPT_FIX)
        table = self.card.classes
        if labels.max() >= len(table) and (unknown := set(np.unique(labels)) - self._known):
            seen = f'class {min(unknown)}'
            expected = f'ids of the {len(table)} classes of {table.name}, or {UNLABELED}'
            raise ModelFileError('output `labels` of the model', seen, expected, ADAPT_FIX)

    @cached_property
    def _known(self) -> set[int]:
        """Values that labels may have."""
        return {UNLABELED, *(row.id for row in self.card.classes.classes)}

    def _check(self, rgb: np.ndarray) -> None:
        if rgb.dtype != np.uint8 or rgb.ndim != 4 or rgb.shape[3] != 3 or len(rgb) == 0:
            raise ImageError(
                'model input', f'{rgb.dtype} {rgb.shape}', 'uint8 (N, h, w, 3) with N above 0'
            )
        (height, width), card, fix = rgb.shape[1:3], self.card, 'Resize to size_for().'
        if not card.dynamic and (height, width) != card.input_size:
            raise ImageError('size of model input', (height, width), card.input_size, fix)
        if min(height, width) < 1 or height % card.size_multiple or width % card.size_multiple:
            expected = f'positive multiples of {card.size_multiple}'
            raise ImageError('size of model input', (height, width), expected, fix)


def thread_count(threads: int) -> int:
    """
    CPU threads to use for a setting, in which 0 means all cores that this process may use.

    :raises ParameterError: when it is negative.
    """
    if threads < 0:
        raise ParameterError('threads', threads, '0 for all cores, or more')
    # A number of our own: libraries count the cores of the machine.
    return threads or len(os.sched_getaffinity(0))


def check_provider(provider: str) -> None:
    """Raise ProviderError unless the provider is one of ``PROVIDERS``."""
    if provider not in PROVIDERS:
        raise ProviderError('provider', repr(provider), 'one of ' + ', '.join(PROVIDERS))


def working_size(
    frame_size: tuple[int, int], input_size: tuple[int, int], multiple: int, upscale: float = 1.0
) -> tuple[int, int]:
    """
    The (height, width) at which a dynamic model works on a frame: its aspect, in multiples.

    Within ``input_size``, which is turned for an upright frame; a smaller frame grows by
    ``upscale`` at most.
    """
    height, width = frame_size
    is_turned = (height > width) != (input_size[0] > input_size[1])
    box = input_size[::-1] if is_turned else input_size
    scale = min(upscale, box[0] / height, box[1] / width)
    if whole := _whole_fraction(frame_size, scale, multiple):
        return whole
    up = tuple(-(-side // multiple) * multiple for side in frame_size)
    if upscale == 1 and up[0] <= box[0] and up[1] <= box[1]:
        return up[0], up[1]

    def down(side: int) -> int:
        return max(multiple, int(side * scale + _ROUNDING) // multiple * multiple)

    return down(height), down(width)


def _whole_fraction(
    frame_size: tuple[int, int], scale: float, multiple: int
) -> tuple[int, int] | None:
    """
    The whole frame, a half, a third ... of it, if that is near the scale.

    It keeps the aspect exactly, and OpenCV halves 720p in a third of the time that 0.51 takes.
    """
    height, width = frame_size
    parts = max(1, ceil(1 / scale - _ROUNDING))
    if height % (parts * multiple) or width % (parts * multiple):
        return None
    return (height // parts, width // parts) if _NEAR * scale * parts <= 1 else None
