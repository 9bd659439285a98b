# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The four OOD scores of sets of images, labelled or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from seg_perception.core.classes import UNLABELED, ClassTable
from seg_perception.core.masks import resize_nearest
from seg_perception.io.frames import IMAGE_SUFFIXES, find_files
from seg_perception.io.video_reader import read_video, scan_video
from training.data.decode import decode_rgb, read_file
from training.data.sample import FrameSet
from training.errors import DatasetError
from training.evaluate.ood_score import SCORES
from training.evaluate.predictors import image_of
from training.evaluate.scores import SizeFor, working_frame

SUMMARIES = ('mean', 'median', '90 %')
"""Ways to make one number of the pixels of an image; the first is the one in model files."""

BLOCK = 10  # frames of a sequence that show much the same
MAX_CELLS = 500  # of the logits of an image that are kept one by one


class Kind(IntEnum):
    """Kind of a pixel."""

    RIGHT = 0  # of a known class, and found
    WRONG = 1  # of a known class, taken for another
    VOID = 2  # of no class
    HELD_OUT = 3  # of a class that the network was not trained on
    UNTOLD = 4  # of an image without labels


@dataclass(frozen=True)
class OodSample:
    """
    An image that can be read: rgb (H, W, 3) and labels (H, W) or None, both uint8.

    :param block: number of the images that show the same as this one.
    """

    name: str
    block: int
    read: Callable[[], tuple[np.ndarray, np.ndarray | None]]


@dataclass(frozen=True)
class Answer:
    """Labels and scores of an image, at the size (h, w) of the logits."""

    labels: np.ndarray  # (h, w) uint8
    maps: np.ndarray  # (S, h, w) float32, each score


@dataclass(frozen=True)
class Group:
    """
    The scores of a set of images.

    :param images: (F, S, A), a value for each way of ``SUMMARIES``.
    :param blocks: (F,) number of the images that show the same.
    :param pixels: (M, S), of some pixels of each.
    :param kinds: (M,) uint8, what those are.
    """

    name: str
    samples: tuple[OodSample, ...]
    images: np.ndarray
    blocks: np.ndarray
    pixels: np.ndarray
    kinds: np.ndarray


class OodScorer:
    """
    A network with what is needed to score an image as its model file will.

    :param size_for: working size of a frame.
    :param classes: of the network.
    :param lut: its class for each value of the labels, (256,) uint8; 255: it was not taught that.
    """

    def __init__(
        self,
        net: nn.Module,
        temperature: float,
        size_for: SizeFor,
        classes: ClassTable,
        lut: np.ndarray,
    ) -> None:
        self.net, self.temperature, self.size_for = net, temperature, size_for
        self.classes, self._lut = classes, lut

    @torch.no_grad()
    def answer(self, rgb: np.ndarray) -> Answer:
        """Labels and scores of an image (H, W, 3) uint8."""
        logits = self.net(image_of(self.net, working_frame(rgb, self.size_for))).float()
        maps = torch.cat([score(logits, self.temperature) for score in SCORES.values()])
        return Answer(logits[0].argmax(0).byte().cpu().numpy(), maps.cpu().numpy())

    def group(self, name: str, samples: Sequence[OodSample]) -> Group:
        """Score all images of a set."""
        images, pixels, kinds = [], [], []
        for sample in tqdm(samples, name, unit='image', leave=False, disable=None):
            rgb, truth = sample.read()
            answer = self.answer(rgb)
            flat = answer.maps.reshape(len(SCORES), -1)
            images.append(np.stack([flat.mean(1), *np.quantile(flat, (0.5, 0.9), axis=1)], 1))
            spread = _spread(answer.labels.shape)
            pixels.append(answer.maps[:, *spread].reshape(len(SCORES), -1).T)
            kinds.append(self._kinds(answer.labels, truth)[spread].ravel())
        return Group(
            name,
            tuple(samples),
            np.array(images),
            np.array([sample.block for sample in samples]),
            np.concatenate(pixels),
            np.concatenate(kinds),
        )

    def _kinds(self, labels: np.ndarray, truth: np.ndarray | None) -> np.ndarray:
        """Kind of each cell, (h, w) uint8."""
        if truth is None:
            return np.full(labels.shape, Kind.UNTOLD, np.uint8)
        full = resize_nearest(truth, (labels.shape[0], labels.shape[1]))
        known = self._lut[full]
        kinds = np.where(known == labels, Kind.RIGHT, Kind.WRONG)
        kinds[known == UNLABELED] = Kind.HELD_OUT
        kinds[full == UNLABELED] = Kind.VOID
        return kinds.astype(np.uint8)


def labelled_samples(frames: FrameSet) -> list[OodSample]:
    """The frames of a data set, which is a sequence."""
    return [
        OodSample(name, index // BLOCK, partial(_read_labelled, frames, index))
        for index, name in enumerate(frames.names)
    ]


def image_samples(paths: Sequence[Path], every: int) -> list[OodSample]:
    """
    Images, and each ``every``-th frame of videos.

    :raises SourceError: when a path is missing, of no known kind, or a folder has none.
    """
    samples: list[OodSample] = []
    for file in find_files(paths):
        first = samples[-1].block + 1 if samples else 0
        if file.suffix.lower() in IMAGE_SUFFIXES:
            samples.append(OodSample(file.stem, first, partial(_read_image, file)))
            continue
        for number, index in enumerate(range(0, scan_video(file).frames, every)):
            name, block = f'{file.stem}_{index:06d}', first + number // BLOCK
            samples.append(OodSample(name, block, partial(_read_video_frame, file, index)))
    return samples


def _read_labelled(frames: FrameSet, index: int) -> tuple[np.ndarray, np.ndarray]:
    sample = frames[index]
    return sample.rgb, sample.labels


def _read_image(file: Path) -> tuple[np.ndarray, None]:
    return decode_rgb(read_file(file), f'image {file}'), None


def _read_video_frame(file: Path, index: int) -> tuple[np.ndarray, None]:
    frame = next(read_video(file, index, index + 1), None)
    if frame is None:
        raise DatasetError(f'frame {index} of video {file}', 'nothing', 'a frame that decodes')
    return cv2.cvtColor(frame.bgr, cv2.COLOR_BGR2RGB), None


def _spread(size: tuple[int, ...]) -> tuple[slice, slice]:
    """Cells in a regular grid, at most ``MAX_CELLS``."""
    step = int(np.ceil(np.sqrt(size[0] * size[1] / MAX_CELLS)))
    return np.s_[step // 2 :: step, step // 2 :: step]
