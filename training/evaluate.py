# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores on labelled frames: segmented at the working size of the model, compared at their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from seg_perception.core.classes import CAMVID_11, ClassTable
from seg_perception.core.masks import resize_nearest
from seg_perception.core.metrics import ConfusionMatrix
from seg_perception.inference.engine import OnnxEngine
from training.calibration import CalibrationError, fit_temperature
from training.checkpoint import load_checkpoint
from training.config import TrainConfig
from training.data.camvid import Sample, holdout_samples, resized
from training.deploy import Deployed, averaged_network
from training.transforms import normalise

Predictor = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Turns rgb (H, W, 3) into labels and confidence, both (H, W) uint8."""

SizeFor = Callable[[tuple[int, int]], tuple[int, int]]
"""The size at which a frame of some size is segmented, both (height, width)."""


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


def at_working_size(predict: Predictor, size_for: SizeFor) -> Predictor:
    """The predictor on frames at its working size, as the pipeline gives them to a model file."""

    def predict_resized(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size = rgb.shape[0], rgb.shape[1]
        width_height = size_for(size)[::-1]
        parts = predict(cv2.resize(rgb, width_height, interpolation=cv2.INTER_LINEAR))
        labels, confidence = (resize_nearest(part, size) for part in parts)
        return labels, confidence

    return predict_resized


@torch.no_grad()
def network_labels(net: nn.Module, rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Labels (H, W) uint8 of a network in evaluation mode for rgb (H, W, 3), worked at a size."""
    working = cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_LINEAR)
    image = normalise(torch.from_numpy(working)[None])
    logits = net(image.contiguous(memory_format=torch.channels_last))
    logits = F.interpolate(logits, size=size, mode='bilinear', align_corners=False)
    return resize_nearest(logits[0].argmax(0).byte().numpy(), (rgb.shape[0], rgb.shape[1]))


def score_network(
    net: nn.Module, samples: Iterable[Sample], num_classes: int, size_for: SizeFor
) -> ConfusionMatrix:
    """Confusion matrix of a network in evaluation mode, without the cost of its confidence."""
    matrix = ConfusionMatrix(num_classes)
    for sample in samples:
        size = size_for((sample.rgb.shape[0], sample.rgb.shape[1]))
        matrix.add(sample.labels, network_labels(net, sample.rgb, size))
    return matrix


def deployed_predictor(deployed: Deployed) -> Predictor:
    """Predictor of a torch network as it would be deployed, at the size it is given."""

    @torch.no_grad()
    def predict(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        labels, confidence = deployed(torch.from_numpy(rgb)[None])
        return labels[0].numpy(), confidence[0].numpy()

    return predict


def score_file(path: Path, samples: Iterable[Sample]) -> Scores:
    """
    Scores of a model file, run by the engine of the node at the sizes that its card asks for.

    :raises ModelFileError: when the file is not in the contract.
    """
    engine = OnnxEngine(path, 'cpu')

    def predict(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        answer = engine.run(rgb[None])
        return answer.labels[0], answer.confidence[0]

    return score(at_working_size(predict, engine.size_for), samples, len(engine.card.classes))


def evaluate_checkpoint(path: Path, config: TrainConfig) -> Scores:
    """Scores of the averaged weights on the hold-out, on which the temperature is fitted first."""
    samples = holdout_samples(config.data.camvid, config.data.holdout)
    net = averaged_network(config, load_checkpoint(path))
    deployed = Deployed(net, holdout_temperature(net, samples, config)).eval()
    predict = at_working_size(deployed_predictor(deployed), config.deploy.size_for)
    return score(predict, samples, len(CAMVID_11))


def holdout_temperature(net: nn.Module, samples: Iterable[Sample], config: TrainConfig) -> float:
    """Temperature fitted on samples at the working size."""
    sizes = ((sample, config.deploy.size_for(sample.labels.shape)) for sample in samples)
    return fit_temperature(net, (resized(sample, size) for sample, size in sizes))


def evaluate_model(path: Path, config: TrainConfig) -> Scores:
    """
    Scores of an exported file on the hold-out.

    :raises ModelFileError: when the file is not in the contract.
    """
    return score_file(path, holdout_samples(config.data.camvid, config.data.holdout))
