# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores on labelled frames at their own size."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
import torch.nn.functional as F
from torch import nn

from seg_perception.core.classes import CAMVID_11, ClassTable
from seg_perception.core.metrics import ConfusionMatrix
from seg_perception.inference.model_file import INPUT_NAME, OUTPUT_NAMES, read_card
from training.calibration import CalibrationError, fit_temperature
from training.checkpoint import load_checkpoint
from training.config import TrainConfig
from training.data.camvid import Sample, holdout_samples
from training.deploy import Deployed, averaged_network
from training.transforms import normalise

Predictor = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Turns rgb (H, W, 3) into labels and confidence, both (H, W) uint8."""


@dataclass(frozen=True)
class Scores:
    """What a model reached on a set of frames."""

    matrix: ConfusionMatrix
    calibration: CalibrationError
    frames: int

    def text(self, classes: ClassTable) -> str:
        """One line a class, then the means."""
        rows = [
            f'{row.name:<14}{iou:7.4f}'
            for row, iou in zip(classes.classes, self.matrix.iou(), strict=True)
        ]
        return '\n'.join(
            [
                *rows,
                f'{"mean IoU":<14}{self.matrix.mean_iou():7.4f}',
                f'{"pixel accuracy":<14}{self.matrix.pixel_accuracy():7.4f}',
                f'{"ECE":<14}{self.calibration.value():7.4f}',
                f'{self.frames} frames',
            ]
        )


def score(predict: Predictor, samples: Iterable[Sample], num_classes: int) -> Scores:
    """Scores of a predictor over all samples."""
    matrix, calibration, frames = ConfusionMatrix(num_classes), CalibrationError(), 0
    for sample in samples:
        labels, confidence = predict(sample.rgb)
        matrix.add(sample.labels, labels)
        calibration.add(sample.labels, labels, confidence)
        frames += 1
    return Scores(matrix, calibration, frames)


@torch.no_grad()
def network_labels(net: nn.Module, rgb: np.ndarray) -> np.ndarray:
    """Labels (H, W) uint8 of a network in evaluation mode for rgb (H, W, 3) uint8."""
    image = normalise(torch.from_numpy(rgb)[None]).contiguous(memory_format=torch.channels_last)
    logits = F.interpolate(net(image), size=rgb.shape[:2], mode='bilinear', align_corners=False)
    labels: np.ndarray = logits[0].argmax(0).byte().numpy()
    return labels


def score_network(net: nn.Module, samples: Iterable[Sample], num_classes: int) -> ConfusionMatrix:
    """Confusion matrix of a network in evaluation mode, without the cost of its confidence."""
    matrix = ConfusionMatrix(num_classes)
    for sample in samples:
        matrix.add(sample.labels, network_labels(net, sample.rgb))
    return matrix


def deployed_predictor(deployed: Deployed) -> Predictor:
    """Predictor of a torch network as it would be deployed."""

    @torch.no_grad()
    def predict(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        labels, confidence = deployed(torch.from_numpy(rgb)[None])
        return labels[0].numpy(), confidence[0].numpy()

    return predict


def model_predictor(model: bytes | Path) -> Predictor:
    """Predictor of a model file, or of its bytes."""
    source = str(model) if isinstance(model, Path) else model
    session = ort.InferenceSession(source, providers=['CPUExecutionProvider'])

    def predict(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        labels, confidence = session.run(list(OUTPUT_NAMES), {INPUT_NAME: rgb[None]})
        return labels[0], confidence[0]

    return predict


def evaluate_checkpoint(path: Path, config: TrainConfig) -> Scores:
    """Scores of the averaged weights on the hold-out, on which the temperature is fitted first."""
    samples = holdout_samples(config.data.camvid, config.data.holdout)
    net = averaged_network(config, load_checkpoint(path))
    deployed = Deployed(net, fit_temperature(net, samples)).eval()
    return score(deployed_predictor(deployed), samples, len(CAMVID_11))


def evaluate_model(path: Path, config: TrainConfig) -> Scores:
    """
    Scores of an exported file on the hold-out.

    :raises ModelFileError: when the file is not in the contract.
    """
    card = read_card(path)
    samples = holdout_samples(config.data.camvid, config.data.holdout)
    return score(model_predictor(path), samples, len(card.classes))
