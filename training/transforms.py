# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Random changes of a training frame, and the normalisation of every frame.

A view is one affine warp (scale, turn, flip, crop), perhaps a hood and uneven light, one table
of light a channel, then blur, noise and a hole. All randomness comes from the generator that is
passed in: same generator, same view.
With ``crop`` the size of the frame, ``scale`` (1, 1) and the strengths 0 the view is the frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import cv2
import numpy as np
import torch
from torch import Tensor

from seg_perception.core.classes import UNLABELED
from seg_perception.synthetic.hood import HoodPainter, random_front
from training.config import TransformConfig
from training.data.sample import Sample
from training.weather import add_glare, add_night, add_rain, blur_along, compress

# ImageNet's statistics on the 0..255 scale; any fixed pair would do without ImageNet weights.
MEAN_RGB = (123.675, 116.28, 103.53)
STD_RGB = (58.395, 57.12, 57.375)
PADDING_RGB = (124, 116, 104)  # 0 after normalisation

HOLE_SHARE = (0.02, 0.1)  # of the view: small holes, that hide a part of an object
HOLE_ASPECT = (0.5, 2.0)  # height by width
# A normal variable of deviation 1 in 256 equally likely steps; it ends at 2.9.
NORMAL = np.array([NormalDist().inv_cdf((step + 0.5) / 256) for step in range(256)])


def augment(
    sample: Sample,
    config: TransformConfig,
    rng: np.random.Generator,
    rare: Sequence[int] = (),
    hood: int = UNLABELED,
) -> tuple[np.ndarray, np.ndarray]:
    """
    Random view of a sample: rgb (h, w, 3) uint8 and labels (h, w) uint8 of the crop's size.

    :param rare: classes that ``config.rare_crop`` centres views on.
    :param hood: label of the hoods of ``config.bonnet``.
    """
    rgb, labels = _warp(sample, config, rng, rare)
    # No draw where there is nothing to draw for: runs without these keep their views.
    if config.bonnet and rng.random() < config.bonnet:
        rgb, labels = _add_hood(rgb, labels, rng, hood)
    if config.uneven and rng.random() < config.uneven:
        rgb = _shade(rgb, rng)
    rgb = _relight(rgb, config, rng)
    weather = ((config.night, add_night), (config.glare, add_glare), (config.rain, add_rain))
    for share, change in weather:
        if share and rng.random() < share:
            rgb = change(rgb, rng)
    rgb = _degrade(rgb, config, rng)
    for share, change in ((config.motion, blur_along), (config.jpeg, compress)):
        if share and rng.random() < share:
            rgb = change(rgb, rng)
    if config.border and rng.random() < config.border:
        rgb, labels = _add_border(rgb, labels, rng)
    if rng.random() < config.erase:
        return _erase(rgb, labels, rng)
    return rgb, labels


def normalise(rgb: Tensor) -> Tensor:
    """(N, H, W, 3) uint8 to (N, 3, H, W) float32 around 0, on the device of the image."""
    mean, std = (
        torch.tensor(values, device=rgb.device)[:, None, None] for values in (MEAN_RGB, STD_RGB)
    )
    # Layout first: onnxruntime takes 10 ms a frame to broadcast over a last axis of three.
    return (rgb.permute(0, 3, 1, 2).float() - mean) * (1 / std)


