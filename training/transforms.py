# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Random changes of a training frame, and the normalisation of every frame.

All randomness comes from the generator that is passed in: same generator, same frame.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from seg_perception.core.classes import UNLABELED
from training.config import TransformConfig
from training.data.camvid import Sample

# ImageNet's statistics on the 0..255 scale; any fixed pair would do without ImageNet weights.
MEAN_RGB = (123.675, 116.28, 103.53)
STD_RGB = (58.395, 57.12, 57.375)
PADDING_RGB = (124, 116, 104)


def augment(
    sample: Sample, config: TransformConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Random view of a sample: rgb (h, w, 3) uint8 and labels (h, w) uint8 of the crop's size."""
    rgb, labels = _warp(sample, config, rng)
    return _degrade(_relight(rgb, config, rng), config, rng), labels


def normalise(rgb: Tensor) -> Tensor:
    """(N, H, W, 3) uint8 to (N, 3, H, W) float32 around 0."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN_RGB, STD_RGB))
    # Layout first: onnxruntime takes 10 ms a frame to broadcast over a last axis of three.
    return (rgb.permute(0, 3, 1, 2).float() - mean) * (1 / std)


def _warp(
    sample: Sample, config: TransformConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Scale, turn, flip and crop in one resampling; what lies outside is 255."""
    height, width = sample.labels.shape
    crop_h, crop_w = config.crop
    scale = float(np.exp(rng.uniform(*np.log(config.scale))))
    angle = np.deg2rad(rng.uniform(-config.rotate_deg, config.rotate_deg))
    # The crop's centre is drawn from where the crop stays inside, or is the frame's centre.
    room_y, room_x = max(height - crop_h / scale, 0.0), max(width - crop_w / scale, 0.0)
    centre_y = (height - 1) / 2 + rng.uniform(-0.5, 0.5) * room_y
    centre_x = (width - 1) / 2 + rng.uniform(-0.5, 0.5) * room_x
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if rng.random() < 0.5:
        turn[0] *= -1
    shift = np.array([(crop_w - 1) / 2, (crop_h - 1) / 2]) - turn @ [centre_x, centre_y]
    matrix = np.hstack([turn, shift[:, None]])
    size = (crop_w, crop_h)
    # Shrinking by bilinear samples aliases below half the size; scales stay above that.
    rgb = cv2.warpAffine(sample.rgb, matrix, size, flags=cv2.INTER_LINEAR, borderValue=PADDING_RGB)
    labels = cv2.warpAffine(
        sample.labels, matrix, size, flags=cv2.INTER_NEAREST, borderValue=(UNLABELED,)
    )
    return rgb, labels


def _relight(rgb: np.ndarray, config: TransformConfig, rng: np.random.Generator) -> np.ndarray:
    """Saturation, then gain, gamma, contrast and colour cast as one table a channel."""
    grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    amount = 1 + rng.uniform(-config.saturation, 0.6 * config.saturation)
    rgb = cv2.addWeighted(rgb, amount, grey, 1 - amount, 0)
    gain, gamma, contrast = np.exp(rng.uniform(-config.light, config.light, 3) * (1, 1, 0.6))
    if rng.random() < config.dark:
        gain *= rng.uniform(0.3, 0.8)
        gamma *= rng.uniform(1.0, 2.2)
    cast = np.exp(rng.uniform(-config.colour, config.colour, 3))
    levels = np.linspace(0, 1, 256)[:, None] ** gamma * gain * cast  # (256, 3)
    middle = 0.45 * gain
    table = (levels - middle) * contrast + middle
    return cv2.LUT(rgb, np.clip(table * 255, 0, 255).astype(np.uint8).reshape(1, 256, 3))


def _degrade(rgb: np.ndarray, config: TransformConfig, rng: np.random.Generator) -> np.ndarray:
    """Blur and sensor noise."""
    if rng.random() < config.blur:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < config.noise:
        noise = rng.standard_normal(rgb.shape, np.float32) * np.float32(rng.uniform(2, 12))
        rgb = np.clip(rgb + noise, 0, 255).astype(np.uint8)
    return rgb
