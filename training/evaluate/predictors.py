# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Predictors: model files, and networks at one scale or as the mean of several views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seg_perception.core.classes import UNLABELED, ClassTable
from seg_perception.core.masks import resize_nearest
from seg_perception.evaluation.metrics import ConfusionMatrix
from seg_perception.inference.engine import Engine
from seg_perception.inference.open_engine import open_engine
from training.checkpoint import load_weights
from training.config import TrainConfig, parse_config
from training.data.reading import read_ahead
from training.data.sample import FrameSet, Sample
from training.data.tables import check_table
from training.evaluate.scores import (
    Predictor,
    Scores,
    SizeFor,
    at_working_size,
    score,
    working_frame,
)
from training.evaluate.views import PLAIN, Mode, mean_softmax, resized
from training.models import build_model
from training.transforms import normalise

TEMPERATURES = np.geomspace(0.3, 4.0, 200)
MAX_CELLS = 8192  # of the logits of a frame; more say the same


def checkpoint_network(state: Mapping[str, Any], device: torch.device | str = 'cpu') -> nn.Module:
    """
    The averaged weights of a checkpoint in the network of its own configuration, to evaluate.

    :raises CheckpointError: when that network has other weights now.
    """
    model = parse_config(state['config']).model
    classes = ClassTable.from_dict(state['classes'])
    net: nn.Module = build_model(model.name, len(classes), model.options)
    load_weights(net, state['average'])
    return net.eval().to(device).to(memory_format=torch.channels_last)


@torch.no_grad()
def network_labels(net: nn.Module, rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Labels (H, W) uint8 of a network in evaluation mode for rgb (H, W, 3), worked at a size."""
    working = cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_LINEAR)
    labels = _argmax(net(image_of(net, working)), size)
    return resize_nearest(labels, (rgb.shape[0], rgb.shape[1]))


def score_network(
    net: nn.Module,
    frames: FrameSet,
    size_for: SizeFor,
    indices: Sequence[int] | None = None,
    lut: np.ndarray | None = None,
) -> ConfusionMatrix:
    """
    Confusion matrix of a network in evaluation mode, without the cost of the other scores.

    :param indices: frames to score, such as a process's part of them; None is all.
    :param lut: class of the frames of each class of the network; None: they are the same.
    """
    matrix = ConfusionMatrix(len(frames.classes))
    for sample in read_ahead(frames, indices, 'validate'):
        size = size_for((sample.rgb.shape[0], sample.rgb.shape[1]))
        labels = network_labels(net, sample.rgb, size)
        matrix.add(sample.labels, labels if lut is None else cv2.LUT(labels, lut))
    return matrix


def network_predictor(net: nn.Module, mode: Mode = PLAIN, temperature: float = 1.0) -> Predictor:
    """
    Predictor of a network in evaluation mode, at the size it is given.

    The confidence is the largest softmax of ``logits / temperature``. With one view it is taken at
    the size of the logits and resized, as an exported file does.
    """

    @torch.no_grad()
    def plain(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits = net(image_of(net, rgb)).float()
        size = rgb.shape[0], rgb.shape[1]
        share = torch.softmax(logits / temperature, dim=1).amax(1, keepdim=True)
        return _argmax(logits, size), _to_bytes(resized(share, size)[0, 0])

    @torch.no_grad()
    def averaged(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shares = mean_softmax(net, image_of(net, rgb), mode, temperature)
        share, labels = shares[0].max(0)
        return labels.byte().cpu().numpy(), _to_bytes(share)

    return plain if mode.is_plain else averaged


def holdout_temperature(net: nn.Module, frames: FrameSet, config: TrainConfig) -> float:
    """Temperature fitted on frames at the working size of the configuration."""

    def at_work(sample: Sample) -> Sample:
        return replace(sample, rgb=working_frame(sample.rgb, config.deploy.size_for))

    return fit_temperature(net, map(at_work, read_ahead(frames, task='calibrate')))


@torch.no_grad()
def fit_temperature(net: nn.Module, samples: Iterable[Sample]) -> float:
    """
    Temperature of least negative log likelihood of a network in evaluation mode on the samples.

    Scored at the middle of each cell of the logits: the pixels of a cell say much the same.
    """
    losses = np.zeros(len(TEMPERATURES))
    for sample in samples:
        logits, truth = _known_cells(net(image_of(net, sample.rgb))[0].float(), sample.labels)
        losses += [
            float(F.cross_entropy(logits / value, truth, reduction='sum'))
            for value in TEMPERATURES
        ]
    return round(float(TEMPERATURES[int(np.argmin(losses))]), 3)


def _known_cells(logits: Tensor, labels: np.ndarray) -> tuple[Tensor, Tensor]:
    """Logits (M, C) and truth (M,) of cells, spread over logits (C, h, w), that have a class."""
    truth = resize_nearest(labels, (logits.shape[1], logits.shape[2]))
    step = int(np.ceil(np.sqrt(truth.size / MAX_CELLS)))
    spread = np.s_[step // 2 :: step, step // 2 :: step]
    cells = torch.from_numpy(truth[spread].astype(np.int64)).to(logits.device).flatten()
    known = cells != UNLABELED
    return logits[:, *spread].flatten(1).T[known], cells[known]


def file_predictor(
    path: Path, classes: ClassTable, provider: str = 'cpu', threads: int = 0
) -> Predictor:
    """
    Predictor of a model file, at the sizes that its card asks for.

    :param provider: one of ``engine.PROVIDERS``.
    :param threads: of the CPU, 0 for all cores.
    :raises ModelFileError: when the file is not in the contract.
    :raises ClassTableError: when it has other classes than those.
    """
    engine = open_engine(path, provider, threads)
    check_table(f'model file {path}', engine.card.classes, classes)
    return engine_predictor(engine)


def engine_predictor(engine: Engine) -> Predictor:
    """Predictor of an open model file, at the sizes that its card asks for."""

    def predict(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        answer = engine.run(rgb[None])
        return answer.labels[0], answer.confidence[0]

    return at_working_size(predict, engine.size_for)


def score_file(path: Path, frames: FrameSet, provider: str = 'cpu') -> Scores:
    """
    Scores of a model file.

    :raises ModelFileError: when the file is not in the contract.
    :raises ClassTableError: when it has other classes than the frames.
    """
    predict = file_predictor(path, frames.classes, provider)
    return score(predict, frames, task=path.stem)


def image_of(net: nn.Module, rgb: np.ndarray) -> Tensor:
    """rgb (H, W, 3) uint8 as a normalised image (1, 3, H, W) where the network is."""
    device = next((value.device for value in net.parameters()), torch.device('cpu'))
    image = normalise(torch.from_numpy(np.ascontiguousarray(rgb))[None].to(device))
    return image.contiguous(memory_format=torch.channels_last)


def _argmax(logits: Tensor, size: tuple[int, int]) -> np.ndarray:
    """Labels (H, W) uint8 of logits (1, C, h, w); in float32, where bfloat16 would tie."""
    labels: np.ndarray = resized(logits.float(), size)[0].argmax(0).byte().cpu().numpy()
    return labels


def _to_bytes(share: Tensor) -> np.ndarray:
    """Shares 0..1 as 0..255."""
    confidence: np.ndarray = (share * 255 + 0.5).clamp(0, 255).byte().cpu().numpy()
    return confidence
