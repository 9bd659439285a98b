# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Several views of a frame: scaled, mirrored, cut into windows; the mean of what they say."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import torch
from torch import Tensor, nn

from training.config import SIZE_MULTIPLE
from training.models import MIN_SIZE_PX
from training.models.layers import resize
from training.options import Mode

PLAIN = Mode()


@torch.no_grad()
def mean_softmax(net: nn.Module, image: Tensor, mode: Mode, temperature: float = 1.0) -> Tensor:
    """
    Mean softmax (N, C, H, W) of a network over all views of a normalised image (N, 3, H, W).

    :param temperature: divides the logits.
    """
    views = _view_softmaxes(net, image, mode, temperature)
    return reduce(torch.add, views) / (len(mode.scales) * (1 + mode.flip))


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (N, C, h, w) at another size (H, W)."""
    if (maps.shape[2], maps.shape[3]) == size:
        return maps
    return resize(maps, size)


def _view_softmaxes(
    net: nn.Module, image: Tensor, mode: Mode, temperature: float
) -> Iterator[Tensor]:
    """Softmax (N, C, H, W) of each view, brought back to the image."""
    size = image.shape[2], image.shape[3]
    for scale in mode.scales:
        view = image if scale == 1 else resized(image, _scaled(size, scale))
        yield resized(_softmax(net, view, mode, temperature), size)
        if mode.flip:
            yield resized(_softmax(net, view.flip(3), mode, temperature).flip(3), size)


def _softmax(net: nn.Module, view: Tensor, mode: Mode, temperature: float) -> Tensor:
    """Softmax (N, C, h, w) of a view, at each pixel the mean of the windows that see it."""
    size = view.shape[2], view.shape[3]
    total, seen = view.new_zeros(()), view.new_zeros(size)
    for rows, columns in _windows(size, mode.window or size, mode.overlap):
        part = view[:, :, rows, columns].contiguous(memory_format=torch.channels_last)
        logits = resized(net(part).float(), (part.shape[2], part.shape[3]))
        shares = torch.softmax(logits / temperature, dim=1)
        if not total.ndim:  # the first one tells how many classes there are
            total = shares.new_zeros((*shares.shape[:2], *size))
        total[:, :, rows, columns] += shares
        seen[rows, columns] += 1
    return total / seen


def _windows(
    size: tuple[int, int], window: tuple[int, int], overlap: float
) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the windows; the last ones end at the border."""
    for top in _starts(size[0], window[0], overlap):
        for left in _starts(size[1], window[1], overlap):
            yield slice(top, top + window[0]), slice(left, left + window[1])


def _starts(length: int, window: int, overlap: float) -> list[int]:
    last = max(0, length - window)
    return [*range(0, last, max(1, round(window * (1 - overlap)))), last]


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """The nearest multiples of the stride, large enough for every network."""
    least = -(-MIN_SIZE_PX // SIZE_MULTIPLE)
    height, width = (max(least, round(side * scale / SIZE_MULTIPLE)) for side in size)
    return height * SIZE_MULTIPLE, width * SIZE_MULTIPLE