def _warp(
    sample: Sample, config: TransformConfig, rng: np.random.Generator, rare: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Scale, turn, flip and crop in one resampling; what lies outside is 255."""
    scale = math.exp(rng.uniform(*np.log(config.scale)))
    matrix = _matrix(_centre(sample.labels, config, scale, rng, rare), config, scale, rng)
    small, small_matrix = _shrink(sample.rgb, matrix, scale)
    rgb = cv2.warpAffine(
        small, small_matrix, config.crop[::-1], flags=cv2.INTER_LINEAR, borderValue=PADDING_RGB
    )
    labels = cv2.warpAffine(
        sample.labels, matrix, config.crop[::-1], flags=cv2.INTER_NEAREST, borderValue=(UNLABELED,)
    )
    return rgb, labels


def _matrix(
    centre: tuple[float, float], config: TransformConfig, scale: float, rng: np.random.Generator
) -> np.ndarray:
    """From (x, y) of the frame to (x, y) of the view, (2, 3)."""
    angle = math.radians(rng.uniform(-config.rotate_deg, config.rotate_deg))
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    if rng.random() < config.flip:
        turn[0] *= -1
    shift = (np.array(config.crop[::-1]) - 1) / 2 - turn @ centre[::-1]
    if scale == 1 and angle == 0:
        shift = np.round(shift)  # whole pixels: the view is cut out, not resampled
    return np.hstack([turn, shift[:, None]])


def _centre(
    labels: np.ndarray,
    config: TransformConfig,
    scale: float,
    rng: np.random.Generator,
    rare: Sequence[int],
) -> tuple[float, float]:
    """Row and column of the frame that the view is centred on."""
    size = np.array(labels.shape)
    middle = (size - 1) / 2
    # Where the crop stays inside the frame; a frame smaller than the crop is in its middle.
    reach = np.maximum(size - np.array(config.crop) / scale, 0) / 2
    if rng.random() < config.rare_crop:
        pixel = _rare_pixel(labels, rare, rng)
        if pixel is not None:
            return tuple(np.clip(pixel, middle - reach, middle + reach))
    moved = rng.uniform(-1, 1, 2) * reach + rng.uniform(-1, 1, 2) * config.translate * size
    return tuple(middle + moved)


def _rare_pixel(
    labels: np.ndarray, rare: Sequence[int], rng: np.random.Generator
) -> tuple[int, int] | None:
    """A random pixel of a random one of those classes that the frame has; None if it has none."""
    for label in rng.permutation(rare):
        pixels = np.flatnonzero(labels == label)
        if pixels.size:
            return divmod(int(rng.choice(pixels)), labels.shape[1])
    return None


def _shrink(rgb: np.ndarray, matrix: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """
    Average pixels where a matrix (2, 3) shrinks to half and less; the image and its matrix.

    Bilinear samples would skip pixels there. Halvings, which OpenCV has fast ways for, leave at
    least half of the rest to the matrix.
    """
    factor = 2 ** int(math.log2(1 / scale)) if scale <= 0.5 else 1
    if factor == 1:
        return rgb, matrix
    height, width = rgb.shape[:2]
    small = cv2.resize(rgb, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    # Pixel centres: x = (x_small + 0.5) * step - 0.5, and so y.
    step = np.array([width / (width // factor), height / (height // factor)])
    turn = matrix[:, :2] * step
    shift = matrix[:, :2] @ (step / 2 - 0.5) + matrix[:, 2]
    return small, np.hstack([turn, shift[:, None]])


def _add_hood(
    rgb: np.ndarray, labels: np.ndarray, rng: np.random.Generator, label: int
) -> tuple[np.ndarray, np.ndarray]:
    """
    A hood or dashboard of the synthetic street at the lower end; ``label`` there.

    Data sets without a hood in view leave it to chance what a network makes of one and of the
    road before it.
    """
    lit = rgb.mean((0, 1)) / 128 * rng.uniform(0.3, 1.3)  # as bright as the street is
    rgb, labels = rgb.copy(), labels.copy()
    for hood in random_front(rng):
        painter = HoodPainter(hood, rng, lit, lit, (labels.shape[0], labels.shape[1]))
        painter.paint(rgb)
        painter.mark(labels, label)
    return rgb, labels


def _shade(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """
    Light and shade of random shapes, as of clouds, shadows and street lamps.

    The class of an object does not depend on its relative brightness, but a few hundred
    frames let a network believe so: dark clouds become buildings.
    """
    height, width = rgb.shape[:2]
    field = np.zeros((height, width), np.float32)
    for cells in (2, 5, 12):
        coarse = rng.normal(0, 0.35 / math.sqrt(cells / 2), (cells, cells + 1)).astype(np.float32)
        field += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    gain = cv2.exp(rng.uniform(0.3, 1.5) * field)
    return cv2.multiply(rgb, cv2.merge([gain] * 3), dtype=cv2.CV_8U)


def _relight(rgb: np.ndarray, config: TransformConfig, rng: np.random.Generator) -> np.ndarray:
    """Saturation, then gain, gamma, contrast and colour cast as one table a channel."""
    amount = 1 + rng.uniform(-config.saturation, 0.6 * config.saturation)
    if amount != 1:
        grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        rgb = cv2.addWeighted(rgb, amount, grey, 1 - amount, 0)
    gain, gamma, contrast = np.exp(rng.uniform(-config.light, config.light, 3) * (1, 1, 0.6))
    if rng.random() < config.dark:
        gain *= rng.uniform(0.3, 0.8)
        gamma *= rng.uniform(1.0, 2.2)
    cast = np.exp(rng.uniform(-config.colour, config.colour, 3))
    levels = np.linspace(0, 1, 256)[:, None] ** gamma * gain * cast  # (256, 3)
    middle = 0.45 * gain
    table = (levels - middle) * contrast + middle
    return cv2.LUT(rgb, np.clip(np.rint(table * 255), 0, 255).astype(np.uint8)[None])


def _degrade(rgb: np.ndarray, config: TransformConfig, rng: np.random.Generator) -> np.ndarray:
    """Blur and sensor noise."""
    if rng.random() < config.blur:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < config.noise:
        # A table of random bytes: normal variables of NumPy take ten times as long.
        steps = np.round(rng.uniform(2, 12) * NORMAL).astype(np.int16)
        noise = cv2.LUT(rng.integers(0, 256, rgb.shape, np.uint8), steps)
        rgb = cv2.add(rgb, noise, dtype=cv2.CV_8U)
    return rgb


def _add_border(
    rgb: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Black outside of a turned rectangle, as rectified and letterboxed frames have; 255 there."""
    height, width = labels.shape
    inside = np.zeros((height, width), np.uint8)
    size = np.array([width, height]) * rng.uniform(0.85, 1.1, 2)
    box = cv2.boxPoints(((width / 2, height / 2), size.tolist(), rng.uniform(-8, 8)))
    outside = cv2.fillConvexPoly(inside, box.astype(np.int32), 1) == 0
    rgb, labels = rgb.copy(), labels.copy()
    rgb[outside], labels[outside] = rng.integers(0, 12), UNLABELED
    return rgb, labels


def _erase(
    rgb: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A hole that looks like padding (random erasing, Zhong et al., AAAI 2020); 255 in labels."""
    height, width = labels.shape
    area = rng.uniform(*HOLE_SHARE) * height * width
    aspect = math.exp(rng.uniform(*np.log(HOLE_ASPECT)))
    hole_h = min(height, math.ceil(math.sqrt(area * aspect)))
    hole_w = min(width, math.ceil(math.sqrt(area / aspect)))
    top, left = rng.integers(0, (height - hole_h + 1, width - hole_w + 1))
    hole = np.s_[top : top + hole_h, left : left + hole_w]
    rgb, labels = rgb.copy(), labels.copy()
    rgb[hole], labels[hole] = PADDING_RGB, UNLABELED
    return rgb, labels
