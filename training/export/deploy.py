# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The network as it is deployed: uint8 frames in; labels, confidence and OOD score out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.evaluate.ood_score import of_images, sum_of_shares
from training.export.cells import CellLabels
from training.models.layers import resize
from training.transforms import normalise

LEAST_CELL_PX = 4  # smaller cells are so many that sorting them out gains nothing


class Deployed(nn.Module):
    """
    Frames (N, H, W, 3) uint8 RGB to labels and confidence, both (N, H, W) uint8, and OOD score.

    Labels are the argmax of the logits at full size. The confidence is the largest softmax of
    ``logits / temperature`` at the size of the logits, of which only the one channel is resized:
    a softmax at full size would cost as much as a third of the network. The OOD score (N,) is
    the mean of a score over the logits.

    :param stride: pixels of a frame for one logit, 0 where that is no whole number.
    :param by_cells: take the labels from ``CellLabels`` where the stride allows: the same, faster
        on a CPU, but with steps whose size depends on the image, which CUDA graphs cannot have.
    """

    def __init__(
        self, net: nn.Module, temperature: float, stride: int = 0, by_cells: bool = False
    ) -> None:
        super().__init__()
        self.net, self.temperature, self.stride = net, temperature, stride
        self.cells = CellLabels(stride) if by_cells and stride >= LEAST_CELL_PX else None

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        size = image.shape[1], image.shape[2]
        # Pixels in a row, and back: a reshape is where onnxruntime's optimiser stops. It would
        # else move the change of layout behind the normalisation of an eight-bit file, which then
        # takes as long as the convolutions.
        pixels = normalise(image.flatten(1, 2)[:, :, None])  # (N, 3, H * W, 1)
        logits = self.net(pixels.reshape(-1, 3, *size)).float()  # (N, C, h, w) out of any half
        ood_score = of_images(logits, self.temperature)
        return self.labels(logits, size), self.confidence(logits, size), ood_score

    def labels(self, logits: Tensor, size: tuple[int, int]) -> Tensor:
        """Class ids (N, H, W) uint8."""
        if self.cells is not None:
            return self.cells(logits)
        return self._resized(logits, size).argmax(1).to(torch.uint8)

    def confidence(self, logits: Tensor, size: tuple[int, int]) -> Tensor:
        """255 for certain, (N, H, W) uint8."""
        share = 1 / sum_of_shares(logits, self.temperature)  # largest softmax
        # Rounded by the cast, and in range: mixtures of 0.5 to 255.5 are so too.
        return self._resized(255 * share + 0.5, size)[:, 0].to(torch.uint8)

    def _resized(self, values: Tensor, size: tuple[int, int]) -> Tensor:
        """Values of the size of the logits resized to (H, W)."""
        return values if self.stride == 1 else resize(values, size)


@torch.no_grad()
def stride_of(net: nn.Module, size: tuple[int, int]) -> int:
    """Pixels of a frame of (height, width) for one logit, 0 where that is no whole number."""
    height, width = size
    rows, columns = net(torch.zeros(1, 3, height, width)).shape[2:]
    stride = height // rows
    return stride if (rows * stride, columns * stride) == size else 0
