# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Comparison of an exported file with its network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from seg_perception.inference.engine import Engine
from seg_perception.inference.torch_engine import TorchEngine
from training.errors import ExportError
from training.export.deploy import Deployed
from training.models.layers import resize
from training.transforms import normalise

LEAST_HALF_AGREEMENT = 0.9  # of labels in float16; far less means that activations overflow
TIE = 1e-4  # of the largest logit; two that are closer may swap places between two libraries


@dataclass(frozen=True)
class Agreement:
    """Agreement of a file and its network on some frames."""

    frames: int
    pixels: int
    differing: int  # pixels of another label, all where the two largest logits nearly tie
    margin: float  # of such a tie

    def __str__(self) -> str:
        return (
            f'equal to torch on {self.frames} frames: {self.differing} of {self.pixels:,} labels '
            f'differ, none where the two largest logits are {self.margin:.2g} apart or more'
        )


@torch.no_grad()
def check_equal(
    name: str, engine: Engine, deployed: Deployed, frames: Iterable[np.ndarray]
) -> Agreement:
    """
    Compare a model file with its network on frames, each (h, w, 3) uint8 of a size it takes.

    :param name: of the file, for the error.
    :raises ExportError: when the file does not run, labels differ where the logits do not nearly
        tie, a confidence by more than one step, or the OOD score by more than such a tie.
    """
    parts = [_compare(name, engine, deployed, rgb) for rgb in frames]
    return Agreement(
        frames=len(parts),
        pixels=sum(part.pixels for part in parts),
        differing=sum(part.differing for part in parts),
        margin=max(part.margin for part in parts),
    )


def _compare(name: str, engine: Engine, deployed: Deployed, rgb: np.ndarray) -> Agreement:
    try:
        answer = engine.run(rgb[None])
    except Exception as error:  # the libraries' errors share no base of their own
        raise ExportError(
            f'{name} on a frame of {rgb.shape[0]}x{rgb.shape[1]}',
            str(error).strip().partition('\n')[0],
            'labels',
            'The network may only fit the size it was exported at: deploy.dynamic=false.',
        ) from error
    image = torch.from_numpy(np.ascontiguousarray(rgb))[None]
    labels, confidence, ood_score = (part.numpy() for part in deployed(image))
    logits = resize(deployed.net(normalise(image)), (rgb.shape[0], rgb.shape[1]))
    top = logits.topk(min(2, logits.shape[1]), dim=1).values
    margin = TIE * float(logits.abs().max())
    clear = (top[:, 0] - top[:, -1] >= margin).numpy()
    wrong = answer.labels != labels
    if count := int((wrong & clear).sum()):
        where = f'none where logits are {margin:.2g} apart'
        raise ExportError(name, f'{count} labels that torch does not give', where)
    steps = int(np.abs(answer.confidence.astype(int) - confidence).max())
    if steps > 1:
        raise ExportError(name, f'a confidence {steps} of 255 off', 'at most 1 from torch')
    if (off := float(np.abs(answer.ood_score - ood_score).max())) > margin:
        raise ExportError(name, f'an OOD score {off:.2g} off', f'at most {margin:.2g} from torch')
    return Agreement(1, labels.size, int(wrong.sum()), margin)


def check_half(name: str, path: Path, rgb: np.ndarray) -> float:
    """
    Share of the labels of a ``.pt2`` file that float16, the precision of GPUs, leaves as they are.

    An activation that is too large for it would show on no CPU, and give one class all over.

    :raises ExportError: when it leaves too few.
    """
    full, half = (
        TorchEngine(path, 'cpu', precision=precision).run(rgb[None]).labels
        for precision in ('float32', 'float16')
    )
    share = float((full == half).mean())
    if share < LEAST_HALF_AGREEMENT:
        raise ExportError(
            f'labels of {name} in float16',
            f'{share:.1%} as in float32',
            f'{LEAST_HALF_AGREEMENT:.0%} or more',
            'Activations overflow: export without --pt2, and run the ONNX file.',
        )
    return share
